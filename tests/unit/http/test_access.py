"""The way in: read from files at each request, and never shown."""

from __future__ import annotations

import logging
import socket
import ssl
import traceback
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from collector.config import ProxyConfig, SinkConfig, TlsConfig
from collector.errors import Rejected, Retry
from collector.http.access import Access, Keyring, Login, Proxy, access
from collector.sinks.post import Post
from collector.sinks.reply import judge
from tests.lab.ports import free_port
from tests.unit.sinks.certificates import Authority
from tests.unit.sinks.peer import HOST, Peer, answer, drip, then_close, tunnel

OK = answer(204)
CANARY = "cAnArY-0815"
SHORT = 1.0  # seconds; the look-up of a name and a connection, which are quick, are in it


def configured(**keys) -> SinkConfig:
    return SinkConfig(name="c", url="http://c/w", out_of_order_time_window=1.0, **keys)


def refused(url: str, way: Access, says: str = ".", **options) -> Retry:
    """Why a request does not get through."""
    with closing(Post(url, {}, way, **options)) as post, pytest.raises(Retry, match=says) as caught:
        post.send(b"")
    return caught.value


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


def test_a_user_and_a_password_that_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "password"
    file.write_text("one\n")
    way = access(configured(username="store", password_file=file))
    with Peer(OK) as peer, closing(Post(peer.url, {}, way)) as post:
        post.send(b"")
        file.write_text("zwölf: 12\n")
        post.send(b"")
    assert [seen.headers["authorization"] for seen in peer.seen] == [
        basic("store:one"),
        basic("store:zwölf: 12"),
    ]


def test_more_headers_some_of_them_secret(tmp_path):
    file = tmp_path / "key"
    file.write_text("k 1\n")
    way = access(configured(headers={"X-Scope-OrgID": "stores", "X-Api-Key_file": file}))
    with Peer(OK) as peer, closing(Post(peer.url, {"Content-Type": "a/b"}, way)) as post:
        post.send(b"")
    headers = peer.seen[0].headers
    assert (headers["x-scope-orgid"], headers["x-api-key"]) == ("stores", "k 1")
    assert headers["content-type"] == "a/b"


@pytest.mark.parametrize(
    "keys,names",
    [
        ({"token_file": Path("/none/t")}, "token_file"),
        ({"username": "u", "password_file": Path("/none/p")}, "password_file"),
        ({"headers": {"X-K_file": Path("/none/k")}}, "headers.X-K_file"),
    ],
)
def test_a_file_that_is_not_there_is_a_hold_until_it_is(keys, names):
    why = refused("http://127.0.0.1:9/", access(configured(**keys)))
    assert why.hold
    assert why.hint == f"look at {names} of this sink"
    assert why.renewed is not None
    assert not why.renewed()


@pytest.mark.parametrize("text", ["two\nlines", "tab\there", "ü"])
def test_a_header_that_cannot_be_sent_is_never_shown(tmp_path, text):
    file = tmp_path / "k"
    file.write_text(text)
    why = refused("http://127.0.0.1:9/", access(configured(headers={"X-K_file": file})))
    assert "headers.X-K_file" in str(why)
    assert text not in str(why)


def test_f31_a_hold_is_over_when_a_file_is_another_one(tmp_path):
    file = tmp_path / "token"
    file.write_text("old")
    way = access(configured(token_file=file))
    with Peer(answer(401)) as peer, closing(Post(peer.url, {}, way)) as post:
        reply = post.send(b"")
        with pytest.raises(Retry) as caught:
            judge(reply, 0)
        renewed = caught.value.renewed
        assert caught.value.hold
        assert renewed is not None
        assert not renewed()
        file.write_text("newer")
        assert renewed()
        assert renewed()
        file.unlink()
        assert not renewed()
        file.write_text("old")  # the same as was refused
        post.send(b"")
        assert not renewed()


