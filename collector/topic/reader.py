"""The topic's far side: a Log that a consumer group reads, its marks kept in its commits.

Everything a reader must remember travels in the commit's metadata, so a stand-by needs nothing
else. A commit is a hint all the same: marks judge by round, and what was committed and lost is
sent again, never skipped.
"""

from __future__ import annotations

import time
from bisect import bisect
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from threading import Event
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

from collector.errors import FormatError, TooNew
from collector.flow.foresight import Foresight
from collector.flow.gathering import Met
from collector.flow.mark import NOTHING, Mark, Marks, Withheld
from collector.flow.pump import Appetite, Batch
from collector.topic.assignment import Assignment
from collector.topic.client import Properties, TopicPlace
from collector.topic.member import Member
from collector.topic.membership import Membership, Rebalance
from collector.topic.names import TopicNames
from collector.topic.notices import Notices, Trouble
from collector.topic.partition import PartitionState
from collector.topic.record import Record, read_headers

_MOST_MESSAGES = 50
_PAUSE_STEP_S = 0.5
_STOOD_STILL_S = 10.0


class _Out(NamedTuple):
    batch: Batch
    state: PartitionState


class TopicReader:
    """Reads the partitions that the group gives us. One thread uses it, callbacks included.

    A batch of each stream may be out at once: `next` gives them, `fetch` reads on meanwhile. `read`
    and `wait` are for a pump alone, which has one.

    `topic` may hold {site}, for any site (`names.py`). Raises ConfigError at its making for
    properties that can't be.
    """

    def __init__(
        self,
        topic: str,
        kafka: Properties,
        member: Member,
        appetite: Appetite,
        notices: Notices,
        foresight: Foresight | None = None,
    ) -> None:
        self._foresight = foresight
        self._names = TopicNames(topic)
        self._appetite = appetite
        self._notices = notices
        self._trouble = Trouble(notices, self._names.resource)
        self._assigned = Assignment(self._state)
        self._polled_at = time.monotonic()
        self._turn = TopicPlace("", 0)  # the partition that gave the last batch
        self._out: dict[int, _Out] = {}  # the last batch of a stream, and who gave it
        self._handed_out: PartitionState | None = None  # the last of all
        self._before_release: Callable[[Callable[[Batch], bool]], None] = lambda _: None
        self._group = Membership(
            self._names,
            kafka,
            member,
            Rebalance(
                given=self._assigned.given,
                going=self._release,
                lost=self._forget,
                left=self._assigned.forget_all,
            ),
            self._trouble,
        )

    def read(self, wait: float) -> Batch | None:
        """Return the next batch; None when there is too little for one after `wait` seconds."""
        # A process that stood still asks first whether its partitions are still its own.
        stood_still = time.monotonic() > self._polled_at + _STOOD_STILL_S
        batch = None if stood_still else self.next()
        if batch is None:
            self.fetch(wait)
            batch = self.next()
        return batch

    def fetch(self, wait: float) -> None:
        """Read on for at most `wait` seconds. A partition that has its share in hand rests."""
        self._group.keep()
        self._assigned.pause(self._group.consumer, self._assigned.full())
        self._poll(_MOST_MESSAGES, wait)
        self._assigned.read_again(self._group.consumer)

    def next(self, out: AbstractSet[int] = frozenset()) -> Batch | None:
        """Return a batch of a stream that has none out. Partitions take turns."""
        partitions = self._assigned.partitions
        places = sorted(place for place, state in partitions.items() if state.bytes)
        first = bisect(places, self._turn)
        for place in (*places[first:], *places[:first]):
            state = partitions[place]
            if self._assigned.is_to_be_read_again(place, state):
                continue  # not before nothing of it is out
            batch = state.batch(self._appetite, out)
            while batch is not None and not batch.frames and not batch.aside:
                # Nothing but repeats: done with, and not worth a request.
                self._tell(batch)
                state.delivered(batch.end)
                batch = state.batch(self._appetite, out)
            if batch is not None:
                self._turn = place
                self._handed_out = state
                self._out[batch.end.stream] = _Out(batch, state)
                return batch
            if state.waits:
                self._notices.waits(state.waits)
        return None

    def is_ours(self, batch: Batch) -> bool:
        """Whether a batch that is out may still be sent: its partition was not taken from us."""
        out = self._out.get(batch.end.stream)
        return out is not None and out.batch is batch and out.state in self._partitions

    def commit(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        """Remember at the broker that the batch is delivered; a lost commit only repeats."""
        self._tell(batch, withheld)
        if not self.is_ours(batch):
            return  # taken from us meanwhile: the next owner sends it once more
        state = self._out[batch.end.stream].state
        state.delivered(batch.end, withheld)
        self._commit(state, wait=False)

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait through the log: stay in the group without reading on.

        A consumer that doesn't poll for max.poll.interval.ms loses its partitions.
        """
        return self.linger(seconds, stop, lambda: self._handed_out in self._partitions)

    def linger(self, seconds: float, stop: Event, goes_on: Callable[[], bool]) -> bool:
        """Stay in the group without reading on; False when told to stop, or not to go on."""
        self._assigned.pause(self._group.consumer, set(self._assigned.partitions))
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            self._poll(1, min(_PAUSE_STEP_S, left))
            if not goes_on():
                return False
        return not stop.is_set()

    def before_release(self, call: Callable[[Callable[[Batch], bool]], None]) -> None:
        """Whom to call before partitions are given back, with what says which batches go."""
        self._before_release = call

    def hurry(self) -> None:
        """Wait for full batches no longer: the program ends."""
        self._appetite = Appetite(1, 0.0)

    def close(self) -> None:
        """Commit what is delivered and leave. Bounded by librdkafka's own time-outs."""
        for state in self._partitions:
            self._commit(state, wait=True)
        self._group.close()

    def mark(self, stream: int) -> Mark | None:
        """What is delivered of a stream; None while the group gave us no partition."""
        if not self._partitions:
            return None
        marks = (state.mark(stream) for state in self._partitions)
        return next((mark for mark in marks if mark), NOTHING)

    @property
    def _partitions(self) -> Collection[PartitionState]:
        return self._assigned.partitions.values()

    def _tell(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        met: Met = batch.end.met
        gaps = (*met.gaps, *(gap for _, gap in withheld))
        self._notices.met(gaps, met.closed, met.repeated, batch.dictionary.stream)

    def _poll(self, most: int, wait: float) -> None:
        """Take in what comes, and serve the group's callbacks."""
        for message in self._group.consumer.consume(most, wait):
            self._take(message)
        self._polled_at = time.monotonic()

    def _take(self, message: Message) -> None:
        error = message.error()
        place = TopicPlace(message.topic() or "", message.partition() or 0)
        state = self._assigned.partitions.get(place)
        if error is not None:
            if error.code() == KafkaError._AUTO_OFFSET_RESET and state:  # noqa: SLF001
                self._assigned.begin_again(place)
            else:
                self._group.failed(error)
            return
        offset, value = message.offset(), message.value()
        if state is None or offset is None or value is None:
            return
        self._trouble.is_over()
        headers = message.headers()
        pairs = headers.items() if isinstance(headers, dict) else headers
        labels = read_headers((name, _bytes(held)) for name, held in pairs or ())
        try:
            state.add(Record(offset, labels, value))
        except TooNew as why:
            self._notices.held(why)
        except FormatError as why:
            where = f"{place.topic}, partition {place.partition}, offset {offset}"
            self._notices.passed_over(why, where)

    def _state(
        self, place: TopicPlace, offset: int, marks: Marks, looked_to: int = 0
    ) -> PartitionState:
        return PartitionState(
            place.partition,
            offset,
            marks,
            belongs=lambda it: self._names.belongs(it, place.topic),
            foresight=self._foresight,
            looked_to=looked_to,
        )

    def _commit(self, state: PartitionState, *, wait: bool) -> None:
        place = self._assigned.place_of(state)
        if place is not None:
            self._group.commit(place, *state.commit_point(), wait=wait)

    def _release(self, places: list[TopicPlace], may_commit: bool) -> None:
        """Give partitions back, when what of them is out has come to its end."""
        partitions = self._assigned.partitions
        going = {partitions[place] for place in places if place in partitions}
        self._before_release(
            lambda batch: self.is_ours(batch) and self._out[batch.end.stream].state in going
        )
        for state in going:
            if may_commit:
                self._commit(state, wait=True)
        self._forget(places)

    def _forget(self, places: list[TopicPlace]) -> None:
        self._assigned.forget(places)
        left = set(self._partitions)
        self._out = {stream: out for stream, out in self._out.items() if out.state in left}


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
