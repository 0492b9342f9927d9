from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import protobuf
from collector.errors import FormatError
from collector.mark import (
    MAX_GAPS,
    MAX_METADATA_BYTES,
    Gap,
    GapReason,
    Mark,
    Marks,
    Position,
    Taken,
    Withheld,
    decode_marks,
    decode_position,
    encode_marks,
    encode_position,
    from_metadata,
    take,
    to_metadata,
    withhold,
)
from tests.unit import examples
from tests.unit.examples import judge, line_frame, uint64, wall_of


class _Model:
    """What a reader must do, said with sets: rounds are (line, seq), and gaps are sets of them."""

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self.line = 0
        self.newest = 0
        self.missing: list[set[int]] = []  # a set a gap, oldest first
        self.delivered: list[tuple[int, int]] = []
        self.opened = 0
        self.closed = 0
        self.given_up = 0

    def meet(self, line: int, first: int, rounds: int) -> Taken:
        """Take a frame, and hold what comes out against the sets."""
        expected: list[int] = []
        seqs = range(first, first + rounds)
        if self.mark is None:
            expected = list(seqs)
            self.newest, self.line = seqs[-1], line
        elif line != self.line:
            expected = list(seqs)
            self.given_up += sum(map(len, self.missing))
            self.missing = [set(range(1, first))] if first > 1 else []
            self.opened += first - 1
            self.newest, self.line = seqs[-1], line
        else:
            hole = set(range(self.newest + 1, first))
            for seq in seqs:
                inside = [gap for gap in self.missing if seq in gap]
                for gap in inside:
                    gap.discard(seq)
                    self.closed += 1
                if inside or seq > self.newest:
                    expected.append(seq)
            self.newest = max(self.newest, seqs[-1])
            if hole:
                self.missing.append(hole)
                self.opened += len(hole)
            self._forget_oldest()
        frame = line_frame(first, rounds, line=line, epoch=line * 100 + first % 7 + 1)
        taken = take(self.mark, frame, GapReason.TOPIC_LOST)
        got = [first + i for start, end in taken.spans for i in range(start, end)]
        assert got == expected
        self.delivered += [(line, seq) for seq in got]
        self.mark = taken.mark
        return taken

    def _forget_oldest(self) -> None:
        """At most so many gaps: counted in stretches, which is what a mark can hold."""
        stretches = _stretches(self.missing)
        while len(stretches) > MAX_GAPS:
            oldest = stretches.pop(0)
            self.given_up += len(oldest)
            for gap in self.missing:
                gap.difference_update(oldest)
        self.missing = [gap for gap in self.missing if gap]


def _stretches(gaps: list[set[int]]) -> list[list[int]]:
    found: list[list[int]] = []
    for gap in gaps:
        before = None
        for seq in sorted(gap):
            if before is None or seq != before + 1:
                found.append([])
            found[-1].append(seq)
            before = seq
    return found


_MOVES = st.lists(
    st.tuples(
        st.sampled_from(["next", "next", "next", "skip", "again", "late", "new line"]),
        st.integers(1, 12),
        st.integers(1, 30),
    ),
    max_size=40,
)


@given(_MOVES, st.integers(1, 5))
def test_each_round_is_delivered_when_it_is_new_or_missing_and_never_else(moves, first):
    """Gaps, late rounds, repeats in other frames, a log cut and written again, new lines."""
    model = _Model()
    line = 1
    at = first
    for move, rounds, distance in moves:
        if move == "skip":
            at += distance
        elif move == "again":
            at = max(1, at - distance)
        elif move == "late":
            # From where something is missing, with frames of any boundaries.
            late = model.missing[distance % len(model.missing)] if model.missing else {at}
            model.meet(line, max(1, min(late) - distance % 3), rounds)
            continue
        elif move == "new line":
            line += 1
            at = 1 + distance % 3
        taken = model.meet(line, at, rounds)
        at += rounds
        mark = taken.mark
        assert (mark.line, mark.seq) == (model.line, model.newest)
        assert mark.wall_ms == wall_of(model.line, model.newest)
        assert [list(range(g.first_seq, g.last_seq + 1)) for g in mark.gaps if g.first_seq] == (
            _stretches(model.missing)
        )
        assert len(mark.gaps) <= MAX_GAPS
        assert decode_marks(encode_marks(Marks({1: mark}))).of[1] == mark
    # A round comes a second time only if it was missing, and then it was not delivered before.
    assert len(model.delivered) == len(set(model.delivered))
    assert model.opened == model.closed + model.given_up + sum(map(len, model.missing))


