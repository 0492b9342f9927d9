"""The engine jmxquery beside the native one, on the same broker at the same time.

What may differ:

- rows of tables are missing: `LastGcInfo` has `memoryUsageBeforeGc` and `...AfterGc`, a row for
  each memory pool. jmxquery prints the name of such an attribute and no value.
- `edgevitals_jmx_failures`: the jar doesn't tell what it could not read.
- values move between two readings, and the one of jmxquery takes seconds: a counter lies between
  the native readings before and after it; of all others, most do or are equal, and the rest are
  rates, means, percentiles, ages and free memory, which go up and down.
"""

from __future__ import annotations

import math
import time
from contextlib import closing

import pytest

from collector.errors import SourceError
from collector.names.rules import load_rules
from collector.series import Kind, SeriesTable, TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget
from collector.sources.jmxquery import JmxQuerySource
from tests.lab.java.jvm import Jvm
from tests.lab.kafka import HOST
from tests.lab.ports import free_port

EVERYTHING = """\
includeObjectNames:
  - "java*:*"
  - "kafka.controller:*"
  - "kafka.coordinator.*:*"
  - "kafka.log:*"
rules:
  - pattern: '(.+)<(.+)><(.*)>(Count|.*[-_]total|CollectionCount|TotalStartedThreadCount):'
    name: all_$4
    type: COUNTER
    labels: {domain: "$1", keys: "$2", path: "$3"}
  - pattern: '(.+)<(.+)><(.*)>(.+):'
    name: all_$4
    labels: {domain: "$1", keys: "$2", path: "$3"}
"""
"""A name for every number. jmxquery takes 1 ms and more for each: these are enough."""


def read(make, rules):
    table = SeriesTable()
    with closing(make(TargetSeries(table, {"job": "kafka"}), rules)) as source:
        reading = source.read(time.monotonic() + 120)
        return {
            (table[i].name, table[i].labels, table[i].family.kind): value
            for i, value in zip(reading.series, reading.values, strict=True)
            if not table[i].name.startswith("edgevitals_")  # what the engine says of itself
        }


@pytest.mark.parametrize("names", ["default", "everything"])
def test_both_engines_give_the_same(broker, traffic, tmp_path, names):
    if names == "everything":
        names = str(tmp_path / "everything.yaml")
        (tmp_path / "everything.yaml").write_text(EVERYTHING)
    rules = load_rules([names])

    def native(series, rules):
        return JmxSource(JmxTarget(host=HOST, port=broker.jmx_port), series, rules)

    def jmxquery(series, rules):
        return JmxQuerySource(broker.jmx_address, series, rules)

    before, other, after = (read(make, rules) for make in (native, jmxquery, native))
    stayed = before.keys() & after.keys()
    assert len(stayed) > 300
    missing = {key for key in stayed - other.keys() if not _is_known(key)}
    added = other.keys() - (before.keys() | after.keys())
    assert missing == set()
    assert added == set()

    outside = [key for key in stayed & other.keys() if not _between(before, other, after, key)]
    counters = [key for key in outside if key[2] is Kind.COUNTER]
    assert counters == []
    assert len(outside) < 0.1 * len(stayed)


def _is_known(key):
    return key[0] == "edgevitals_jmx_failures" or any("memoryUsage" in value for _, value in key[1])


def _between(before, other, after, key):
    first, value, last = before[key], other[key], after[key]
    if math.isnan(value):
        return math.isnan(first) or math.isnan(last)
    return math.isnan(first) or math.isnan(last) or min(first, last) <= value <= max(first, last)


def refused(address):
    with pytest.raises(SourceError) as caught:
        read(lambda series, rules: JmxQuerySource(address, series, rules), load_rules(["default"]))
    return caught.value


def test_a_port_where_nobody_is(broker):
    error = refused(f"{HOST}:{free_port()}")
    assert error.message.endswith("no connection (Connection refused)")


def test_a_port_that_is_not_jmx(broker):
    error = refused(broker.bootstrap)
    assert error.message.startswith(f"{broker.bootstrap}: ")
    assert error.hint


def test_a_jvm_that_wants_a_password(tmp_path):
    passwords, access = tmp_path / "passwords", tmp_path / "access"
    passwords.write_text("monitor mpass\n")
    passwords.chmod(0o600)
    access.write_text("monitor readonly\n")
    agent = {"authenticate": "true", "password.file": passwords, "access.file": access}
    with Jvm(tmp_path, agent=agent) as jvm:
        error = refused(f"{HOST}:{jvm.port}")
    assert error.message.endswith("the JVM wants a password, which this engine doesn't give")


def test_the_deadline_holds(broker):
    series = TargetSeries(SeriesTable(), {})
    source = JmxQuerySource(broker.jmx_address, series, load_rules(["default"]))
    with pytest.raises(SourceError, match="had not finished"):
        source.read(time.monotonic() + 0.2)
