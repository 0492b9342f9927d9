"""Any log, read by readers that crash and change over at any moment, against a plain model.

The model knows which rounds are in the log. A reader is a PartitionState, driven as TopicReader
drives it; what outlives it is a commit, as text, and what the far side has.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from hypothesis import event, given
from hypothesis import strategies as st

from collector.flow.mark import Gap, Marks, from_metadata, to_metadata
from collector.flow.pump import Appetite, Batch
from collector.topic.partition import WHOLE, PartitionState
from tests.unit.topic.partition_log import STREAMS, PartitionLog, Round, rounds_of, words


class Writing(NamedTuple):
    """`rounds` more of a stream; before them `back` rounds once more, `skip` rounds are lost."""

    stream: int
    rounds: int
    back: int
    skip: int
    size: int  # the number of series: another one is another dictionary
    copy: bool  # write the dictionary, also when it is not a new one
    line: bool  # begin a new line


writings = st.builds(
    Writing,
    stream=st.integers(0, 2),
    rounds=st.integers(1, 4),
    back=st.sampled_from([0, 0, 0, 1, 3, 8]),
    skip=st.sampled_from([0, 0, 0, 0, 2]),
    size=st.sampled_from([1, 1, 1, 2]),
    copy=st.booleans(),
    line=st.sampled_from([False] * 9 + [True]),
)


class Truth:
    """A log, and which rounds can be read from it."""

    def __init__(self, writes: Sequence[Writing], *, begins_whole: bool) -> None:
        """Without `begins_whole` retention ate the log's start: frames before their dictionary."""
        self.log = PartitionLog(5)
        self.at: dict[int, set[Round]] = {}  # by offset
        self._begins_whole = begins_whole
        self._next = [1, 1, 1]
        self._first = [1, 1, 1]  # of what the writer can write again
        self._line = [1, 1, 1]
        self._size = [0, 0, 0] if begins_whole else [1, 1, 1]
        for write in writes:
            self._write(write)
        for stream in STREAMS:  # the writers go on, so a copy of each dictionary comes again
            for size in (1, 2):
                self.log.dictionary(words(stream, size))

    @property
    def rounds(self) -> set[Round]:
        return {one for rounds in self.at.values() for one in rounds}

    def _write(self, it: Writing) -> None:
        i = it.stream
        of = words(STREAMS[i], it.size)
        if it.copy or self._size[i] != it.size:
            self.log.dictionary(of)
            self._size[i] = it.size
        if it.line and self._begins_whole:
            self._line[i] += 1
            self._next[i] = self._first[i] = 1
        if it.skip:
            self._next[i] += it.skip
            self._first[i] = self._next[i]
        first = max(self._first[i], self._next[i] - it.back)
        last = self._next[i] + it.rounds - 1
        record = self.log.frame(of, first, last - first + 1, line=self._line[i])
        self.at[record.offset] = {
            Round(of.stream.key, self._line[i], seq) for seq in range(first, last + 1)
        }
        self._next[i] = last + 1


class FarSide:
    """A sink that keeps the rules: what is new rises, but for what closes a gap that was told."""

    def __init__(self) -> None:
        self.has: set[Round] = set()
        self.settled: set[Round] = set()  # committed, and no reason to bring it again
        self._newest: dict[int, tuple[int, int]] = {}
        self._missing: set[Round] = set()

    def take(self, batch: Batch) -> None:
        gaps: Sequence[Gap] = batch.end.met.gaps
        stream = batch.dictionary.stream.key
        for frame, gap in product(batch.frames, gaps):
            line = frame.lineage.line
            seqs = range(gap.first_seq, gap.last_seq + 1)
            self._missing |= {Round(stream, line, seq) for seq in seqs}
        for one in rounds_of(batch):
            assert one not in self.settled, f"{one} was delivered before, and that was committed"
            if one not in self.has:
                newest = self._newest.get(stream, (0, 0))
                if (one.line, one.seq) > newest:
                    self._newest[stream] = one.line, one.seq
                else:
                    event("a gap is closed")
                    assert one in self._missing, f"{one} comes late, behind {newest}"
            self.has.add(one)


