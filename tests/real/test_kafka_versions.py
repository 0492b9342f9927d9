"""Older Kafka: 3.9 with KRaft and 3.6 with ZooKeeper are read as 4.3 is.

The other tests have 4.3.1. Here it is the names that a version has, and that nothing fails.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.admin.client import Admin
from collector.catalog import METRICS, OWN
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget
from collector.sources.kafka import KafkaSource
from collector.target import Source
from tests.lab.kafka import HOST, Kafka
from tests.lab.traffic import QUIET
from tests.lab.zookeeper import ZooKeeper

KRAFT, WITH_ZOOKEEPER = "3.9.2", "3.6.2"

NOT_BEFORE: dict[str, str] = {}
"""What an alert reads and an older Kafka doesn't have: the metric, the first version with it.

The README's "Tested with" says the same. Nothing so far: the alerts read what all of them have.
"""

OF_KRAFT = {
    "kafka_server_raft_metrics_current_leader",
    "kafka_server_raft_metrics_high_watermark",
}
"""What a broker with ZooKeeper does not have, and the alert has another word for."""

PROJECT = Path(__file__).parents[2]
FROM_KAFKA = ("kafka_", "jvm_", "process_")

Values = dict[str, dict[tuple[tuple[str, str], ...], float]]


def read_by_alerts() -> set[str]:
    """What the shipped alerts read of Kafka. That they read nothing unknown, test_alerts shows."""
    files = (PROJECT / "alerts").glob("*.yaml")
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    words = {
        word
        for group in groups
        for rule in group["rules"]
        for word in re.findall(r"\w+", rule["expr"])
    }
    return {name for name in METRICS.keys() - OWN.keys() if name.startswith(FROM_KAFKA)} & words


def has(metric: str, version: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(".")]

    return numbers(NOT_BEFORE.get(metric, "0")) <= numbers(version)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def started(parts: ExitStack, directory: Path, version: str, zookeeper: str | None = None) -> Kafka:
    """A broker with one topic of ten records; `early` has read four of them."""
    kafka = parts.enter_context(Kafka(directory / "kafka", version=version, zookeeper=zookeeper))
    parts.callback(kafka.kill)  # a graceful end takes seconds, and is not what is tested
    bootstrap = {"bootstrap.servers": kafka.bootstrap, **QUIET}
    client = AdminClient(bootstrap)
    client.create_topics([NewTopic("orders", 1)])["orders"].result(30)
    producer = Producer(bootstrap)
    for _ in range(10):
        producer.produce("orders", b"record")
    assert producer.flush(30) == 0
    consumer = Consumer({**bootstrap, "group.id": "early"})
    consumer.commit(offsets=[TopicPartition("orders", 0, 4)], asynchronous=False)
    consumer.close()
    return kafka


def jmx_values(parts: ExitStack, port: int) -> Values:
    """What the default profile makes of a JVM; everything that was asked for could be read."""
    table = SeriesTable()
    target = JmxTarget(host=HOST, port=port)
    source = JmxSource(target, TargetSeries(table, {}), load_rules(["default"]))
    parts.callback(source.close)
    values = read(source, table)
    assert (source.failures, source.clashes, source.left_out) == (0, 0, 0)
    return values


def read(source: Source, table: SeriesTable) -> Values:
    reading = source.read(time.monotonic() + 60)
    values: Values = {}
    for series_id, value in zip(reading.series, reading.values, strict=True):
        values.setdefault(table[series_id].name, {})[table[series_id].labels] = value
    return values


def check_broker(parts: ExitStack, kafka: Kafka, version: str) -> Values:
    """Read a broker through JMX and through Kafka; return what JMX gave."""
    found = jmx_values(parts, kafka.jmx_port)
    alone: tuple[tuple[str, str], ...] = ()
    orders = (("topic", "orders"),)
    assert found["kafka_controller_kafkacontroller_activecontrollercount"] == {alone: 1}
    assert found["kafka_server_replicamanager_underreplicatedpartitions"] == {alone: 0}
    assert found["kafka_server_brokertopicmetrics_messagesinpersec_total"][orders] == 10
    idle = found["kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate"]
    assert 0 <= idle[alone] <= 1.5  # of a pool that has just begun
    assert any(
        version in dict(labels).values() for labels in found["kafka_server_app_info_version_info"]
    )
    assert found["jvm_threads_current"][alone] > 10
    assert 300 < sum(map(len, found.values())) < 2000

    table = SeriesTable()
    admin = Admin({"bootstrap.servers": kafka.bootstrap})
    parts.callback(admin.close)
    reader = Cluster(admin, Patterns([".*"], [".*"])).reader()
    source = KafkaSource(reader, TargetSeries(table, {}), KafkaConfig(partitions=(".*",)))
    parts.callback(source.close)
    told = read(source, table)
    place = (*(("consumergroup", "early"), ("partition", "0")), *orders)
    assert told["kafka_brokers"] == {alone: 1}
    assert told["kafka_topic_partition_current_offset"][(("partition", "0"), *orders)] == 10
    assert told["kafka_consumergroup_current_offset"] == {place: 4}
    assert told["kafka_consumergroup_lag"] == {place: 6}
    assert told["kafka_consumergroup_members"] == {(("consumergroup", "early"),): 0}
    assert "edgevitals_kafka_failures" not in told
    assert (admin.stats.starts, admin.stats.crashes, admin.stats.late) == (1, 0, 0)

    wanted = {metric for metric in read_by_alerts() if has(metric, version)}
    if version == WITH_ZOOKEEPER:
        wanted -= OF_KRAFT
    assert wanted
    assert wanted - found.keys() - told.keys() == set()
    return found


def test_kraft_before_4_0(tmp_path: Path, parts: ExitStack):
    kafka = started(parts, tmp_path, KRAFT)
    found = check_broker(parts, kafka, KRAFT)
    assert found["kafka_server_raft_metrics_current_state_info"] == {
        (("current_state", "leader"),): 1
    }


def test_a_broker_with_zookeeper_and_the_zookeeper_itself(tmp_path: Path, parts: ExitStack):
    zookeeper = parts.enter_context(ZooKeeper(tmp_path / "zookeeper", version=WITH_ZOOKEEPER))
    kafka = started(parts, tmp_path, WITH_ZOOKEEPER, zookeeper.address)
    found = check_broker(parts, kafka, WITH_ZOOKEEPER)
    assert "kafka_server_raft_metrics_current_state_info" not in found
    assert found["kafka_server_sessionexpirelistener_zookeeperexpirespersec_total"] == {(): 0}

    of_it = jmx_values(parts, zookeeper.jmx_port)
    member = (("member", f"StandaloneServer_port{zookeeper.port}"),)
    assert of_it["zookeeper_numaliveconnections"][member] >= 1
    assert of_it["zookeeper_packetsreceived"][member] > 10
    assert of_it["zookeeper_inmemorydatatree_nodecount"][member] > 10


def test_the_readme_says_what_is_tested_and_what_is_missing_where():
    _, _, tested = (PROJECT / "README.md").read_text().partition("## Tested with")
    for version in (KRAFT, WITH_ZOOKEEPER):
        assert version in tested
    for metric, version in NOT_BEFORE.items():
        assert re.search(rf"`{metric}`[^\n]*{re.escape(version)}", tested)
