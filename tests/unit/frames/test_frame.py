from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import protobuf
from collector.errors import FormatError, TooNew
from collector.flow import mark
from collector.frames import dictionary
from collector.frames.columns import NO_SAMPLE, STALE, row
from collector.frames.dictionary import Dictionary
from collector.frames.frame import (
    FORMAT,
    MAX_ROUNDS,
    ClockStep,
    Frame,
    Instant,
    Lineage,
    Rejection,
    SegmentHeader,
    decode,
    encode_dictionary,
    encode_frame,
    encode_position,
    encode_rejection,
    encode_segment_header,
    frame,
    part,
)
from tests.unit import examples
from tests.unit.examples import (
    BOOT,
    EPOCH,
    SERIES,
    STREAM,
    bits,
    frames,
    int64,
    judge,
    line_frame,
    row_of_bits,
    streams,
    texts,
    uint64,
)

_UNKNOWN = [
    protobuf.uint_field(77, 1),
    protobuf.bytes_field(15, b"?"),
    protobuf.fixed64_field(9, 1),
]


def _theirs(record: bytes):
    """What protobuf reads; and it must write it in the very same bytes."""
    read = judge("Record").FromString(record)
    assert read.SerializeToString(deterministic=True) == record
    assert read.min_reader == FORMAT
    return read


@settings(max_examples=50)
@given(frames())
def test_protobuf_reads_the_frames_that_we_write(it):
    read = _theirs(encode_frame(it)).frame
    lineage = it.lineage
    assert read.dictionary_id == it.dictionary_id
    assert read.epoch == lineage.epoch
    assert (read.line or read.epoch) == lineage.line
    assert read.first_seq == it.first_seq
    assert (read.previous_epoch, read.previous_seq) == (lineage.previous or (0, 0))
    assert list(accumulate(read.monotonic_ms)) == [at.monotonic_ms for at in it.at]
    assert list(accumulate(read.wall_ms)) == [at.wall_ms for at in it.at if at.wall_ms is not None]
    assert read.boot_id == lineage.boot_id
    assert read.HasField("clock_step") == (lineage.clock_step is not None)
    if lineage.clock_step:
        step = read.clock_step
        assert (step.boot_id, step.monotonic_ms, step.offset_ms) == lineage.clock_step
    assert read.volatile == lineage.volatile
    assert read.columns == it.columns


@settings(max_examples=50)
@given(frames())
def test_a_frame_is_read_back(it):
    assert decode(encode_frame(it)) == it


@given(streams, uint64, int64, texts)
def test_a_segment_header_is_read_back_by_both(stream, number, created, version):
    header = SegmentHeader(stream, number, created, version)
    record = encode_segment_header(header)
    read = _theirs(record).segment_header
    assert (read.site, read.node, read.tier) == stream
    assert (read.number, read.created_ms, read.written_by) == (number, created, version)
    assert decode(record) == header


@given(texts, texts, texts, int64)
def test_a_rejection_is_read_back_by_both(sink, reason, detail, at_ms):
    rejection = Rejection(sink, reason, detail, at_ms)
    record = encode_rejection(rejection)
    read = _theirs(record).rejection
    assert (read.sink, read.reason, read.detail, read.at_ms) == rejection
    assert decode(record) == rejection


def test_a_dictionary_and_a_position_travel_as_records():
    built = dictionary.build(STREAM, SERIES)
    record = encode_dictionary(built)
    assert _theirs(record).dictionary.SerializeToString() == built.packed
    read = decode(record)
    assert isinstance(read, Dictionary)
    assert (read.id, read.stream, tuple(read.series)) == (built.id, STREAM, SERIES)
    body = mark.encode_position(mark.Position(3, 4, mark.Marks({})))
    assert _theirs(encode_position(body)).position.offset == 4
    assert decode(encode_position(body)) == body


def test_we_read_a_frame_that_protobuf_wrote_with_fields_of_a_later_version():
    theirs = judge("Record")(
        min_reader=1,
        frame={
            "dictionary_id": 5,
            "epoch": EPOCH,
            "first_seq": 9,
            "wall_ms": [1000, 10, 10],
            "monotonic_ms": [50, 10, 10],
            "boot_id": BOOT,
            "columns": b"c",
        },
    )
    theirs.frame.MergeFromString(protobuf.bytes_field(16, b"native histograms"))
    record = (
        theirs.SerializeToString() + protobuf.uint_field(77, 1) + protobuf.bytes_field(78, b"x")
    )
    assert decode(record) == Frame(
        5,
        Lineage(EPOCH, EPOCH, None, BOOT),
        9,
        (Instant(1000, 50), Instant(1010, 60), Instant(1020, 70)),
        b"c",
    )


@pytest.mark.parametrize(
    "body",
    [
        {"frame": {"epoch": 1}},
        {"rejection": {}},
        {},
    ],
)
def test_a_record_of_a_newer_version_says_so_whatever_is_in_it(body):
    record = judge("Record")(min_reader=2, **body).SerializeToString()
    for newer in (
        record,
        record + protobuf.bytes_field(15, b"?"),
        record + protobuf.uint_field(3, 1),
    ):
        with pytest.raises(TooNew, match="needs version 2") as caught:
            decode(newer)
        assert "upgrade" in caught.value.hint