@settings(max_examples=50)
@given(_MOVES)
def test_the_sums_that_are_told_balance_with_what_is_open(moves):
    model = _Model()
    at = 1
    opened = closed = 0
    for move, rounds, distance in moves:
        if move == "skip":
            at += distance
        elif move in {"again", "late"}:
            at = max(1, at - distance)
        taken = model.meet(1, at, rounds)
        at += rounds
        opened += sum(gap.rounds for gap in taken.opened)
        closed += taken.closed
    assert (opened, closed) == (model.opened, model.closed)


def test_a_reader_without_a_mark_takes_everything_for_new():
    taken = take(None, line_frame(500, 3))
    assert taken == Taken(Mark(1, 1, 502, wall_of(1, 502)), ((0, 3),))


def test_a_gap_has_its_seqs_its_times_and_its_reason():
    mark = take(None, line_frame(1, 2)).mark
    taken = take(mark, line_frame(6), GapReason.SPOOL_FULL)
    gap = Gap(3, 5, wall_of(1, 2), wall_of(1, 6), GapReason.SPOOL_FULL)
    assert taken.opened == (gap,)
    assert taken.mark.gaps == (gap,)
    assert gap.rounds == 3
    assert gap.reason.label == "spool_full"


def test_a_round_inside_a_gap_closes_it_and_splits_the_times():
    mark = take(take(None, line_frame(1)).mark, line_frame(9)).mark
    late = take(mark, line_frame(4, 2))
    assert late.spans == ((0, 2),)
    assert late.closed == 2
    assert late.mark.gaps == (
        Gap(2, 3, wall_of(1, 1), wall_of(1, 4), GapReason.UNKNOWN),
        Gap(6, 8, wall_of(1, 5), wall_of(1, 9), GapReason.UNKNOWN),
    )
    rest = take(late.mark, line_frame(1, 12))
    assert rest.spans == ((1, 3), (5, 8), (9, 12))
    assert rest.closed == 5
    assert rest.mark.gaps == ()


def test_a_log_that_was_cut_and_written_again_in_larger_frames_loses_nothing():
    """The reader met 1..900, then 1000; the writer noticed the cut and wrote 890..1010 anew."""
    mark = take(take(None, line_frame(1, 900)).mark, line_frame(1000)).mark
    spans = []
    for first in range(890, 1010, 20):
        taken = take(mark, line_frame(first, 20))
        mark = taken.mark
        spans += [(first + a, first + b - 1) for a, b in taken.spans]
    assert spans == [
        (901, 909),
        (910, 929),
        (930, 949),
        (950, 969),
        (970, 989),
        (990, 999),
        (1001, 1009),
    ]
    assert mark.gaps == ()


def test_a_new_line_opens_a_gap_of_unknown_size_and_ends_those_of_the_old_one():
    mark = take(take(None, line_frame(1)).mark, line_frame(5)).mark
    taken = take(mark, line_frame(1, line=2), GapReason.TOPIC_LOST)
    unknown = Gap(0, 0, wall_of(1, 5), wall_of(2, 1), GapReason.NEW_LINE)
    assert taken.opened == (unknown,)
    assert unknown.rounds == 0
    assert taken.mark == Mark(2, 2, 1, wall_of(2, 1), (unknown,))
    later = take(mark, line_frame(4, line=2), GapReason.TOPIC_LOST)
    assert later.opened == (
        unknown._replace(before_ms=wall_of(2, 4)),
        Gap(1, 3, wall_of(1, 5), wall_of(2, 4), GapReason.TOPIC_LOST),
    )


def test_the_next_epoch_of_a_line_goes_on_without_a_gap():
    mark = take(None, line_frame(1, 3, line=1, epoch=1)).mark
    taken = take(mark, line_frame(4, 1, line=1, epoch=2))
    assert taken.opened == ()
    assert (taken.mark.epoch, taken.mark.seq) == (2, 4)
    # An older epoch that is read again must not bring its epoch back into the mark.
    assert take(taken.mark, line_frame(1, 2, line=1, epoch=1)).mark == taken.mark


def test_only_so_many_gaps_are_kept_open_and_the_oldest_is_given_up():
    mark = take(None, line_frame(1)).mark
    for seq in range(11, 10 * (MAX_GAPS + 4), 10):
        mark = take(mark, line_frame(seq)).mark
    assert len(mark.gaps) == MAX_GAPS
    assert mark.gaps[0].first_seq > 2
    assert take(mark, line_frame(5)).spans == ()  # given up: now a repeat
    # A round in the middle of one makes two of it: still no more than those.
    middle = mark.gaps[3].first_seq + 4
    split = take(mark, line_frame(middle)).mark
    assert len(split.gaps) == MAX_GAPS
    assert split.gaps[0] == mark.gaps[1]


