"""Lag in seconds, lost records and time to data loss of groups, against what a broker does."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from collector.admin.client import Admin
from collector.cluster.own_broker import Logs, OwnBroker
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.jmx import Client
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka import KafkaSource
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import HOST, SOON
from tests.real.told import Told, read
from tests.real.topics import QUIET, commit, create

Starter = Callable[..., "Reads"]


class Reads:
    """A source that has just started, of the topics and groups whose names begin so."""

    def __init__(self, broker: Kafka, name: str, own: OwnBroker | None = None) -> None:
        self.admin = Admin({"bootstrap.servers": broker.bootstrap})
        names = (f"{name}.*",)
        self.table = SeriesTable()
        cluster = Cluster(self.admin, Patterns(names, names), own)
        config = KafkaConfig(groups=names, topics=names)
        self.source = KafkaSource(cluster.reader(), TargetSeries(self.table, {}), config)

    def read(self) -> Told:
        return read(self.source, self.table)

    def read_timed(self) -> tuple[float, Told, float]:
        """Read, and say when it began and when it ended."""
        began = time.monotonic()
        return began, self.read(), time.monotonic()


@pytest.fixture
def start() -> Iterator[Starter]:
    started: list[Reads] = []

    def starter(broker: Kafka, name: str, own: OwnBroker | None = None) -> Reads:
        started.append(Reads(broker, name, own))
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
        assert abs(first[group, name] - age) <= max(8.0, 0.05 * age), (group, age)
    assert first[f"{name}-done", name] == 0
    for _ in range(3):
        watcher.read()
    later = watcher.read()["edgevitals_group_lag_seconds"]
    restarted = start(broker, name).read()["edgevitals_group_lag_seconds"]
    for group, at in positions.items():
        assert abs(later[group, name] - restarted[group, name]) <= max(8.0, 0.05 * ages[at])


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


class Short:
    """A topic that keeps little, a writer that goes on, and a group that has stopped reading."""

    def __init__(self, broker: Kafka, name: str, config: dict[str, str]) -> None:
        create(broker, name, 1, config)
        self.name = name
        self.began_at = time.monotonic()
        self.written = 0
        self._place = TopicPartition(name, 0)
        client = {"bootstrap.servers": broker.bootstrap, **QUIET}
        self._producer = Producer({**client, "linger.ms": 0})
        self._looker = Consumer({**client, "group.id": "looker"})

    def write(self, a_second: float, size: int, most: int = 1_000) -> int:
        """Write as many as are due by now, one to `most`; return the oldest offset still there."""
        due = max(1, int((time.monotonic() - self.began_at) * a_second) - self.written)
        due = min(due, most)
        for _ in range(due):
            self._producer.produce(self.name, random.randbytes(size), partition=0)
        assert self._producer.flush(10) == 0
        self.written += due
        oldest, _ = self._looker.get_watermark_offsets(self._place, timeout=10)
        return int(oldest)

    def close(self) -> None:
        self._looker.close()


CHECK_S, DELAY_S, SLACK_S = 1.0, 1.0, 3.0
MOST_AT_ONCE = 40
"""Records: a writer that catches up at a stroke would say nothing of when one went."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that looks each second for what it may delete."""
    every = {"log.retention.check.interval.ms": 1000, "log.initial.task.delay.ms": 1000}
    with Kafka(tmp_path_factory.mktemp("quick"), properties=every) as broker:
        yield broker


def test_the_oldest_record_not_read_is_there_until_the_predicted_time_and_gone_soon_after(
    quick: Kafka, start: Starter
):
    retention, segment = 14.0, 2.0
    config = {"retention.ms": f"{retention * 1000:.0f}", "segment.ms": f"{segment * 1000:.0f}"}
    create(quick, "short-compacted", 1, {"cleanup.policy": "compact"})
    short = Short(quick, "short", config)
    reads = start(quick, "short")
    with closing(short):
        for _ in range(10):
            short.write(10, 100)
            time.sleep(0.1)
        position = short.written
        commit(quick, "short", "short", {0: position})
        commit(quick, "short", "short-compacted", {0: 0})
        reads.read()  # so that it is known to the second when the next record was written
        predictions = []
        while (oldest := short.write(10, 100)) <= position:
            seen = time.time()
            told = reads.read()
            losses = told["edgevitals_group_time_to_loss_seconds"]
            assert set(losses) == {("short", "short")}, "a compacted topic loses nothing"
            lost = told.get("edgevitals_group_lost_records", {})  # none where a call was too slow
            assert lost.get(("short", "short"), 0) == 0
            if losses["short", "short"] > 0:  # from then on it is "any moment"
                predictions.append(seen + losses["short", "short"])
            assert seen < predictions[0] + segment + CHECK_S + DELAY_S + 10.0, "it should be gone"
            time.sleep(0.4)
        gone = time.time()
    predicted = predictions[0]
    assert max(abs(one - predicted) for one in predictions) <= 1.0, "it holds still"
    assert gone >= predicted, "it was there at the predicted time"
    assert gone <= predicted + segment + CHECK_S + DELAY_S + SLACK_S, "and is gone soon after"
    wait_for(lambda: reads.read()["edgevitals_group_lost_records"]["short", "short"] > 0, SOON)
    assert oldest > position


def test_a_topic_bounded_by_bytes_loses_its_oldest_record_as_predicted(
    quick: Kafka, start: Starter
):
    """Retention by time would keep it for a week. Segments are as small as Kafka lets them be.

    Judged by what came in, not by the clock: a machine under load writes now slower, now faster.
    The first record is an hour old, so that the minute by which the inflow is told holds none of
    the time before the writer began: the inflow is what came in since the first read.
    """
    mib, size, a_second = 1 << 20, 8_000, 100
    config = {"retention.bytes": str(5 * mib), "segment.bytes": str(mib)}
    full = Short(quick, "full", config)
    own = OwnBroker([Client(HOST, quick.jmx_port, selection=Logs())])
    reads = start(quick, "full", own)
    unknown = start(quick, "full")  # has no JMX: the bytes are anybody's guess
    with closing(full):
        write(quick, "full", [time.time() - 3600.0])
        commit(quick, "full", "full", {0: 1})
        first_began, _, first_ended = reads.read_timed()
        rooms = []  # after how many records of the writer, in all, it is said to go: least and most
        while (oldest := full.write(a_second, size, MOST_AT_ONCE)) <= 1:
            began, told, ended = reads.read_timed()
            left = told.get("edgevitals_group_time_to_loss_seconds", {}).get(("full", "full"), 0)
            least, most = began - first_ended, ended - first_began
            if left > 0 and least > 3.0:
                rooms.append([full.written * (1 + left / lasted) for lasted in (most, least)])
            assert full.written < 15 * mib / size, "it should be gone"
            time.sleep(0.2)
        assert "edgevitals_group_time_to_loss_seconds" not in unknown.read()
    assert len(rooms) >= 2
    late = mib / size + (CHECK_S + DELAY_S + SLACK_S) * a_second
    for least, most in rooms:
        assert full.written >= 0.97 * least, "it was there as long as that"
        assert full.written <= 1.03 * most + late, "and was gone a segment and a look later"
    assert oldest > 1
