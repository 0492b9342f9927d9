"""Lanes: a stream is in one hand at a time, and one that waits holds up only itself."""

from __future__ import annotations

from collections import deque
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import Retry
from collector.flow import lanes, pump
from collector.flow.lanes import Board, Lanes
from collector.flow.mark import Mark
from collector.flow.pump import Batch, Pump
from collector.frames.dictionary import Dictionary, Stream
from tests.lab.waiting import wait_for
from tests.unit.examples import line_frame, small_dictionary

SOON = 60.0  # seconds: for what ends at once
WORDS: list[Dictionary] = [
    small_dictionary(Stream(f"store-{number}", "edge-1", "standard")) for number in range(6)
]


def batch(site: int, number: int = 1) -> Batch:
    return Batch(WORDS[site], (line_frame(number, id_=WORDS[site].id),), number)


def site_of(one: Batch | None) -> int | None:
    return None if one is None else WORDS.index(one.dictionary)


def board(lanes: int, *ready: int) -> Board:
    one = Board(lanes)
    one.ready += map(batch, ready)
    return one


def test_each_lane_takes_what_has_been_ready_longest():
    one = board(2, 0, 1, 2)
    assert site_of(one.take(0, 0.0)) == 0
    assert site_of(one.take(1, 0.0)) == 1
    one.done(1)
    assert site_of(one.take(1, 0.0)) == 2
    one.done(0)
    assert one.take(0, 0.0) is None
    assert one.out == {WORDS[2].stream.key}


def test_a_lane_prefers_a_stream_whose_labels_it_knows():
    one = board(2, 0, 1)
    one.take(0, 0.0)
    one.take(1, 0.0)
    one.done(0)
    one.done(1)
    one.ready += [batch(0, 2), batch(1, 2)]
    assert site_of(one.take(1, 0.0)) == 1
    assert site_of(one.take(0, 0.0)) == 0


def test_one_that_waits_turns_to_another_once_others_get_through():
    one = board(2, 0, 1)
    one.take(0, 0.0)
    one.take(1, 0.0)
    taken = one.taken
    assert not one.may_park(0, taken, 0.0), "nothing else is ready"
    one.ready.append(batch(2))
    assert one.may_park(0, taken, 0.0), "now and then it tries, for all that are refused"
    assert not one.may_park(0, taken, 0.5), "nobody has got through since"
    one.done(1)
    assert one.may_park(0, taken, 0.6)
    one.park(0, until=1.0, now=0.6)
    assert site_of(one.take(0, 0.6)) == 2
    one.done(0)
    assert one.take(0, 2.5) is None, "at first two seconds, whatever the pump had in mind"
    assert site_of(one.take(0, 2.6)) == 0, (
        "and it comes back to the lane that knows how far it came"
    )


def test_what_is_parked_comes_back_to_its_own_lane_alone():
    one = board(2, 0, 1)
    one.take(0, 0.0)
    one.park(0, until=1.0, now=0.0)
    assert site_of(one.take(1, 5.0)) == 1
    one.done(1)
    assert one.take(1, 5.0) is None
    assert site_of(one.take(0, 5.0)) == 0


def test_what_is_parked_again_and_again_waits_longer_until_it_gets_through():
    one = board(1, 0)
    now, waits = 0.0, []
    for _ in range(8):
        assert one.take(0, now) is not None
        one.park(0, now, now)
        waits.append(min(it.due for it in one._lanes[0].parked.values()) - now)
        now += waits[-1]
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    one.take(0, now)
    one.done(0)
    one.ready.append(batch(0, 2))
    one.take(0, now)
    one.park(0, now, now)
    assert one.take(0, now + 1.9) is None
    assert one.take(0, now + 2.0) is not None


def test_the_wait_that_the_far_side_asked_for_is_kept_over_a_parking():
    one = board(1, 0)
    one.take(0, 0.0)
    one.park(0, until=300.0, now=0.0)
    assert one.take(0, 299.0) is None
    assert one.take(0, 300.0) is not None


def test_a_far_side_that_takes_nothing_is_not_asked_by_every_stream():
    one = board(1, 0)
    tries = 0
    now = 0.0
    for _ in range(600):
        one.ready = deque([batch(1)])
        one._lanes[0].batch, one._lanes[0].parked = batch(0), {}
        tries += one.may_park(0, one.taken, now)
        now += 1.0
    assert 600 / lanes.LONGEST_PROBE_S <= tries <= 600 / lanes.LONGEST_PROBE_S + 5


