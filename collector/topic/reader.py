"""The topic's far side: a Log that a consumer group reads, its marks kept in its commits.

Everything a reader must remember travels in the commit's metadata, so a stand-by needs nothing
else. A commit is a hint all the same: marks judge by round, and what was committed and lost is
sent again, never skipped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
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

from collector.dictionary import Stream
from collector.errors import FormatError, TooNew
from collector.mark import NOTHING, Gap, Mark, Marks, Withheld, from_metadata, to_metadata
from collector.pump import Appetite, Batch
from collector.topic.client import Properties, consumer, failure, properties
from collector.topic.partition import Met, PartitionState, Record, TopicEnd
from collector.topic.record import read_headers

_CALL_TIMEOUT_S = 5.0
_MOST_MESSAGES = 50
# A batch that goes round by round over a thin link outlasts the default of 5 minutes; a reader that
# is dead is noticed by its session all the same.
_POLL_INTERVAL_MS = 1_800_000
_PAUSE_STEP_S = 0.5


class Notices(Protocol):
    """Who is told of what a reader meets on its way."""

    def met(self, gaps: tuple[Gap, ...], closed: int, repeated: int, stream: Stream) -> None:
        """Gaps of a stream were uncovered, missing rounds came after all, rounds came again."""
        ...

    def held(self, why: TooNew) -> None:
        """A stream waits: its next record needs a newer version."""
        ...

    def damaged(self, why: FormatError) -> None:
        """A record is not ours, and is passed over."""
        ...

    def away(self, why: str) -> None:
        """Kafka can't be reached or refuses something; an empty text: records come again."""
        ...


class Member(NamedTuple):
    """Who we are in the consumer group. `instance` stays the same over restarts (KIP-345)."""

    group: str
    instance: str


