from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import protobuf
from collector.errors import FormatError
from collector.flow.mark import (
    MAX_GAPS,
    MAX_LINES,
    MAX_METADATA_BYTES,
    Gap,
    GapReason,
    Mark,
    Marks,
    Position,
    decode_marks,
    decode_position,
    encode_marks,
    encode_position,
    from_metadata,
    mark_of,
    moved,
    to_metadata,
)
from tests.unit import examples
from tests.unit.examples import judge, uint64


def test_the_reasons_are_those_of_the_format():
    theirs = examples.number_of_enum("Gap", "reason")
    assert {reason.name: reason.value for reason in GapReason} == {
        name.removeprefix("GAP_"): number for name, number in theirs.items()
    }


@st.composite
def _some_marks(draw: st.DrawFn, most: int = 3) -> Marks:
    of = draw(st.dictionaries(uint64, examples.streams_marks, max_size=most))
    return Marks(of, draw(st.none() | st.integers(0, 2**63 - 1)))


def _of_theirs(one: Any) -> Mark:
    return Mark(
        one.line,
        one.epoch,
        one.seq,
        one.wall_ms,
        tuple(
            Gap(g.first_seq, g.last_seq, g.after_ms, g.before_ms, GapReason(g.reason))
            for g in one.gaps
        ),
        one.first_seq,
        one.back_ms,
        one.since_ms,
        tuple(one.refused),
        one.volatile,
        one.sent_ms,
    )


@settings(max_examples=40)
@given(_some_marks())
def test_protobuf_reads_the_marks_that_we_write(marks):
    data = encode_marks(marks)
    read = judge("Marks").FromString(data)
    assert read.SerializeToString(deterministic=True) == data
    assert read.dictionary_offset == (marks.dictionary_offset or 0) + (
        marks.dictionary_offset is not None
    )
    theirs: dict[int, tuple[Mark, ...]] = {}
    for one in read.marks:
        theirs[one.stream] = (*theirs.get(one.stream, ()), _of_theirs(one))
    assert theirs == marks.of


@settings(max_examples=40)
@given(uint64, uint64, _some_marks())
def test_marks_and_positions_are_read_back(segment, offset, marks):
    assert decode_marks(encode_marks(marks)) == marks
    position = Position(segment, offset, marks)
    data = encode_position(position)
    assert decode_position(data) == position
    read = judge("Position").FromString(data)
    assert (read.segment, read.offset) == (segment, offset)
    assert read.SerializeToString(deterministic=True) == data


def test_fields_and_reasons_of_a_later_version_do_no_harm():
    gaps = [{"first_seq": 1, "last_seq": 2}]
    theirs = judge("Marks")(marks=[{"stream": 1, "line": 2, "epoch": 3, "seq": 4, "gaps": gaps}])
    theirs.marks[0].gaps[0].MergeFromString(b"\x28\x63")  # reason 99
    theirs.marks[0].MergeFromString(protobuf.bytes_field(20, b"later"))
    data = theirs.SerializeToString() + protobuf.bytes_field(21, b"later")
    gap = Gap(1, 2, 0, 0, GapReason.UNKNOWN)
    assert decode_marks(data) == Marks({1: (Mark(2, 3, 4, 0, (gap,)),)})
    assert decode_position(protobuf.message_field(3, data) + protobuf.uint_field(9, 1)).marks.of[1]


@given(st.binary(max_size=60))
def test_any_bytes_are_marks_or_a_format_error(data):
    for read in (decode_marks, decode_position):
        try:
            read(data)
        except FormatError:
            continue


@settings(max_examples=20)
@given(_some_marks(most=15))
def test_the_metadata_of_a_commit_is_read_back(marks):
    text = to_metadata(marks)
    assert text.isascii()
    assert len(text) <= MAX_METADATA_BYTES
    if len(encode_marks(marks)) * 4 <= (MAX_METADATA_BYTES - 4) * 3:
        assert from_metadata(text) == marks


