"""A receiver that answers as a script says, on a real socket of this machine."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NamedTuple

import cramjam

from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.protos import write_request_class

HOST = "127.0.0.1"
NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST

Action = Callable[[socket.socket, Event], None]
"""Something odd to do with a connection once the request is read; the event ends it."""


class Seen(NamedTuple):
    """A request that arrived whole; `connection` counts from 1."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def plain(self) -> bytes:
        """The body as it was before snappy."""
        return bytes(cramjam.snappy.decompress_raw(self.body))

    def write_request(self) -> Any:
        return write_request_class().FromString(self.plain)

    def samples(self) -> dict[str, list[tuple[int, float]]]:
        """The (ms, value) pairs of each series, by metric name."""
        return {
            next(label.value for label in series.labels if label.name == "__name__"): [
                (sample.timestamp, sample.value) for sample in series.samples
            ]
            for series in self.write_request().timeseries
        }


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """The bytes of a reply; `length` may lie about the body's."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Some Words", *headers]
    if status != 204:
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def reset(connection: socket.socket, stop: Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)


def hang(connection: socket.socket, stop: Event) -> None:
    connection.recv(1)  # returns when the client has had enough


def drip(start: bytes) -> Action:
    """Begin a reply, then go on for ever: a byte now and a byte then, none of them late."""

    def run(connection: socket.socket, stop: Event) -> None:
        connection.sendall(start)
        while not stop.wait(0.01):
            connection.sendall(b"x")

    return run


def tunnel(to_port: int) -> Action:
    """What a proxy does with CONNECT: say yes, then pass bytes on, wherever it was asked to."""

    def run(connection: socket.socket, stop: Event) -> None:
        with socket.create_connection((HOST, to_port)) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = Thread(target=_pass_on, args=(far, connection), daemon=True)
            back.start()
            _pass_on(connection, far)
            back.join()

    return run


def _pass_on(giver: socket.socket, taker: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := giver.recv(65_536):
            taker.sendall(data)
    with contextlib.suppress(OSError):
        taker.shutdown(socket.SHUT_WR)


def then_close(reply: bytes) -> Action:
    def run(connection: socket.socket, stop: Event) -> None:
        connection.sendall(reply)

    return run


class Judged(NamedTuple):
    """Answers by what the request says."""

    judge: Callable[[Seen], bytes]


class Early(bytes):
    """A reply that comes before the request's body is read; the connection then ends."""


class Peer(Part):
    """Takes the next entry of the script for each request; the last one again and again.

    Bytes are sent and the connection is kept; an action gets the connection, which then ends.
    """

    def __init__(
        self,
        *script: bytes | Action | Judged,
        tls: ssl.SSLContext | None = None,
        host: str = HOST,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        scheme = "https" if tls else "http"
        written = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{written}:{self.port}/api/v1/write"
        self.seen: list[Seen] = []
        self.page = answer(404)
        self._script = list(script)
        self._tls = tls
        self._stop = Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, self.port), family=family)
        self._thread = Thread(target=self._serve, name="peer", daemon=True)
        self._connection: socket.socket | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            with contextlib.suppress(OSError), contextlib.closing(self._secured(connection)) as one:
                self._connection = one
                self._converse(one, number)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        try:
            return self._tls.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            raise

    def _converse(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as stream:
            if stream.peek(1)[:1] == b"\x16":  # a client that speaks TLS: as web servers do it
                connection.sendall(answer(400, b"this is http"))
                return
            while line := stream.readline().decode("latin-1").strip():
                headers = {}
                while header := stream.readline().decode("latin-1").strip():
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                if "/status/config " in line:  # what is looked at in passing is not of the script
                    connection.sendall(self.page)
                    continue
                step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                if isinstance(step, Early):
                    connection.sendall(step)
                    return
                body = stream.read(int(headers.get("content-length", "0")))
                self.seen.append(Seen(line, headers, body, number))
                if isinstance(step, Judged):
                    step = step.judge(self.seen[-1])
                if not isinstance(step, bytes):
                    step(connection, self._stop)
                    return
                connection.sendall(step)