class TopicReader:
    """Reads the partitions that the group gives us. One thread uses it, callbacks included.

    Raises ConfigError at its making for properties that can't be.
    """

    def __init__(
        self, topic: str, kafka: Properties, member: Member, appetite: Appetite, notices: Notices
    ) -> None:
        self._topic = topic
        self._appetite = appetite
        self._notices = notices
        self._partitions: dict[int, PartitionState] = {}
        self._starts: dict[int, int] = {}  # where reading began, by partition
        self._searched: set[tuple[int, int]] = set()
        self._paused = False
        self._subscribed = False
        self._in_trouble = False  # and said so
        self._handed_out: PartitionState | None = None
        self._consumer = consumer(
            properties(
                {"max.poll.interval.ms": _POLL_INTERVAL_MS, **kafka},
                {
                    "group.id": member.group,
                    # Without it a killed collector's place stays taken until its session ends.
                    "group.instance.id": member.instance,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "error",
                    "queued.min.messages": 100,
                    "queued.max.messages.kbytes": 4096,
                    "fetch.message.max.bytes": 1 << 20,
                    "allow.auto.create.topics": False,
                    "topic.metadata.refresh.interval.ms": 10_000,
                    "error_cb": self._on_error,
                },
            )
        )

    def read(self, wait: float) -> Batch | None:
        """Return the next batch; None when there is too little for one after `wait` seconds."""
        batch = self._next_batch()
        if batch is not None:
            return batch
        if not self._subscribed:
            self._subscribe()
        self._resume()
        for message in self._consumer.consume(_MOST_MESSAGES, wait):
            self._take(message)
        self._search_dictionaries()
        return self._next_batch()

    def commit(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        """Remember at the broker that the batch is delivered; a lost commit only repeats."""
        end: TopicEnd = batch.end
        self._tell(batch, withheld)
        state = self._partitions.get(end.partition)
        if state is None:
            return  # taken from us meanwhile: the next owner sends it once more
        state.delivered(end, withheld)
        self._commit(state, wait=False)

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait through the log: stay in the group without reading on.

        A consumer that doesn't poll for max.poll.interval.ms loses its partitions.
        """
        self._pause()
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            for message in self._consumer.consume(1, min(_PAUSE_STEP_S, left)):
                self._take(message)
            if self._handed_out not in self._partitions.values():
                return False
        return not stop.is_set()

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
            [self._topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._subscribed = True

    def _next_batch(self) -> Batch | None:
        for partition in sorted(self._partitions):
            state = self._partitions[partition]
            batch = state.batch(self._appetite)
            while batch is not None and not batch.frames:
                # Nothing but repeats: done with, and not worth a request.
                self._tell(batch)
                state.delivered(batch.end)
                batch = state.batch(self._appetite)
            if batch is not None:
                self._handed_out = state
                return batch
        return None

    def _tell(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        met: Met = batch.end.met
        gaps = (*met.gaps, *(gap for _, gap in withheld))
        self._notices.met(gaps, met.closed, met.repeated, batch.dictionary.stream)

    def _take(self, message: Message) -> None:
        error = message.error()
        partition = message.partition()
        state = self._partitions.get(partition) if partition is not None else None
        if error is not None:
            if error.code() == KafkaError._AUTO_OFFSET_RESET and state:  # noqa: SLF001
                self._begin_again(state)
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
            self._notices.damaged(why)

    def _begin_again(self, state: PartitionState) -> None:
        """Our offset is gone: retention was faster, or the log came back shorter.

        Reading from the log's start is right in both cases: marks tell what is new, and a hole
        shows as a gap.
        """
        _, marks = state.commit_point()
        self._partitions[state.partition] = PartitionState(state.partition, 0, marks)
        self._read_from_start(state.partition)

    def _search_dictionaries(self) -> None:
        """A frame without its dictionary: look back once for a copy, then forward.

        Copies are equal by content, so the next one in the log serves as well.
        """
        for partition, state in self._partitions.items():
            for missing in list(state.missing):
                if (partition, missing) in self._searched:
                    continue
                self._searched.add((partition, missing))
                offset, marks = state.commit_point()
                self._partitions[partition] = PartitionState(partition, offset, marks)
                self._read_from_start(partition)
                return

    def _read_from_start(self, partition: int) -> None:
        """Read one partition again; the others go on where they are.

        Not by seek(): it refuses a partition that has stopped for want of its offset.
        """
        self._starts[partition] = OFFSET_BEGINNING
        places = self._consumer.position(self._assignment())
        for place in places:
            if place.partition == partition or place.offset < 0:  # nothing was read of it yet
                place.offset = self._starts[place.partition]
        self._consumer.assign(places)
        if self._paused:
            self._consumer.pause(self._assignment())

    def _commit(self, state: PartitionState, *, wait: bool) -> None:
        offset, marks = state.commit_point()
        place = TopicPartition(self._topic, state.partition, offset, to_metadata(marks))
        try:
            self._consumer.commit(offsets=[place], asynchronous=not wait)  # type: ignore[call-overload]
        except KafkaException as error:
            self._trouble(error.args[0], f"committing to {self._topic}")

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
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
            try:
                marks = from_metadata(place.metadata)
            except FormatError:
                marks = Marks({})  # a hint that can't be read: some rounds are sent twice
            known = place.offset >= 0
            state = PartitionState(place.partition, place.offset if known else 0, marks)
            self._partitions[place.partition] = state
            self._searched = {one for one in self._searched if one[0] != place.partition}
            start = OFFSET_BEGINNING
            if known:
                oldest = marks.dictionary_offset
                start = place.offset if oldest is None else min(oldest, place.offset)
            self._starts[place.partition] = start
            starts.append(TopicPartition(self._topic, place.partition, start))
        consumer.assign(starts)
        consumer.resume(starts)  # a partition that was paused when it left us comes back so
        self._paused = False

    def _leave(self, consumer: Consumer, why: KafkaError) -> None:
        """Join once more: without the marks everything would be sent again."""
        self._trouble(why, f"reading the marks of {self._topic}")
        consumer.unsubscribe()
        self._subscribed = False

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            state = self._partitions.pop(place.partition, None)
            if state is not None:
                self._commit(state, wait=True)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            self._partitions.pop(place.partition, None)

    def _on_error(self, error: KafkaError) -> None:
        self._trouble(error, f"reading {self._topic}")

    def _trouble(self, error: KafkaError, doing: str) -> None:
        self._in_trouble = True
        self._notices.away(str(failure(error, doing)))

    def _is_well(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            self._notices.away("")

    def _pause(self) -> None:
        if not self._paused and self._partitions:
            self._consumer.pause(self._assignment())
            self._paused = True

    def _resume(self) -> None:
        if self._paused:
            self._consumer.resume(self._assignment())
            self._paused = False

    def _assignment(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in self._partitions]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
