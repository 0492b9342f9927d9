"""The topic's far side: a Log that a consumer group reads, its marks kept in its commits.

Everything a reader must remember travels in the commit's metadata, so a stand-by needs nothing
else. A commit is a hint all the same: marks judge by round, and what was committed and lost is
sent again, never skipped.
"""

from __future__ import annotations

import time
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from threading import Event
from typing import NamedTuple, Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from collector.credentials import renewed
from collector.dictionary import Stream
from collector.errors import ConfigError, FormatError, TooNew
from collector.foresight import Foresight
from collector.gathering import Met
from collector.mark import NOTHING, Gap, Mark, Marks, Withheld, from_metadata, to_metadata
from collector.pump import Appetite, Batch
from collector.topic.client import Properties, TopicPlace, consumer, failure
from collector.topic.member import Member, reading_properties
from collector.topic.names import TopicNames
from collector.topic.partition import WHOLE, PartitionState
from collector.topic.record import Record, read_headers

_CALL_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 10.0
_MOST_MESSAGES = 50
_PAUSE_STEP_S = 0.5
_STOOD_STILL_S = 10.0
_JOIN_AGAIN_S = 10.0
_FATAL = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001
_MOST_BYTES = 16 << 20
_LEAST_SHARE_BYTES = 64 << 10
"""Of frames that are read and not yet given out: of all partitions, and of each at least."""


