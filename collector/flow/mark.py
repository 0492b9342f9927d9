"""A mark: what a reader has delivered of a line of a stream, by round, and the gaps still open.

Repeats are judged by round and never by position (verdict.py): a topic that was cut short and
written again has other frames at other offsets, but a round keeps its line and seq for ever. A
plain "newest seq" would drop what comes late to close a gap, so the open gaps belong to the mark.
A stream has a mark for each of its last lines: an older one may be read again, and the rounds that
were held in memory only are a line of their own.

Marks are values: a reader makes the next one while it reads, and keeps it only once the far side
has the rounds.
"""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from collector.errors import FormatError
from collector.frames.frame import Frame
from collector.protobuf import (
    as_bytes,
    as_int,
    bytes_field,
    fields,
    fixed64_field,
    message_field,
    uint_field,
    unzigzag,
    zigzag,
)

MAX_GAPS = 32
"""Of a mark."""

MAX_LINES = 4
"""Of a stream."""

MAX_REFUSED = 4
"""Epochs that a mark knows to be somebody else's."""

MAX_METADATA_BYTES = 3 << 10
"""Of a commit's metadata. Brokers refuse more than 4 KiB (offset.metadata.max.bytes)."""

_DICTIONARY_OFFSET_BYTES = 11  # at most


class GapReason(IntEnum):
    """Why rounds are missing. The values are written to disk: never change one."""

    UNKNOWN = 0
    SPOOL_FULL = 1
    SPOOL_DAMAGED = 2
    NOT_WRITTEN = 3
    TOPIC_LOST = 4
    DICTIONARY = 5
    NEW_LINE = 6
    REJECTED = 7
    NO_CLOCK = 8
    RING = 9
    FORMAT = 10
    OUT_OF_WINDOW = 11

    @property
    def label(self) -> str:
        """How metrics and people write it."""
        return self.name.lower()


class Gap(NamedTuple):
    """Rounds first_seq..last_seq are missing; both 0 when a new line hides how many."""

    first_seq: int
    last_seq: int
    after_ms: int
    before_ms: int
    reason: GapReason

    @property
    def rounds(self) -> int:
        return self.last_seq - self.first_seq + 1 if self.first_seq else 0


class Withheld(NamedTuple):
    """Rounds of a line that were not sent, since the receiver would refuse them for their age."""

    line: int
    gap: Gap


class Mark(NamedTuple):
    """`seq` is the newest round delivered of `line`; `gaps` are older ones that are missing.

    It was taken at `wall_ms`, in `epoch`, whose rounds are those from `first_seq` on (0: not known;
    seq + 1: none is delivered yet). The newest time of the line is `back_ms` later: above 0 after a
    backward step of the clock. The newest time that was sent is `sent_ms`, where a step was applied
    on the way; 0: that of the stamps. The line began at `since_ms` to follow another one; 0: the
    first.
    """

    line: int
    epoch: int
    seq: int
    wall_ms: int
    gaps: tuple[Gap, ...] = ()
    first_seq: int = 0
    back_ms: int = 0
    since_ms: int = 0
    refused: tuple[int, ...] = ()
    volatile: bool = False
    sent_ms: int = 0

    @property
    def latest_ms(self) -> int:
        return self.wall_ms + self.back_ms


NOTHING = Mark(0, 0, 0, 0)
"""The mark of a reader that has delivered nothing of a stream yet."""

Known = tuple[Mark, ...]
"""The marks of one stream: a line each, at most MAX_LINES, the one that moved last at the end."""


def mark_before(frame: Frame) -> Mark:
    """The mark of a reader that begins with this frame: what came before isn't its own."""
    lineage, seq = frame.lineage, frame.first_seq - 1
    starts_ms = frame.at[0].wall_ms or 0
    return Mark(lineage.line, lineage.epoch, seq, starts_ms, (), seq + 1, volatile=lineage.volatile)


def mark_of(known: Known, line: int) -> Mark | None:
    """The mark of a line, None when it is not known."""
    return next((mark for mark in known if mark.line == line), None)


def moved(known: Known, mark: Mark) -> Known:
    """The marks once this one has moved. Of too many the one that rested longest goes.

    Volatile lines go first: one that comes again is only repeated, but a line that goes on after
    its mark was lost would open a gap.
    """
    others = [one for one in known if one.line != mark.line]
    while len(others) >= MAX_LINES:
        others.remove(next((one for one in others if one.volatile), others[0]))
    return (*others, mark)


