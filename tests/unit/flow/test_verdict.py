from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from collector.flow.mark import (
    MAX_GAPS,
    MAX_LINES,
    MAX_REFUSED,
    Gap,
    GapReason,
    Known,
    Mark,
    Marks,
    Withheld,
    decode_marks,
    encode_marks,
    mark_before,
    mark_of,
    withhold,
)
from collector.flow.verdict import TAKEOVER_MS, Taken, take
from collector.frames.frame import Frame
from tests.unit.examples import line_frame, wall_of

LAST_VOLATILE = 9  # the lines up to it, of the model


class _Line:
    """What is delivered of a line, said with sets."""

    def __init__(self) -> None:
        self.newest = 0
        self.missing: list[set[int]] = []  # a set a gap, oldest first


class _Model:
    """What a reader must do, said with sets: rounds are (line, seq), and gaps are sets of them."""

    def __init__(self) -> None:
        self.known: Known = ()
        self.lines: dict[int, _Line] = {}  # the one that moved last at the end
        self.delivered: list[tuple[int, int]] = []
        self.unknown: list[int] = []  # lines that opened a gap of unknown size
        self.forgotten: set[int] = set()
        self.opened = self.closed = self.given_up = 0

    def meet(self, line: int, first: int, rounds: int) -> list[Taken]:
        """Take frames with these rounds, one an epoch."""
        return [self._take(frame) for frame in _of_epochs(line, first, rounds)]

    def _take(self, frame: Frame) -> Taken:
        """Take a frame, and hold what comes out against the sets."""
        line, first = frame.lineage.line, frame.first_seq
        seqs = range(first, frame.last_seq + 1)
        expected, opened = self._expected(line, seqs)
        taken = take(self.known, frame, GapReason.TOPIC_LOST)
        got = [first + i for start, end in taken.spans for i in range(start, end)]
        assert (got, taken.rival) == (expected, None)
        assert sum(gap.rounds for gap in taken.opened) == opened
        self.delivered += [(line, seq) for seq in got]
        self.unknown += [line for gap in taken.opened if not gap.first_seq]
        self.opened += opened
        self.closed += taken.closed
        self.known = taken.known
        return taken

    def _expected(self, line: int, seqs: range) -> tuple[list[int], int]:
        """What is to be delivered of these rounds, and how many are missing before them."""
        known = self.lines.get(line)
        if known is None:
            before = [one for one in self.lines if _is_volatile(line) or not _is_volatile(one)]
            self.lines[line] = known = _Line()
            hole = set(range(1, seqs[0])) if before else set()
            expected = list(seqs)
        else:
            hole = set(range(known.newest + 1, seqs[0]))
            expected = []
            for seq in seqs:
                inside = [gap for gap in known.missing if seq in gap]
                for gap in inside:
                    gap.discard(seq)
                if inside or seq > known.newest:
                    expected.append(seq)
        if hole:
            known.missing.append(hole)
        if seqs[-1] > known.newest:
            known.newest = seqs[-1]
            self.lines[line] = self.lines.pop(line)  # it moved last
        self._forget_gaps(known)
        self._forget_lines()
        return expected, len(hole)

    def _forget_gaps(self, known: _Line) -> None:
        """At most so many gaps: counted in stretches, which is what a mark can hold."""
        stretches = _stretches(known.missing)
        while len(stretches) > MAX_GAPS:
            oldest = stretches.pop(0)
            self.given_up += len(oldest)
            for gap in known.missing:
                gap.difference_update(oldest)
        known.missing = [gap for gap in known.missing if gap]

    def _forget_lines(self) -> None:
        while len(self.lines) > MAX_LINES:
            *others, _ = self.lines
            oldest = next(filter(_is_volatile, others), others[0])
            self.given_up += sum(map(len, self.lines.pop(oldest).missing))
            self.forgotten.add(oldest)


def _is_volatile(line: int) -> bool:
    return line <= LAST_VOLATILE


