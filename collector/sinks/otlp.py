"""OTLP over HTTP: metrics as protobuf, to anything that has an OpenTelemetry endpoint.

    2xx                          done; what `partial_success` refuses is counted, and not sent again
    400 409 422                  rejected
    429 502 503 504              retry, when Retry-After says
    other 5xx                    hold

The specification says of 500 and the other 5xx that they must not be retried, which would lose the
data. We hold instead and try again slowly; the tenth time the batch is looked at (`delivery.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from collector.errors import FormatError, Retry
from collector.frames.columns import Row, bits_of
from collector.frames.dictionary import Dictionary
from collector.protobuf import as_bytes, as_int, fields, signed
from collector.sinks.cells import Cells, Piece
from collector.sinks.dialect import GZIP, Packing, Request
from collector.sinks.labels import LabelCache
from collector.sinks.metadata import Announcements
from collector.sinks.points import Target, encode_attributes, points_request
from collector.sinks.reply import Reply, judge

_PASSING = {408, 425, 429, 502, 503, 504}
_MOST_TARGETS = 50_000
_START_TIME = "process_start_time_seconds"
_EXPONENT = 0x7FF0 << 48


class Otlp:
    """A receiver keeps what is good of a request, and says how many points it refuses."""

    name = "otlp"

    def __init__(
        self, packing: Packing = GZIP, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.packing = packing
        self._clock = clock
        self._attributes = LabelCache(encode_attributes)
        self._announcements = Announcements()
        self._is_due = False
        self._starts: dict[Target, int] = {}
        self._clocks: dict[int, dict[int, Target]] = {}  # by dictionary: series that say a start
        self.headers = {
            "Content-Encoding": packing.name,
            "Content-Type": "application/x-protobuf",
        }

    def unsendable(self, dictionary: Dictionary) -> Mapping[int, str]:
        return self._attributes.of(dictionary).unsendable

    def request(self, cells: Cells, piece: Piece, without: set[int]) -> Request | None:
        attributes = self._attributes.of(cells.dictionary)
        self._learn_starts(cells, [run.target for run in attributes.runs])
        if piece.width == cells.size:
            due = self._announcements.due(cells.dictionary, self._clock())
            self._is_due |= bool(due)
        points = points_request(
            attributes,
            cells.times_of(piece),
            cells.rows_of(piece),
            self._starts,
            first=piece.series,
            without=without,
            described=self._is_due,
        )
        if not points.samples:
            return None
        return Request(self.packing.pack(points.plain), self.headers, points.samples)

    def metadata(self, dictionary: Dictionary, now: float) -> Request | None:  # noqa: ARG002
        return None  # it is inside

    def judge(self, reply: Reply, request: Request, now: float) -> int:
        if 200 <= reply.status < 300 and "protobuf" in reply.headers.get("content-type", ""):
            refused = _refused(reply.body)
            self._is_due = False
            return min(refused, request.samples)
        try:
            judge(reply, now)
        except Retry as why:
            if reply.status >= 500 and reply.status not in _PASSING:
                why.hold = why.after is None
            raise
        self._is_due = False
        return 0

    def _learn_starts(self, cells: Cells, targets: Sequence[Target]) -> None:
        """Since when each target counts: its process's start, else the first time it was met."""
        if len(self._starts) > _MOST_TARGETS:
            self._starts.clear()
        says = self._clocks.get(cells.dictionary.id)
        if says is None:
            says = {}
            for i, series in enumerate(cells.dictionary.series):
                if series.name == _START_TIME:
                    labels = dict(series.labels)
                    says[i] = labels.get("job", ""), labels.get("instance", "")
            if len(self._clocks) > 1000:
                self._clocks.clear()
            self._clocks[cells.dictionary.id] = says
        for target in targets:
            self._starts.setdefault(target, cells.at_ms[0])
        for i, target in says.items():
            started_ms = _newest(cells.rows, i)
            if started_ms is not None:
                self._starts[target] = started_ms


def _newest(rows: Sequence[Row[float]], i: int) -> int | None:
    for row in reversed(rows):
        if bits_of(row)[i] & _EXPONENT != _EXPONENT and 0 < row[i] < 1 << 33:
            return round(row[i] * 1000)
    return None


def _refused(body: bytes) -> int:
    """The rejected_data_points of a reply; 0 when it says none, or is not what it says it is."""
    try:
        for field, value in fields(body):
            if field == 1:
                for inner, number in fields(as_bytes(value)):
                    if inner == 1:
                        return max(0, signed(as_int(number)))
    except FormatError:
        return 0
    return 0
