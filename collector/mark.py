"""A mark: what a reader has delivered of a stream, by round, and the gaps that are still open.

Repeats are judged by round and never by position: a topic that was cut short and written again
has other frames at other offsets, but a round keeps its line and seq for ever. A plain "newest
seq" would drop what comes late to close a gap, so the open gaps belong to the mark.

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
from collector.frame import Frame
from collector.protobuf import (
    as_bytes,
    as_int,
    fields,
    fixed64_field,
    message_field,
    uint_field,
    unzigzag,
    zigzag,
)

MAX_GAPS = 32
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
    """`seq` is the newest round delivered of `line`; `gaps` are older ones that are missing."""

    line: int
    epoch: int
    seq: int
    wall_ms: int
    gaps: tuple[Gap, ...] = ()


NOTHING = Mark(0, 0, 0, 0)
"""The mark of a reader that has delivered nothing of a stream yet."""


class Taken(NamedTuple):
    """What a frame changes.

    `spans` are (from, to) indices of its rounds that are to be delivered, `opened` the gaps that
    it uncovers, `closed` how many missing rounds it brings.
    """

    mark: Mark
    spans: tuple[tuple[int, int], ...]
    opened: tuple[Gap, ...] = ()
    closed: int = 0


def take(mark: Mark | None, frame: Frame, reason: GapReason = GapReason.UNKNOWN) -> Taken:
    """Judge a frame, round by round, against what was delivered before.

    `reason` is what the reader knows about why something would be missing just before the frame.
    """
    everything = ((0, len(frame.at)),)
    after = _mark_behind(frame, mark.gaps if mark else ())
    if mark is None:
        return Taken(after, everything)
    starts_ms = frame.at[0].wall_ms or 0
    if frame.lineage.line != mark.line:
        opened = [Gap(0, 0, mark.wall_ms, starts_ms, GapReason.NEW_LINE)]
        if frame.first_seq > 1:
            opened.append(Gap(1, frame.first_seq - 1, mark.wall_ms, starts_ms, reason))
        # Gaps of the old line end here: nothing of the new one can be told to belong to them.
        return Taken(after._replace(gaps=tuple(opened)), everything, tuple(opened))

    spans, gaps, closed = _late_rounds(mark, frame)
    if frame.last_seq <= mark.seq:
        return Taken(mark._replace(gaps=gaps), spans, (), closed)
    opened_gaps: tuple[Gap, ...] = ()
    if frame.first_seq > mark.seq + 1:
        missing = Gap(mark.seq + 1, frame.first_seq - 1, mark.wall_ms, starts_ms, reason)
        opened_gaps = (missing,)
        gaps = (*gaps, missing)[-MAX_GAPS:]
    fresh = (max(0, mark.seq + 1 - frame.first_seq), len(frame.at))
    return Taken(after._replace(gaps=gaps), _joined(spans, fresh), opened_gaps, closed)


def withhold(mark: Mark, withheld: Sequence[Withheld]) -> Mark:
    """The mark with the rounds of its line that were withheld as open gaps.

    Days of rounds are withheld batch by batch: what continues a gap becomes a part of it.
    """
    gaps = list(mark.gaps)
    for line, gap in withheld:
        if line != mark.line:
            continue
        last = gaps[-1] if gaps else None
        if last and last.reason == gap.reason and last.last_seq + 1 == gap.first_seq:
            gaps[-1] = last._replace(last_seq=gap.last_seq, before_ms=gap.before_ms)
        else:
            gaps.append(gap)
    return mark._replace(gaps=tuple(gaps[-MAX_GAPS:]))


def _mark_behind(frame: Frame, gaps: tuple[Gap, ...]) -> Mark:
    lineage = frame.lineage
    return Mark(lineage.line, lineage.epoch, frame.last_seq, frame.at[-1].wall_ms or 0, gaps)


def _late_rounds(
    mark: Mark, frame: Frame
) -> tuple[tuple[tuple[int, int], ...], tuple[Gap, ...], int]:
    """The rounds of a frame that fall into open gaps, and what is left of those gaps."""
    spans: list[tuple[int, int]] = []
    left: list[Gap] = []
    closed = 0
    for gap in mark.gaps:
        first = max(gap.first_seq, frame.first_seq)
        last = min(gap.last_seq, frame.last_seq)
        if not gap.first_seq or first > last:
            left.append(gap)
            continue
        closed += last - first + 1
        start, end = first - frame.first_seq, last - frame.first_seq + 1
        spans.append((start, end))
        if gap.first_seq < first:
            left.append(
                gap._replace(last_seq=first - 1, before_ms=frame.at[start].wall_ms or gap.before_ms)
            )
        if last < gap.last_seq:
            left.append(
                gap._replace(first_seq=last + 1, after_ms=frame.at[end - 1].wall_ms or gap.after_ms)
            )
    return tuple(sorted(spans)), tuple(left[-MAX_GAPS:]), closed


def _joined(
    spans: tuple[tuple[int, int], ...], fresh: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    if spans and spans[-1][1] == fresh[0]:
        return (*spans[:-1], (spans[-1][0], fresh[1]))
    return (*spans, fresh)


class Marks(NamedTuple):
    """The marks of one reader, by stream key, and the oldest dictionary it may still need."""

    of: Mapping[int, Mark]
    dictionary_offset: int | None = None


def encode_marks(marks: Marks) -> bytes:
    """The Marks message of frame.proto."""
    return b"".join(
        message_field(1, fixed64_field(1, stream) + _encode_mark(mark))
        for stream, mark in marks.of.items()
    ) + uint_field(2, 0 if marks.dictionary_offset is None else marks.dictionary_offset + 1)


def decode_marks(data: bytes) -> Marks:
    """Read a Marks message. Raises FormatError."""
    of: dict[int, Mark] = {}
    offset: int | None = None
    for field, value in fields(data):
        if field == 1:
            stream, mark = _decode_mark(as_bytes(value))
            of[stream] = mark
        elif field == 2:
            offset = as_int(value) - 1
    return Marks(of, offset)


def to_metadata(marks: Marks) -> str:
    """Marks as the text of a commit. What doesn't fit is left out: oldest gaps, then oldest marks.

    A reader without a mark takes everything for new: identical repeats, never a loss.
    """
    bare: dict[int, Mark] = {}
    left = MAX_METADATA_BYTES // 4 * 3 - _DICTIONARY_OFFSET_BYTES
    for stream, mark in sorted(marks.of.items(), key=lambda item: -item[1].wall_ms):
        bare[stream] = mark._replace(gaps=())
        left -= len(encode_marks(Marks({stream: bare[stream]})))
        if left < 0:
            del bare[stream]
            return _base64(encode_marks(marks._replace(of=bare)))
    # All marks fit: with how many gaps each? The more, the longer, so the largest is bisected.
    most = bisect_left(range(1, MAX_GAPS + 1), True, key=lambda most: not _fits(marks, most))
    return _base64(encode_marks(_with_gaps(marks, most)))


def _fits(marks: Marks, most_gaps: int) -> bool:
    return len(_base64(encode_marks(_with_gaps(marks, most_gaps)))) <= MAX_METADATA_BYTES


def _with_gaps(marks: Marks, most: int) -> Marks:
    """The marks with their newest gaps."""
    of = {
        s: mark._replace(gaps=mark.gaps[max(0, len(mark.gaps) - most) :])
        for s, mark in marks.of.items()
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
    """How far a reader has come in a chain of the spool: `offset` is the next byte to read."""

    segment: int
    offset: int
    marks: Marks


def encode_position(position: Position) -> bytes:
    """The Position message of frame.proto."""
    return (
        uint_field(1, position.segment)
        + uint_field(2, position.offset)
        + message_field(3, encode_marks(position.marks))
    )


def decode_position(data: bytes) -> Position:
    """Read a Position message. Raises FormatError."""
    numbers = {1: 0, 2: 0}
    marks = Marks({})
    for field, value in fields(data):
        if field in numbers:
            numbers[field] = as_int(value)
        elif field == 3:
            marks = decode_marks(as_bytes(value))
    return Position(numbers[1], numbers[2], marks)


def _encode_mark(mark: Mark) -> bytes:
    return (
        fixed64_field(2, mark.line)
        + fixed64_field(3, mark.epoch)
        + uint_field(4, mark.seq)
        + uint_field(5, zigzag(mark.wall_ms))
        + b"".join(message_field(6, _encode_gap(gap)) for gap in mark.gaps)
    )


def _decode_mark(data: bytes) -> tuple[int, Mark]:
    numbers = dict.fromkeys((1, 2, 3, 4, 5), 0)
    gaps = []
    for field, value in fields(data):
        if field in numbers:
            numbers[field] = as_int(value)
        elif field == 6:
            gaps.append(_decode_gap(as_bytes(value)))
    mark = Mark(numbers[2], numbers[3], numbers[4], unzigzag(numbers[5]), tuple(gaps[-MAX_GAPS:]))
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
