"""Remote write 1.0, which all receivers speak.

https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

from collections.abc import Mapping

from collector.frames.dictionary import Dictionary
from collector.sinks.body import metadata_request, write_request
from collector.sinks.cells import Cells, Piece
from collector.sinks.dialect import SNAPPY, Packing, Request, left_out
from collector.sinks.labels import LabelCache, encode_labels
from collector.sinks.metadata import Announcements
from collector.sinks.reply import Reply, judge


class RemoteWrite1:
    """A receiver takes a request whole, or nothing of it."""

    name = "remote_write_1"

    def __init__(self, packing: Packing = SNAPPY) -> None:
        self.packing = packing
        self._labels = LabelCache(encode_labels)
        self._announcements = Announcements()
        self.headers = {
            "Content-Encoding": packing.name,
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }

    def unsendable(self, dictionary: Dictionary) -> Mapping[int, str]:
        return self._labels.of(dictionary).unsendable

    def request(self, cells: Cells, piece: Piece, without: set[int]) -> Request | None:
        labels = left_out(self._labels.of(cells.dictionary).encoded, piece, without)
        body = write_request(labels, cells.times_of(piece), cells.rows_of(piece))
        if not body.samples:
            return None
        return Request(self.packing.pack(body.plain), self.headers, body.samples)

    def metadata(self, dictionary: Dictionary, now: float) -> Request | None:
        due = self._announcements.due(dictionary, now)
        if not due:
            return None
        return Request(self.packing.pack(metadata_request(due)), self.headers, 0)

    def judge(self, reply: Reply, request: Request, now: float) -> int:  # noqa: ARG002
        judge(reply, now)
        return 0
