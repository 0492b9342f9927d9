from __future__ import annotations

import select
import socket
import ssl
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from collector import __version__
from collector.config import TlsConfig
from collector.errors import ConfigError, Paced, Retry
from collector.http.access import Access
from collector.http.rate import Rate
from collector.http.route import Deadline
from collector.sinks.post import DEADLINE_S, Exchange, Post
from collector.sinks.reply import MAX_BODY_BYTES, Ambiguous
from tests.lab.parts import need
from tests.lab.ports import free_port
from tests.unit.sinks.peer import Action, Early, Peer, answer, drip, hang, reset, then_close

OK = answer(204)
SHORT = 0.3  # seconds; nothing here waits longer for a peer that says nothing


@contextmanager
def posting(*script: bytes | Action, tls: ssl.SSLContext | None = None, **options):
    """A peer with this script, and a Post to it."""
    with Peer(*script, tls=tls) as peer, closing(Post(peer.url, {}, **options)) as post:
        yield peer, post


@contextmanager
def in_a_hurry(post: Post):
    """Its requests have a short deadline, and what is slow by intent is all that they meet.

    So it is connected before; and one that follows, which is to succeed, has the usual time.
    """
    with Deadline(DEADLINE_S) as calm:
        post._route.connected(calm)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(post, "_deadline_s", SHORT)
        yield


def trusting(file: Path, **more) -> Access:
    return Access(tls=TlsConfig(ca_file=file, **more))


def no_token() -> str:
    raise ConfigError("/secret: no such file", "write the secret there")


def test_a_body_is_posted_with_our_headers_and_the_connection_is_kept():
    ended: list[Exchange] = []
    with (
        Peer(OK) as peer,
        closing(
            Post(
                peer.url,
                {"Content-Encoding": "snappy"},
                Access(token=lambda: "abc"),
                on_exchange=ended.append,
            )
        ) as post,
    ):
        assert post.send(b"one").status == 204
        assert post.send(b"two").status == 204
    assert [(seen.body, seen.connection) for seen in peer.seen] == [(b"one", 1), (b"two", 1)]
    assert peer.seen[0].line == "POST /api/v1/write HTTP/1.1"
    headers = peer.seen[0].headers
    assert headers["content-encoding"] == "snappy"
    assert headers["authorization"] == "Bearer abc"
    assert headers["user-agent"] == f"edgevitals/{__version__}"
    assert headers["accept-encoding"] == "identity"
    assert [(one.code, one.body_bytes) for one in ended] == [("204", 3), ("204", 3)]


def test_a_new_token_is_used_at_the_next_request():
    tokens = iter(["old", "new"])
    with posting(OK, access=Access(token=lambda: next(tokens))) as (peer, post):
        post.send(b"")
        post.send(b"")
    assert [seen.headers["authorization"] for seen in peer.seen] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("token", [no_token, lambda: "", lambda: "two words", lambda: "ä", "a\nb"])
def test_a_token_that_cannot_be_sent_is_a_hold_and_never_shown(token):
    read = token if callable(token) else lambda: token
    with posting(OK, access=Access(token=read)) as (peer, post), pytest.raises(Retry) as caught:
        post.send(b"")
    assert caught.value.hold
    assert "token_file" in str(caught.value)
    assert "words" not in str(caught.value)
    assert not peer.seen


def test_a_token_that_a_peer_echoes_does_not_come_back():
    with posting(answer(403, b"not you, s3cret"), access=Access(token=lambda: "s3cret")) as (
        _,
        post,
    ):
        assert post.send(b"").body == b"not you, ***"


def test_a_redirect_is_not_followed():
    with Peer(OK) as other, posting(answer(307, b"", f"Location: {other.url}")) as (_, post):
        assert post.send(b"").status == 307
    assert not other.seen


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with Peer(OK) as proxy, Peer(OK) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with closing(Post(peer.url, {})) as post:
            assert post.send(b"").status == 204
    assert not proxy.seen


def test_the_body_of_a_reply_is_read_up_to_a_limit_and_the_connection_then_left():
    huge = b"x" * (MAX_BODY_BYTES + 1)
    with posting(answer(200, huge), OK) as (peer, post):
        reply = post.send(b"")
        assert (len(reply.body), reply.is_whole) == (MAX_BODY_BYTES, False)
        assert post.send(b"").status == 204
    assert [seen.connection for seen in peer.seen] == [1, 2]


