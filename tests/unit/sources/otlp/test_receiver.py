"""The receiver on a socket of this machine: what it answers, and to whom not for long."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from collector.sources.otlp import connection
from collector.sources.otlp.receiver import MOST_CONNECTIONS, Receiver
from collector.telemetry import Telemetry
from tests.lab.waiting import wait_for
from tests.unit.sources.otlp.sent import Kept, as_json, gauge, request

LIMIT = 64 << 10
SOON = 50.0  # seconds
PROTOBUF, JSON = "application/x-protobuf", "application/json"
GOOD = request(gauge("g", 1)).SerializeToString()
MIXED = request(gauge("g", 1), {"name": "e", "exponential_histogram": {"data_points": [{}]}})

POST = "POST /v1/metrics HTTP/1.1"


class Received:
    def __init__(self) -> None:
        self.kept = Kept()
        self.telemetry = Telemetry()
        self.receiver = Receiver(("127.0.0.1", 0), self.kept.state, self.telemetry, LIMIT, 1000)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.receiver.address, timeout=SOON)

    def post(self, body: bytes, content_type: str = PROTOBUF, **headers: str):
        """Status, headers and body of the answer, over a connection of its own."""
        with self.connection() as to:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            to.request("POST", "/v1/metrics", body, {"Content-Type": content_type, **named})
            answer = to.getresponse()
            return answer.status, answer.headers, answer.read()

    def raw(self, text: bytes) -> bytes:
        """All that is answered until it closes."""
        with self.connect() as to:
            to.sendall(text)
            return b"".join(iter(lambda: to.recv(4096), b""))

    def connection(self) -> closing[http.client.HTTPConnection]:
        host, port = self.receiver.address
        return closing(http.client.HTTPConnection(host, port, timeout=SOON))

    @property
    def refused(self) -> dict[str, int]:
        return self.telemetry.by_label("edgevitals_otlp_refused_requests_total", "reason")


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    monkeypatch.setattr(connection, "REQUEST_S", SOON)  # a busy machine isn't what is judged here
    one = Received()
    with closing(one.receiver):
        yield one


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_what_is_taken_is_answered_in_kind(received, kind, encoding):
    message = request(gauge("g", 1))
    body = json.dumps(as_json(message)).encode() if kind == JSON else message.SerializeToString()
    body = gzip.compress(body) if encoding == "gzip" else body
    status, headers, content = received.post(body, kind, Content_Encoding=encoding)
    assert (status, headers["content-type"]) == (200, kind)
    assert content == (b"{}" if kind == JSON else b"")
    assert received.kept.told() == {"g": 1}
    assert received.telemetry.by_label("edgevitals_otlp_points_total", "x") == {"": 1}


def test_what_is_refused_of_it_is_a_partial_success(received):
    _, _, content = received.post(MIXED.SerializeToString())
    said = ExportMetricsServiceResponse.FromString(content).partial_success
    assert said.rejected_data_points == 1
    assert "explicit buckets" in said.error_message
    _, _, content = received.post(json.dumps(as_json(MIXED)).encode(), JSON)
    assert json.loads(content)["partialSuccess"]["rejectedDataPoints"] == "1"
    by_reason = received.telemetry.by_label("edgevitals_otlp_refused_points_total", "reason")
    assert by_reason == {"exponential": 2, "repeat": 1}


def test_one_connection_carries_many_requests_in_chunks_too(received):
    with received.connection() as to:
        for time in (1, 2, 3):
            body = request(gauge("g", time, time)).SerializeToString()
            parts = [body[:5], body[5:]]
            to.request("POST", "/v1/metrics", iter(parts), {"Content-Type": PROTOBUF})
            answer = to.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
    assert received.kept.told() == {"g": 3}


def head(line: str = POST, *headers: str) -> bytes:
    return "\r\n".join([line, f"Content-Type: {PROTOBUF}", *headers, "", ""]).encode()


BIG = head(POST, "Content-Length: 60000") + b"\xff" * 60_000


@pytest.mark.parametrize(
    "text,status,reason",
    [
        (head("POST /v1/traces HTTP/1.1"), 404, "path"),
        (head("GET /v1/metrics HTTP/1.1"), 405, "method"),
        (b"POST /v1/metrics HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n", 415, "media_type"),
        (head(POST, "Content-Encoding: br"), 415, "encoding"),
        (head(), 411, "http"),
        (head(POST, f"Content-Length: {LIMIT + 1}"), 413, "body_size"),
        (head(POST, "Content-Length: -1"), 400, "http"),
        (head(POST, "Content-Length: 1", "Content-Length: 2"), 400, "http"),
        (head(POST, "Transfer-Encoding: gzip"), 400, "http"),
        (head(POST, "Transfer-Encoding: chunked") + b"zz\r\n", 400, "http"),
        (
            head(POST, "Transfer-Encoding: chunked") + b"fffffff\r\n",
            413,
            "body_size",
        ),
        (head("POST /v1/metrics HTTP/2"), 400, "http"),
        (b"\x16\x03\x01\r\n\r\n", 400, "http"),
        (b"x" * 9000, 431, "http"),
    ],
)
def test_what_is_no_request_is_refused_and_the_next_is_taken(received, text, status, reason):
    assert received.raw(text).startswith(f"HTTP/1.1 {status} ".encode())
    assert received.refused == {reason: 1}
    assert received.post(GOOD)[0] == 200


@pytest.mark.parametrize(
    "body,encoding,status,reason",
    [
        (b"\xff", "", 400, "syntax"),
        (b"no gzip", "gzip", 400, "syntax"),
        (gzip.compress(GOOD, mtime=0)[:-3], "gzip", 400, "syntax"),
        (gzip.compress(bytes(1 << 20), mtime=0), "gzip", 413, "body_size"),
        (request(*[{}] * 1001).SerializeToString(), "", 413, "points"),
    ],
)
def test_a_body_that_is_none_is_refused_with_a_status(received, body, encoding, status, reason):
    answered, _, content = received.post(body, Content_Encoding=encoding)
    assert answered == status
    assert content.startswith(b"\x08\x03\x12")  # google.rpc.Status: code 3, a message
    assert received.refused == {reason: 1}


def test_a_connection_too_many_pushes_out_one_that_is_silent_but_none_at_work(received):
    with ExitStack() as open_ones:
        silent = open_ones.enter_context(received.connect())
        half = head(POST, f"Content-Length: {len(GOOD)}", "Expect: 100-continue")
        at_work = silent
        for _ in range(MOST_CONNECTIONS):
            at_work = open_ones.enter_context(received.connect())
            at_work.sendall(half)
            assert at_work.recv(100).startswith(b"HTTP/1.1 100 ")  # its body is waited for
        assert silent.recv(1) == b""
        with received.connect() as turned_away:
            assert turned_away.recv(100).startswith(b"HTTP/1.1 503 ")
        assert received.refused == {"connections": 1}
        at_work.sendall(GOOD)
        assert at_work.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_request_that_drips_is_cut(received, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.05)
    assert received.raw(b"POST /v1") == b""
    assert received.refused == {"timeout": 1}


def test_bodies_beyond_all_bounds_are_sent_away_for_a_while(received):
    with ExitStack() as open_ones:
        for _ in range(3):
            one = open_ones.enter_context(received.connect())
            one.sendall(head(POST, f"Content-Length: {LIMIT}", "Expect: 100-continue") + b"x")
            assert one.recv(100).startswith(b"HTTP/1.1 100 ")
        # Room is made behind the 100, and whoever asks before that may get the third one's.
        wait_for(lambda: received.receiver._held == 3 * LIMIT, SOON, "three bodies that are held")
        for _ in range(2):
            answered = received.raw(BIG)
            assert answered.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1" in answered
    assert received.refused == {"busy": 2}
