"""OTLP over HTTP, received: POST /v1/metrics as protobuf or JSON, plain or gzip.

    200                   taken; what is not is said by partial_success
    400                   not a request, or not HTTP: never to be sent again
    404 405 411 413 415   the path, the method, no length, too big, an encoding that we don't have
    503                   too much at once: again after Retry-After

What is bounded: 16 connections, each a thread; one more pushes out the one that has waited longest
between two requests, or gets 503. A request must be there 10 s after its first byte, its answer
taken 5 s later; a connection may be silent for 75 s, since SDKs send once a minute. The head has
8 KiB; bodies have `body_size_limit` each, folded and unfolded, and three times that together.
"""

from __future__ import annotations

import logging
import socket
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from threading import Lock, Thread

import msgspec

from collector.errors import FormatError
from collector.protobuf import message_field, string_field, uint_field
from collector.sources.otlp.points import Group, TooMany
from collector.sources.otlp.state import State, Taken
from collector.telemetry import Telemetry

MOST_CONNECTIONS = 16
HEAD_BYTES = 8192
REQUEST_S = 10.0
ANSWER_S = 5.0
SILENT_S = 75.0
LINGER_S = 2.0
PATH = "/v1/metrics"
_CHUNK = 64 << 10
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
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


class Receiver:
    """A bound and answering receiver. Raises OSError where it can't be bound."""

    def __init__(
        self,
        address: tuple[str, int],
        state: State,
        telemetry: Telemetry,
        body_limit: int,
        most_points: int,
    ) -> None:
        self._state = state
        self._telemetry = telemetry
        self._body_limit = body_limit
        self._most_points = most_points
        self._connections: dict[_Connection, None] = {}
        self._held = 0
        self._changing = Lock()
        self._one_at_a_time = Lock()  # so that one unfolded body is in memory, not sixteen
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        self._socket = socket.create_server(address, family=family, backlog=64)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._thread = Thread(target=self._accept, name="otlp-accept", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Close the port and every connection. Never raises."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept, which close does not
        self._socket.close()
        self._thread.join(1.0)
        with self._changing:
            open_ones = list(self._connections)
        for one in open_ones:
            one.cut()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                if self._socket.fileno() < 0:
                    return
                time.sleep(0.1)  # no descriptor is free: others will be
                if _is_shut(self._socket):
                    return
                continue
            connection = _Connection(sock, self)
            if self._has_place(connection):
                Thread(target=connection.serve, name="otlp", daemon=True).start()
            else:
                self.refused("connections")
                connection.turn_away()

    def _has_place(self, new: _Connection) -> bool:
        with self._changing:
            if len(self._connections) >= MOST_CONNECTIONS:
                waiting = [one for one in self._connections if one.waits_since is not None]
                if not waiting:
                    return False
                longest = min(waiting, key=lambda one: one.waits_since or 0.0)
                del self._connections[longest]
                longest.cut()
            self._connections[new] = None
            return True

    def gone(self, connection: _Connection) -> None:
        with self._changing:
            self._connections.pop(connection, None)

    def hold(self, size: int) -> None:
        """Make room for bytes of a body, or give it back. Raises Refusal."""
        with self._changing:
            if size > 0 and self._held + size > 3 * self._body_limit:
                raise Refusal(503, "busy", "too much at once", more="Retry-After: 1\r\n")
            self._held += size

    def refused(self, reason: str) -> None:
        self._telemetry.add("edgevitals_otlp_refused_requests_total", reason=reason)

    @property
    def body_limit(self) -> int:
        return self._body_limit

    def answer(self, body: bytes, media_type: str, encoding: str) -> bytes:
        """Take a request and return what is answered. Raises Refusal."""
        with self._one_at_a_time:
            plain = self._unfolded(body) if encoding == "gzip" else body
            try:
                groups = _decoder(media_type)(plain, self._most_points)
            except TooMany as error:
                raise Refusal(
                    413, "points", f"{error.message}: send it in parts", is_over=False
                ) from None
            except FormatError as error:
                raise Refusal(400, "syntax", error.message, is_over=False) from None
            taken = self._state.take(groups)
        self._telemetry.add("edgevitals_otlp_points_total", taken.points)
        for reason, number in taken.refused.items():
            self._telemetry.add("edgevitals_otlp_refused_points_total", number, reason=reason)
        return _success(taken, media_type)

    def _unfolded(self, body: bytes) -> bytes:
        unfolding = zlib.decompressobj(31)
        try:
            plain = unfolding.decompress(body, self._body_limit + 1)
        except zlib.error:
            raise Refusal(400, "syntax", "the body is not gzip", is_over=False) from None
        if len(plain) > self._body_limit:
            raise Refusal(
                413, "body_size", f"unfolded over {self._body_limit} bytes", is_over=False
            )
        if not unfolding.eof or unfolding.unused_data:
            raise Refusal(400, "syntax", "the body is not one whole gzip", is_over=False)
        return plain


class _Connection:
    """One sender's connection, in a thread of its own."""

    def __init__(self, sock: socket.socket, receiver: Receiver) -> None:
        self.waits_since: float | None = time.monotonic()
        """Since when no request is under way; None while one is."""
        self._socket = sock
        self._receiver = receiver
        self._read = b""
        self._until = 0.0
        self._media_type = _PROTOBUF
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
            self._receiver.gone(self)
            self._socket.close()

    def _one(self) -> bool:
        """Take one request; whether another may follow."""
        self.waits_since = time.monotonic()
        self._until = self.waits_since + SILENT_S
        self._media_type = _PROTOBUF
        goes_on = True
        try:
            if not self._read:
                self._more()
            self.waits_since = None
            self._until = time.monotonic() + REQUEST_S
            headers, goes_on = self._head()
            body = self._body(headers)
            content = self._receiver.answer(
                body, self._media_type, headers.get("content-encoding", "")
            )
            page = _page(200, content, self._media_type)
        except Refusal as why:
            self._receiver.refused(why.reason)
            goes_on = goes_on and not why.is_over
            more = why.more + ("" if goes_on else "Connection: close\r\n")
            page = _page(why.status, _status(why, self._media_type), self._media_type, more)
        except TimeoutError:
            if self.waits_since is None:
                self._receiver.refused("timeout")
            return False
        finally:
            self._receiver.hold(-self._holds)
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
        if given in {_PROTOBUF, _JSON}:
            self._media_type = given
        if words[1].partition("?")[0] != PATH:
            raise Refusal(404, "path", f"metrics belong to {PATH}, and nothing else is taken")
        if words[0] != "POST":
            raise Refusal(405, "method", "only POST", more="Allow: POST\r\n")
        if given != self._media_type:
            raise Refusal(415, "media_type", f"only {_PROTOBUF} and {_JSON}")
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
        if self._holds + size > self._receiver.body_limit:
            raise Refusal(413, "body_size", f"over {self._receiver.body_limit} bytes")
        self._receiver.hold(size)
        self._holds += size
        body = bytearray(self._read[:size])
        self._read = self._read[size:]
        while len(body) < size:
            self._more()
            left = size - len(body)
            body += self._read[:left]
            self._read = self._read[left:]
        return bytes(body)


def _is_shut(sock: socket.socket) -> bool:
    try:
        return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        return True


def _decoder(media_type: str) -> Callable[[bytes, int], list[Group]]:
    """Each is imported when the first request of its kind comes."""
    if media_type == _JSON:
        from collector.sources.otlp.json_body import decode_json  # noqa: PLC0415

        return decode_json
    from collector.sources.otlp.protobuf_body import decode_protobuf  # noqa: PLC0415

    return decode_protobuf


def _success(taken: Taken, media_type: str) -> bytes:
    """ExportMetricsServiceResponse; its partial_success where points are refused."""
    if not taken.rejected:
        return b"{}" if media_type == _JSON else b""
    if media_type == _JSON:
        said = {"rejectedDataPoints": str(taken.rejected), "errorMessage": taken.message}
        return msgspec.json.encode({"partialSuccess": said})
    return message_field(1, uint_field(1, taken.rejected) + string_field(2, taken.message))


def _status(why: Refusal, media_type: str) -> bytes:
    """google.rpc.Status."""
    if media_type == _JSON:
        return msgspec.json.encode({"code": _INVALID, "message": why.message})
    return uint_field(1, _INVALID) + string_field(2, why.message)


def _page(status: int, content: bytes, media_type: str, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(content)}\r\n{more}\r\n"
    )
    return head.encode() + content