def test_f22_a_reply_of_100_mb_is_not_read_to_its_end():
    with posting(then_close(answer(200, b"x" * 100_000, length=100_000_000))) as (_, post):
        reply = post.send(b"")
    assert (len(reply.body), reply.is_whole) == (MAX_BODY_BYTES, False)


@pytest.mark.parametrize(
    "raw",
    [
        answer(200, b"short", length=50),
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\n\r\nno end",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
def test_f25_a_reply_that_breaks_off_is_not_whole(raw):
    with posting(then_close(raw)) as (_, post):
        reply = post.send(b"")
    assert (reply.status, reply.is_whole) == (200, False)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
    ],
)
def test_f25_what_is_no_reply_leaves_it_open_whether_the_request_was_taken(raw):
    ended: list[Exchange] = []
    with posting(then_close(raw), OK, on_exchange=ended.append) as (peer, post):
        with pytest.raises(Ambiguous) as caught:
            post.send(b"")
        assert post.send(b"").status == 204
    assert [one.code for one in ended] == ["broken", "204"]
    assert not caught.value.reached
    assert str(peer.port) in str(caught.value)


def test_f25_a_reset_is_ambiguous_and_the_next_request_has_a_new_connection():
    with posting(reset, OK) as (peer, post):
        with pytest.raises(Ambiguous, match="reset by peer"):
            post.send(b"x" * 100_000)
        assert post.send(b"").status == 204
    assert [seen.connection for seen in peer.seen] == [1, 2]


def test_f25_an_answer_that_comes_before_the_body_is_sent_is_read():
    with posting(Early(answer(413, b"too much")), OK) as (_, post):
        reply = post.send(b"x" * (16 << 20))
        assert (reply.status, reply.body) == (413, b"too much")
        assert post.send(b"less").status == 204


def test_a_connection_that_the_receiver_closed_between_two_requests_is_no_error():
    with posting(then_close(OK)) as (_, post):
        for _ in range(3):
            assert post.send(b"").status == 204
            assert post._route._connection is not None
            select.select([post._route._connection.sock], [], [])  # until its end has arrived


@pytest.mark.parametrize(
    "action",
    [
        hang,
        drip(b""),
        drip(b"HTTP/1.1 200 OK\r\nA: "),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_f21_a_peer_that_answers_too_slowly_is_left_at_the_deadline(action):
    ended: list[Exchange] = []
    with posting(action, OK, on_exchange=ended.append) as (_, post):
        with in_a_hurry(post), pytest.raises(Ambiguous, match=r"within 0\.3 s"):
            post.send(b"")
        assert post.send(b"").status == 204
    assert [one.code for one in ended] == ["timeout", "204"]


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    ],
)
def test_f21_a_body_that_drips_is_left_at_the_deadline(start):
    with (
        posting(drip(start)) as (_, post),
        in_a_hurry(post),
        pytest.raises(Ambiguous, match=r"within 0\.3 s"),
    ):
        post.send(b"")


def test_f21_a_peer_that_reads_nothing_is_left_at_the_deadline():
    with socket.create_server(("127.0.0.1", free_port())) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with closing(Post(url, {})) as post, in_a_hurry(post), pytest.raises(Ambiguous):
            post.send(b"x" * (64 << 20))


def test_a_refused_connection_is_no_attempt_at_all():
    ended: list[Exchange] = []
    url = f"http://127.0.0.1:{free_port()}/"
    with closing(Post(url, {}, on_exchange=ended.append)) as post, pytest.raises(Retry) as caught:
        post.send(b"")
    assert not isinstance(caught.value, Ambiguous)
    assert not caught.value.reached
    assert "Connection refused" in str(caught.value)
    assert [one.code for one in ended] == ["unreached"]


def test_f27_a_name_that_nobody_knows_is_no_attempt_at_all():
    with closing(Post("http://nobody.invalid/", {})) as post, pytest.raises(Retry) as caught:
        post.send(b"")
    assert not caught.value.reached
    assert "nobody.invalid:80 can't be reached" in str(caught.value)
    assert "object at 0x" not in str(caught.value)


def test_an_address_may_be_ipv6():
    if not socket.has_ipv6:
        pytest.fail("this machine has no IPv6")
    with closing(Post(f"http://[::1]:{free_port()}/", {})) as post, pytest.raises(Retry) as caught:
        post.send(b"")
    assert "[::1]" in str(caught.value)


