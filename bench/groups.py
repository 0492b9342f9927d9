"""The whole source kafka: time, CPU and memory of a read, at 200 and at 10,000 partitions.

A real broker, its topics empty but for one, groups that have committed. CPU is of this process and
of the admin child; the broker's is beside it. A first read learns when records were written; those
that are measured know it.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.table import Row, Table, Target, Unit
from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka import KafkaSource
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for

READS = 12
ROUND_S = 7.5
"""What a round of 15 s gives a source."""
CHILD_MIB = 32.0
QUIET: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
JVM = ("-Xmx2g", "-XX:TieredStopAtLevel=4")


class Size(NamedTuple):
    topics: int
    partitions: int
    groups: int


SITE, LARGEST = Size(50, 4, 20), Size(200, 50, 500)


def run() -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="edgevitals-bench-") as directory:
        return [_table(Path(directory, str(size.topics)), size) for size in (SITE, LARGEST)]


def _table(directory: Path, size: Size) -> Table:
    with Kafka(directory, jvm=JVM) as broker:
        _fill(broker, size)
        admin = Admin({"bootstrap.servers": broker.bootstrap})
        try:
            rows = _measure(broker, admin)
        finally:
            admin.close()
    partitions = size.topics * size.partitions
    return Table(f"A read of {partitions:,} partitions and {size.groups} groups", rows)


def _measure(broker: Kafka, admin: Admin) -> list[Row]:
    cluster = Cluster(admin, Patterns([".*"], [".*"]))
    source = KafkaSource(cluster.reader(), TargetSeries(SeriesTable(), {}), KafkaConfig())
    began = time.monotonic()
    source.read(time.monotonic() + 60)
    first_s = time.monotonic() - began
    samples, walls, peak = 0, [], 0.0
    child = psutil.Process(admin.pid)
    before, of_broker = _cpu_s(child), _cpu_s(psutil.Process(broker.process.pid))
    own = time.process_time()
    for _ in range(READS):
        began = time.monotonic()
        samples = len(source.read(time.monotonic() + ROUND_S).series)
        walls.append(time.monotonic() - began)
        if child.pid != admin.pid:  # it had grown, and made way for a new one
            child, before = psutil.Process(admin.pid), 0.0
        peak = max(peak, child.memory_full_info().pss / (1 << 20))
    own = (time.process_time() - own) / READS
    of_child = (_cpu_s(child) - before) / READS
    of_broker = (_cpu_s(psutil.Process(broker.process.pid)) - of_broker) / READS
    told = f"{samples:,} samples, the first read {first_s:.1f} s"
    busy = "its own work in that time too"
    return [
        Row("wall", median(walls) * 1000, Unit.MILLISECONDS, Target(ROUND_S * 1000), told),
        Row("CPU of the collector", own * 1000, Unit.MILLISECONDS),
        Row("CPU of the admin child", of_child * 1000, Unit.MILLISECONDS),
        Row("CPU of the broker", of_broker * 1000, Unit.MILLISECONDS, note=busy),
        Row("memory of the admin child", peak, Unit.MEBIBYTES, Target(CHILD_MIB)),
    ]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _fill(broker: Kafka, size: Size) -> None:
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    names = [f"plant-{number}" for number in range(size.topics)]
    for start in range(0, len(names), 20):
        wanted = [NewTopic(name, size.partitions) for name in names[start : start + 20]]
        for created in client.create_topics(wanted, operation_timeout=60.0).values():
            created.result(60.0)
    producer = Producer({"bootstrap.servers": broker.bootstrap, **QUIET})
    for name in names[:10]:
        for partition in range(size.partitions):
            producer.produce(name, b"x" * 100, partition=partition)
            producer.produce(name, b"x" * 100, partition=partition)
    producer.flush(60)
    for number in range(size.groups):
        topic = names[number % 10]
        places = [TopicPartition(topic, one, 1) for one in range(min(4, size.partitions))]
        group = {"bootstrap.servers": broker.bootstrap, "group.id": f"reads-{number}", **QUIET}
        consumer = Consumer(group)
        wait_for(partial(_has_committed, consumer, places), 60.0, "a commit")
        consumer.close()


def _has_committed(consumer: Consumer, places: list[TopicPartition]) -> bool:
    try:
        consumer.commit(offsets=places, asynchronous=False)
    except KafkaException:  # the first one finds no coordinator yet
        return False
    return True