class Reader:
    """The processes that read, one after the other. All that outlives one is `_stored`."""

    def __init__(self, truth: Truth, far: FarSide) -> None:
        self._truth = truth
        self._far = far
        self._stored: tuple[int, str] | None = None
        self.begin()

    def begin(self) -> None:
        """Start as a new process: with the commit, or with nothing."""
        self._searched: set[int] = set()
        offset, marks, oldest, looked_to = 0, Marks({}), None, WHOLE
        if self._stored is not None:
            offset, marks = self._stored[0], from_metadata(self._stored[1])
            oldest, looked_to = marks.dictionary_offset, 0
        self._state = PartitionState(0, offset, marks, looked_to=looked_to)
        self._at = max(self._truth.log.start, offset if oldest is None else min(oldest, offset))

    def read(self, records: int) -> None:
        for record in self._truth.log.since(self._at)[:records]:
            self._state.add(record)
            self._at = record.offset + 1
        for missing in self._state.missing - self._searched:
            event("a dictionary is searched for")
            self._searched.add(missing)
            at, marks = self._state.commit_point()
            self._state = PartitionState(0, at, marks, looked_to=self._state.looked_to)
            self._at = self._truth.log.start
            return

    def deliver(self, appetite: Appetite, *, is_commit_lost: bool = False) -> bool:
        batch = self._state.batch(appetite)
        if batch is None and self._state.is_in_doubt:
            event("rounds seem to be missing")
            self._look_back()
            batch = self._state.batch(appetite)
        if batch is None:
            return False
        self._far.take(batch)
        self._state.delivered(batch.end)
        if batch.frames and not is_commit_lost:
            self.commit()
        return True

    def _look_back(self) -> None:
        """Read again all that was read: the log is shorter than any look back."""
        at = self._at
        offset, marks, looked_to = self._state.look_back()
        assert offset == 0
        self._state = PartitionState(0, offset, marks, looked_to=looked_to)
        for record in self._truth.log.since(self._truth.log.start):
            if record.offset < at:
                self._state.add(record)

    def hand_over(self, *, is_commit_lost: bool) -> None:
        """The partition goes to another process, with a batch under way that nobody waits for."""
        self._state.batch(EAGER)
        if not is_commit_lost:
            self.commit()
        self.begin()

    def crash(self) -> None:
        """The far side has a batch, and nobody remembers."""
        batch = self._state.batch(EAGER)
        if batch is not None:
            self._far.take(batch)
        self.begin()

    def commit(self) -> None:
        offset, marks = self._state.commit_point()
        for at, rounds in self._truth.at.items():
            assert at >= offset or rounds <= self._far.has, f"the commit {offset} passes {at}"
        self._stored = offset, to_metadata(marks)
        for stream, known in marks.of.items():
            for mark in known:
                self._far.settled |= {
                    one
                    for one in self._far.has
                    if (one.stream, one.line) == (stream, mark.line)
                    and one.seq <= mark.seq
                    and not any(gap.first_seq <= one.seq <= gap.last_seq for gap in mark.gaps)
                }

    @property
    def is_at_end(self) -> bool:
        return self._at == self._truth.log.end


EAGER = Appetite(1, 0.0)
LIVE = Appetite(4, 3600.0)

steps = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 8)),
    st.tuples(st.just("deliver"), st.sampled_from([EAGER, LIVE]), st.booleans()),
    st.tuples(st.just("hand over"), st.booleans()),
    st.tuples(st.just("crash")),
)


@given(
    st.lists(writings, min_size=8, max_size=16),
    st.booleans(),
    st.lists(steps, min_size=12, max_size=30),
)
def test_readers_that_crash_and_change_over_deliver_everything_in_order(
    writes, begins_whole, program
):
    truth = Truth(writes, begins_whole=begins_whole)
    far = FarSide()
    reader = Reader(truth, far)
    for step in program:
        match step:
            case ("read", records):
                reader.read(records)
            case ("deliver", appetite, is_commit_lost):
                reader.deliver(appetite, is_commit_lost=is_commit_lost)
            case ("hand over", is_commit_lost):
                reader.hand_over(is_commit_lost=is_commit_lost)
            case _:
                reader.crash()
    while not reader.is_at_end:
        reader.read(8)
    while reader.deliver(EAGER):
        pass
    assert far.has == truth.rounds
    reader.commit()
    reader.begin()
    reader.read(1000)
    assert not reader.deliver(EAGER), "after the last commit nothing is left"