def test_f32_a_hold_is_over_when_a_certificate_is_another_one(tmp_path):
    one = Authority(tmp_path)
    file = tmp_path / "trusted.pem"
    url = f"https://127.0.0.1:{free_port()}/"
    why = refused(url, Access(tls=TlsConfig(ca_file=file)), "no such file")
    assert why.hold
    assert why.renewed is not None
    assert not why.renewed()
    file.write_bytes(one.file.read_bytes())
    assert why.renewed()


def test_http_through_a_proxy_asks_it_for_the_whole_address(tmp_path):
    with Peer(OK) as proxy:
        login = Login("p", lambda: "secret")
        way = Access(token=lambda: "t", proxy=Proxy(HOST, proxy.port, login))
        with closing(Post("http://centre.example:9090/w?x=1", {}, way)) as post:
            assert post.send(b"body").status == 204
            assert post.send(b"body").status == 204
    seen = proxy.seen[0]
    assert seen.line == "POST http://centre.example:9090/w?x=1 HTTP/1.1"
    assert seen.headers["host"] == "centre.example:9090"
    assert seen.headers["proxy-authorization"] == basic("p:secret")
    assert seen.headers["authorization"] == "Bearer t"
    assert seen.body == b"body"
    assert [one.connection for one in proxy.seen] == [1, 1]


def test_https_through_a_proxy_travels_unread(tmp_path):
    one = Authority(tmp_path)
    tls = one.server("centre", "DNS:centre.example")
    with Peer(OK, tls=tls) as peer, Peer(tunnel(peer.port)) as proxy:
        login = Login("p", lambda: "secret")
        way = Access(
            token=lambda: "t",
            tls=TlsConfig(ca_file=one.file),
            proxy=Proxy(HOST, proxy.port, login),
        )
        with closing(Post("https://centre.example/w", {}, way)) as post:
            assert post.send(b"one").status == 204
            assert post.send(b"two").status == 204
    (seen,) = proxy.seen
    assert seen.line.startswith("CONNECT centre.example:443 HTTP/1.")
    assert seen.headers["proxy-authorization"] == basic("p:secret")
    assert "authorization" not in seen.headers
    assert [one.body for one in peer.seen] == [b"one", b"two"]
    assert "proxy-authorization" not in peer.seen[0].headers


@pytest.mark.parametrize(
    "reply,is_hold,says",
    [
        (answer(407), True, "look at username and password_file below proxy"),
        (answer(403), True, "let the proxy pass CONNECT to centre.example:443"),
        (answer(503), False, "centre.example:443 can't be reached through the proxy 127.0.0.1:"),
        (b"SSH-2.0-no\r\n", False, "can't be reached through the proxy"),
    ],
)
def test_a_proxy_that_says_no(reply, is_hold, says):
    with Peer(then_close(reply)) as proxy:
        way = Access(proxy=Proxy(HOST, proxy.port))
        why = refused("https://centre.example/w", way)
    assert says in str(why)
    assert (why.hold, why.reached) == (is_hold, False)


def test_a_proxy_that_is_not_there_is_named():
    way = Access(proxy=Proxy(HOST, free_port()))
    why = refused("https://centre.example/w", way, "Connection refused")
    assert why.hint == "look at proxy of this sink"


def test_f21_a_proxy_that_drips_is_left_at_the_deadline():
    with Peer(drip(b"HTTP/1.1 200 OK\r\nA: ")) as proxy:
        way = Access(proxy=Proxy(HOST, proxy.port))
        url = "https://centre.example/w"
        why = refused(url, way, "no answer in time", deadline_s=SHORT)
    assert not why.reached


def test_a_client_certificate_and_a_name_of_its_own(tmp_path):
    one = Authority(tmp_path / "ca")
    tls = one.server("inner", "DNS:inner.example")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(one.file)
    cert, key = one.signed("store")
    with Peer(OK, tls=tls) as peer:
        named = TlsConfig(ca_file=one.file, server_name="inner.example")
        both = msgspec.structs.replace(named, cert_file=cert, key_file=key)
        way = Access(tls=both)
        with closing(Post(peer.url, {}, way)) as post:
            assert post.send(b"").status == 204
        why = refused(peer.url, Access(tls=named))
        assert "tls.cert_file" in why.hint
        why = refused(peer.url, Access(tls=TlsConfig(ca_file=one.file)))
        assert "tls.server_name" in why.hint