class Notices(Protocol):
    """Who is told of what a reader meets on its way."""

    def met(self, gaps: tuple[Gap, ...], closed: int, repeated: int, stream: Stream) -> None:
        """Gaps of a stream were uncovered, missing rounds came after all, rounds came again."""
        ...

    def held(self, why: TooNew) -> None:
        """A stream waits: its next record needs a newer version."""
        ...

    def passed_over(self, why: FormatError, where: str) -> None:
        """A record is not ours, or not where it belongs (WrongSite)."""
        ...

    def waits(self, why: str) -> None:
        """The next round of a stream lies in the future."""
        ...

    def away(self, why: str) -> None:
        """Kafka can't be reached or refuses something; an empty text: records come again."""
        ...


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
        self._partitions: dict[TopicPlace, PartitionState] = {}
        self._starts: dict[TopicPlace, int] = {}  # where reading began
        self._searched: set[tuple[TopicPlace, int]] = set()
        self._paused: set[TopicPlace] = set()
        self._polled_at = time.monotonic()
        self._to_begin_again: set[TopicPlace] = set()
        self._turn = TopicPlace("", 0)  # the partition that gave the last batch
        self._subscribed = False
        self._in_trouble = False  # and said so
        self._out: dict[int, _Out] = {}  # the last batch of a stream, and who gave it
        self._handed_out: PartitionState | None = None  # the last of all
        self._before_release: Callable[[Callable[[Batch], bool]], None] = lambda _: None
        self._kafka = kafka
        self._member = member
        self._look_at = time.monotonic() + _LOOK_EVERY_S  # at the files that it was made of
        self._is_renewing = False
        self._consumer = self._new_consumer()
        self._died_at: float | None = None  # the consumer: another one took its name

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
        self._renew()
        if self._died_at is not None and time.monotonic() > self._died_at + _JOIN_AGAIN_S:
            self._join_again()
        if not self._subscribed:
            self._subscribe()
        self._pause(self._full())
        self._poll(_MOST_MESSAGES, wait)
        self._read_again()

    def next(self, out: AbstractSet[int] = frozenset()) -> Batch | None:
        """Return a batch of a stream that has none out. Partitions take turns."""
        places = sorted(place for place, state in self._partitions.items() if state.bytes)
        first = bisect(places, self._turn)
        for place in (*places[first:], *places[:first]):
            state = self._partitions[place]
            if self._is_to_be_read_again(place, state):
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
        return out is not None and out.batch is batch and out.state in self._partitions.values()

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
        return self.linger(seconds, stop, lambda: self._handed_out in self._partitions.values())

    def linger(self, seconds: float, stop: Event, goes_on: Callable[[], bool]) -> bool:
        """Stay in the group without reading on; False when told to stop, or not to go on."""
        self._pause(set(self._partitions))
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
        for state in self._partitions.values():
            self._commit(state, wait=True)
        self._consumer.close()

    def mark(self, stream: int) -> Mark | None:
        """What is delivered of a stream; None while the group gave us no partition."""
        if not self._partitions:
            return None
        marks = (state.mark(stream) for state in self._partitions.values())
        return next((mark for mark in marks if mark), NOTHING)

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [self._names.subscription],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._subscribed = True

    def _tell(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        met: Met = batch.end.met
        gaps = (*met.gaps, *(gap for _, gap in withheld))
        self._notices.met(gaps, met.closed, met.repeated, batch.dictionary.stream)

    def _poll(self, most: int, wait: float) -> None:
        """Take in what comes, and serve the group's callbacks."""
        for message in self._consumer.consume(most, wait):
            self._take(message)
        self._polled_at = time.monotonic()

    def _take(self, message: Message) -> None:
        error = message.error()
        place = TopicPlace(message.topic() or "", message.partition() or 0)
        state = self._partitions.get(place)
        if error is not None:
            if error.code() == KafkaError._AUTO_OFFSET_RESET and state:  # noqa: SLF001
                self._to_begin_again.add(place)
            else:
                self._on_error(error)
            return
        offset, value = message.offset(), message.value()
        if state is None or offset is None or value is None:
            return
        self._is_well()
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

    def _read_again(self) -> None:
        """Read again partitions that need it, once nothing of them is out.

        Those whose offset is gone: retention was faster, or the log came back shorter. Marks tell
        what is new in both cases, and a hole shows as a gap. And those with a frame whose
        dictionary nobody has seen: look back once for a copy, then forward. Copies are equal by
        content, so the next one in the log serves as well. And those where rounds seem to be
        missing: a gap is opened only after a look back.
        """
        for place, state in list(self._partitions.items()):
            if state.has_out or not self._is_to_be_read_again(place, state):
                continue
            offset, marks = state.commit_point()
            start, looked_to = OFFSET_BEGINNING, state.looked_to
            if place in self._to_begin_again:
                self._to_begin_again.discard(place)
                offset, looked_to = 0, WHOLE
            elif state.is_in_doubt:
                offset, marks, looked_to = state.look_back()
                oldest = marks.dictionary_offset
                start = offset if oldest is None else min(oldest, offset)
                self._searched = {one for one in self._searched if one[0] != place}
            self._searched |= {(place, missing) for missing in state.missing}
            self._partitions[place] = self._state(place, offset, marks, looked_to)
            self._read_from(place, start)

    def _is_to_be_read_again(self, place: TopicPlace, state: PartitionState) -> bool:
        return (
            state.is_in_doubt
            or place in self._to_begin_again
            or any((place, missing) not in self._searched for missing in state.missing)
        )

    def _read_from(self, where: TopicPlace, offset: int) -> None:
        """Read one partition again; the others go on where they are.

        Not by seek(): it refuses a partition that has stopped for want of its offset.
        """
        self._starts[where] = offset
        places = self._consumer.position(_wanted(self._partitions))
        for place in places:
            at = TopicPlace(place.topic, place.partition)
            if at == where or place.offset < 0:  # nothing was read of it yet
                place.offset = self._starts[at]
        self._consumer.assign(places)
        if self._paused:
            self._consumer.pause(_wanted(self._paused))

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
        offset, marks = state.commit_point()
        place = next((at for at, one in self._partitions.items() if one is state), None)
        if place is None:
            return
        commit = TopicPartition(*place, offset, to_metadata(marks))
        try:
            self._consumer.commit(offsets=[commit], asynchronous=not wait)  # type: ignore[call-overload]
        except KafkaException as error:
            self._trouble(error.args[0], f"committing to {place.topic}")

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if any(not self._names.has(one.topic) for one in partitions):
            # A static member that comes back soon is given what it had, without a rebalance, also
            # when its config names another topic now. It leaves, and joins as a new one.
            consumer.unsubscribe()
            self._subscribed = False
            return
        starts = []
        try:
            committed = consumer.committed(partitions, timeout=_CALL_TIMEOUT_S)
        except KafkaException as error:
            self._leave(consumer, error.args[0])
            return
        failed = next((place.error for place in committed if place.error is not None), None)
        if failed is not None:
            self._leave(consumer, failed)
            return
        for place in committed:
            at = TopicPlace(place.topic, place.partition)
            try:
                marks = from_metadata(place.metadata)
            except FormatError:
                marks = Marks({})  # a hint that can't be read: some rounds are sent twice
            known = place.offset >= 0
            self._partitions[at] = (
                self._state(at, place.offset, marks) if known else self._state(at, 0, marks, WHOLE)
            )
            self._searched = {one for one in self._searched if one[0] != at}
            start = OFFSET_BEGINNING
            if known:
                oldest = marks.dictionary_offset
                start = place.offset if oldest is None else min(oldest, place.offset)
            self._starts[at] = start
            starts.append(TopicPartition(*at, start))
        consumer.assign(starts)
        consumer.resume(starts)  # a partition that was paused when it left us comes back so
        self._paused.clear()

    def _leave(self, consumer: Consumer, why: KafkaError) -> None:
        """Join once more: without the marks everything would be sent again."""
        self._trouble(why, f"reading the marks of {self._names.name}")
        consumer.unsubscribe()
        self._subscribed = False

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        places = [TopicPlace(one.topic, one.partition) for one in partitions]
        going = {self._partitions[place] for place in places if place in self._partitions}
        self._before_release(
            lambda batch: self.is_ours(batch) and self._out[batch.end.stream].state in going
        )
        for state in going:
            if not self._is_renewing:
                self._commit(state, wait=True)
        self._forget(places)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget([TopicPlace(one.topic, one.partition) for one in partitions])

    def _forget(self, places: Iterable[TopicPlace]) -> None:
        for place in places:
            self._partitions.pop(place, None)
            self._to_begin_again.discard(place)
        left = set(self._partitions.values())
        self._out = {stream: out for stream, out in self._out.items() if out.state in left}

    def _join_again(self) -> None:
        """Begin anew with another consumer: one that had a fatal error never reads again."""
        new = self._new_consumer()
        self._consumer.close()
        self._partitions.clear()
        self._paused.clear()
        self._consumer = new
        self._subscribed, self._died_at = False, None

    def _new_consumer(self) -> Consumer:
        return consumer(reading_properties(self._kafka, self._member, self._on_error))

    def _renew(self) -> None:
        """Join anew when files that the consumer was made of are others now.

        What was delivered and not yet committed comes again, and is judged by its mark. Committing
        could take long: the old files may be why nobody answers.
        """
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        if not renewed(self._kafka):
            return
        self._is_renewing = True
        try:
            self._join_again()
        except ConfigError as error:  # half replaced, or no certificate: a file will change again
            self._in_trouble = True
            self._notices.away(str(error))
        finally:
            self._is_renewing = False

    def _on_error(self, error: KafkaError) -> None:
        if (error.fatal() or error.code() in _FATAL) and self._died_at is None:
            self._died_at = time.monotonic()
        self._trouble(error, f"reading {self._names.name}")

    def _trouble(self, error: KafkaError, doing: str) -> None:
        self._in_trouble = True
        self._notices.away(str(failure(error, doing, f"--operation Read {self._names.resource}")))

    def _is_well(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            self._notices.away("")

    def _full(self) -> set[TopicPlace]:
        """The partitions that have enough in hand; what was full is so until half of it is gone."""
        share = max(_LEAST_SHARE_BYTES, _MOST_BYTES // max(1, len(self._partitions)))
        return {
            place
            for place, state in self._partitions.items()
            if state.bytes - state.waiting_bytes > (share // 2 if place in self._paused else share)
        }

    def _pause(self, wanted: set[TopicPlace]) -> None:
        """Pause these partitions and no others."""
        if over := (self._paused - wanted) & self._partitions.keys():
            self._consumer.resume(_wanted(over))
        if new := wanted - self._paused:
            self._consumer.pause(_wanted(new))
        self._paused = wanted


def _wanted(places: Iterable[TopicPlace]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
