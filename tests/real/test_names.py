"""The source jmx with its names, on a real broker."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.errors import SourceError
from collector.names.rules import PROFILES, load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget
from tests.lab.kafka import HOST
from tests.lab.ports import free_port


class Reader:
    def __init__(self, port, names, **options):
        self.table = SeriesTable()
        series = TargetSeries(self.table, {"job": "kafka", "instance": "b"})
        target = JmxTarget(host=HOST, port=port, **options)
        self.source = JmxSource(target, series, load_rules(names))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.source.close()

    def read(self):
        reading = self.source.read(time.monotonic() + 60)
        assert len(reading.series) == len(reading.values) == len(set(reading.series))
        return reading

    def metrics(self):
        reading = self.read()
        found: dict[str, Any] = {}
        for i, value in zip(reading.series, reading.values, strict=True):
            labels = {k: v for k, v in self.table[i].labels if k not in {"job", "instance"}}
            found.setdefault(self.table[i].name, []).append((labels, value))
        return found


def test_default_profile(broker):
    with Reader(broker.jmx_port, ["default"]) as reader:
        began = time.process_time()
        reader.read()
        first = time.process_time() - began
        began = time.process_time()
        metrics = reader.metrics()
        steady = time.process_time() - began
        count = sum(map(len, metrics.values()))
        print(f"{count} values; CPU of the first read {first:.3f} s, of the next {steady:.3f} s")
        assert metrics["kafka_controller_kafkacontroller_activecontrollercount"] == [({}, 1.0)]
        state = metrics["kafka_server_raft_metrics_current_state_info"]
        assert state == [({"current_state": "leader"}, 1.0)]
        assert metrics["jvm_threads_current"][0][1] > 10
        assert metrics["process_open_fds"][0][1] > 10
        assert 500 < count < 4000
        assert reader.source.failures == 0
        assert reader.source.clashes == 0


def test_the_series_of_two_reads_are_the_same_object_when_nothing_came_or_went(broker):
    with Reader(broker.jmx_port, ["default"]) as reader:
        readings = [reader.read() for _ in range(5)]
        assert any(a.series is b.series for a, b in itertools.pairwise(readings))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_gives_legal_names_without_a_clash(broker, profile):
    with Reader(broker.jmx_port, [profile]) as reader:
        metrics = reader.metrics()
        assert len(metrics) > 100
        assert reader.source.clashes == 0
        labels = {label for values in metrics.values() for each, _ in values for label in each}
        assert all(
            name.replace("_", "a").isalnum() for name in {*metrics, *labels} - {"_objectname"}
        )


def test_two_profiles_in_one_read(broker):
    with Reader(broker.jmx_port, ["default", "strimzi"]) as reader:
        metrics = reader.metrics()
        assert "kafka_server_brokertopicmetrics_bytesinpersec_total" in metrics
        assert "kafka_server_brokertopicmetrics_bytesin_total" in metrics
        calls = reader.source.client.counts.calls
        reader.read()
        assert reader.source.client.counts.calls - calls < 10_000  # each bean once, not twice
        assert reader.source.clashes == 0


def test_topics_that_come_are_followed(broker):
    name = f"names-{time.time_ns()}"
    per_topic = "kafka_log_logmanager_offlinelogdirectorycount"
    with Reader(broker.jmx_port, ["cfk"], refresh_s=0.0) as reader:
        before = reader.metrics()
        assert not _of_topic(before, name)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic(name, 1, 1)])[name].result()
        deadline = time.monotonic() + 60
        while not _of_topic(reader.metrics(), name):
            assert time.monotonic() < deadline
        admin.delete_topics([name])[name].result()
    assert per_topic not in before  # the names of this profile end in the attribute


def _of_topic(metrics, name):
    return [labels for labels, _ in metrics["kafka_log_log_value"] if labels.get("topic") == name]


def test_a_jvm_that_is_not_there_is_a_source_error_with_a_hint():
    with Reader(free_port(), ["default"]) as reader, pytest.raises(SourceError) as caught:
        reader.read()
    assert caught.value.hint


def test_a_port_that_is_not_jmx_is_a_source_error_with_a_hint(broker):
    with Reader(broker.port, ["default"]) as reader, pytest.raises(SourceError) as caught:
        reader.read()
    assert caught.value.hint
