"""One sender's connection: HTTP/1.1, read within bounds, answered one request after the other.

A request must be there 10 s after its first byte, its answer taken 5 s later; a connection may be
silent for 75 s, since SDKs send once a minute. The head has 8 KiB.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

import msgspec

from collector.protobuf import string_field, uint_field

HEAD_BYTES = 8192
REQUEST_S = 10.0
ANSWER_S = 5.0
SILENT_S = 75.0
LINGER_S = 2.0
PATH = "/v1/metrics"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_CHUNK = 64 << 10
_INVALID = 3  # google.rpc.Code.INVALID_ARGUMENT

log = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 - an answer to the sender
    """A request that is not taken. `is_over`: nothing more can be read of the connection."""

    def __init__(
        self, status: int, reason: str, message: str, *, is_over: bool = True, more: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.is_over = is_over
        self.more = more


class _Gone(Exception):  # noqa: N818 - the other side is, between two requests
    pass


class Taker(Protocol):
    """Who takes the requests of all connections."""

    @property
    def body_limit(self) -> int: ...

    def gone(self, connection: Connection) -> None: ...

    def hold(self, size: int) -> None:
        """Make room for bytes of a body, or give it back. Raises Refusal."""
        ...

    def refused(self, reason: str) -> None:
        """Count a request that was not taken."""
        ...

    def answer(self, body: bytes, media_type: str, encoding: str) -> bytes:
        """Take a request and return what is answered. Raises Refusal."""
        ...


class Connection:
    """One sender's connection, in a thread of its own."""

    def __init__(self, sock: socket.socket, taker: Taker) -> None:
        self.waits_since: float | None = time.monotonic()
        """Since when no request is under way; None while one is."""
        self._socket = sock
        self._taker = taker
        self._read = b""
        self._until = 0.0
        self._media_type = PROTOBUF
        self._holds = 0

    def cut(self) -> None:
        """End it, from any thread; its own one closes it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def turn_away(self) -> None:
        """Say that there is no place, without waiting for anything."""
        with suppress(OSError):
            self._socket.settimeout(0)
            self._socket.send(
                _page(503, b"", "text/plain", "Retry-After: 5\r\nConnection: close\r\n")
            )
        self._socket.close()

    def serve(self) -> None:
        """Answer one request after the other. Raises nothing."""
        try:
            with suppress(OSError, _Gone):
                while self._one():
                    pass
        except Exception:
            log.exception("a bug in the OTLP receiver; please report it")
        finally:
            self._taker.gone(self)
            self._socket.close()

    def _one(self) -> bool:
        """Take one request; whether another may follow."""
        self.waits_since = time.monotonic()
        self._until = self.waits_since + SILENT_S
        self._media_type = PROTOBUF
        goes_on = True
        try:
            if not self._read:
                self._more()
            self.waits_since = None
            self._until = time.monotonic() + REQUEST_S
            headers, goes_on = self._head()
            body = self._body(headers)
            content = self._taker.answer(
                body, self._media_type, headers.get("content-encoding", "")
            )
            page = _page(200, content, self._media_type)
        except Refusal as why:
            self._taker.refused(why.reason)
            goes_on = goes_on and not why.is_over
            more = why.more + ("" if goes_on else "Connection: close\r\n")
            page = _page(why.status, _status(why, self._media_type), self._media_type, more)
        except TimeoutError:
            if self.waits_since is None:
                self._taker.refused("timeout")
            return False
        finally:
            self._taker.hold(-self._holds)
            self._holds = 0
        self._socket.settimeout(ANSWER_S)
        self._socket.sendall(page)
        if not goes_on:
            self._linger()
        return goes_on

    def _linger(self) -> None:
        """Let a sender that still sends see the answer: unread bytes would make it a reset."""
        self._socket.shutdown(socket.SHUT_WR)
        self._until = time.monotonic() + LINGER_S
        while True:
            self._read = b""
            self._more()

    def _more(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        data = self._socket.recv(_CHUNK)
        if not data:
            raise _Gone
        self._read += data

    def _line(self, most: int) -> bytes:
        while b"\r\n" not in self._read:
            if len(self._read) > most:
                raise Refusal(400, "http", "a line is too long")
            self._more()
        line, _, self._read = self._read.partition(b"\r\n")
        return line

    def _head(self) -> tuple[dict[str, str], bool]:
        while b"\r\n\r\n" not in self._read:
            if len(self._read) > HEAD_BYTES:
                raise Refusal(431, "http", f"the head has more than {HEAD_BYTES} bytes")
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[2] not in {"HTTP/1.0", "HTTP/1.1"}:
            raise Refusal(400, "http", "not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            name, value = name.lower(), value.strip().lower()
            if not colon or not name or name != name.strip():
                raise Refusal(400, "http", "a header without a colon")
            if name in headers and name in {"content-length", "transfer-encoding"}:
                raise Refusal(400, "http", f"{name} comes twice")
            headers[name] = value
        given = headers.get("content-type", "").partition(";")[0].strip()
        if given in {PROTOBUF, JSON}:
            self._media_type = given
        if words[1].partition("?")[0] != PATH:
            raise Refusal(404, "path", f"metrics belong to {PATH}, and nothing else is taken")
        if words[0] != "POST":
            raise Refusal(405, "method", "only POST", more="Allow: POST\r\n")
        if given != self._media_type:
            raise Refusal(415, "media_type", f"only {PROTOBUF} and {JSON}")
        encoding = headers.get("content-encoding", "")
        if encoding not in {"", "identity", "gzip"}:
            raise Refusal(415, "encoding", "only gzip, or none", more="Accept-Encoding: gzip\r\n")
        keeps = words[2] == "HTTP/1.1" and "close" not in headers.get("connection", "")
        if headers.get("expect") == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return headers, keeps

    def _body(self, headers: dict[str, str]) -> bytes:
        transfer = headers.get("transfer-encoding")
        if transfer is None:
            length = headers.get("content-length", "")
            if not length:
                raise Refusal(411, "http", "a length is missing")
            if not (length.isascii() and length.isdigit() and len(length) < 16):
                raise Refusal(400, "http", "the length is no number")
            return self._exactly(int(length))
        if transfer != "chunked" or "content-length" in headers:
            raise Refusal(400, "http", "a transfer encoding that is not chunked alone")
        parts: list[bytes] = []
        while True:
            text = self._line(1024).partition(b";")[0].strip()
            if not 0 < len(text) <= 8 or text.strip(b"0123456789abcdefABCDEF"):
                raise Refusal(400, "http", "a chunk without a size")
            size = int(text, 16)
            if not size:
                break
            parts.append(self._exactly(size))
            if self._line(2):
                raise Refusal(400, "http", "a chunk is longer than it says")
            if len(parts) > 10_000:
                raise Refusal(400, "http", "too many chunks")
        for _ in range(100):
            if not self._line(HEAD_BYTES):
                return b"".join(parts)
        raise Refusal(400, "http", "too many trailers")

    def _exactly(self, size: int) -> bytes:
        """The next bytes of the body, once there is room for them."""
        if self._holds + size > self._taker.body_limit:
            raise Refusal(413, "body_size", f"over {self._taker.body_limit} bytes")
        self._taker.hold(size)
        self._holds += size
        body = bytearray(self._read[:size])
        self._read = self._read[size:]
        while len(body) < size:
            self._more()
            left = size - len(body)
            body += self._read[:left]
            self._read = self._read[left:]
        return bytes(body)


def _status(why: Refusal, media_type: str) -> bytes:
    """google.rpc.Status."""
    if media_type == JSON:
        return msgspec.json.encode({"code": _INVALID, "message": why.message})
    return uint_field(1, _INVALID) + string_field(2, why.message)


def _page(status: int, content: bytes, media_type: str, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(content)}\r\n{more}\r\n"
    )
    return head.encode() + content