def merged(one: Known, other: Known) -> Known:
    """What two readers of a stream have delivered: of each line the mark that came further."""
    found = {mark.line: mark for mark in one}
    for mark in other:
        mine = found.get(mark.line)
        if mine is None or (mark.seq, -len(mark.gaps)) > (mine.seq, -len(mine.gaps)):
            found[mark.line] = mark
    known: Known = ()
    for mark in sorted(found.values(), key=lambda it: it.wall_ms):
        known = moved(known, mark)
    return known


def withhold(known: Known, withheld: Sequence[Withheld]) -> Known:
    """The marks with the rounds that were withheld as open gaps of their lines.

    Days of rounds are withheld batch by batch: what continues a gap becomes a part of it.
    """
    return tuple(
        mark._replace(
            gaps=_with_those_of(mark, [gap for line, gap in withheld if line == mark.line])
        )
        for mark in known
    )


def _with_those_of(mark: Mark, more: Sequence[Gap]) -> tuple[Gap, ...]:
    gaps = list(mark.gaps)
    for gap in more:
        last = gaps[-1] if gaps else None
        if last and last.reason == gap.reason and last.last_seq + 1 == gap.first_seq:
            gaps[-1] = last._replace(last_seq=gap.last_seq, before_ms=gap.before_ms)
        else:
            gaps.append(gap)
    return tuple(gaps[-MAX_GAPS:])


class Marks(NamedTuple):
    """The marks of one reader, by stream key, and the oldest dictionary it may still need."""

    of: Mapping[int, Known]
    dictionary_offset: int | None = None


def encode_marks(marks: Marks) -> bytes:
    """The Marks message of frame.proto."""
    return b"".join(
        _encode_entry(stream, mark) for stream, known in marks.of.items() for mark in known
    ) + uint_field(2, 0 if marks.dictionary_offset is None else marks.dictionary_offset + 1)


def decode_marks(data: bytes) -> Marks:
    """Read a Marks message. Raises FormatError."""
    of: dict[int, Known] = {}
    offset: int | None = None
    for field, value in fields(data):
        if field == 1:
            stream, mark = _decode_mark(as_bytes(value))
            of[stream] = moved(of.get(stream, ()), mark)
        elif field == 2:
            offset = as_int(value) - 1
    return Marks(of, offset)


def to_metadata(marks: Marks) -> str:
    """Marks as the text of a commit. What doesn't fit is left out.

    First the oldest gaps, then lines that a stream has left behind, then the marks of the streams
    that have been silent longest. A reader without a mark takes everything for new: identical
    repeats, never a loss.
    """
    left = MAX_METADATA_BYTES // 4 * 3 - _DICTIONARY_OFFSET_BYTES
    for count, (stream, mark) in enumerate(_by_need(marks.of)):
        left -= len(_encode_entry(stream, mark._replace(gaps=())))
        if left < 0:
            return _base64(encode_marks(marks._replace(of=_most_needed(marks.of, count))))
    # All marks fit: with how many gaps each? The more, the longer, so the largest is bisected.
    most = bisect_left(range(1, MAX_GAPS + 1), True, key=lambda most: not _fits(marks, most))
    return _base64(encode_marks(_with_gaps(marks, most)))


def _by_need(of: Mapping[int, Known]) -> list[tuple[int, Mark]]:
    """All marks: first where each stream is, then the lines before; each newest first."""
    ranked = [
        (rank, -mark.wall_ms, stream, mark)
        for stream, known in of.items()
        for rank, mark in enumerate(reversed(known))
    ]
    ranked.sort(key=lambda one: (one[0] > 0, one[1]))
    return [(stream, mark) for _, _, stream, mark in ranked]


def _most_needed(of: Mapping[int, Known], count: int) -> dict[int, Known]:
    """So many of the marks, without gaps."""
    kept: dict[int, Known] = {}
    wanted = {(stream, mark.line) for stream, mark in _by_need(of)[:count]}
    for stream, known in of.items():
        marks = tuple(one._replace(gaps=()) for one in known if (stream, one.line) in wanted)
        if marks:
            kept[stream] = marks
    return kept


def _fits(marks: Marks, most_gaps: int) -> bool:
    return len(_base64(encode_marks(_with_gaps(marks, most_gaps)))) <= MAX_METADATA_BYTES


