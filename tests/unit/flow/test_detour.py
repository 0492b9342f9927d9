"""The promise: whichever way a round takes, it comes once and in order, and all of them come."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from collector.flow.detour import Detour
from collector.flow.mark import Known, Mark, Marks, Withheld, from_metadata, merged, to_metadata
from collector.flow.pump import Batch
from collector.frames.frame import encode_frame
from collector.topic.partition import PartitionState, TopicEnd
from tests.unit.examples import STREAM, wall_of
from tests.unit.spool.site import EAGER, Site, round_of
from tests.unit.topic.partition_log import PartitionLog, seqs_of_frame


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


class _Topic:
    """The topic's side of a site, as SiteReader has it, without a broker: a log and a commit."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.log = PartitionLog()
        self.log.dictionary(site.known)
        self.published = 0
        self.is_away = False
        self.stored: tuple[int, str] = (0, "")
        self.lingered = 0
        self._elsewhere: Known = ()
        self.open()

    def open(self) -> None:
        """As a new process, or after a rebalance: with the commit and nothing else."""
        self._elsewhere = ()
        self._state = PartitionState(0, self.stored[0], from_metadata(self.stored[1]))
        self._at = 0

    def publish(self, rounds: int) -> None:
        last = min(self.published + rounds, self.site.next_seq - 1)
        for seq in range(self.published + 1, last + 1):
            self.log.raw(encode_frame(round_of(1, seq, self.site.known)))
        self.published = last

    def read(self, wait: float) -> Batch | None:
        if self.is_away:
            return None
        for record in self.log.since(self._at)[:3]:
            self._state.add(record)
            self._at = record.offset + 1
        batch = self._state.batch(EAGER)
        while batch is not None and not batch.frames:
            self._state.delivered(batch.end)
            batch = self._state.batch(EAGER)
        return batch

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        end: TopicEnd = batch.end
        self._state.delivered(end, withheld)
        if not self.is_away:
            offset, marks = self._state.commit_point()
            self.stored = offset, to_metadata(marks)

    def wait(self, seconds: float, stop: Event) -> bool:
        return False

    def linger(self, seconds: float, stop: Event, goes_on: Callable[[], bool]) -> bool:
        self.lingered += 1
        return goes_on()

    def known(self) -> Known:
        return self._state.known(STREAM.key)

    def follow(self, known: Known) -> None:
        self._elsewhere = merged(self.known(), known)
        self._state.follow(STREAM.key, self._elsewhere)

    def has_passed(self, known: Known) -> bool:
        return not known or self._state.has_passed(STREAM.key, known[-1])

    def mark(self, stream: int) -> Mark | None:
        return self._state.mark(stream)

    def hurry(self) -> None: ...
    def close(self) -> None: ...


class _Line:
    """A site whose broker comes and goes, and a far side that is told everything once."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.topic = _Topic(self.site)
        self.turns: list[bool] = []
        self.has: list[int] = []
        self.open()

    def open(self) -> None:
        self.cursor, self.told = self.site.reader("sink-centre")
        self.log = Detour(STREAM.key, self.topic, self.cursor, lambda: self.topic.is_away, self)

    def turned(self, *, around: bool) -> None:
        self.turns.append(around)

    def step(self, *, commit: bool = True) -> bool:
        batch = self.log.read(0)
        if batch is None:
            return False
        self.has += [seq for frame in batch.frames for seq in seqs_of_frame(frame)]
        if commit:
            self.log.commit(batch)
        return True

    def crash(self) -> None:
        self.cursor.close()
        self.topic.open()
        self.open()

    def new(self) -> list[int]:
        """What came, without what came again."""
        return list(dict.fromkeys(self.has))


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("publish"), st.integers(1, 6)),
        st.tuples(st.just("deliver"), st.integers(1, 4)),
        st.tuples(st.just("broker"), st.booleans()),
        st.tuples(st.sampled_from(["crash", "rebalance", "unanswered"]), st.just(1)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(_STEPS)
def test_f04_whichever_way_rounds_take_they_come_in_order_and_all_of_them(steps):
    with tempfile.TemporaryDirectory() as folder:
        line = _Line(Path(folder))
        may_repeat = False
        for what, number in steps:
            if what == "take":
                line.site.append(number)
            elif what == "publish" and not line.topic.is_away:
                line.topic.publish(number)
            elif what == "deliver":
                for _ in range(number):
                    line.step()
            elif what == "broker":
                line.topic.is_away = not number
            elif what == "crash":
                may_repeat = True
                line.crash()
            elif what == "rebalance":
                known = line.topic._elsewhere
                line.topic.open()
                line.topic.follow(known)
            elif what == "unanswered":
                may_repeat = True
                line.step(commit=False)
                line.crash()
        line.topic.is_away = False
        line.topic.publish(1000)
        while line.step() or line.topic._at < line.topic.log.end:
            pass
        assert line.new() == list(range(1, line.site.next_seq)), "in order and complete"
        if not may_repeat:
            assert line.has == line.new(), "and once"
        assert line.told.gaps == []
        event(f"{len(line.turns)} turns")
        line.log.close()
        line.site.close()


def test_it_begins_behind_what_the_topic_brought_and_ends_when_the_reader_has_passed(tmp_path):
    line = _Line(tmp_path)
    line.site.append(4)
    line.topic.publish(3)
    while line.step():
        pass
    line.topic.is_away = True
    assert line.step()
    assert (line.has, line.turns) == ([1, 2, 3, 4], [True])
    line.site.append(1)
    assert line.step()
    line.topic.is_away = False
    line.step()
    assert line.turns == [True], "nothing of it is in the topic yet"
    line.topic.publish(2)
    while line.topic._at < line.topic.log.end:
        line.step()
    line.step()
    assert (line.has, line.turns) == ([1, 2, 3, 4, 5], [True, False])
    mark = line.log.mark(STREAM.key)
    assert mark is not None
    assert (mark.seq, mark.wall_ms) == (5, wall_of(1, 5))
    line.site.append(1)
    line.topic.publish(1)
    while line.step():
        pass
    assert line.has == [1, 2, 3, 4, 5, 6]
    line.site.close()


def test_the_mark_survives_in_the_spool_where_the_broker_was_never_told(tmp_path):
    line = _Line(tmp_path)
    line.site.append(3)
    line.topic.is_away = True
    while line.step():
        pass
    line.crash()
    assert not line.step()
    line.topic.is_away = False
    line.topic.publish(3)
    while line.topic._at < line.topic.log.end:
        line.step()
    assert line.has == [1, 2, 3]
    line.site.append(1)
    line.topic.publish(1)
    while line.step():
        pass
    assert from_metadata(line.topic.stored[1]).of[STREAM.key][-1].seq == 4, "and now it was"
    line.site.close()


def test_while_a_batch_from_the_spool_waits_the_membership_is_kept(tmp_path):
    line = _Line(tmp_path)
    line.site.append(1)
    line.topic.is_away = True
    batch = line.log.read(0)
    assert batch is not None
    assert line.log.wait(0, Event()), "it is ours, whatever the group says"
    assert line.topic.lingered == 1
    line.site.close()


def test_what_two_ways_have_delivered_is_what_either_has():
    one = (Mark(1, 1, 5, 50), Mark(2, 2, 3, 70))
    other = (Mark(1, 1, 7, 60), Mark(3, 3, 1, 90))
    assert merged(one, other) == (Mark(1, 1, 7, 60), Mark(2, 2, 3, 70), Mark(3, 3, 1, 90))
    assert merged((), one) == merged(one, ()) == one
    assert Marks({1: merged(one, other)}).of[1][-1].line == 3
