"""The kafka source against a real broker: what it says is what was written and committed."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.errors import SourceError
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka import KafkaSource
from tests.lab.kafka import Kafka
from tests.lab.traffic import CURRENT, GROUPS, STOPPED, Traffic
from tests.real.told import Told, read
from tests.real.topics import QUIET, commit, create


class Rig:
    """A source on one broker, read as values by name and labels."""

    def __init__(
        self, broker: Kafka, groups: list[str], topics: list[str], partitions: tuple[str, ...]
    ) -> None:
        self.table = SeriesTable()
        self.admin = Admin({"bootstrap.servers": broker.bootstrap})
        self.cluster = Cluster(self.admin, Patterns(groups, topics))
        config = KafkaConfig(
            groups=tuple(groups), topics=tuple(topics), partitions=tuple(partitions)
        )
        series = TargetSeries(self.table, {})
        self.source = KafkaSource(self.cluster.reader(), series, config)

    def read(self, seconds: float = 30.0) -> Told:
        return read(self.source, self.table, seconds)


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(
        broker: Kafka,
        groups: tuple[str, ...] = (".*",),
        topics: tuple[str, ...] = (".*",),
        partitions: tuple[str, ...] = (".*",),
    ) -> Rig:
        made.append(Rig(broker, list(groups), list(topics), partitions))
        return made[-1]

    yield make
    for one in made:
        one.source.close()
        one.admin.close()


def write(broker: Kafka, topic: str, counts: list[int]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, **QUIET})
    for partition, count in enumerate(counts):
        for _ in range(count):
            producer.produce(topic, b"record", partition=partition)
    assert producer.flush(30) == 0


def test_offsets_and_lag_are_what_was_written_and_committed(broker: Kafka, rig):
    name = f"known-{uuid.uuid4()}"
    ahead, behind = f"{name}-ahead", f"{name}-behind"
    create(broker, name, 3)
    write(broker, name, [10, 20, 0])
    commit(broker, ahead, name, {0: 10, 1: 20, 2: 0})
    commit(broker, behind, name, {0: 4})
    values = rig(broker, groups=(f"{name}-.*",), topics=(name,)).read()
    assert values["kafka_topic_partitions"] == {(name,): 3}
    assert values["kafka_topic_partition_current_offset"] == {
        ("0", name): 10,
        ("1", name): 20,
        ("2", name): 0,
    }
    assert values["kafka_topic_partition_oldest_offset"] == {(str(p), name): 0 for p in range(3)}
    assert set(values["kafka_topic_partition_leader"].values()) == {broker.node_id}
    assert set(values["kafka_topic_partition_leader_is_preferred"].values()) == {1}
    assert set(values["kafka_topic_partition_replicas"].values()) == {1}
    assert set(values["kafka_topic_partition_in_sync_replica"].values()) == {1}
    assert set(values["kafka_topic_partition_under_replicated_partition"].values()) == {0}
    assert values["kafka_consumergroup_members"] == {(ahead,): 0, (behind,): 0}
    assert values["kafka_consumergroup_current_offset"] == {
        (ahead, "0", name): 10,
        (ahead, "1", name): 20,
        (ahead, "2", name): 0,
        (behind, "0", name): 4,  # and none where it committed nothing
    }
    assert values["kafka_consumergroup_lag"] == {
        (ahead, "0", name): 0,
        (ahead, "1", name): 0,
        (ahead, "2", name): 0,
        (behind, "0", name): 6,
    }
    assert values["kafka_consumergroup_current_offset_sum"] == {
        (ahead, name): 30,
        (behind, name): 4,
    }
    assert values["kafka_consumergroup_lag_sum"] == {(ahead, name): 0, (behind, name): 6}
    assert values["kafka_brokers"] == {(): 1}
    assert values["kafka_broker_info"] == {(broker.bootstrap, str(broker.node_id)): 1}
    assert "edgevitals_kafka_failures" not in values


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_with_members_that_never_committed(broker: Kafka, rig, protocol: str):
    name = f"silent-{uuid.uuid4()}"
    create(broker, name, 1)
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": name,
            "group.protocol": protocol,
            "enable.auto.commit": False,
            **QUIET,
        }
    )
    try:
        consumer.subscribe([name])
        deadline = time.monotonic() + 30
        while not consumer.assignment():
            consumer.poll(0.1)
            assert time.monotonic() < deadline
        values = rig(broker, groups=(name,), topics=(name,)).read()
    finally:
        consumer.close()
    assert values["kafka_consumergroup_members"] == {(name,): 1}
    assert "kafka_consumergroup_current_offset" not in values
    assert "kafka_consumergroup_lag" not in values


def test_records_that_are_gone_move_the_oldest_offset(broker: Kafka, rig):
    name = f"cut-{uuid.uuid4()}"
    create(broker, name, 1)
    write(broker, name, [10])
    commit(broker, name, name, {0: 3})
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    for future in client.delete_records([TopicPartition(name, 0, 6)]).values():
        future.result(30)
    values = rig(broker, groups=(name,), topics=(name,)).read()
    assert values["kafka_topic_partition_oldest_offset"] == {("0", name): 6}
    assert values["kafka_topic_partition_current_offset"] == {("0", name): 10}
    assert values["kafka_consumergroup_lag"] == {(name, "0", name): 7}


def test_patterns_match_whole_names_and_hold_for_commits_too(broker: Kafka, rig):
    name = f"pattern-{uuid.uuid4()}"
    for topic in (name, f"{name}-2"):
        create(broker, topic, 1)
        write(broker, topic, [1])
        commit(broker, name, topic, {0: 1})
        commit(broker, f"{name}-2", topic, {0: 1})
    values = rig(broker, groups=("nothing", name), topics=(name,)).read()
    assert set(values["kafka_topic_partitions"]) == {(name,)}
    assert set(values["kafka_consumergroup_members"]) == {(name,)}
    assert set(values["kafka_consumergroup_lag"]) == {(name, "0", name)}


def test_internal_topics_are_read_as_kafka_exporter_does(broker: Kafka, traffic: Traffic, rig):
    values = rig(broker).read()
    assert values["kafka_topic_partitions"]["__consumer_offsets",] == 6


def test_lag_holds_under_traffic(broker: Kafka, traffic: Traffic, rig):
    one = rig(broker, groups=("group-.*",), topics=("orders",))
    for _ in range(10):
        values = one.read()
        assert {group for (group,) in values["kafka_consumergroup_members"]} == set(GROUPS)
        assert values["kafka_consumergroup_members"][CURRENT,] == 1
        assert values["kafka_consumergroup_members"][STOPPED,] == 0
        committed = values["kafka_consumergroup_current_offset"]
        ends = values["kafka_topic_partition_current_offset"]
        lags = values["kafka_consumergroup_lag"]
        assert set(lags) == set(committed)
        for (group, partition, topic), lag in lags.items():
            assert lag >= 0
            # Lag's own end offset was read later than the topic's, which thus is no larger.
            assert committed[group, partition, topic] + lag >= ends[partition, topic]


def test_end_offsets_lie_between_what_was_written_before_and_after(
    broker: Kafka, traffic: Traffic, rig
):
    one = rig(broker, groups=(), topics=("orders",))
    books = traffic.books("orders")
    reads = []
    for _ in range(5):
        start = time.time()
        ends = one.read()["kafka_topic_partition_current_offset"]
        reads.append((start, sum(ends.values()), time.time()))
    last = books.written_by(time.time())
    deadline = time.monotonic() + 30
    while books.written_by(time.time()) == last:  # until the books reach past the last read
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for start, end_offset, end in reads:
        least, most = books.end_offset_between(start, end)
        assert least <= end_offset <= most


def test_a_broker_that_freezes_or_dies_is_down_and_comes_back(own_broker: Kafka, rig):
    one = rig(own_broker)
    assert one.read()["kafka_brokers"] == {(): 1}
    own_broker.pause()
    with pytest.raises(SourceError, match="check that the broker runs"):
        one.read(seconds=2.5)
    own_broker.resume()
    assert one.read()["kafka_brokers"] == {(): 1}
    own_broker.kill()
    with pytest.raises(SourceError, match="check that the broker runs"):
        one.read(seconds=2.5)
    own_broker.start()
    assert one.read()["kafka_brokers"] == {(): 1}
    # The child itself gave up in time, each time: nothing of ours failed.
    stats = one.admin.stats
    assert (stats.starts, stats.crashes, stats.late) == (1, 0, 0)


def test_a_child_that_hangs_costs_no_read(broker: Kafka, traffic: Traffic, rig):
    one = rig(broker, groups=("group-.*",), topics=("orders",))
    first = one.read()
    assert one.admin.pid is not None
    os.kill(one.admin.pid, signal.SIGSTOP)
    values = one.read(seconds=1.0)
    assert (
        values["kafka_topic_partition_current_offset"]
        == (first["kafka_topic_partition_current_offset"])
    )
    assert values["edgevitals_kafka_failures"] == {("admin", "ADMIN_LATE"): 1}
    assert values["edgevitals_kafka_age_seconds"]["groups",] > 0
    again = one.read()
    assert "edgevitals_kafka_failures" not in again
    assert set(again["edgevitals_kafka_age_seconds"].values()) == {0}
