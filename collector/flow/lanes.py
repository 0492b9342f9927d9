"""Lanes: several pumps that share one log, so that a stream that must wait holds up only itself.

A log such as a consumer group's belongs to one thread. That thread is the keeper: it reads, keeps
the membership and commits, and never waits for a receiver. A lane is what a pump sees of it: a Log
of its own. A stream has at most one batch out, so its order holds whichever lane has it.

A lane whose batch must wait takes another one meanwhile, when there is one and the far side takes
what others bring: the batch is parked with its lane, which alone knows how far it came. When
nobody's batch is taken, one lane tries another stream now and then, ever more seldom.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from threading import Condition, Event
from typing import NamedTuple, Protocol

from collector.flow.mark import Mark, Withheld
from collector.flow.pump import Batch

MOST_PARKED = 32
"""Of a lane: each is a batch in memory."""

FIRST_PROBE_S = 1.0
LONGEST_PROBE_S = 15.0
FIRST_PARKING_S = 2.0
LONGEST_PARKING_S = 60.0
SETTLE_S = 5.0
"""How long a partition that is taken from us waits for what is under way."""

STOOD_STILL_S = 2.0
"""A keeper that has not looked for so long may have lost partitions: a process that stood still (a
paused machine) asks first whether its batches are still its own."""

_FETCH_S = 0.1
_LOOK_S = 0.5

Predicate = Callable[[Batch], bool]
_Finished = tuple[Batch, Sequence[Withheld]]


class SharedLog(Protocol):
    """A log that has batches of several streams out at once. One thread uses it."""

    def fetch(self, wait: float) -> None:
        """Read on for at most `wait` seconds, as far as memory allows. Keeps the membership."""
        ...

    def next(self, out: AbstractSet[int]) -> Batch | None:
        """Return a batch of a stream that isn't among those; None when there is none yet."""
        ...

    def is_ours(self, batch: Batch) -> bool:
        """Whether a batch that is out is still ours to deliver and to commit."""
        ...

    def before_release(self, call: Callable[[Predicate], None]) -> None:
        """Whom to call, in the same thread, before some batches are ours no longer."""
        ...

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None: ...
    def hurry(self) -> None: ...
    def mark(self, stream: int) -> Mark | None: ...
    def close(self) -> None: ...


class _Parked(NamedTuple):
    batch: Batch
    due: float


class _Lane:
    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.is_lost = False  # its batch is no longer ours
        self.parked: dict[int, _Parked] = {}
        self.streams: set[int] = set()  # had by this lane last: it knows their labels


class Board:
    """Who has which batch, and who may take one. No threads and no clock in it: `now` is told."""

    def __init__(self, lanes: int) -> None:
        self.ready: deque[Batch] = deque()  # nobody's yet: at most one for each lane
        self.taken = 0  # batches that the far side took
        self.kept_at = -math.inf  # when the keeper last looked whose they are
        self._lanes = [_Lane() for _ in range(lanes)]
        self._probe_at = 0.0
        self._probe_s = FIRST_PROBE_S
        self._parkings: dict[int, int] = {}  # in a row, by stream

    def is_kept(self, now: float) -> bool:
        """Whether it is known that what is here is ours."""
        return now < self.kept_at + STOOD_STILL_S

    @property
    def wants_more(self) -> bool:
        return len(self.ready) < len(self._lanes)

    @property
    def out(self) -> set[int]:
        """The streams that have a batch here, also one that is no longer ours."""
        streams = {_stream(batch) for batch in self.ready}
        for lane in self._lanes:
            streams |= lane.parked.keys()
            if lane.batch is not None:
                streams.add(_stream(lane.batch))
        return streams

    @property
    def leaving(self) -> bool:
        """Whether a lane is still at a batch that is no longer ours."""
        return any(lane.is_lost for lane in self._lanes)

    def take(self, number: int, now: float) -> Batch | None:
        """Give a lane its next batch: a parked one that is due, else one that is ready."""
        lane = self._lanes[number]
        if lane.batch is not None:
            raise AssertionError("a lane has one batch at a time")
        due = min(lane.parked.values(), key=lambda it: it.due, default=None)
        if due is not None and due.due <= now:
            del lane.parked[_stream(due.batch)]
            return self._give(lane, due.batch)
        if not self.ready:
            return None
        batch = next((it for it in self.ready if _stream(it) in lane.streams), self.ready[0])
        self.ready.remove(batch)
        return self._give(lane, batch)

    def done(self, number: int) -> None:
        """A lane's batch is at the far side."""
        batch = self.let_go(number)
        self.taken += 1
        self._probe_s, self._probe_at = FIRST_PROBE_S, 0.0
        self._parkings.pop(_stream(batch), None)

    def let_go(self, number: int) -> Batch:
        """A lane has its batch no longer."""
        lane = self._lanes[number]
        batch = lane.batch
        if batch is None:
            raise AssertionError("a lane lets go what it hasn't got")
        lane.batch, lane.is_lost = None, False
        return batch

    def is_lost(self, number: int) -> bool:
        return self._lanes[number].is_lost

    def may_park(self, number: int, taken_before: int, now: float) -> bool:
        """Whether a lane that waits may turn to another batch.

        `taken_before` is what `taken` was when its wait began: since then, more proves that the
        far side takes what others bring.
        """
        lane = self._lanes[number]
        has_work = bool(self.ready) or any(it.due <= now for it in lane.parked.values())
        if not has_work or len(lane.parked) >= MOST_PARKED:
            return False
        if self.taken > taken_before:
            return True
        if now < self._probe_at:
            return False
        self._probe_at = now + self._probe_s
        self._probe_s = min(2 * self._probe_s, LONGEST_PROBE_S)
        return True

    def park(self, number: int, until: float, now: float) -> None:
        """Put a lane's batch aside until then, or longer: a pump forgets how often it tried."""
        batch = self.let_go(number)
        stream = _stream(batch)
        times = self._parkings[stream] = self._parkings.get(stream, 0) + 1
        least = min(FIRST_PARKING_S * (1 << min(times - 1, 16)), LONGEST_PARKING_S)
        self._lanes[number].parked[stream] = _Parked(batch, max(until, now + least))

    def lose(self, is_ours: Predicate) -> None:
        """Drop what is no longer ours; a lane that is at it learns so when it asks."""
        self.ready = deque(filter(is_ours, self.ready))
        for lane in self._lanes:
            parked = lane.parked.items()
            lane.parked = {stream: it for stream, it in parked if is_ours(it.batch)}
            lane.is_lost = lane.batch is not None and not is_ours(lane.batch)

    def _give(self, lane: _Lane, batch: Batch) -> Batch:
        stream = _stream(batch)
        for other in self._lanes:
            other.streams.discard(stream)
        lane.streams.add(stream)
        lane.batch = batch
        return batch