def _of_epochs(line: int, first: int, rounds: int) -> Iterator[Frame]:
    """Frames with these rounds: a line's epoch ends after each tenth of them."""
    while rounds:
        fit = min(rounds, 10 - first % 10)
        epoch = line * 1000 + first // 10
        yield line_frame(first, fit, line=line, epoch=epoch, volatile=_is_volatile(line))
        first, rounds = first + fit, rounds - fit


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
        st.sampled_from(
            [*["next"] * 3, "skip", "again", "late", "new line", "volatile", "old line"]
        ),
        st.integers(1, 12),
        st.integers(1, 30),
    ),
    max_size=40,
)


@given(_MOVES, st.integers(1, 5))
def test_each_round_is_delivered_when_it_is_new_or_missing_and_never_else(moves, first):
    """Gaps, late rounds, repeats in other frames, a log cut and written again, and any lines.

    A line that is read again is judged by its own mark: nothing of it is delivered twice, and no
    gap of unknown size is opened for it, once it was opened.
    """
    model = _Model()
    lines = [LAST_VOLATILE + 1]
    at = {lines[0]: first}
    volatile = 0
    line = lines[0]
    for move, rounds, distance in moves:
        if move == "skip":
            at[line] += distance
        elif move == "again":
            at[line] = max(1, at[line] - distance)
        elif move == "late":
            # From where something is missing, with frames of any boundaries.
            missing = model.lines[line].missing if line in model.lines else []
            late = missing[distance % len(missing)] if missing else {at[line]}
            model.meet(line, max(1, min(late) - distance % 3), rounds)
            continue
        elif move == "new line":
            line = max(*lines, LAST_VOLATILE) + 1
            lines.append(line)
            at[line] = 1 + distance % 3
        elif move == "volatile" and volatile < LAST_VOLATILE:
            volatile += 1
            line = volatile
            lines.append(line)
            at[line] = 1 + distance % 3
        elif move == "old line":
            line = lines[distance % len(lines)]
        for taken in model.meet(line, at[line], rounds):
            event(f"{len(taken.known)} lines are known")
        at[line] += rounds
        _hold(model)
    # A round comes a second time only when the mark of its line was pushed out by others.
    kept = [one for one in model.delivered if one[0] not in model.forgotten]
    assert len(kept) == len(set(kept))
    unknown = [one for one in model.unknown if one not in model.forgotten]
    assert len(unknown) == len(set(unknown))
    assert not [one for one in unknown if _is_volatile(one)]
    open_ = sum(len(gap) for one in model.lines.values() for gap in one.missing)
    assert model.opened == model.closed + model.given_up + open_


def _hold(model: _Model) -> None:
    """The marks say what the sets say, also after a restart."""
    assert [(mark.line, mark.seq) for mark in model.known] == [
        (line, one.newest) for line, one in model.lines.items()
    ]
    for mark in model.known:
        assert mark.wall_ms == wall_of(mark.line, mark.seq)
        assert [list(range(g.first_seq, g.last_seq + 1)) for g in mark.gaps if g.first_seq] == (
            _stretches(model.lines[mark.line].missing)
        )
        assert len(mark.gaps) <= MAX_GAPS + 1
    assert decode_marks(encode_marks(Marks({1: model.known}))).of[1] == model.known


# What a gap says


def _meet(known: Known, *frames: Frame) -> Known:
    for frame in frames:
        known = take(known, frame).known
    return known


def _new(frame: Frame, taken: Taken) -> list[int]:
    return [frame.first_seq + i for start, end in taken.spans for i in range(start, end)]


def test_a_reader_without_a_mark_takes_everything_for_new():
    taken = take((), line_frame(500, 3))
    mark = Mark(1, 1, 502, wall_of(1, 502), first_seq=500)
    assert taken == Taken(mark, (mark,), ((0, 3),))


def test_a_gap_has_its_seqs_its_times_and_its_reason():
    known = _meet((), line_frame(1, 2))
    taken = take(known, line_frame(6), GapReason.SPOOL_FULL)
    gap = Gap(3, 5, wall_of(1, 2), wall_of(1, 6), GapReason.SPOOL_FULL)
    assert taken.opened == (gap,)
    assert taken.mark.gaps == (gap,)
    assert gap.rounds == 3
    assert gap.reason.label == "spool_full"