def _with_gaps(marks: Marks, most: int) -> Marks:
    """The marks with their newest gaps."""
    of = {
        stream: tuple(one._replace(gaps=one.gaps[max(0, len(one.gaps) - most) :]) for one in known)
        for stream, known in marks.of.items()
    }
    return marks._replace(of=of)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def from_metadata(text: str | None) -> Marks:
    """Read a commit's metadata; empty marks when it says nothing. Raises FormatError."""
    try:
        return decode_marks(base64.b64decode((text or "").rstrip("\0"), validate=True))
    except ValueError as error:
        raise FormatError("a commit's metadata is not ours") from error


class Position(NamedTuple):
    """How far a reader has come in a chain of the spool: `offset` is the next byte to read.

    `note` is the far side's own, kept with it.
    """

    segment: int
    offset: int
    marks: Marks
    note: bytes = b""


def encode_position(position: Position) -> bytes:
    """The Position message of frame.proto."""
    return (
        uint_field(1, position.segment)
        + uint_field(2, position.offset)
        + message_field(3, encode_marks(position.marks))
        + bytes_field(4, position.note)
    )


def decode_position(data: bytes) -> Position:
    """Read a Position message. Raises FormatError."""
    numbers = {1: 0, 2: 0}
    marks = Marks({})
    note = b""
    for field, value in fields(data):
        if field in numbers:
            numbers[field] = as_int(value)
        elif field == 3:
            marks = decode_marks(as_bytes(value))
        elif field == 4:
            note = as_bytes(value)
    return Position(numbers[1], numbers[2], marks, note)


def _encode_entry(stream: int, mark: Mark) -> bytes:
    return message_field(1, fixed64_field(1, stream) + _encode_mark(mark))


def _encode_mark(mark: Mark) -> bytes:
    return b"".join(
        [
            fixed64_field(2, mark.line),
            fixed64_field(3, mark.epoch),
            uint_field(4, mark.seq),
            uint_field(5, zigzag(mark.wall_ms)),
            *(message_field(6, _encode_gap(gap)) for gap in mark.gaps),
            uint_field(7, mark.first_seq),
            uint_field(8, mark.back_ms),
            uint_field(9, zigzag(mark.since_ms)),
            bytes_field(10, b"".join(one.to_bytes(8, "little") for one in mark.refused)),
            uint_field(11, mark.volatile),
            uint_field(12, zigzag(mark.sent_ms)),
        ]
    )


def _decode_mark(data: bytes) -> tuple[int, Mark]:
    numbers = dict.fromkeys((1, 2, 3, 4, 5, 7, 8, 9, 11, 12), 0)
    gaps = []
    refused = b""
    for field, value in fields(data):
        if field in numbers:
            numbers[field] = as_int(value)
        elif field == 6:
            gaps.append(_decode_gap(as_bytes(value)))
        elif field == 10:
            refused = as_bytes(value)
    if len(refused) % 8:
        raise FormatError("a mark with half an epoch")
    epochs = [int.from_bytes(refused[i : i + 8], "little") for i in range(0, len(refused), 8)]
    mark = Mark(
        numbers[2],
        numbers[3],
        numbers[4],
        unzigzag(numbers[5]),
        tuple(gaps[-MAX_GAPS:]),
        numbers[7],
        numbers[8],
        unzigzag(numbers[9]),
        tuple(epochs[-MAX_REFUSED:]),
        bool(numbers[11]),
        unzigzag(numbers[12]),
    )
    return numbers[1], mark


def _encode_gap(gap: Gap) -> bytes:
    return (
        uint_field(1, gap.first_seq)
        + uint_field(2, gap.last_seq)
        + uint_field(3, zigzag(gap.after_ms))
        + uint_field(4, zigzag(gap.before_ms))
        + uint_field(5, gap.reason)
    )


def _decode_gap(data: bytes) -> Gap:
    numbers = dict.fromkeys((1, 2, 3, 4, 5), 0)
    for field, value in fields(data):
        if field in numbers:
            numbers[field] = as_int(value)
    if numbers[1] > numbers[2]:
        raise FormatError("a gap that ends before it begins")
    known = numbers[5] in set(GapReason)
    return Gap(
        numbers[1],
        numbers[2],
        unzigzag(numbers[3]),
        unzigzag(numbers[4]),
        GapReason(numbers[5]) if known else GapReason.UNKNOWN,
    )