class Lanes:
    """The keeper of a shared log, and the logs of its lanes."""

    def __init__(
        self,
        log: SharedLog,
        lanes: int,
        kept: Callable[[AbstractSet[int]], None] = lambda _: None,
    ) -> None:
        """`kept` is told, several times a second, which streams have a batch in a lane."""
        self._log = log
        self._kept = kept
        self._board = Board(lanes)
        self._changed = Condition()
        self._finished: deque[_Finished] = deque()  # at the far side, and to be committed
        log.before_release(self.settle)
        self.logs = [
            LaneLog(number, self._board, self._changed, self._finished) for number in range(lanes)
        ]

    def run(self, stop: Event) -> None:
        """The keeper's room."""
        while not stop.is_set():
            self._log.fetch(_FETCH_S)
            self.keep()

    def keep(self) -> None:
        """Commit what is done, drop what is no longer ours, and lay out what comes next."""
        self._commit_finished()
        with self._changed:
            self._board.lose(self._log.is_ours)
            self._board.kept_at = time.monotonic()
            while self._board.wants_more:
                batch = self._log.next(self._board.out)
                if batch is None:
                    break
                self._board.ready.append(batch)
            out = self._board.out
            self._changed.notify_all()
        self._kept(out)

    def settle(self, goes: Predicate) -> None:
        """Some partitions are taken from us: commit what is under way of them, if it ends soon.

        For the log to call, in the keeper's thread, before it lets them go.
        """
        with self._changed:
            self._board.lose(lambda batch: not goes(batch))
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._board.leaving, SETTLE_S)
        self._commit_finished()

    def hurry(self) -> None:
        self._log.hurry()

    def mark(self, stream: int) -> Mark | None:
        return self._log.mark(stream)

    def close(self) -> None:
        """Commit what is done, and leave. The keeper's room must have ended."""
        self._commit_finished()
        self._log.close()

    def _commit_finished(self) -> None:
        while self._finished:
            batch, withheld = self._finished.popleft()
            if self._log.is_ours(batch):
                self._log.commit(batch, withheld)


class LaneLog:
    """One lane's side: the Log of its pump."""

    def __init__(
        self, number: int, board: Board, changed: Condition, finished: deque[_Finished]
    ) -> None:
        self._number = number
        self._board = board
        self._changed = changed
        self._finished = finished

    def read(self, wait: float) -> Batch | None:
        """Return the lane's next batch; None when it got none within `wait` seconds."""
        until = time.monotonic() + wait
        with self._changed:
            while True:
                now = time.monotonic()
                batch = self._board.take(self._number, now) if self._board.is_kept(now) else None
                if batch is not None or now >= until:
                    return batch
                self._changed.wait(min(until - now, _LOOK_S))

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        """Leave the batch to the keeper, to be committed if it is still ours."""
        with self._changed:
            self._finished.append((batch, withheld))
            self._board.done(self._number)
            self._changed.notify_all()

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait while the batch is undelivered; False: it is parked, or no longer ours."""
        began = time.monotonic()
        until = began + seconds
        with self._changed:
            taken_before = self._board.taken
            while not stop.is_set():
                now = time.monotonic()
                if self._board.is_lost(self._number):
                    break
                if now >= until and self._board.is_kept(now):
                    return True
                if self._board.may_park(self._number, taken_before, now):
                    self._board.park(self._number, until, now)
                    self._changed.notify_all()
                    return False
                self._changed.wait(min(max(until - now, 0.01), _LOOK_S))
            self._board.let_go(self._number)
            self._changed.notify_all()
            return False


def _stream(batch: Batch) -> int:
    return batch.dictionary.stream.key