@pytest.mark.parametrize(
    "missing, reason", [(8, GapReason.NO_CLOCK), (0, GapReason.UNKNOWN), (99, GapReason.UNKNOWN)]
)
def test_f17_the_writer_knows_why_rounds_before_its_epoch_are_missing(missing, reason):
    known = _meet((), line_frame(1, 3))
    after = line_frame(7, epoch=2)
    after = after._replace(lineage=after.lineage._replace(missing=missing))
    taken = take(known, after)
    assert [(gap.first_seq, gap.last_seq, gap.reason) for gap in taken.opened] == [(4, 6, reason)]
    later = line_frame(10, epoch=2)
    later = later._replace(lineage=later.lineage._replace(missing=missing))
    (gap,) = take(taken.known, later).opened
    assert gap.reason == GapReason.UNKNOWN, "of what is missing within the epoch it says nothing"


def test_a_round_inside_a_gap_closes_it_and_splits_the_times():
    known = _meet((), line_frame(1), line_frame(9))
    late = take(known, line_frame(4, 2))
    assert late.spans == ((0, 2),)
    assert late.closed == 2
    assert late.mark.gaps == (
        Gap(2, 3, wall_of(1, 1), wall_of(1, 4), GapReason.UNKNOWN),
        Gap(6, 8, wall_of(1, 5), wall_of(1, 9), GapReason.UNKNOWN),
    )
    rest = take(late.known, line_frame(1, 12))
    assert rest.spans == ((1, 3), (5, 8), (9, 12))
    assert rest.closed == 5
    assert rest.mark.gaps == ()


def test_a_log_that_was_cut_and_written_again_in_larger_frames_loses_nothing():
    """The reader met 1..900, then 1000; the writer noticed the cut and wrote 890..1010 anew."""
    known = _meet((), line_frame(1, 900), line_frame(1000))
    spans = []
    for first in range(890, 1010, 20):
        taken = take(known, line_frame(first, 20))
        known = taken.known
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
    assert known[-1].gaps == ()


def test_only_so_many_gaps_are_kept_open_and_the_oldest_is_given_up():
    known = _meet((), line_frame(1))
    for seq in range(11, 10 * (MAX_GAPS + 4), 10):
        known = take(known, line_frame(seq)).known
    mark = known[-1]
    assert len(mark.gaps) == MAX_GAPS
    assert mark.gaps[0].first_seq > 2
    assert take(known, line_frame(5)).spans == ()  # given up: now a repeat
    # A round in the middle of one makes two of it: still no more than those.
    middle = mark.gaps[3].first_seq + 4
    split = take(known, line_frame(middle)).mark
    assert len(split.gaps) == MAX_GAPS
    assert split.gaps[0] == mark.gaps[1]


def _old(first: int, last: int, line: int = 1) -> Withheld:
    gap = Gap(first, last, wall_of(line, first), wall_of(line, last), GapReason.OUT_OF_WINDOW)
    return Withheld(line, gap)


def test_rounds_withheld_batch_by_batch_are_one_open_gap_of_their_line():
    known = _meet((), line_frame(1), line_frame(4, 57), line_frame(1, line=2))
    for first in (21, 41):
        known = withhold(known, [_old(first, first + 19), _old(5, 6, line=9)])
    assert [[gap[:2] for gap in mark.gaps] for mark in known] == [[(2, 3), (21, 60)], [(0, 0)]]
    assert known[0].gaps[-1] == _old(21, 60).gap
    taken = take(known, line_frame(30, 5))  # an import brings some of them after all
    assert (taken.spans, taken.closed) == (((0, 5),), 5)
    assert [gap[:2] for gap in taken.mark.gaps] == [(2, 3), (21, 29), (35, 60)]


# Lines


def test_a_new_line_opens_one_gap_of_unknown_size_and_those_of_the_old_one_stay_open():
    known = _meet((), line_frame(1), line_frame(5))
    taken = take(known, line_frame(1, line=2), GapReason.TOPIC_LOST)
    unknown = Gap(0, 0, wall_of(1, 5), wall_of(2, 1), GapReason.NEW_LINE)
    assert taken.opened == (unknown,)
    assert unknown.rounds == 0
    since = wall_of(2, 1)
    assert taken.mark == Mark(2, 2, 1, wall_of(2, 1), (unknown,), 1, since_ms=since)
    assert take(taken.known, line_frame(2, line=2)).opened == ()
    late = take(taken.known, line_frame(2, 3))
    assert (late.spans, late.closed, late.opened) == (((0, 3),), 3, ())
    later = take(known, line_frame(4, line=2), GapReason.TOPIC_LOST)
    assert later.opened == (
        unknown._replace(before_ms=wall_of(2, 4)),
        Gap(1, 3, wall_of(1, 5), wall_of(2, 4), GapReason.TOPIC_LOST),
    )


