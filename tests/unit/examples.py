"""Streams, series, rounds and frames for tests: small ones, and strategies for any of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import collector.frames.frame
from collector.flow.mark import MAX_LINES, MAX_REFUSED, Gap, GapReason, Mark
from collector.frames import dictionary
from collector.frames.columns import NO_SAMPLE, STALE, Row, bits_of, row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import ClockStep, Frame, Instant, Lineage, frame
from collector.series import Family, Kind, Series
from tests.lab.protos import message_classes

PROTO = Path(collector.frames.frame.__file__).with_name("frame.proto")

STREAM = Stream("store-0412", "node-1", "standard")
BOOT = bytes(range(16))
EPOCH = 0x1122_3344_5566_7788
MESSAGES = Family("kafka_server_brokertopicmetrics_messagesin_total", Kind.COUNTER, "", "Messages")
SIZES = Family("request_size_bytes", Kind.HISTOGRAM, "bytes", "Size of a request")
UP = Family("up", Kind.GAUGE)
SERIES = (
    Series(MESSAGES.name, (("job", "kafka"), ("topic", "orders")), MESSAGES),
    Series(MESSAGES.name, (("job", "kafka"), ("topic", "stöck")), MESSAGES),
    Series("request_size_bytes_bucket", (("job", "kafka"), ("le", "+Inf")), SIZES),
    Series("up", (("job", "kafka"),), UP),
)


def judge(message: str) -> Any:
    """The class that protoc makes of a message of frame.proto."""
    return message_classes(PROTO)[f"edgevitals.v1.{message}"]


def number_of_enum(message: str, field: str) -> dict[str, int]:
    """The names and numbers of the enum behind a field."""
    enum = judge(message).DESCRIPTOR.fields_by_name[field].enum_type
    return {value.name: value.number for value in enum.values}


def double(bits: int) -> float:
    """The double with these 64 bits."""
    value: float = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return value


def row_of_bits(bits: Sequence[int]) -> Row[float]:
    """A row whose cells have exactly these bits: no float is touched on the way."""
    cells = row()
    cells.frombytes(b"".join(one.to_bytes(8, "little") for one in bits))
    return cells


def bits(cells: Row[float]) -> list[int]:
    """What `row_of_bits` was given."""
    return list(bits_of(cells))


def numbered(count: int) -> list[Series]:
    """Some series."""
    return [
        Series("metric", (("number", str(i)),), Family("metric", Kind.GAUGE)) for i in range(count)
    ]


def small_dictionary(stream: Stream = STREAM, count: int = 2) -> Dictionary:
    return dictionary.build(stream, numbered(count))


def line_frame(
    seq: int,
    rounds: int = 1,
    *,
    line: int = 1,
    epoch: int = 0,
    values: int = 2,
    id_: int = 7,
    previous: tuple[int, int] | None = None,
    volatile: bool = False,
    later_ms: int = 0,
) -> Frame:
    """Rounds of a line: each has its own time, and its seq in its cells."""
    return frame(
        id_,
        Lineage(epoch or line, line, previous, BOOT, volatile=volatile),
        seq,
        [Instant(wall_of(line, s) + later_ms, s * 10) for s in range(seq, seq + rounds)],
        [row([float(s)] * values) for s in range(seq, seq + rounds)],
    )


def wall_of(line: int, seq: int) -> int:
    """The time of a round of `line_frame`."""
    return line * 1_000_000 + seq * 1000


uint64 = st.integers(0, 2**64 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
seqs = st.integers(1, 2**61 - 2000)
times = st.integers(-(2**61), 2**61)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
cell_bits = st.one_of(
    uint64,
    st.sampled_from(
        [
            STALE,
            NO_SAMPLE,
            0,
            1 << 63,  # -0.0
            0x7FF0 << 48,  # infinities
            0xFFF0 << 48,
            0x7FF8 << 48,  # the NaN of Python
            0x7FF0_0000_0000_0001,  # the smallest signalling NaN
            0xFFFF_FFFF_FFFF_FFFF,
        ]
    ),
    st.one_of(
        st.integers(-(2**53) - 3, -(2**53) + 3),
        st.integers(-5, 5),
        st.integers(2**53 - 3, 2**53 + 3),
        st.integers(-(2**60), 2**60),
    ).map(lambda number: int.from_bytes(struct.pack("<d", float(number)), "little")),
    st.floats(allow_nan=False).map(lambda x: int.from_bytes(struct.pack("<d", x), "little")),
)
labels = st.dictionaries(texts.filter(bool), texts.filter(bool), max_size=4).map(
    lambda found: tuple(sorted(found.items()))
)
families = st.builds(Family, texts, st.sampled_from(Kind), texts, texts)
series = st.builds(
    lambda family, suffix, labels: Series(family.name + suffix, labels, family),
    families,
    st.sampled_from(["", "_sum", "_count", "_bucket"]),
    labels,
)
streams = st.builds(Stream, texts, texts, texts)
boot_ids = st.binary(min_size=16, max_size=16)
clock_steps = st.builds(ClockStep, boot_ids, int64, int64)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Any frame that can be written; its columns are not decodable."""
    rounds = draw(st.integers(1, 40))
    monotonic = draw(st.lists(times, min_size=rounds, max_size=rounds))
    walls: Sequence[int | None] = [None] * rounds
    if draw(st.booleans()):
        walls = sorted(draw(st.sets(times, min_size=rounds, max_size=rounds)))
    epoch = draw(st.integers(1, 2**64 - 1))
    first = draw(seqs)
    previous = draw(st.none() | st.tuples(st.integers(1, 2**64 - 1), st.just(first - 1)))
    lineage = Lineage(
        epoch,
        draw(st.just(epoch) | st.integers(1, 2**64 - 1)),
        previous,
        draw(boot_ids),
        draw(st.none() | clock_steps),
        draw(st.booleans()),
        draw(st.integers(0, 20)),
    )
    at = tuple(map(Instant, walls, monotonic))
    return Frame(draw(uint64), lineage, first, at, draw(st.binary(max_size=20)))


@st.composite
def gaps(draw: st.DrawFn) -> Gap:
    first = draw(st.just(0) | seqs)
    last = first + draw(st.integers(0, 1000)) if first else 0
    return Gap(first, last, draw(int64), draw(int64), draw(st.sampled_from(GapReason)))


marks = st.builds(
    Mark,
    line=uint64,
    epoch=uint64,
    seq=seqs,
    wall_ms=int64,
    gaps=st.lists(gaps(), max_size=4).map(tuple),
    first_seq=st.just(0) | seqs,
    back_ms=st.just(0) | st.integers(1, 2**62),
    since_ms=st.just(0) | int64,
    refused=st.lists(uint64, max_size=MAX_REFUSED).map(tuple),
    volatile=st.booleans(),
    sent_ms=st.just(0) | int64,
)
streams_marks = st.lists(
    marks, min_size=1, max_size=MAX_LINES, unique_by=lambda mark: mark.line
).map(tuple)
