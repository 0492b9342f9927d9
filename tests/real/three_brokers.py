"""Three real brokers, and the source kafka of the collector beside each, for whoever needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.admin.client import Admin
from collector.cluster.own_broker import Logs, OwnBroker
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.jmx import Client
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka import KafkaSource
from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port
from tests.lab.waiting import wait_for
from tests.real.told import Told, read
from tests.real.topics import QUIET

TOPICS = [f"shared-{number}" for number in range(6)]
GROUPS = [f"reads-{number}" for number in range(12)]
READ_S = 7.5
"""What a round of 15 s gives a source."""


class Brokers:
    """Three nodes. Leaders and coordinators go back to where they were, soon after a start."""

    def __init__(self, directory: Path, properties: Mapping[str, object]) -> None:
        voters = {node: free_port() for node in (1, 2, 3)}
        own = {"leader.imbalance.check.interval.seconds": 1, **properties}
        self.nodes = {
            node: Kafka(directory / str(node), node_id=node, voters=voters, properties=own)
            for node in voters
        }

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes.values())

    def start(self) -> None:
        for node in self.nodes.values():
            node.start(wait=False)
        for node in self.nodes.values():
            node.wait_until_ready()

    def stop(self) -> None:
        for node in self.nodes.values():
            node.kill()  # in order, the last of three would wait five minutes for the others

    def leaders(self) -> list[tuple[int, int]]:
        """Of each partition of ours: who leads it, as the cluster says now, and who should."""
        client = AdminClient({"bootstrap.servers": self.bootstrap, **QUIET})
        topics = client.list_topics(timeout=30.0).topics
        return [
            (partition.leader, partition.replicas[0])
            for name in (*TOPICS, "__consumer_offsets")
            for partition in topics[name].partitions.values()
        ]

    def wait_until_settled(self) -> None:
        """Until each partition is led by its preferred leader, and each node leads some."""

        def are_back() -> bool:
            found = self.leaders()
            return all(leader == preferred for leader, preferred in found) and {
                leader for leader, _ in found
            } == set(self.nodes)

        wait_for(are_back, 90.0, "preferred leaders")


class Reads:
    """The source kafka of one collector."""

    def __init__(self, brokers: Brokers, node: int | None) -> None:
        self.admin = Admin({"bootstrap.servers": brokers.bootstrap})
        self.jvms = [Client(HOST, brokers.nodes[node].jmx_port, selection=Logs())] if node else []
        patterns = Patterns(("reads-.*",), ("shared-.*",))
        own = OwnBroker(self.jvms) if node else None
        cluster = Cluster(self.admin, patterns, own) if own else Cluster(self.admin, patterns)
        self.table = SeriesTable()
        config = KafkaConfig(topics=("shared-.*",), groups=("reads-.*",))
        self.source = KafkaSource(cluster.reader(), TargetSeries(self.table, {}), config)

    def read(self) -> Told:
        return read(self.source, self.table, READ_S)

    def close(self) -> None:
        self.source.close()
        self.admin.close()
        for jvm in self.jvms:
            jvm.close()


@contextmanager
def three_brokers(
    directory: Path, properties: Mapping[str, object] | None = None
) -> Iterator[Brokers]:
    """Start three, with topics of three partitions and groups that have committed."""
    three = Brokers(directory, properties or {})
    try:
        three.start()
        client = AdminClient({"bootstrap.servers": three.bootstrap, **QUIET})
        wanted = [
            NewTopic(name, num_partitions=3, replica_assignment=_spread(number))
            for number, name in enumerate(TOPICS)
        ]
        for future in client.create_topics(wanted).values():
            future.result(30)
        for group in GROUPS:
            consumer = Consumer({"bootstrap.servers": three.bootstrap, "group.id": group, **QUIET})
            places = [TopicPartition(TOPICS[0], partition, 0) for partition in range(3)]
            wait_for(lambda c=consumer, p=places: _is_committed(c, p), 60.0)  # type: ignore[misc]
            consumer.close()
        yield three
    finally:
        three.stop()


@contextmanager
def three_collectors(brokers: Brokers) -> Iterator[dict[int, Reads]]:
    """Open one beside each broker; by its node id."""
    three = {node: Reads(brokers, node) for node in brokers.nodes}
    try:
        yield three
    finally:
        for one in three.values():
            one.close()


def _spread(first: int) -> list[list[int]]:
    """Replicas of three partitions: each node leads one, and of each topic another the first."""
    return [[(first + partition + copy) % 3 + 1 for copy in range(3)] for partition in range(3)]


def _is_committed(consumer: Consumer, places: list[TopicPartition]) -> bool:
    try:
        done = consumer.commit(offsets=places, asynchronous=False)
    except Exception:
        return False
    return all(place.error is None for place in done) and all(
        place.offset >= 0 for place in consumer.committed(places, timeout=5)
    )


def topics_of(told: Told) -> set[str]:
    return {topic for (topic,) in told.get("edgevitals_topic_end_offsets", {})}


def groups_of(told: Told) -> set[str]:
    return {group for (group,) in told.get("kafka_consumergroup_members", {})}


def is_shared(found: Mapping[int, Told]) -> bool:
    """All is told, and nothing by two."""
    topics = [topic for told in found.values() for topic in topics_of(told)]
    groups = [group for told in found.values() for group in groups_of(told)]
    return sorted(topics) == TOPICS and sorted(groups) == sorted(GROUPS)
