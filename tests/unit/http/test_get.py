"""A page by GET: whole and in bounds, or not at all."""

from __future__ import annotations

import gzip
import re
import ssl
import time
from contextlib import closing
from pathlib import Path

import pytest

from collector.config import ScrapeConfig, TlsConfig
from collector.errors import Retry
from collector.http.access import page_access
from collector.http.get import Get, TooMuch
from collector.http.route import Deadline
from tests.unit.sinks.certificates import Authority
from tests.unit.sinks.peer import Peer, answer, drip, hang, reset, then_close

TYPE = "Content-Type: text/plain; version=0.0.4"
LONG = 30.0


def get(peer: Peer, **keys) -> Get:
    page = ScrapeConfig(url=peer.url.replace("/api/v1/write", "/metrics?a=b"), job="j", **keys)
    return Get(page.url, page_access(page), "text/plain", body_limit=1000, line_limit=100)


def page(one: Get, seconds: float = LONG):
    return one.page(time.monotonic() + seconds)


def test_a_page_comes_with_its_type_over_one_connection():
    with Peer(answer(200, b"a 1\n", TYPE)) as peer, closing(get(peer)) as one:
        for _ in range(3):
            assert page(one) == (b"a 1\n", "text/plain; version=0.0.4")
    assert [seen.connection for seen in peer.seen] == [1, 1, 1]
    assert peer.seen[0].line == "GET /metrics?a=b HTTP/1.1"
    assert peer.seen[0].headers["accept-encoding"] == "gzip"


def test_gzip_is_unfolded():
    body = b"".join(b"a%d 1\n" % i for i in range(100))
    zipped = answer(200, gzip.compress(body), "Content-Encoding: gzip")
    with Peer(zipped) as peer, closing(get(peer)) as one:
        for _ in range(2):
            assert page(one).body == body
    assert [seen.connection for seen in peer.seen] == [1, 1]


def test_chunks_and_a_body_up_to_the_end_of_the_connection_are_read():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n0\r\n\r\n"
    ended = then_close(b"HTTP/1.0 200 OK\r\n\r\na 1\n")
    with Peer(chunked, ended, answer(200, b"b 1\n")) as peer, closing(get(peer)) as one:
        assert [page(one).body for _ in range(3)] == [b"a 1\n", b"a 1\n", b"b 1\n"]


def test_a_kept_connection_that_was_closed_is_made_anew():
    with Peer(answer(200, b"a 1\n"), reset, answer(200, b"b 1\n")) as peer:
        with closing(get(peer)) as one:
            assert page(one).body == b"a 1\n"
            assert page(one).body == b"b 1\n"
        assert len(peer.seen) == 3


@pytest.mark.parametrize(
    "reply, says",
    [
        (answer(301, b"", "Location: http://elsewhere/"), "redirects are not followed"),
        (answer(401, b"who?"), "answers 401: who?. look at token_file"),
        (answer(404), "look at the path in url of this target"),
        (answer(503, b"a\0b\n\nc"), "answers 503: a b c"),
        (answer(200, b"a", "Content-Encoding: br"), "'br', which was not asked for"),
        (then_close(answer(200, b"a 1\n", length=9)), "ended in the middle of the page"),
        (
            answer(200, gzip.compress(b"a 1\n", mtime=0)[:-9], "Content-Encoding: gzip"),
            "ended in the",
        ),
        (answer(200, b"a 1\n", "Content-Encoding: gzip"), "gzip is damaged"),
        (then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\na"), "broke"),
        (then_close(b"SSH-2.0-OpenSSH\r\n"), "broke"),
        (reset, "broke"),
    ],
)
def test_what_is_no_page_is_said_with_what_to_do(reply, says):
    with Peer(reply, answer(200, b"a 1\n")) as peer, closing(get(peer)) as one:
        with pytest.raises(Retry) as caught:
            page(one)
        assert says in str(caught.value)
        assert caught.value.hint
        assert page(one).body == b"a 1\n"


@pytest.mark.parametrize("reply", [hang, drip(answer(200, b"a 1\n", length=10**6)), drip(b"")])
def test_the_deadline_holds_whatever_comes(reply):
    with Peer(reply, answer(200, b"a 1\n")) as peer, closing(get(peer)) as one:
        with Deadline(LONG) as calm:
            one._route.connected(calm)  # so that what comes is all that it waits for
        with pytest.raises(Retry, match=re.escape("within")):
            page(one, 0.2)
        assert page(one).body == b"a 1\n"


@pytest.mark.parametrize(
    "body, limit",
    [
        (b"a 1\n" * 300, "body_size"),
        (b"a 1\n" + b"x" * 200, "line"),
    ],
)
@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_page_over_a_bound_is_left(body, limit, is_gzip):
    more = ("Content-Encoding: gzip",) if is_gzip else ()
    reply = answer(200, gzip.compress(body) if is_gzip else body, *more)
    with Peer(reply, answer(200, b"a 1\n")) as peer, closing(get(peer)) as one:
        with pytest.raises(TooMuch) as caught:
            page(one)
        assert caught.value.limit == limit
        assert caught.value.hint
        assert page(one).body == b"a 1\n"


def test_a_token_and_a_login_are_read_from_files(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("xyz")
    with Peer(answer(200, b"a 1\n")) as peer:
        for keys in {"token_file": secret}, {"username": "u", "password_file": secret}:
            with closing(get(peer, **keys)) as one:
                page(one)
        secret.unlink()
        says = "look at token_file of this target"
        with closing(get(peer, token_file=secret)) as one, pytest.raises(Retry, match=says):
            page(one)
    assert [seen.headers["authorization"] for seen in peer.seen] == ["Bearer xyz", "Basic dTp4eXo="]


def test_what_a_refusal_repeats_of_ours_is_not_shown(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("cAnArY")
    with (
        Peer(answer(403, b"no Bearer cAnArY")) as peer,
        closing(get(peer, token_file=secret)) as one,
        pytest.raises(Retry) as caught,
    ):
        page(one)
    assert "answers 403: no Bearer ***" in str(caught.value)


def test_https_is_trusted_by_the_configured_authority_alone(tmp_path: Path):
    authority = Authority(tmp_path / "ca")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.signed("peer", "IP:127.0.0.1"))
    with Peer(answer(200, b"a 1\n"), tls=server) as peer:
        with closing(get(peer, tls=TlsConfig(ca_file=authority.file))) as one:
            assert page(one).body == b"a 1\n"
        says = r"as tls\.ca_file of this target"
        with closing(get(peer)) as one, pytest.raises(Retry, match=says):
            page(one)
