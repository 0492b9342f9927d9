"""A topic of one test on a real broker, with its writers, its readers and their group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from collector.admin.client import Admin
from collector.flow.mark import GapReason, Marks, from_metadata
from collector.flow.pump import Appetite, Batch
from collector.frames.dictionary import Dictionary
from collector.telemetry import PumpReport
from collector.topic.client import TopicPlace
from collector.topic.creation import TopicCreation
from collector.topic.member import Member
from collector.topic.reader import TopicReader
from collector.topic.writer import Memory, TopicWriter
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.unit.examples import line_frame
from tests.unit.topic.partition_log import seqs

SOON = 60.0
STANDARD = 1  # the partition of a tier
EAGER = Appetite(1, 0.0)


class Heard:
    """Notices of a reader, kept."""

    def __init__(self) -> None:
        self.gaps: list[tuple[int, int, GapReason]] = []
        self.closed = 0
        self.repeated = 0
        self.others: list[str] = []

    def met(self, gaps, closed, repeated, stream):
        self.gaps += [(gap.first_seq, gap.last_seq, gap.reason) for gap in gaps]
        self.closed += closed
        self.repeated += repeated

    def held(self, why):
        self.others.append(str(why))

    def passed_over(self, why, where):
        self.others.append(str(why))

    def waits(self, why):
        raise AssertionError(why)

    def away(self, why):
        self.others.append(why)


class Place:
    """A topic of one test, with its writers, readers and the consumer group that they share."""

    def __init__(
        self, kafka: Kafka, admin: Admin, name: str, properties: Mapping[str, str] | None = None
    ) -> None:
        """`properties` are the collector's own; the test itself connects without."""
        self.kafka = kafka
        self.name = name
        self.group = f"edgevitals.{name}"
        self.heard = Heard()
        self._plain = {"bootstrap.servers": kafka.bootstrap}
        self.properties: dict[str, str] = {**self._plain, **(properties or {})}
        self._admin = admin
        self._client = AdminClient({**self._plain, "log_level": 0})

    def writer(self, memory: Memory | None = None, report: PumpReport | None = None) -> TopicWriter:
        """As the program makes it: with a memory it reads back what an earlier one wrote."""
        creation = TopicCreation(self._admin, 96 << 20, report.advise if report else _unheard)
        throttled = report.throttled if report else _unheard
        place = TopicPlace(self.name, STANDARD)
        return TopicWriter(place, self.properties, creation, memory, throttled)

    def write(self, of: Dictionary, *frames: tuple[int, int]) -> None:
        """Append rounds, (first seq, number) a batch, by a writer of their own."""
        with closing(self.writer()) as writer:
            for seq, rounds in frames:
                writer.send(batch(of, seq, rounds))

    @contextmanager
    def reader(
        self, instance: str = "a", properties: dict[str, str] | None = None
    ) -> Iterator[TopicReader]:
        all_properties = {**self.properties, **(properties or {})}
        member = Member(self.group, instance)
        with closing(TopicReader(self.name, all_properties, member, EAGER, self.heard)) as one:
            yield one

    def records(self) -> list[Message]:
        """What any consumer finds in the partition, from its start."""
        consumer = Consumer({**self._plain, "group.id": "nobody"})
        try:
            place = TopicPartition(self.name, STANDARD, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=SOON)
            consumer.assign([place])
            found: list[Message] = []
            while len(found) < end:
                found += consumer.consume(end - len(found), timeout=1.0)
            return found
        finally:
            consumer.close()

    def committed(self) -> tuple[int, Marks]:
        """The group's offset, and the marks beside it."""
        consumer = Consumer({**self.properties, "group.id": self.group})
        try:
            place = TopicPartition(self.name, STANDARD)
            (found,) = consumer.committed([place], timeout=SOON)
            return found.offset, from_metadata(found.metadata)
        finally:
            consumer.close()

    def forget_marks(self, offset: int) -> None:
        """Commit an offset alone, as a tool that moves a group does it.

        Kafka's first group has no coordinator at once, and the answer says so for each partition.
        """

        def is_done() -> bool:
            place = TopicPartition(self.name, STANDARD, offset)
            request = ConsumerGroupTopicPartitions(self.group, [place])
            (future,) = self._client.alter_consumer_group_offsets([request]).values()
            return all(one.error is None for one in future.result(SOON).topic_partitions)

        wait_for(is_done, SOON, "a commit")

    def delete_before(self, offset: int) -> None:
        """What retention does."""
        place = TopicPartition(self.name, STANDARD, offset)
        for future in self._client.delete_records([place]).values():
            future.result(SOON)

    def delete(self) -> None:
        """Delete the topic, and return when no broker knows it."""
        for future in self._client.delete_topics([self.name]).values():
            future.result(SOON)
        wait_for(lambda: self.name not in self._client.list_topics(timeout=SOON).topics, SOON)

    def create(self, partitions: int = 3, **config: str) -> None:
        """Create the topic as somebody else would, `_` in a setting's name for its dots."""
        named = {name.replace("_", "."): value for name, value in config.items()}
        topic = NewTopic(self.name, num_partitions=partitions, replication_factor=1, config=named)
        for future in self._client.create_topics([topic]).values():
            future.result(SOON)
        wait_for(lambda: self.name in self._client.list_topics(timeout=SOON).topics, SOON)

    def add_partitions(self, total: int) -> None:
        for future in self._client.create_partitions([NewPartitions(self.name, total)]).values():
            future.result(SOON)
        wait_for(lambda: self.partitions() == total, SOON)

    def alter(self, **config: str) -> None:
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, self.name, incremental_configs=entries)
        for future in self._client.incremental_alter_configs([resource]).values():
            future.result(SOON)

    def allow(self, user: str, *operations: AclOperation) -> None:
        bindings = [self._right(user, operation) for operation in operations]
        for future in self._client.create_acls(bindings).values():
            future.result(SOON)

    def _right(self, user: str, operation: AclOperation) -> AclBinding:
        pattern, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        return AclBinding(
            ResourceType.TOPIC, self.name, pattern, f"User:{user}", "*", operation, allow
        )

    def bounds(self) -> tuple[int, int]:
        """The partition's first offset, and the one behind its last."""
        consumer = Consumer({**self.properties, "group.id": "nobody"})
        try:
            place = TopicPartition(self.name, STANDARD)
            found: tuple[int, int] = consumer.get_watermark_offsets(place, timeout=SOON)
            return found
        finally:
            consumer.close()

    def config(self) -> dict[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, self.name)
        (future,) = self._client.describe_configs([resource]).values()
        return {name: str(entry.value) for name, entry in future.result(SOON).items()}

    def partitions(self) -> int:
        return len(self._client.list_topics(self.name, timeout=SOON).topics[self.name].partitions)


def _unheard(_: object) -> None:
    pass


def batch(of: Dictionary, seq: int, rounds: int = 1) -> Batch:
    """Rounds as the spool brings them: a frame each."""
    size = len(of.series)
    frames = [line_frame(s, values=size, id_=of.id) for s in range(seq, seq + rounds)]
    return Batch(of, tuple(frames), None)


def take(reader: TopicReader, rounds: int, *, commit: bool = True) -> list[int]:
    """Read until so many rounds have come, and commit each batch."""
    found: list[int] = []
    deadline = time.monotonic() + SOON
    while len(found) < rounds:
        assert time.monotonic() < deadline, found
        one = reader.read(0.2)
        if one is not None:
            found += seqs(one)
            if commit:
                reader.commit(one)
    return found