def test_the_version_before_is_read_too():
    assert decode(protobuf.message_field(6, b"")) == Rejection("", "", "", 0)


@pytest.mark.parametrize("record", [b"", b"\x08\x01", b"\x08\x01\x7a\x00", b"\x08\x01\x18\x05"])
def test_a_record_without_a_body_is_refused(record):
    with pytest.raises(FormatError):
        decode(record)


_GOOD = {"epoch": 1, "first_seq": 1, "monotonic_ms": [1, 1], "boot_id": BOOT, "wall_ms": [5, 1]}


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 0},
        {"first_seq": 0},
        {"first_seq": 2**63},
        {"monotonic_ms": []},
        {"monotonic_ms": [1]},
        {"monotonic_ms": [1] * (MAX_ROUNDS + 1), "wall_ms": []},
        {"wall_ms": [1]},
        {"wall_ms": [5, 0]},
        {"wall_ms": [5, -1]},
        {"wall_ms": [2**63 - 1, 1]},
        {"monotonic_ms": [2**61, 1]},
        {"monotonic_ms": [-(2**61), -1]},
        {"boot_id": b""},
        {"boot_id": bytes(17)},
    ],
)
def test_a_frame_that_says_nonsense_is_refused(change):
    assert isinstance(decode(judge("Record")(frame=_GOOD).SerializeToString()), Frame)
    with pytest.raises(FormatError):
        decode(judge("Record")(frame=_GOOD | change).SerializeToString())


@settings(max_examples=50)
@given(frames(), st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_of_a_frame_is_a_format_error_or_another_frame(it, at, flip):
    """The checksum is the segment's and Kafka's: here only nothing else may happen."""
    data = bytearray(encode_frame(it))
    data[at % len(data)] ^= flip
    try:
        read = decode(bytes(data))
    except FormatError:
        return
    if isinstance(read, Frame):
        lineage = read.lineage
        if lineage.previous and lineage.previous[1] + 1 != read.first_seq:
            lineage = lineage._replace(previous=None)  # said of a round that it is not about
        assert decode(encode_frame(read)) == read._replace(lineage=lineage)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_a_format_error(data):
    for record in (data, *(protobuf.message_field(field, data) for field in range(2, 7))):
        try:
            decode(record)
        except FormatError:
            continue


def test_a_frame_of_too_many_cells_is_refused_before_memory_is_taken():
    it = Frame(1, Lineage(1, 1, None, BOOT), 1, (Instant(None, 1),) * 1000, b"")
    large = Dictionary(1, STREAM, [SERIES[0]] * 9000, b"")
    with pytest.raises(FormatError, match="cells"):
        it.rows(large)


def test_rounds_that_no_reader_would_take_are_not_encoded():
    one = row([1.0])
    lineage = Lineage(1, 1, None, BOOT)
    for at in (
        [Instant(5, 1), Instant(5, 2)],  # does not rise
        [Instant(5, 1), Instant(4, 2)],
        [Instant(5, 1), Instant(None, 2)],  # stamped and not
        [Instant(5, 1)],  # one time for two rounds
    ):
        with pytest.raises(ValueError):
            frame(1, lineage, 1, at, [one, one])
    with pytest.raises(ValueError):
        frame(1, lineage, 1, [], [])


def test_a_part_of_a_frame_has_the_same_rounds_bit_by_bit():
    built = examples.small_dictionary()
    lineage = Lineage(EPOCH, 3, (8, 4), BOOT, ClockStep(BOOT, 5, -6))
    rows = [row_of_bits([STALE, 7]), row_of_bits([NO_SAMPLE, 8]), row_of_bits([1, 9])]
    at = [Instant(10 + i, 20 + i) for i in range(3)]
    whole = frame(built.id, lineage, 5, at, rows)
    assert part(whole, built, 0, 3) is whole
    for start, end in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]:
        piece = part(whole, built, start, end)
        assert (piece.first_seq, piece.last_seq) == (5 + start, 4 + end)
        assert piece.at == tuple(at[start:end])
        assert list(map(bits, piece.rows(built))) == list(map(bits, rows[start:end]))
        read = decode(encode_frame(piece))
        assert isinstance(read, Frame)
        # The predecessor belongs to the epoch's first round; with any other it would be wrong.
        assert read.lineage.previous == ((8, 4) if start == 0 else None)
        assert read.lineage._replace(previous=(8, 4)) == lineage


def test_the_predecessor_is_not_claimed_by_a_round_that_does_not_follow_it():
    """The epoch's first round could not be written: the next must not say it follows that one."""
    it = line_frame(6)
    it = it._replace(lineage=it.lineage._replace(previous=(99, 4)))
    read = decode(encode_frame(it))
    assert isinstance(read, Frame)
    assert read.lineage.previous is None
