"""Our names beside those of the real jmx_exporter: its javaagent, in the same broker.

The same rule files are given to both. Everything that the agent exports must be there, with the
same labels and types, and nothing else; and its values must lie between those that we read before
and after.
"""

from __future__ import annotations

import math
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from prometheus_client.parser import text_string_to_metric_families

from collector.config import Address
from collector.discovery.found import MetricsPage
from collector.discovery.probing import Task, probe
from collector.names.rule_file import parse_rule_file
from collector.names.rules import Rules, profile_path
from collector.series import Kind, SeriesTable, TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget
from tests.lab import parts
from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port

FEATURES = Path(__file__).parents[1] / "data" / "names" / "every-feature.yaml"
OWN = ("jmx_", "jvm_", "process_", "edgevitals_")
"""What the agent and we add of our own and of its process."""

KINDS = {"counter": Kind.COUNTER, "gauge": Kind.GAUGE, "unknown": Kind.UNKNOWN}
TRIES = 5

Key = tuple[str, tuple[tuple[str, str], ...]]


class Agent(NamedTuple):
    """A broker with the agent in it, and the file that the agent reads again when it changes."""

    kafka: Kafka
    file: Path
    port: int

    def configure(self, text: str) -> None:
        later = self.file.stat().st_mtime + 10  # it reads again when the file is newer than it was
        self.file.write_text(text)
        os.utime(self.file, (later, later))

    def read(self) -> dict[Key, tuple[float, Kind]]:
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=60) as page:
            text = page.read().decode()
        return {
            (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if v))): (
                sample.value,
                KINDS.get(family.type, Kind.UNKNOWN),
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if not sample.name.startswith(OWN)
        }


def _fill(kafka: Kafka) -> None:
    """Two topics and some records; the clients are gone before the broker is."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topics = [NewTopic(name, 3, 1) for name in ("orders", "with.dots_and-dashes")]
    for future in admin.create_topics(topics).values():
        future.result()
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for i in range(30):
        producer.produce("orders", b"x", partition=i % 3)
    assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    directory = tmp_path_factory.mktemp("agent")
    jar = next(parts.jars("jmx-exporter-1.0.1").glob("jmx_prometheus_javaagent-*.jar"))
    file, port = directory / "rules.yaml", free_port()
    file.write_text("{}")
    with Kafka(
        directory / "kafka", jvm=["-Xmx320m", f"-javaagent:{jar}={HOST}:{port}:{file}"]
    ) as kafka:
        _fill(kafka)
        yield Agent(kafka, file, port)


@pytest.mark.parametrize(
    "path",
    [None, FEATURES, profile_path("strimzi"), profile_path("cp-ansible")],
    ids=["everything", "every-feature", "strimzi", "cp-ansible"],
)
def test_the_agent_and_we_give_the_same(agent, path):
    text = "{}" if path is None else path.read_text()
    agent.configure(text)
    table = SeriesTable()
    target = JmxTarget(host=HOST, port=agent.kafka.jmx_port, refresh_s=0.0)
    rules = Rules((parse_rule_file(text, str(path)),))
    source = JmxSource(target, TargetSeries(table, {}), rules)

    def read() -> dict[Key, tuple[float, Kind]]:
        reading = source.read(time.monotonic() + 60)
        return {
            (table[i].name, table[i].labels): (value, table[i].family.kind)
            for i, value in zip(reading.series, reading.values, strict=True)
            if not table[i].name.startswith(OWN)
        }

    try:
        before, theirs, after = read(), agent.read(), read()
        for _ in range(TRIES):  # beans come while a broker is young
            if before.keys() == theirs.keys() == after.keys():
                break
            before, theirs, after = after, agent.read(), read()
        assert source.clashes == 0
    finally:
        source.close()
    assert theirs.keys() - before.keys() == set()
    assert before.keys() - theirs.keys() == set()
    assert len(theirs) > 500
    assert {k: v[1] for k, v in before.items()} == {k: v[1] for k, v in theirs.items()}
    outside = [k for k in theirs if not _is_between(before[k][0], theirs[k][0], after[k][0])]
    print(f"{len(theirs)} series the same, {len(outside)} that moved back and forth")
    counters = [k for k in outside if theirs[k][1] is Kind.COUNTER]
    assert [k for k in counters if k[0] != "test_gc_used_total"] == []  # only called a counter
    assert len(outside) < len(theirs) * 0.05  # rates, idle times, heap


def _is_between(before: float, theirs: float, after: float) -> bool:
    if math.isnan(theirs):
        return math.isnan(before) or math.isnan(after)
    low, high = sorted((before, after))
    return low <= theirs <= high or math.isclose(theirs, before) or math.isclose(theirs, after)


def test_the_agents_page_is_found_and_whose_it_is(agent):
    found = probe(Task(Address(HOST, agent.port)), 10.0)
    assert isinstance(found, MetricsPage)
    assert found.exporter == "jmx_exporter"
