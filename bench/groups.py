"""The whole source kafka: time, CPU, requests and memory of a read, at 200 and 10,000 partitions.

A real broker, its topics empty but for ten, groups that have committed. CPU is of this process and
of the admin child; the broker's is beside it. A first read learns when records were written; those
that are measured know it.

Memory is that of an `edgevitals run` of its own, seen from outside all the time: from its start,
during the first read too, over ROUNDS rounds.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any, NamedTuple

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.table import Row, Table, Target, Unit
from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.jmx import BeanInfo, Client, ObjectName
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka import KafkaSource
from tests.demo.cost import ADMIN, MAIN, TARGETS_MIB, Cost
from tests.lab.kafka import HOST, Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import Edge, jmx

READS = 12
ROUND_S = 7.5
"""What a round of 15 s gives a source."""
ROUNDS = 4
LOOK_EVERY_S = 0.02
QUIET: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
JVM = ("-Xmx2g", "-XX:TieredStopAtLevel=4")
THE_BROKERS_OWN = {"Fetch", "BrokerHeartbeat", "BrokerRegistration", "Vote", "Produce"}
"""Requests that the broker makes itself."""


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
        with closing(Admin({"bootstrap.servers": broker.bootstrap})) as admin:
            rows = _measure(broker, admin)
        rows += _memory(directory / "edge", broker)
    partitions = size.topics * size.partitions
    return Table(f"A read of {partitions:,} partitions and {size.groups} groups", rows)


def _measure(broker: Kafka, admin: Admin) -> list[Row]:
    cluster = Cluster(admin, Patterns([".*"], [".*"]))
    source = KafkaSource(cluster.reader(), TargetSeries(SeriesTable(), {}), KafkaConfig())
    began = time.monotonic()
    source.read(time.monotonic() + 60)
    first_s = time.monotonic() - began
    samples, walls = 0, []
    child = psutil.Process(admin.pid)
    asked = _requests(broker)
    before, of_broker = _cpu_s(child), _cpu_s(psutil.Process(broker.process.pid))
    own = time.process_time()
    for _ in range(READS):
        began = time.monotonic()
        samples = len(source.read(time.monotonic() + ROUND_S).series)
        walls.append(time.monotonic() - began)
        if child.pid != admin.pid:  # it had grown, and made way for a new one
            child, before = psutil.Process(admin.pid), 0.0
    own = (time.process_time() - own) / READS
    of_child = (_cpu_s(child) - before) / READS
    of_broker = (_cpu_s(psutil.Process(broker.process.pid)) - of_broker) / READS
    requests = _requests(broker) - asked
    told = f"{samples:,} samples, the first read {first_s:.1f} s"
    busy = "its own work in that time too"
    kinds = "  ".join(f"{name} {count / READS:.1f}" for name, count in requests.most_common(5))
    return [
        Row("wall", median(walls) * 1000, Unit.MILLISECONDS, Target(ROUND_S * 1000), told),
        Row("CPU of the collector", own * 1000, Unit.MILLISECONDS),
        Row("CPU of the admin child", of_child * 1000, Unit.MILLISECONDS),
        Row("CPU of the broker", of_broker * 1000, Unit.MILLISECONDS, note=busy),
        Row("requests", requests.total() / READS, Unit.COUNT, note=kinds),
    ]


class _RequestCounts:
    """What the broker counts of its clients' requests; see `collector.jmx.Selection`."""

    patterns: Sequence[str] = ("kafka.network:type=RequestMetrics,name=RequestsPerSec,*",)

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        return name.properties["request"] not in THE_BROKERS_OWN

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:  # noqa: ARG002
        return ("Count",)


def _requests(broker: Kafka) -> Counter[str]:
    """Return how many of each kind the broker has had since its start."""
    with closing(Client(HOST, broker.jmx_port, selection=_RequestCounts())) as client:
        counts: Counter[str] = Counter()
        for layout, values in client.scrape(time.monotonic() + 20).readings:
            (count,) = values
            assert isinstance(count, int)
            counts[layout.bean.name.properties["request"]] += count
        return counts


def _memory(directory: Path, broker: Kafka) -> list[Row]:
    """Run a collector beside the broker, with JMX and the host."""
    # Installed programs have their bytecode; compiling it would be counted as theirs.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    edge = Edge(
        directory,
        interval="15s",
        kafka={"bootstrap.servers": broker.bootstrap},
        sources={"kafka": True, "host": True, "jmx": jmx(broker)},
    )
    cost, over = Cost(), Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            if edge.process.is_running:
                cost.look(edge.process.pid)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            edge.start()
            wait_for(lambda: edge.seq >= ROUNDS, 40.0 * ROUNDS, "rounds")
            samples = edge.target("kafka_exporter")["samples"]
        finally:
            over.set()
            edge.stop()
        looking.result()
    note = (
        f"at most, in {ROUNDS} rounds from the start on; {samples:,} samples of Kafka in the last"
    )
    return [
        Row(
            f"memory of the {role}",
            cost.peak_kib[role] / 1024,
            Unit.MEBIBYTES,
            Target(TARGETS_MIB[role]),
            note,
        )
        for role in (MAIN, ADMIN)
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
        wait_for(partial(_has_committed, consumer, places), 180.0, "a commit")
        consumer.close()


def _has_committed(consumer: Consumer, places: list[TopicPartition]) -> bool:
    try:
        consumer.commit(offsets=places, asynchronous=False)
    except KafkaException:  # the first one finds no coordinator yet
        return False
    return True