def test_a_lane_parks_no_more_than_its_share():
    one = board(1, 0)
    one.take(0, 0.0)
    one.ready.append(batch(1))
    parked = {key: lanes._Parked(batch(2), 99.0) for key in range(lanes.MOST_PARKED)}
    one._lanes[0].parked = parked
    assert not one.may_park(0, -1, 0.0)


def test_what_is_no_longer_ours_is_dropped_and_a_lane_that_is_at_it_learns_so():
    one = board(2, 0, 1, 2)
    one.take(0, 0.0)
    one.take(1, 0.0)
    one.park(1, 9.0, 0.0)
    one.lose(lambda it: site_of(it) == 5)
    assert (one.is_lost(0), one.leaving, list(one.ready)) == (True, True, [])
    assert one.out == {WORDS[0].stream.key}, "it still has it in hand"
    assert one.take(1, 99.0) is None
    one.let_go(0)
    assert (one.out, one.leaving) == (set(), False)


class _Shared:
    """A log in memory: batches of several streams, each stream in its order."""

    def __init__(self, *batches: Batch) -> None:
        self.batches = deque(batches)
        self.out: dict[int, Batch] = {}
        self.committed: list[tuple[int | None, int]] = []
        self.gone: set[int] = set()
        self.closed = False

    def fetch(self, wait: float) -> None:
        Event().wait(0.001)

    def next(self, out):
        assert self.out.keys() <= out | self.gone | self.out.keys()
        for one in self.batches:
            key = one.dictionary.stream.key
            if key not in out and key not in self.out:
                self.batches.remove(one)
                self.out[key] = one
                return one
        return None

    def is_ours(self, one: Batch) -> bool:
        return one.dictionary.stream.key not in self.gone

    def before_release(self, call) -> None:
        self.settle = call

    def commit(self, one: Batch, withheld=()) -> None:
        assert self.out.pop(one.dictionary.stream.key) is one
        self.committed.append((site_of(one), one.end))

    def hurry(self) -> None: ...

    def mark(self, stream: int) -> Mark | None: ...

    def close(self) -> None:
        self.closed = True


class _Far:
    """A receiver that refuses some sites for a while, or for ever."""

    def __init__(self, *refused: int) -> None:
        self.refused = set(refused)
        self.tried: list[int | None] = []
        self.under_way: set[int] = set()
        self.clashes = 0

    def send(self, one: Batch):
        key = one.dictionary.stream.key
        self.clashes += key in self.under_way
        self.under_way.add(key)
        Event().wait(0.001)
        self.under_way.discard(key)
        self.tried.append(site_of(one))
        if site_of(one) in self.refused:
            raise Retry("429 Too Many Requests", after=0.01)
        return ()


class _Mute:
    def idle(self) -> None: ...
    def sending(self, one: Batch) -> None: ...
    def delivered(self, one: Batch, withheld: object) -> None: ...
    def retrying(self, why: Retry, wait: float) -> None: ...
    def rejected(self, one: Batch, why: object) -> None: ...
    def rewound(self, why: object) -> None: ...
    def keep(self, one: Batch, why: object, sink: str) -> None: ...


class _Running:
    """The keeper and a pump a lane, in threads, as the program has them."""

    def __init__(self, log: _Shared, far: _Far, number: int) -> None:
        self.lanes = Lanes(log, number)
        self.stop = Event()
        pumps = [Pump("p", one, far, _Mute(), _Mute()) for one in self.lanes.logs]
        rooms = [self.lanes.run, *(one.run for one in pumps)]
        self.threads = [Thread(target=room, args=[self.stop], daemon=True) for room in rooms]

    def __enter__(self) -> Lanes:
        for thread in self.threads:
            thread.start()
        return self.lanes

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(SOON)
        assert not any(thread.is_alive() for thread in self.threads)
        self.lanes.close()


def test_every_batch_gets_through_once_and_in_the_order_of_its_stream():
    log = _Shared(*(batch(site, number) for number in range(1, 21) for site in range(6)))
    far = _Far()
    with _Running(log, far, 4):
        wait_for(lambda: len(log.committed) == 120)
    for site in range(6):
        assert [end for of, end in log.committed if of == site] == list(range(1, 21))
    assert far.clashes == 0
    assert log.closed


@pytest.fixture(autouse=True)
def _soon_over(monkeypatch):
    monkeypatch.setattr(pump, "READ_WAIT_S", 0.02)