def test_an_older_line_that_is_read_again_is_repeated_and_opens_nothing():
    known = _meet((), line_frame(1, 5), line_frame(1, 5, line=2))
    for frame in (line_frame(1, 5), line_frame(2, 2), line_frame(1, 5, line=2)):
        taken = take(known, frame)
        assert (taken.spans, taken.opened, taken.known) == ((), (), known)
    assert _new(line_frame(4, 5), take(known, line_frame(4, 5))) == [6, 7, 8], "what it lacked"


def test_rounds_from_memory_are_a_line_beside_and_open_no_gap_of_unknown_size():
    known = _meet((), line_frame(1, 5, line=20), line_frame(1, 3, line=7, volatile=True))
    assert all(not mark.gaps for mark in known)
    lost = take(known, line_frame(6, line=7, volatile=True), GapReason.TOPIC_LOST)
    assert [(gap.first_seq, gap.last_seq, gap.reason) for gap in lost.opened] == [
        (4, 5, GapReason.RING)
    ]
    on = take(lost.known, line_frame(6, line=20))
    assert (on.spans, on.opened) == (((0, 1),), ())
    assert [mark.line for mark in on.known] == [7, 20]


def test_the_next_epoch_of_a_line_goes_on_without_a_gap():
    known = _meet((), line_frame(1, 3, epoch=1))
    taken = take(known, line_frame(4, 1, epoch=2, previous=(1, 3)))
    assert taken.opened == ()
    assert (taken.mark.epoch, taken.mark.seq, taken.mark.first_seq) == (2, 4, 4)
    # An older epoch that is read again must not bring its epoch back into the mark.
    assert take(taken.known, line_frame(1, 2, epoch=1)).mark == taken.mark


# Two collectors with one identity


def test_f39_the_same_number_with_another_time_is_a_conflict_and_not_a_repeat():
    known = _meet((), line_frame(1, 5))
    for frame in (line_frame(5, later_ms=1), line_frame(3, later_ms=9000), line_frame(6, 2)):
        taken = take(known, frame)
        assert (taken.rival == 1) == (frame.first_seq <= 5)
    again = take(known, line_frame(5, later_ms=1))
    assert (again.spans, again.opened, again.known) == ((), (), known)


def test_f39_two_successors_of_one_round_are_clones_and_the_first_one_goes_on():
    known = _meet((), line_frame(1, 5))
    known = _meet(known, line_frame(6, 3, epoch=10, previous=(1, 5)))
    clone = take(known, line_frame(6, 2, epoch=11, previous=(1, 5), later_ms=7))
    assert (clone.rival, clone.spans) == (10, ())
    assert clone.mark.refused == (11,)
    # Ahead of the other its rounds would fit in by chance; so would those after its restart.
    known = clone.known
    for frame in (
        line_frame(9, 2, epoch=11, later_ms=7),
        line_frame(11, 2, epoch=12, previous=(11, 10), later_ms=7),
    ):
        taken = take(known, frame)
        assert (taken.rival, taken.spans) == (10, ())
        known = taken.known
    assert known[-1].refused == (11, 12)
    on = take(known, line_frame(9, 1, epoch=10))
    assert (on.rival, on.spans, on.opened) == (None, ((0, 1),), ())


def test_f39_whoever_has_left_the_stream_leaves_it_to_the_clone():
    known = _meet((), line_frame(1, 8, epoch=10))
    known = _meet(known, line_frame(6, 3, epoch=11, later_ms=7))
    assert known[-1].refused == (11,)
    soon = take(known, line_frame(9, epoch=11, later_ms=TAKEOVER_MS - 1000))
    assert soon.rival == 10
    late = take(known, line_frame(9, epoch=11, later_ms=TAKEOVER_MS))
    assert (late.rival, late.spans) == (None, ((0, 1),))
    assert (late.mark.epoch, late.mark.refused) == (11, ())
    assert take(late.known, line_frame(9, epoch=10)).rival == 11, "back again: now it is the clone"


