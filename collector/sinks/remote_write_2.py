"""Remote write 2.0: each text once a request, kind and help inside, and a receiver that counts.

    Request     repeated string symbols = 4 (the first is empty) | repeated TimeSeries = 5
    TimeSeries  repeated uint32 labels_refs = 1 | repeated Sample = 2 | Metadata = 5
    Metadata    type = 1 | help_ref = 3 | unit_ref = 4

A receiver says how many samples it wrote. One of 1.0 decodes this body as an empty one and answers
204: without that word nothing counts as stored.

https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from collector.errors import Rejected
from collector.frames.dictionary import Dictionary
from collector.protobuf import message_field, packed, uint_field
from collector.series import Family, Series
from collector.sinks.body import METADATA_TYPE, write_request
from collector.sinks.cells import Cells, Piece
from collector.sinks.dialect import SNAPPY, Packing, Request, left_out
from collector.sinks.labels import LabelCache, sendable_labels
from collector.sinks.metadata import Announcements, family_of
from collector.sinks.reply import Refused, Reply, Unconfirmed, judge

WRITTEN = "x-prometheus-remote-write-samples-written"
_SERIES_FIELD = 5
_FEW = 8  # a piece with a part of the series as small as this gets symbols of its own


class Symbols(NamedTuple):
    """`table` begins a request; `encoded[i]` is what a series has before its samples."""

    table: bytes
    encoded: list[bytes]
    unsendable: Mapping[int, str]

    @property
    def size(self) -> int:
        return len(self.table) + sum(map(len, self.encoded)) + 40 * len(self.encoded)


class RemoteWrite2:
    """A receiver keeps what is good of a request, and says how many samples that was."""

    name = "remote_write_2"

    def __init__(
        self, packing: Packing = SNAPPY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.packing = packing
        self._clock = clock
        self._symbols = LabelCache(encode_symbols)
        self._announcements = Announcements()
        self._due: frozenset[Family] = frozenset()  # to be told with the next request that is taken
        self.headers = {
            "Content-Encoding": packing.name,
            "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "X-Prometheus-Remote-Write-Version": "2.0.0",
        }

    def unsendable(self, dictionary: Dictionary) -> Mapping[int, str]:
        return self._symbols.of(dictionary).unsendable

    def request(self, cells: Cells, piece: Piece, without: set[int]) -> Request | None:
        symbols = self._symbols.of(cells.dictionary)
        is_part = piece.width * _FEW <= cells.size
        if is_part:
            own = encode_symbols(cells.dictionary.series[piece.series : piece.series_end])
            # What is never sent is a matter of the whole dictionary: of a series that it has twice
            # the second may be here alone, and look like the only one.
            refused = {i for i in symbols.unsendable if piece.series <= i < piece.series_end}
            encoded = own.encoded
            for i in without | refused:
                encoded[i - piece.series] = b""
            table = own.table
        else:
            due = self._announcements.due(cells.dictionary, self._clock())
            self._due |= frozenset(due)
            if self._due:
                symbols = encode_symbols(cells.dictionary.series, self._due)
            table, encoded = symbols.table, left_out(symbols.encoded, piece, without)
        body = write_request(
            encoded,
            cells.times_of(piece),
            cells.rows_of(piece),
            series_field=_SERIES_FIELD,
            symbols=table,
        )
        if not body.samples:
            return None
        return Request(self.packing.pack(body.plain), self.headers, body.samples)

    def metadata(self, dictionary: Dictionary, now: float) -> Request | None:  # noqa: ARG002
        return None  # it is inside

    def judge(self, reply: Reply, request: Request, now: float) -> int:
        written = _written(reply)
        try:
            judge(reply, now)
        except Rejected as why:
            raise Refused(why, is_all=written == 0) from why
        if written is None or written < request.samples:
            says = "nothing" if written is None else f"that it wrote {written}"
            raise Unconfirmed(
                f"the receiver answered {reply.status} to {request.samples} samples of remote "
                f"write 2.0, and says {says}",
                "if it speaks 1.0 only: write protocol: remote_write_1 for this sink",
            )
        self._due = frozenset()
        return 0


def encode_symbols(series: Sequence[Series], told: frozenset[Family] = frozenset()) -> Symbols:
    """Encode the labels of each series as references, and what is to be told of some families."""
    sendable, unsendable = sendable_labels(series)
    uses: Counter[str] = Counter()
    for labels in sendable:
        for pair in labels:
            uses.update(pair)
    about: dict[Family, tuple[str, str]] = {}
    for one in series if told else ():
        family = family_of(one)
        if family in told:
            about[one.family] = (family.help, family.unit)
    uses.update(text for texts in about.values() for text in texts)
    uses.pop("", None)
    # What is used most gets the references of one byte.
    texts = ["", *(text for text, _ in uses.most_common())]
    place = {text: at for at, text in enumerate(texts)}
    metadata = {
        family: message_field(
            5,
            uint_field(1, METADATA_TYPE[family.kind])
            + uint_field(3, place[help_])
            + uint_field(4, place[unit]),
        )
        for family, (help_, unit) in about.items()
    }
    encoded = [
        packed(1, (place[text] for pair in labels for text in pair)) + metadata.get(one.family, b"")
        if labels
        else b""
        for labels, one in zip(sendable, series, strict=True)
    ]
    table = b"".join(message_field(4, text.encode()) for text in texts)
    return Symbols(table, encoded, unsendable)


def _written(reply: Reply) -> int | None:
    text = reply.headers.get(WRITTEN, "")
    return int(text[:18]) if text.isascii() and text.isdigit() else None
