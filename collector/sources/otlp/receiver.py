"""OTLP over HTTP, received: POST /v1/metrics as protobuf or JSON, plain or gzip.

    200                   taken; what is not is said by partial_success
    400                   not a request, or not HTTP: never to be sent again
    404 405 411 413 415   the path, the method, no length, too big, an encoding that we don't have
    503                   too much at once: again after Retry-After

What is bounded: 16 connections, each a thread; one more pushes out the one that has waited longest
between two requests, or gets 503. Bodies have `body_size_limit` each, folded and unfolded, and
three times that together; times and heads are bounded in `connection`.
"""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread

import msgspec

from collector.errors import FormatError
from collector.protobuf import message_field, string_field, uint_field
from collector.sources.otlp.connection import JSON, Connection, Refusal
from collector.sources.otlp.points import Group, TooMany
from collector.sources.otlp.state import State, Taken
from collector.telemetry import Telemetry

MOST_CONNECTIONS = 16


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
        self._connections: dict[Connection, None] = {}
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
            connection = Connection(sock, self)
            if self._has_place(connection):
                Thread(target=connection.serve, name="otlp", daemon=True).start()
            else:
                self.refused("connections")
                connection.turn_away()

    def _has_place(self, new: Connection) -> bool:
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

    def gone(self, connection: Connection) -> None:
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


def _is_shut(sock: socket.socket) -> bool:
    try:
        return not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        return True


def _decoder(media_type: str) -> Callable[[bytes, int], list[Group]]:
    """Each is imported when the first request of its kind comes."""
    if media_type == JSON:
        from collector.sources.otlp.json_body import decode_json  # noqa: PLC0415

        return decode_json
    from collector.sources.otlp.protobuf_body import decode_protobuf  # noqa: PLC0415

    return decode_protobuf


def _success(taken: Taken, media_type: str) -> bytes:
    """ExportMetricsServiceResponse; its partial_success where points are refused."""
    if not taken.rejected:
        return b"{}" if media_type == JSON else b""
    if media_type == JSON:
        said = {"rejectedDataPoints": str(taken.rejected), "errorMessage": taken.message}
        return msgspec.json.encode({"partialSuccess": said})
    return message_field(1, uint_field(1, taken.rejected) + string_field(2, taken.message))