def test_f39_a_line_that_goes_on_beside_a_younger_one_is_somebody_elses():
    old, young = line_frame(1, 5), line_frame(1, 2, line=2)
    known = _meet((), old, young)
    before = wall_of(2, 1) - wall_of(1, 6)
    late = take(known, line_frame(6, later_ms=before - 1))
    assert late.rival is None, "taken before the other began"
    beside = take(known, line_frame(6, later_ms=before + 500))
    assert (beside.rival, beside.spans) == (2, ())
    alone = take(known, line_frame(6, later_ms=before + 2000 + TAKEOVER_MS))
    assert (alone.rival, alone.spans) == (None, ((0, 1),))
    assert take(alone.known, line_frame(3, line=2, later_ms=2 * TAKEOVER_MS)).rival == 1


def test_after_a_backward_step_of_the_clock_older_rounds_with_later_times_are_repeats():
    known = _meet((), line_frame(1, 5, epoch=1, later_ms=10**9), line_frame(6, 2, epoch=2))
    mark = known[-1]
    assert (mark.wall_ms, mark.latest_ms) == (wall_of(1, 7), wall_of(1, 5) + 10**9)
    again = take(known, line_frame(1, 5, epoch=1, later_ms=10**9))
    assert (again.rival, again.spans, again.known) == (None, (), known)
    assert take(known, line_frame(3, epoch=3, later_ms=10**9 + 3000)).rival == 2


def test_a_reader_that_begins_with_a_frame_knows_no_round_of_it():
    frame = line_frame(5, 3)
    begun = (mark_before(frame),)
    assert take(begun, frame).spans == ((0, 3),)
    assert take(begun, line_frame(3, 2)).rival is None
    old = Mark(1, 1, 7, wall_of(1, 7))  # of a version that knew no more
    assert take((old,), line_frame(7, later_ms=5)).rival is None
    assert take((old,), line_frame(7, epoch=2)).rival == 1


def test_only_so_many_refused_epochs_are_remembered():
    known = _meet((), line_frame(1, 5))
    for epoch in range(50, 60):
        known = take(known, line_frame(5, epoch=epoch)).known
    assert known[-1].refused == tuple(range(60 - MAX_REFUSED, 60))


@st.composite
def _clones(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, int]]]:
    """What two copies of one image write: (who, first seq, rounds), in the order of arrival."""
    base = draw(st.integers(1, 6))
    at = [base + 1, base + 1]
    found = []
    for who, rounds, back in draw(
        st.lists(
            st.tuples(st.sampled_from([0, 1]), st.integers(1, 4), st.sampled_from([0, 0, 1, 3])),
            min_size=1,
            max_size=20,
        )
    ):
        first = max(base + 1, at[who] - back)
        found.append((who, first, rounds))
        at[who] = max(at[who], first + rounds)
    return base, found


@settings(max_examples=60)
@given(_clones())
def test_f39_of_two_clones_one_is_delivered_whole_and_the_other_not_at_all(case):
    base, written = case
    known = _meet((), line_frame(1, base))
    first = written[0][0]
    delivered: list[int] = []
    for who, seq, rounds in written:
        frame = line_frame(seq, rounds, epoch=10 + who, previous=(1, base), later_ms=who * 7)
        taken = take(known, frame)
        assert (taken.rival is not None) == (who != first)
        assert not taken.opened
        known = decode_marks(encode_marks(Marks({1: taken.known}))).of[1]
        delivered += _new(frame, taken)
    ends = [seq + rounds for who, seq, rounds in written if who == first]
    assert delivered == list(range(base + 1, max(ends)))


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_without_a_time_nothing_can_be_told(seq):
    frame = line_frame(seq)
    unstamped = frame._replace(at=tuple(at._replace(wall_ms=None) for at in frame.at))
    known = _meet((), line_frame(1, 5))
    assert take(known, unstamped).rival is None
    assert mark_of(known, 1) == known[0]
