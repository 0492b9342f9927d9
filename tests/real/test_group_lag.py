"""Lag in seconds, lost records and time to data loss of groups, against what a broker does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka import KafkaSource
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.told import Told, read
from tests.real.topics import QUIET, commit, create

Starter = Callable[[Kafka, str], "Reads"]


class Reads:
    """A source that has just started, of the topics and groups whose names begin so."""

    def __init__(self, broker: Kafka, name: str) -> None:
        self.admin = Admin({"bootstrap.servers": broker.bootstrap})
        names = (f"{name}.*",)
        self.table = SeriesTable()
        cluster = Cluster(self.admin, Patterns(names, names))
        config = KafkaConfig(groups=names, topics=names)
        self.source = KafkaSource(cluster.reader(), TargetSeries(self.table, {}), config)

    def read(self) -> Told:
        return read(self.source, self.table)


@pytest.fixture
def start() -> Iterator[Starter]:
    started: list[Reads] = []

    def starter(broker: Kafka, name: str) -> Reads:
        started.append(Reads(broker, name))
        return started[-1]

    yield starter
    for one in started:
        one.source.close()
        one.admin.close()


def write(broker: Kafka, topic: str, times: list[float]) -> None:
    """Write a record for each time, in seconds since 1970."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, **QUIET})
    for at in times:
        producer.produce(topic, b"x" * 100, partition=0, timestamp=int(at * 1000))
    assert producer.flush(30) == 0


def test_seconds_are_the_age_of_the_first_record_not_read_also_after_a_restart(
    broker: Kafka, start: Starter
):
    """The timestamps reach back for days; nobody has watched the topic before."""
    name = f"aged-{uuid.uuid4()}"
    create(broker, name)
    now = time.time()
    ages = [3 * 86_400 - 60.0 * minute for minute in range(3 * 1440)]
    write(broker, name, [now - age for age in ages])
    positions = {f"{name}-{at}": at for at in (0, 10, 2000, 4000, 4300, len(ages) - 1)}
    for group, at in positions.items():
        commit(broker, group, name, {0: at})
    commit(broker, f"{name}-done", name, {0: len(ages)})
    watcher = start(broker, name)
    first = watcher.read()["edgevitals_group_lag_seconds"]
    for group, at in positions.items():
        age = ages[at] + time.time() - now
        assert abs(first[group, name] - age) <= max(8.0, 0.06 * age), (group, age)
    assert first[f"{name}-done", name] == 0
    for _ in range(3):
        watcher.read()
    later = watcher.read()["edgevitals_group_lag_seconds"]
    restarted = start(broker, name).read()["edgevitals_group_lag_seconds"]
    for group, at in positions.items():
        assert abs(later[group, name] - restarted[group, name]) <= max(8.0, 0.06 * ages[at])


def test_records_that_are_gone_before_a_group_read_them_are_lost(broker: Kafka, start: Starter):
    name = f"lost-{uuid.uuid4()}"
    create(broker, name)
    write(broker, name, [time.time()] * 10)
    commit(broker, f"{name}-behind", name, {0: 3})
    commit(broker, f"{name}-ahead", name, {0: 8})
    reads = start(broker, name)
    behind, ahead = (f"{name}-behind", name), (f"{name}-ahead", name)
    assert reads.read()["edgevitals_group_lost_records"] == {behind: 0, ahead: 0}
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    for future in client.delete_records([TopicPartition(name, 0, 6)]).values():
        future.result(30)
    told = reads.read()
    assert told["edgevitals_group_lost_records"] == {behind: 3, ahead: 0}
    # Of the partition where something is wrong more is told, of the other group's not.
    assert told["kafka_consumergroup_lag"] == {(f"{name}-behind", "0", name): 7}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_of_either_protocol_keeps_its_lag_without_members(
    broker: Kafka, start: Starter, protocol: str
):
    name = f"left-{protocol}-{uuid.uuid4()}"
    create(broker, name)
    write(broker, name, [time.time() - 100.0] * 5)
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": name,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **QUIET,
        }
    )
    consumer.subscribe([name])
    read = [message for _ in range(2) if (message := consumer.poll(30.0)) is not None]
    consumer.commit(offsets=[TopicPartition(name, 0, len(read))], asynchronous=False)
    reads = start(broker, name)
    alive = reads.read()
    consumer.close()
    gone = reads.read()
    for told in (alive, gone):
        assert told["kafka_consumergroup_lag_sum"] == {(name, name): 5 - len(read)}
        assert told["edgevitals_group_lag_seconds"][name, name] == pytest.approx(100.0, abs=10)
    assert alive["kafka_consumergroup_members"] == {(name,): 1}
    assert gone["kafka_consumergroup_members"] == {(name,): 0}
    kinds = {protocol.upper()}
    assert {kind for _, _, _, kind in alive["edgevitals_group_info"]} == kinds
    assert {(state, kind) for _, _, state, kind in gone["edgevitals_group_info"]} == {
        ("EMPTY", protocol.upper())
    }


def test_the_oldest_record_not_read_is_there_until_the_predicted_time_and_gone_soon_after(
    tmp_path: Path, start: Starter
):
    retention, segment, check, delay = 16.0, 2.0, 1.0, 1.0
    quick = {"log.retention.check.interval.ms": 1000, "log.initial.task.delay.ms": 1000}
    with Kafka(tmp_path / "kafka", properties=quick) as broker:
        name = "short"
        create(
            broker,
            name,
            1,
            {"retention.ms": f"{retention * 1000:.0f}", "segment.ms": f"{segment * 1000:.0f}"},
        )
        create(broker, "short-compacted", 1, {"cleanup.policy": "compact"})
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0, **QUIET})
        looker = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "looker", **QUIET})
        reads = start(broker, name)
        place = TopicPartition(name, 0)

        def go_on() -> int:
            """Write a little; return the oldest offset that is still there."""
            producer.produce(name, b"x" * 100, partition=0)
            producer.flush(10)
            oldest, _ = looker.get_watermark_offsets(place, timeout=10)
            return int(oldest)

        for _ in range(20):
            go_on()
            time.sleep(0.1)
        commit(broker, name, name, {0: 10})
        commit(broker, name, "short-compacted", {0: 0})
        position = 10
        predictions = []
        while (oldest := go_on()) <= position:
            seen = time.time()
            told = reads.read()
            losses = told["edgevitals_group_time_to_loss_seconds"]
            assert set(losses) == {(name, name)}, "a compacted topic loses nothing"
            assert told["edgevitals_group_lost_records"][name, name] == 0
            predictions.append(seen + losses[name, name])
            assert seen < predictions[0] + segment + check + delay + 10.0, "it should be gone"
            time.sleep(0.4)
        gone = time.time()
        looker.close()
        predicted = predictions[0]
        assert max(abs(one - predicted) for one in predictions[:20]) <= 2.5, "it holds still"
        assert gone >= predicted - 1.0, "it was there at the predicted time"
        assert gone <= predicted + segment + check + delay + 3.0, "and is gone soon after"
        wait_for(lambda: reads.read()["edgevitals_group_lost_records"][name, name] > 0, 20.0)
        assert oldest > position
        assert (
            reads.read()["edgevitals_group_time_to_loss_seconds"][name, name]
            <= segment + check + delay
        )
