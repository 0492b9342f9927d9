"""Traffic on a broker: records at a steady rate, and groups that read them well, slowly, no more.

It knows what it wrote by when, from its own clock and the broker's acknowledgements: a truth that
owes nothing to the collector.
"""

from __future__ import annotations

import bisect
import contextlib
import time
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.lab.part import Part

TICK = 0.1  # seconds between bursts, and between two entries of the books
QUIET: dict[str, Any] = {
    "log_level": 0,
    "error_cb": lambda _: None,
}  # brokers are stopped under us on purpose

CURRENT, SLOW, STOPPED = "group-current", "group-slow", "group-stopped"
GROUPS = (CURRENT, SLOW, STOPPED)


class Written(NamedTuple):
    """A topic's records as of one entry of the books: handed to the client, and in the log."""

    produced: int
    acknowledged: int


class Books:
    """What was written to one topic by when. One writer adds, anybody asks."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._entries: list[Written] = []
        self._adding = Lock()

    def add(self, time: float, entry: Written) -> None:
        with self._adding:
            self._times.append(time)
            self._entries.append(entry)

    def written_by(self, time: float) -> Written:
        """Return the last entry not after `time` (epoch seconds); nothing written before it."""
        with self._adding:
            at = bisect.bisect_right(self._times, time)
            return self._entries[at - 1] if at else Written(0, 0)

    def end_offset_between(self, start: float, end: float) -> tuple[int, int]:
        """Return the least and the most that the end offset is, read at any time between the two.

        The offsets of all partitions together: the producer is idempotent and the topic is nobody
        else's. Ask when `end` is past by a second, so that it is in the books.
        """
        with self._adding:
            after = bisect.bisect_left(self._times, end)
            most = self._entries[min(after, len(self._entries) - 1)] if self._entries else None
        return self.written_by(start).acknowledged, most.produced if most else 0


class Traffic(Part):
    """Writes `rate` records a second to each topic, and reads the first one with three groups.

    Restarts of the broker are lived through: nothing is lost, nothing comes twice.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        topics: Sequence[str] = ("orders", "readings"),
        partitions: int = 3,
        rate: float = 100.0,
        record_bytes: int = 200,
    ) -> None:
        self.topics = tuple(topics)
        self.partitions = partitions
        self._bootstrap = bootstrap
        self._per_tick = max(1, round(rate * TICK))
        self._record = bytes(record_bytes)
        self._books = {topic: Books() for topic in topics}
        self._acknowledged = dict.fromkeys(topics, 0)
        self._stop = Event()
        self._has_committed = {group: Event() for group in GROUPS}
        self._threads: list[Thread] = []

    def start(self, seconds: float = 30.0) -> None:
        """Create the topics, begin, and return when every group has committed offsets."""
        self._create_topics(seconds)
        rooms: list[tuple[str, Callable[[], None]]] = [("produce", self._produce)]
        rooms += [(group, lambda group=group: self._consume(group)) for group in GROUPS]  # type: ignore[misc]
        for name, room in rooms:
            thread = Thread(target=room, name=f"traffic-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        deadline = time.monotonic() + seconds
        for group, committed in self._has_committed.items():
            if not committed.wait(deadline - time.monotonic()):
                self.stop()
                raise TimeoutError(f"{group} has not committed within {seconds:.0f} s")

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15.0)

    def books(self, topic: str) -> Books:
        return self._books[topic]

    def _create_topics(self, seconds: float) -> None:
        client = AdminClient({"bootstrap.servers": self._bootstrap, **QUIET})
        wanted = [NewTopic(topic, num_partitions=self.partitions) for topic in self.topics]
        for future in client.create_topics(wanted, operation_timeout=seconds).values():
            try:
                future.result(seconds)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise

    def _produce(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 0,  # no record is given up, however long the broker is away
                "linger.ms": 5,
                **QUIET,
            }
        )
        produced = dict.fromkeys(self.topics, 0)
        while not self._stop.wait(TICK):
            for topic in self.topics:
                for _ in range(self._per_tick):
                    partition = produced[topic] % self.partitions
                    try:
                        producer.produce(
                            topic, self._record, partition=partition, on_delivery=self._delivered
                        )
                    except BufferError:
                        break  # full: the broker has been away for long
                    produced[topic] += 1
            producer.poll(0)
            self._enter(produced)
        producer.flush(5.0)
        self._enter(produced)
        producer.purge()
        producer.poll(0)

    def _enter(self, produced: dict[str, int]) -> None:
        now = time.time()
        for topic, books in self._books.items():
            books.add(now, Written(produced[topic], self._acknowledged[topic]))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._acknowledged[str(message.topic())] += 1

    def _consume(self, group: str) -> None:
        """Read the first topic and commit every second.

        The slow group reads a third of what is written; the stopped one leaves after its first
        commit.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                **QUIET,
            }
        )
        topic = self.topics[0]
        at_once = {CURRENT: 1_000, SLOW: max(1, self._per_tick // 3), STOPPED: 1}[group]
        try:
            consumer.subscribe([topic])
            commit_at = time.monotonic() + 1.0
            while not self._stop.wait(TICK):
                with contextlib.suppress(KafkaException):  # the broker is away: later
                    consumer.consume(at_once, timeout=TICK)
                    if time.monotonic() >= commit_at and self._commit(consumer):
                        commit_at = time.monotonic() + 1.0
                        self._has_committed[group].set()
                        if group == STOPPED:
                            return
        finally:
            consumer.close()

    def _commit(self, consumer: Consumer) -> bool:
        """Commit the positions; False when there is nothing yet, or a partition was refused."""
        assigned: list[TopicPartition] = consumer.position(consumer.assignment())
        known = [place for place in assigned if place.offset >= 0]
        if not known:
            return False
        done = consumer.commit(offsets=known, asynchronous=False)
        return all(place.error is None for place in done)
