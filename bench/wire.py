"""Bytes a sample on the wire, remote write 1.0: what the sink really sends to a real socket.

Head and body of each request; not TLS, not TCP, no token. While the line is live, what the sink
tells of metrics (kind, unit, help) every hour is counted too.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import closing
from threading import Thread
from typing import NamedTuple

from bench.rounds import INTERVAL_S, Material, recorded
from bench.table import Row, Table, Target, Unit
from collector.flow.pump import MOST_CELLS, Batch
from collector.frames.frame import Frame
from collector.sinks.metadata import INTERVAL_S as METADATA_INTERVAL_S
from collector.sinks.pace import Pace
from tests.lab.part import Part
from tests.lab.remote_write import RemoteWrite

LIVE = {1: None, 4: Target(8.0)}
DRAINING = {20: Target(5.0)}

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Request(NamedTuple):
    """Bytes of one request."""

    head: int
    body: int


class Receiver(Part):
    """Takes every request on one connection, and remembers how large it was."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._serve, name="receiver", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.join(10.0)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/v1/write"

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            waiting = b""
            while data := connection.recv(1 << 16):
                waiting += data
                head, end, body = waiting.partition(_HEAD_END)
                length = _CONTENT_LENGTH.search(head)
                if end and length and len(body) >= int(length[1]):
                    self.requests.append(Request(len(head + end), len(body)))
                    waiting = b""
                    connection.sendall(_ANSWER)


def run() -> list[Table]:
    material = recorded()
    rows = []
    for rounds, target in LIVE.items():
        data, metadata = send(material, rounds)
        # Told anew every hour, whatever is sent meanwhile.
        share = sum(metadata) / (METADATA_INTERVAL_S / INTERVAL_S * material.series)
        what = f"live, {rounds} round{'s' * (rounds > 1)} a request"
        rows.append(_row(what, material, data, share, target))
    for rounds, target in DRAINING.items():
        data, _ = send(material, rounds)
        rows.append(_row(f"draining, {rounds} rounds a request", material, data, 0.0, target))
    title = f"Bytes a sample over remote write, a round every {INTERVAL_S} s"
    return [Table(title, rows)]


def send(material: Material, rounds: int) -> tuple[list[Request], Request]:
    """Send the recording; return the requests with samples, and the one with metadata."""
    with Receiver() as receiver, closing(sink_to(receiver)) as sink:
        for at in range(0, len(material.frames), rounds):
            sink.send(_batch(material, material.frames[at : at + rounds]))
    data, metadata, *more = receiver.requests
    return [data, *more], metadata


def sink_to(receiver: Receiver) -> RemoteWrite:
    """A sink whose requests are as large as they ever are from the first one on."""
    return RemoteWrite("bench", receiver.url, pace=Pace(MOST_CELLS))


def _batch(material: Material, frames: Sequence[Frame]) -> Batch:
    return Batch(material.dictionary, tuple(frames), None)


def _row(
    what: str, material: Material, data: Sequence[Request], metadata: float, target: Target | None
) -> Row:
    heads = sum(request.head for request in data) / material.samples
    bodies = sum(request.body for request in data) / material.samples
    note = f"bodies {bodies:.3f}  heads {heads:.3f}"
    if metadata:
        note += f"  metadata {metadata:.3f}"
    return Row(what, bodies + heads + metadata, Unit.BYTES_A_SAMPLE, target, note)