def test_an_ipv6_address_is_posted_to():
    with Peer(OK, host="::1") as peer, closing(Post(peer.url, {})) as post:
        assert post.send(b"").status == 204
    assert peer.seen[0].headers["host"] == f"[::1]:{peer.port}"


def test_what_may_leave_is_limited_and_the_rest_waits():
    rate = Rate(1000, lambda: 0.0)
    with posting(OK, access=Access(rate=rate)) as (peer, post):
        assert post.send(b"x" * 3500).status == 204
        with pytest.raises(Paced, match="rate_limit") as caught:
            post.send(b"y")
        assert caught.value.after == 3.0
    assert len(peer.seen) == 1


def test_a_request_that_reached_nobody_costs_nothing():
    rate = Rate(1000, lambda: 0.0)
    url = f"http://127.0.0.1:{free_port()}/"
    with closing(Post(url, {}, Access(rate=rate))) as post:
        for _ in range(3):
            with pytest.raises(Retry, match="refused"):
                post.send(b"x" * 5000)
    assert rate.wait_s() == 0


@pytest.mark.parametrize(
    "url", ["ftp://a/", "a:1/x", "/x", "", "http://", "http://u:p@a/", "http://[::1", "http://a:b/"]
)
def test_what_is_no_url_to_post_to_is_refused_at_once(url):
    with pytest.raises(ConfigError) as caught:
        Post(url, {})
    assert "u:p" not in str(caught.value)


class Certificate(NamedTuple):
    file: Path
    server: ssl.SSLContext


def certificate(directory: Path) -> Certificate:
    """One that is its own authority, for 127.0.0.1."""
    directory.mkdir()
    key, file = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        [
            *(need("openssl", "openssl"), "req", "-x509", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", file),
            *("-days", "2", "-subj", "/CN=peer", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, key)
    return Certificate(file, server)


def test_tls_with_an_authority_of_ones_own(tmp_path):
    one = certificate(tmp_path / "one")
    with posting(OK, tls=one.server, access=trusting(one.file)) as (peer, post):
        assert post.send(b"one").status == 204
        assert post.send(b"two").status == 204
    assert [seen.connection for seen in peer.seen] == [1, 1]


def test_f25_an_answer_that_comes_before_the_body_is_sent_is_read_over_tls_too(tmp_path):
    one = certificate(tmp_path / "one")
    one.server.num_tickets = 0  # behind those, a reset may be seen before the answer
    with posting(Early(answer(413)), OK, tls=one.server, access=trusting(one.file)) as (_, post):
        assert post.send(b"x" * (16 << 20)).status == 413
        assert post.send(b"less").status == 204


def test_f21_a_reply_that_drips_over_tls_ends_at_the_deadline(tmp_path):
    one = certificate(tmp_path / "one")
    slow = drip(b"HTTP/1.1 200 OK\r\nA: ")
    with (
        posting(slow, tls=one.server, access=trusting(one.file)) as (_, post),
        in_a_hurry(post),
        pytest.raises(Ambiguous, match="within"),
    ):
        post.send(b"")


def test_f32_a_certificate_that_is_not_trusted_fails_closed_until_it_is(tmp_path):
    one, other = certificate(tmp_path / "one"), certificate(tmp_path / "other")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(other.file.read_bytes())
    with posting(OK, tls=one.server, access=trusting(trusted)) as (peer, post):
        with pytest.raises(Retry, match="not trusted") as caught:
            post.send(b"")
        assert not caught.value.reached
        assert "ca_file" in caught.value.hint
        assert not peer.seen
        trusted.write_bytes(one.file.read_bytes())
        assert post.send(b"").status == 204


def test_a_missing_ca_file_is_said(tmp_path):
    url = f"https://127.0.0.1:{free_port()}/"
    post = Post(url, {}, access=trusting(tmp_path / "none.pem"))
    with pytest.raises(Retry, match="no such file") as caught:
        post.send(b"")
    assert caught.value.hint.startswith("look at tls of this sink")
    assert caught.value.hold


def test_https_to_a_port_that_speaks_http_says_so():
    with Peer(OK) as peer:
        url = peer.url.replace("http", "https")
        with closing(Post(url, {})) as post, pytest.raises(Retry, match="may speak http"):
            post.send(b"")
