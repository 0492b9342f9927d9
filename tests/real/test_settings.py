"""Settings of a real broker and its topics, and its restarts, as somebody changes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import JmxConfig, KafkaConfig
from collector.config.scalars import address
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx_target import jmx_source
from collector.sources.kafka import KafkaSource
from collector.target import Source
from tests.lab.kafka import Kafka

TOPIC = "settings"
ALL = ("topics", "orders")
Values = dict[str, list[tuple[dict[str, str], float]]]


@contextmanager
def collector(broker: Kafka) -> Iterator[tuple[SeriesTable, Source]]:
    """The source kafka of a collector that has just been started."""
    table = SeriesTable()
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as admin:
        reader = Cluster(admin, Patterns([], [TOPIC])).reader()
        yield table, KafkaSource(reader, TargetSeries(table, {}), KafkaConfig(topics=(TOPIC,)))


def read(table: SeriesTable, source: Source) -> Values:
    values: Values = {}
    reading = source.read(time.monotonic() + 30)
    for series_id, value in zip(reading.series, reading.values, strict=True):
        series = table[series_id]
        values.setdefault(series.name, []).append((dict(series.labels), value))
    return values


def told(broker: Kafka) -> Values:
    with collector(broker) as (table, source):
        return read(table, source)


def alter(broker: Kafka, kind: ResourceType, name: str, key: str, value: str) -> None:
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    about = ConfigResource(kind, name, incremental_configs=[entry])
    for future in client.incremental_alter_configs([about]).values():
        future.result(30)


def one(values: Values, name: str) -> tuple[dict[str, str], float]:
    (found,) = values[name]
    return found


def test_settings_and_the_numbers_that_change_with_them(own_broker: Kafka, monkeypatch):
    broker, node = own_broker, str(own_broker.node_id)
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    topic = NewTopic(TOPIC, num_partitions=1, config={"retention.ms": "3600000"})
    for future in client.create_topics([topic]).values():
        future.result(30)
    before = told(broker)
    labels, _ = one(before, "edgevitals_topic_settings_info")
    assert labels["topic"] == TOPIC
    assert labels["retention_ms"] == "3600000"
    assert labels["cleanup_policy"] == "delete"
    labels, _ = one(before, "edgevitals_broker_settings_info")
    assert labels["broker"] == node
    assert labels["min_insync_replicas"] == "1"
    assert labels["log_retention_ms"] == "unset"
    assert "PLAINTEXT" in labels["listener_security_protocol_map"]
    assert "edgevitals_kafka_failures" not in before
    monkeypatch.setattr("collector.cluster.settings.SETTINGS_S", 0.0)
    with collector(broker) as (table, source):
        again = read(table, source)
        of_topic, of_broker = "edgevitals_topic_settings_hash", "edgevitals_broker_settings_hash"
        assert again[of_topic] == before[of_topic]  # a restart of ours is no change
        assert again[of_broker] == before[of_broker]
        # Neither of these two is shown; and one that is.
        alter(broker, ResourceType.TOPIC, TOPIC, "flush.messages", "1000")
        alter(broker, ResourceType.BROKER, node, "log.cleaner.backoff.ms", "14000")
        changed = until_changed(table, source, again)
        alter(broker, ResourceType.TOPIC, TOPIC, "retention.ms", "7200000")
        alter(broker, ResourceType.BROKER, node, "log.retention.ms", "86400000")
        shown = until_changed(table, source, changed)
    assert one(shown, "edgevitals_topic_settings_info")[0]["retention_ms"] == "7200000"
    assert one(shown, "edgevitals_broker_settings_info")[0]["log_retention_ms"] == "86400000"


def until_changed(table: SeriesTable, source: Source, before: Values) -> Values:
    """Read until both numbers are others: Kafka's brokers learn of a change a little later."""
    ends = time.monotonic() + 30
    while True:
        now = read(table, source)
        if all(
            now[f"edgevitals_{what}_settings_hash"] != before[f"edgevitals_{what}_settings_hash"]
            for what in ("topic", "broker")
        ):
            return now
        assert time.monotonic() < ends


def test_a_restart_is_seen_by_the_start_and_versions_are_told(own_broker: Kafka):
    jmx = JmxConfig(address=address(own_broker.jmx_address))

    def of_the_jvm() -> Values:
        table = SeriesTable()
        source = jmx_source(jmx, load_rules(["default"]), TargetSeries(table, {}))
        with closing(source):
            return read(table, source)

    before = of_the_jvm()
    own_broker.restart()
    after = of_the_jvm()
    for name in ("process_start_time_seconds", "kafka_server_app_info_start_time_ms"):
        assert after[name][0][1] > before[name][0][1], name
    for name, label in (
        ("kafka_server_app_info_version_info", "version"),
        ("kafka_server_app_info_commit_id_info", "commit_id"),
        ("jvm_runtime_info", "version"),
    ):
        assert before[name][0][0][label]
        assert before[name] == after[name], name
