"""Which rights a configuration takes, and what Kafka's words mean for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.admin.wire import Allowed
from collector.config import load
from collector.rights import ANY, GROUPS, Right, judge, needed

KAFKA = "site: store-1\nkafka: {bootstrap.servers: 'a:1'}\n"
SINK = "sinks: [{name: centre, url: 'http://a/', out_of_order_time_window: 1d}]\n"


def rights_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "c.yaml"
    file.write_text(KAFKA + text)
    return [right.options for right in needed(load(file, {}).config)]


@pytest.mark.parametrize(
    "text,takes",
    [
        ("sources: {host: true}", []),
        (
            "sources: {kafka: true}",
            [
                "--operation Describe --topic '*'",
                "--operation DescribeConfigs --topic '*'",
                "--operation Describe --group '*'",
                "--operation DescribeConfigs --cluster",
            ],
        ),
        (
            "sources: {kafka: true}\ntopic: {name: telemetry}\n" + SINK,
            [
                "--operation Describe --topic '*'",
                "--operation DescribeConfigs --topic '*'",
                "--operation Describe --group '*'",
                "--operation DescribeConfigs --cluster",
                "--operation Write --topic telemetry",
                "--operation Read --topic telemetry",
                "--operation Create --topic telemetry",
                "--operation Read --group edgevitals. --resource-pattern-type prefixed",
            ],
        ),
        (
            r"sources: {kafka: {topics: [pos, 'pos\..*', 'pos-[0-9]+'], groups: ['till.+']}}",
            [
                "--operation Describe --topic pos",
                "--operation Describe --topic pos. --resource-pattern-type prefixed",
                "--operation DescribeConfigs --topic pos",
                "--operation DescribeConfigs --topic pos. --resource-pattern-type prefixed",
                "--operation Describe --group till --resource-pattern-type prefixed",
                "--operation DescribeConfigs --cluster",
            ],
        ),
        (
            "sources: {host: true}\ntopic: {name: telemetry}\n" + SINK,
            [
                "--operation Write --topic telemetry",
                "--operation Read --topic telemetry",
                "--operation DescribeConfigs --topic telemetry",
                "--operation Create --topic telemetry",
                "--operation Read --group edgevitals. --resource-pattern-type prefixed",
            ],
        ),
        (
            "sources: {host: true}\ntopic: {name: 'ev.telemetry.{site}'}",
            [
                "--operation Write --topic ev.telemetry.store-1",
                "--operation Read --topic ev.telemetry.store-1",
                "--operation DescribeConfigs --topic ev.telemetry.store-1",
                "--operation Create --topic ev.telemetry.store-1",
                "--operation Write --topic ev.pulse.store-1",
                "--operation Create --topic ev.pulse.store-1",
            ],
        ),
        (
            (
                "links: [{name: hq, kind: mirrormaker2, jmx: [{address: 'a:2'}],\n"
                "         topics: ['pos.*'], offset_syncs: mm2-offset-syncs.hq.internal}]"
            ),
            [
                "--operation Describe --topic pos --resource-pattern-type prefixed",
                "--operation DescribeConfigs --topic pos --resource-pattern-type prefixed",
                "--operation Read --topic mm2-offset-syncs.hq.internal",
            ],
        ),
        (
            "links: [{name: hq, kind: mirrormaker2, jmx: [{address: 'a:2'}], side: target}]",
            [],
        ),
        (
            "topic: {name: 'ev.telemetry.{site}'}\n" + SINK,
            [
                "--operation Read --topic ev.telemetry. --resource-pattern-type prefixed",
                "--operation Read --group edgevitals. --resource-pattern-type prefixed",
                "--operation Read --topic ev.pulse. --resource-pattern-type prefixed",
            ],
        ),
    ],
)
def test_a_configuration_takes_so_many_rights_and_no_more(tmp_path, text, takes):
    assert rights_of(tmp_path, text) == takes


TOPICS = Right("Describe", "topic", "*", ANY, "topics")
WRITE = Right("Write", "topic", "t", "t", "rounds")
SETTINGS = Right("DescribeConfigs", "topic", "t", "t", "warnings")
CREATE = Right("Create", "topic", "t", "t", "the topic")
CLUSTER = Right("DescribeConfigs", "cluster", "", "", "brokers' settings")
GROUP = Right("Read", "group", "edgevitals.", "edgevitals.a", "delivering", is_prefix=True)


@pytest.mark.parametrize(
    "told,missing,unknown",
    [
        (Allowed("topic", "t", ["DESCRIBE", "DESCRIBE_CONFIGS", "WRITE"]), [], []),
        (Allowed("topic", "t", ["DESCRIBE", "WRITE"]), [SETTINGS], []),
        (Allowed("topic", "t", ["DESCRIBE", "DESCRIBE_CONFIGS"]), [WRITE], []),
        # What isn't there can't be written to, and nobody says who could.
        (Allowed("topic", "t", ["DESCRIBE"], is_there=False), [SETTINGS, CREATE], [WRITE]),
        (Allowed("topic", "t", [], is_there=False), [WRITE, SETTINGS, CREATE], []),
        (Allowed("topic", "t", ["DESCRIBE_CONFIGS"], is_there=False), [WRITE, CREATE], []),
        # A broker that tells nothing of rights: older than 2.3, or none of Apache's.
        (Allowed("topic", "t", []), [], [WRITE, SETTINGS]),
        (Allowed("topic", "other", []), [], [WRITE, SETTINGS, CREATE]),
    ],
)
def test_what_kafka_says_of_a_topic(told, missing, unknown):
    assert judge([WRITE, SETTINGS, CREATE], [told]) == (missing, unknown)


def test_a_missing_right_is_named_as_people_and_tools_know_it():
    told = [
        Allowed("topic", ANY, [], is_there=False),
        Allowed("group", "edgevitals.a", [], is_there=False),
        Allowed("cluster", "", [], is_there=False),
    ]
    found = judge([TOPICS, GROUP, CLUSTER], told)
    assert list(map(str, found.missing)) == [
        "Describe on topic *",
        "Read on group edgevitals.*",
        "DescribeConfigs on cluster",
    ]


def test_all_names_are_asked_for_by_one_that_no_right_to_some_covers():
    """Read on groups that begin with `edgevitals.` brings Describe on them: of all it says none."""
    assert not ANY.startswith(GROUPS)
