"""A frame: rounds of one stream encoded together, and the envelope that all records share.

`frame.proto` is the format, with the meaning of each field. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import NamedTuple

from collector.errors import FormatError, TooNew
from collector.frames import columns
from collector.frames.columns import Row
from collector.frames.dictionary import Dictionary, Stream, unpack_dictionary
from collector.protobuf import (
    as_bytes,
    as_int,
    as_text,
    bytes_field,
    fields,
    fixed64_field,
    message_field,
    packed,
    string_field,
    uint_field,
    unpack,
    unzigzag,
    zigzag,
)

FORMAT = 1
"""What this version writes. It reads FORMAT and FORMAT - 1."""

MAX_ROUNDS = 1024
MAX_CELLS = 8 << 20
"""Of one frame, 64 MiB when decoded: 20 rounds of 400,000 series."""

MAX_SEQ = MAX_TIME_MS = 1 << 61
"""Far beyond any real one: so that sums and differences fit into 64 bits too."""

_BOOT_ID_BYTES = 16
_DICTIONARY_FIELD = 2


class Instant(NamedTuple):
    """When a round was taken, in ms: `wall` is Unix time, None before there is a clock to trust."""

    wall_ms: int | None
    monotonic_ms: int


class ClockStep(NamedTuple):
    """Rounds of `boot_id` taken before `monotonic_ms` are right with `offset_ms` added."""

    boot_id: bytes
    monotonic_ms: int
    offset_ms: int


class Lineage(NamedTuple):
    """Whose successor a frame is: what (epoch, seq) alone do not say.

    `line` is the epoch that began the line; `previous` the round before the epoch's first one,
    None when the line begins with it. `missing` is a GapReason: why rounds that had a seq before
    the epoch's first one were never written, 0 when the writer knows of none.
    """

    epoch: int
    line: int
    previous: tuple[int, int] | None
    boot_id: bytes
    clock_step: ClockStep | None = None
    volatile: bool = False
    missing: int = 0


class Frame(NamedTuple):
    """Some rounds as they stand in a record, their numbers still encoded.

    `at[i]` belongs to round `first_seq + i`.
    """

    dictionary_id: int
    lineage: Lineage
    first_seq: int
    at: tuple[Instant, ...]
    columns: bytes

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.at) - 1

    def rows(self, dictionary: Dictionary) -> list[Row[float]]:
        """Decode the numbers: a row a round. Raises FormatError."""
        if len(self.at) * len(dictionary.series) > MAX_CELLS:
            raise FormatError(f"a frame of more than {MAX_CELLS} cells")
        return columns.decode(self.columns, len(dictionary.series), len(self.at))


class SegmentHeader(NamedTuple):
    """The first record of a segment: whose rounds these are."""

    stream: Stream
    number: int
    created_ms: int
    written_by: str


class Rejection(NamedTuple):
    """Why the frame that follows was set aside."""

    sink: str
    reason: str
    detail: str
    at_ms: int


Body = Dictionary | Frame | SegmentHeader | Rejection | bytes
"""What a record can hold; bytes for a position, which `mark.py` reads."""


def frame(
    dictionary_id: int,
    lineage: Lineage,
    first_seq: int,
    at: Sequence[Instant],
    rows: Sequence[Row[float]],
) -> Frame:
    """Encode rounds of one epoch and one dictionary.

    Raises ValueError for what no reader would take: it must not reach a disk.
    """
    stamps = [it.wall_ms for it in at if it.wall_ms is not None]
    if not 0 < len(rows) == len(at) <= MAX_ROUNDS or len(stamps) not in {0, len(at)}:
        raise ValueError(f"{len(rows)} rounds, {len(at)} times, {len(stamps)} of them stamped")
    if any(a >= b for a, b in pairwise(stamps)):
        raise ValueError("rounds whose wall times do not rise")
    return Frame(dictionary_id, lineage, first_seq, tuple(at), columns.encode(rows))


def part(it: Frame, dictionary: Dictionary, start: int, end: int) -> Frame:
    """The rounds from index `start` to before `end`, as a frame of their own.

    One whose numbers can't be read comes back whole: whoever decodes it sets it aside.
    """
    if (start, end) == (0, len(it.at)):
        return it
    try:
        rows = it.rows(dictionary)[start:end]
    except FormatError:
        return it
    return frame(it.dictionary_id, it.lineage, it.first_seq + start, it.at[start:end], rows)


def encode_frame(it: Frame) -> bytes:
    """The record of a frame."""
    lineage = it.lineage
    # Written only where it says something: with the epoch's first round.
    previous = lineage.previous if lineage.previous and _follows(it) else (0, 0)
    wall = [at.wall_ms for at in it.at if at.wall_ms is not None]
    body = b"".join(
        [
            fixed64_field(1, it.dictionary_id),
            fixed64_field(2, lineage.epoch),
            fixed64_field(3, lineage.line if lineage.line != lineage.epoch else 0),
            uint_field(4, it.first_seq),
            fixed64_field(5, previous[0]),
            uint_field(6, previous[1]),
            packed(7, map(zigzag, _differences(wall))),
            packed(8, map(zigzag, _differences([at.monotonic_ms for at in it.at]))),
            bytes_field(9, lineage.boot_id),
            message_field(10, _clock_step(lineage.clock_step)) if lineage.clock_step else b"",
            uint_field(11, lineage.volatile),
            bytes_field(12, it.columns),
            uint_field(13, lineage.missing),
        ]
    )
    return _record(3, body)


def encode_dictionary(dictionary: Dictionary) -> bytes:
    """The record of a dictionary."""
    return _record(2, dictionary.packed)


def encode_segment_header(header: SegmentHeader) -> bytes:
    body = (
        string_field(1, header.stream.site)
        + string_field(2, header.stream.node)
        + string_field(3, header.stream.tier)
        + uint_field(4, header.number)
        + uint_field(5, zigzag(header.created_ms))
        + string_field(6, header.written_by)
    )
    return _record(4, body)


def encode_position(body: bytes) -> bytes:
    """The record of a position; `mark.py` makes the body."""
    return _record(5, body)


def encode_rejection(rejection: Rejection) -> bytes:
    body = (
        string_field(1, rejection.sink)
        + string_field(2, rejection.reason)
        + string_field(3, rejection.detail)
        + uint_field(4, zigzag(rejection.at_ms))
    )
    return _record(6, body)


def decode(record: bytes, known: Mapping[int, Dictionary] = MappingProxyType({})) -> Body:
    """Read a record; a dictionary that is `known` already is given back as it is.

    Raises TooNew when a newer version wrote it, FormatError when it isn't one.
    """
    needs = FORMAT
    found: tuple[int, int | bytes] | None = None
    for field, value in fields(record):
        if field == 1:
            needs = as_int(value)
        elif field == _DICTIONARY_FIELD or field in _READERS:
            found = field, value
    if needs > FORMAT:
        raise TooNew(
            f"a record needs version {needs} of the format, this program reads {FORMAT}",
            "upgrade this collector: the centre first, then the sites",
        )
    if found is None:
        raise FormatError("a record without a body that this version knows")
    field, value = found
    if field == _DICTIONARY_FIELD:
        return unpack_dictionary(as_bytes(value), known)
    return _READERS[field](as_bytes(value))


def _record(field: int, body: bytes) -> bytes:
    return uint_field(1, FORMAT) + message_field(field, body)


def _follows(it: Frame) -> bool:
    """Say whether the frame begins its epoch: only then does `previous` stand before it."""
    previous = it.lineage.previous
    return previous is not None and it.first_seq == previous[1] + 1


def _differences(numbers: Sequence[int]) -> list[int]:
    return [b - a for a, b in zip((0, *numbers), numbers, strict=False)]


def _running_sums(data: bytes) -> list[int]:
    return list(accumulate(map(unzigzag, unpack(data))))


def _clock_step(step: ClockStep) -> bytes:
    return (
        bytes_field(1, step.boot_id)
        + uint_field(2, zigzag(step.monotonic_ms))
        + uint_field(3, zigzag(step.offset_ms))
    )


def _read_clock_step(data: bytes) -> ClockStep:
    boot_id = b""
    numbers = {2: 0, 3: 0}
    for field, value in fields(data):
        if field == 1:
            boot_id = as_bytes(value)
        elif field in numbers:
            numbers[field] = unzigzag(as_int(value))
    return ClockStep(boot_id, numbers[2], numbers[3])


def _read_frame(data: bytes) -> Frame:
    numbers = dict.fromkeys((1, 2, 3, 4, 5, 6, 11, 13), 0)
    wall: list[int] = []
    monotonic: list[int] = []
    boot_id = body = b""
    step: ClockStep | None = None
    for field, value in fields(data):
        if field in numbers:
            numbers[field] = as_int(value)
        elif field == 7:
            wall = _running_sums(as_bytes(value))
        elif field == 8:
            monotonic = _running_sums(as_bytes(value))
        elif field == 9:
            boot_id = as_bytes(value)
        elif field == 10:
            step = _read_clock_step(as_bytes(value))
        elif field == 12:
            body = as_bytes(value)
    epoch, first_seq = numbers[2], numbers[4]
    if not epoch or not 0 < first_seq <= MAX_SEQ:
        raise FormatError("a frame without an epoch or a seq")
    if not 0 < len(monotonic) <= MAX_ROUNDS or len(wall) not in {0, len(monotonic)}:
        raise FormatError(f"a frame of {len(monotonic)} rounds and {len(wall)} wall times")
    if any(a >= b for a, b in pairwise(wall)):
        raise FormatError("a frame whose wall times do not rise")
    if any(abs(number) > MAX_TIME_MS for number in (*wall, *monotonic)):
        raise FormatError("a frame whose times are beyond all clocks")
    if len(boot_id) != _BOOT_ID_BYTES:
        raise FormatError(f"a boot id of {len(boot_id)} bytes, not {_BOOT_ID_BYTES}")
    previous = (numbers[5], numbers[6]) if numbers[5] else None
    lineage = Lineage(
        epoch, numbers[3] or epoch, previous, boot_id, step, bool(numbers[11]), numbers[13]
    )
    stamps: Iterable[int | None] = wall or [None] * len(monotonic)
    at = tuple(map(Instant, stamps, monotonic))
    return Frame(numbers[1], lineage, first_seq, at, body)


def _read_segment_header(data: bytes) -> SegmentHeader:
    texts = {1: "", 2: "", 3: "", 6: ""}
    number = created = 0
    for field, value in fields(data):
        if field in texts:
            texts[field] = as_text(value)
        elif field == 4:
            number = as_int(value)
        elif field == 5:
            created = unzigzag(as_int(value))
    return SegmentHeader(Stream(texts[1], texts[2], texts[3]), number, created, texts[6])


def _read_rejection(data: bytes) -> Rejection:
    texts = {1: "", 2: "", 3: ""}
    at_ms = 0
    for field, value in fields(data):
        if field in texts:
            texts[field] = as_text(value)
        elif field == 4:
            at_ms = unzigzag(as_int(value))
    return Rejection(texts[1], texts[2], texts[3], at_ms)


_READERS: dict[int, Callable[[bytes], Body]] = {
    3: _read_frame,
    4: _read_segment_header,
    5: bytes,
    6: _read_rejection,
}