@pytest.fixture
def _hasty(monkeypatch):
    """Waits as everywhere, but a hundred times as short."""
    monkeypatch.setattr(lanes, "FIRST_PARKING_S", 0.02)
    monkeypatch.setattr(lanes, "FIRST_PROBE_S", 0.01)


@pytest.mark.usefixtures("_hasty")
def test_streams_that_are_refused_hold_up_only_themselves_also_when_they_are_more_than_lanes():
    log = _Shared(*(batch(site, number) for number in range(1, 6) for site in range(6)))
    far = _Far(0, 1, 2)
    with _Running(log, far, 2):
        wait_for(lambda: len(log.committed) == 15)
        assert {of for of, _ in log.committed} == {3, 4, 5}
        far.refused.clear()
        wait_for(lambda: len(log.committed) == 30)
    for site in range(6):
        assert [end for of, end in log.committed if of == site] == [1, 2, 3, 4, 5]
    assert far.clashes == 0


@pytest.mark.usefixtures("_hasty")
def test_what_is_taken_from_us_while_it_waits_is_neither_sent_again_nor_committed():
    log = _Shared(batch(0), batch(1))
    far = _Far(0)
    with _Running(log, far, 2):
        wait_for(lambda: far.tried.count(0) > 2)
        log.gone.add(WORDS[0].stream.key)
        for number in range(1, 20):
            log.batches.append(batch(2, number))
        wait_for(lambda: (2, 19) in log.committed)
        far.refused.clear()
        log.batches.append(batch(2, 20))
        wait_for(lambda: (2, 20) in log.committed)
    assert (0, 1) not in log.committed


def test_partitions_that_go_wait_for_what_is_under_way():
    log = _Shared(batch(0))
    both = Lanes(log, 2)
    both.keep()
    one = both.logs[0].read(0.0)
    assert one is not None
    ending = Thread(target=both.logs[0].commit, args=[one, ()])
    ending.start()
    both.settle(lambda _: True)
    ending.join(SOON)
    assert log.committed == [(0, 1)]


def test_f30_a_process_that_stood_still_sends_nothing_before_its_keeper_has_looked(monkeypatch):
    log = _Shared(batch(0), batch(1))
    both = Lanes(log, 2)
    assert both.logs[0].read(0.0) is None
    both.keep()
    assert both.logs[0].read(0.0) is not None
    monkeypatch.setattr(lanes, "STOOD_STILL_S", -1.0)  # as if it had been long since
    assert both.logs[1].read(0.0) is None
    log.gone |= {words.stream.key for words in WORDS}
    both.keep()
    monkeypatch.undo()
    assert both.logs[1].read(0.0) is None, "it was taken from us while we stood still"
    assert not both.logs[0].wait(9.0, Event())


def test_what_is_done_after_its_partition_went_is_not_committed():
    log = _Shared(batch(0))
    both = Lanes(log, 2)
    both.keep()
    one = both.logs[0].read(0.0)
    assert one is not None
    log.gone.add(WORDS[0].stream.key)
    both.keep()
    both.logs[0].commit(one, ())
    both.keep()
    assert log.committed == []


@settings(max_examples=50)
@given(st.data())
def test_no_stream_is_ever_with_two_lanes(data):
    """Any order of what lanes, keeper and owner may do."""
    one = Board(3)
    log = _Shared(*(batch(site, number) for number in range(1, 8) for site in range(4)))
    held: dict[int, Batch] = {}
    done: dict[int | None, list[int]] = {}
    now = 0.0
    for _ in range(data.draw(st.integers(0, 80))):
        now += data.draw(st.sampled_from([0.0, 1.0, 70.0]))
        number = data.draw(st.integers(0, 2))
        what = data.draw(st.sampled_from(["lay out", "take", "done", "park"]))
        if what == "lay out":
            while one.wants_more and (found := log.next(one.out)):
                one.ready.append(found)
        elif what == "take" and number not in held:
            found = one.take(number, now)
            if found is not None:
                assert site_of(found) not in map(site_of, held.values())
                held[number] = found
        elif what == "done" and number in held:
            finished = held.pop(number)
            one.done(number)
            log.commit(finished)
            done.setdefault(site_of(finished), []).append(finished.end)
        elif (
            what == "park"
            and number in held
            and one.may_park(number, one.taken - data.draw(st.integers(0, 1)), now)
        ):
            one.park(number, now, now)
            del held[number]
    for ends in done.values():
        assert ends == list(range(1, len(ends) + 1))