@pytest.mark.parametrize("text", [None, "", "\0", "\0\0"])
def test_no_metadata_is_no_marks(text):
    assert from_metadata(text) == Marks({})


@pytest.mark.parametrize("text", ["?", "abc", "käse", "ab cd", "////", "Cw=="])
def test_the_metadata_of_others_is_a_format_error(text):
    with pytest.raises(FormatError):
        from_metadata(text)


def test_metadata_survives_the_nul_that_old_clients_put_behind_it():
    marks = Marks({7: (Mark(1, 2, 3, 4),)}, 5)
    assert from_metadata(to_metadata(marks) + "\0") == marks


def _gap(i: int) -> Gap:
    return Gap(10 * i + 1, 10 * i + 5, 10**12 + i, 10**12 + i + 1, GapReason.TOPIC_LOST)


def test_metadata_that_does_not_fit_loses_its_oldest_gaps_first():
    gaps = tuple(map(_gap, range(MAX_GAPS)))
    marks = Marks({s: (Mark(s, s, 10_000, 10**12 + s, gaps),) for s in range(1, 9)}, 123)
    text = to_metadata(marks)
    kept = from_metadata(text)
    assert MAX_METADATA_BYTES - 600 < len(text) <= MAX_METADATA_BYTES
    assert kept.dictionary_offset == 123
    assert kept.of.keys() == marks.of.keys()
    for stream, (mark,) in kept.of.items():
        assert mark._replace(gaps=()) == marks.of[stream][0]._replace(gaps=())
        assert 0 < len(mark.gaps) < MAX_GAPS
        assert mark.gaps == gaps[-len(mark.gaps) :]


def test_then_it_loses_all_gaps_and_at_last_the_marks_of_the_longest_silent_streams():
    """At a centre one partition may carry thousands of streams: this must be quick, too."""
    gaps = tuple(map(_gap, range(MAX_GAPS)))
    marks = Marks({s: (Mark(s, s, 10_000, 10**12 + s, gaps),) for s in range(1, 5001)}, 2**62)
    text = to_metadata(marks)
    kept = from_metadata(text)
    assert MAX_METADATA_BYTES - 100 < len(text) <= MAX_METADATA_BYTES
    assert kept.dictionary_offset == 2**62
    newest = range(5001 - len(kept.of), 5001)
    assert kept.of == {s: (marks.of[s][0]._replace(gaps=()),) for s in newest}
    assert len(kept.of) > 40


def test_before_a_stream_loses_its_mark_the_lines_that_streams_have_left_behind_go():
    of = {
        s: tuple(Mark(10 * s + i, s, 10_000, 10**12 + s + i, (_gap(1),)) for i in range(MAX_LINES))
        for s in range(1, 31)
    }
    kept = from_metadata(to_metadata(Marks(of)))
    assert kept.of.keys() == of.keys()
    assert {known[-1].line for known in kept.of.values()} == {10 * s + 3 for s in of}
    assert sum(map(len, kept.of.values())) > 40, "and of those some, as many as fit"
    assert all(not mark.gaps for known in kept.of.values() for mark in known)


def test_of_a_stream_the_lines_that_moved_last_are_kept_and_volatile_ones_go_first():
    known: tuple[Mark, ...] = ()
    for line in range(1, MAX_LINES + 3):
        known = moved(known, Mark(line, line, 1, 1))
        known = moved(known, Mark(1, 1, line, line))  # one that goes on in between
    assert [mark.line for mark in known] == [4, 5, 6, 1]
    for line in range(10, 20):
        known = moved(known, Mark(line, line, 1, 1, volatile=True))
    assert [mark.line for mark in known] == [5, 6, 1, 19]
    assert mark_of(known, 1) == Mark(1, 1, 6, 6)
    assert mark_of(known, 4) is None


def test_half_an_epoch_is_a_format_error():
    with pytest.raises(FormatError, match="half an epoch"):
        decode_marks(protobuf.message_field(1, protobuf.bytes_field(10, b"1234567")))