def test_f32_a_certificate_that_changed_is_used_by_the_next_request(tmp_path):
    one, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(one.file.read_bytes())
    way = Access(tls=TlsConfig(ca_file=trusted))
    tls = one.server("centre", f"IP:{HOST}")
    with Peer(OK, tls=tls) as peer, closing(Post(peer.url, {}, way)) as post:
        assert post.send(b"").status == 204
        trusted.write_bytes(other.file.read_bytes())
        with pytest.raises(Retry, match="not trusted") as caught:
            post.send(b"")  # although the connection was still open
        assert "tls.ca_file" in caught.value.hint
        trusted.write_bytes(other.file.read_bytes() + one.file.read_bytes())
        assert post.send(b"").status == 204
    assert [seen.connection for seen in peer.seen] == [1, 3]


def test_f32_a_certificate_that_expired_fails_closed(tmp_path):
    one = Authority(tmp_path)
    with Peer(OK, tls=one.server("centre", f"IP:{HOST}", is_over=True)) as peer:
        why = refused(peer.url, Access(tls=TlsConfig(ca_file=one.file)), "not trusted")
    assert "renew the receiver's certificate" in why.hint
    assert not peer.seen


def test_f21_tls_that_drips_is_left_at_the_deadline():
    stop = Event()
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            one, _ = listener.accept()
            with one:
                one.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB, a byte now and then
                while not stop.wait(0.01):
                    try:
                        one.sendall(b"\x02")
                    except OSError:
                        return

        thread = Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://{HOST}:{listener.getsockname()[1]}/"
        why = refused(url, Access(), "no answer in time", deadline_s=SHORT)
        stop.set()
        thread.join()
    assert not why.reached


def test_nothing_secret_is_shown_anywhere(tmp_path, caplog):
    """In no repr, no log line, no error and no traceback, even when a peer repeats all it got."""
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "secret"
    file.write_text(CANARY)
    proxy = ProxyConfig(url="http://127.0.0.1:9", username="p", password_file=file)
    guarded = configured(
        username="u", password_file=file, headers={"X-Api-Key_file": file}, proxy=proxy
    )
    way = access(guarded)
    keyring = Keyring(way)
    sent = keyring.headers() | keyring.proxy_headers()
    hidden = [
        CANARY,
        *(value for value in sent.values()),
        b64encode(f"u:{CANARY}".encode()).decode(),
    ]
    shown = [repr(guarded), repr(way), repr(keyring), str(way)]
    for keys in (
        {"username": "u", "password_file": file, "headers": {"X-Api-Key_file": file}},
        {"token_file": file},
    ):
        way = access(configured(**keys))
        echo = answer(400, " ".join(Keyring(way).headers().values()).encode())
        with Peer(echo) as peer, closing(Post(peer.url, {}, way)) as post:
            reply = post.send(b"")
            shown += [repr(post), repr(reply)]
            try:
                judge(reply, 0)
            except Rejected as error:
                shown += [repr(error), *traceback.format_exception(error)]
    with Peer(then_close(answer(407, sent["Proxy-Authorization"].encode()))) as deny:
        login = Login("p", lambda: CANARY)
        way = Access(token=lambda: CANARY, proxy=Proxy(HOST, deny.port, login))
        with closing(Post("https://c.example/", {}, way)) as post:
            try:
                post.send(b"")
            except Retry as error:
                shown += [repr(error), repr(way), *traceback.format_exception(error)]
    text = "\n".join([*shown, caplog.text])
    assert "***" in text
    assert [one for one in hidden if one in text] == []