def test_the_reasons_are_those_of_the_format():
    theirs = examples.number_of_enum("Gap", "reason")
    assert {reason.name: reason.value for reason in GapReason} == {
        name.removeprefix("GAP_"): number for name, number in theirs.items()
    }


@st.composite
def _some_marks(draw: st.DrawFn, most: int = 3) -> Marks:
    of = draw(st.dictionaries(uint64, examples.marks, max_size=most))
    return Marks(of, draw(st.none() | st.integers(0, 2**63 - 1)))


@settings(max_examples=40)
@given(_some_marks())
def test_protobuf_reads_the_marks_that_we_write(marks):
    data = encode_marks(marks)
    read = judge("Marks").FromString(data)
    assert read.SerializeToString(deterministic=True) == data
    assert read.dictionary_offset == (marks.dictionary_offset or 0) + (
        marks.dictionary_offset is not None
    )
    assert {
        one.stream: Mark(
            one.line,
            one.epoch,
            one.seq,
            one.wall_ms,
            tuple(
                Gap(g.first_seq, g.last_seq, g.after_ms, g.before_ms, GapReason(g.reason))
                for g in one.gaps
            ),
        )
        for one in read.marks
    } == marks.of


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
    assert decode_marks(data) == Marks({1: Mark(2, 3, 4, 0, (gap,))})
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
    marks = Marks({7: Mark(1, 2, 3, 4)}, 5)
    assert from_metadata(to_metadata(marks) + "\0") == marks


def _gap(i: int) -> Gap:
    return Gap(10 * i + 1, 10 * i + 5, 10**12 + i, 10**12 + i + 1, GapReason.TOPIC_LOST)


def test_metadata_that_does_not_fit_loses_its_oldest_gaps_first():
    gaps = tuple(map(_gap, range(MAX_GAPS)))
    marks = Marks({s: Mark(s, s, 10_000, 10**12 + s, gaps) for s in range(1, 9)}, 123)
    text = to_metadata(marks)
    kept = from_metadata(text)
    assert MAX_METADATA_BYTES - 600 < len(text) <= MAX_METADATA_BYTES
    assert kept.dictionary_offset == 123
    assert kept.of.keys() == marks.of.keys()
    for stream, mark in kept.of.items():
        assert mark._replace(gaps=()) == marks.of[stream]._replace(gaps=())
        assert 0 < len(mark.gaps) < MAX_GAPS
        assert mark.gaps == gaps[-len(mark.gaps) :]


def test_then_it_loses_all_gaps_and_at_last_the_marks_of_the_longest_silent_streams():
    """At a centre one partition may carry thousands of streams: this must be quick, too."""
    gaps = tuple(map(_gap, range(MAX_GAPS)))
    marks = Marks({s: Mark(s, s, 10_000, 10**12 + s, gaps) for s in range(1, 5001)}, 2**62)
    text = to_metadata(marks)
    kept = from_metadata(text)
    assert MAX_METADATA_BYTES - 100 < len(text) <= MAX_METADATA_BYTES
    assert kept.dictionary_offset == 2**62
    newest = range(5001 - len(kept.of), 5001)
    assert kept.of == {s: marks.of[s]._replace(gaps=()) for s in newest}
    assert len(kept.of) > 40


def _old(first: int, last: int, line: int = 1) -> Withheld:
    gap = Gap(first, last, wall_of(line, first), wall_of(line, last), GapReason.OUT_OF_WINDOW)
    return Withheld(line, gap)


def test_rounds_withheld_batch_by_batch_are_one_open_gap_of_their_line():
    mark = Mark(1, 1, 60, wall_of(1, 60), (Gap(2, 3, 0, 0, GapReason.TOPIC_LOST),))
    for first in (21, 41):
        mark = withhold(mark, [_old(first, first + 19), _old(5, 6, line=9)])
    assert [gap[:2] for gap in mark.gaps] == [(2, 3), (21, 60)]
    assert mark.gaps[-1] == _old(21, 60).gap
    taken = take(mark, line_frame(30, 5))  # an import brings some of them after all
    assert (taken.spans, taken.closed) == (((0, 5),), 5)
    assert [gap[:2] for gap in taken.mark.gaps] == [(2, 3), (21, 29), (35, 60)]
