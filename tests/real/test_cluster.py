"""Three brokers, three collectors: the work is shared."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.admin.client import Admin
from collector.cluster import own_broker, reading
from collector.cluster.own_broker import Logs, OwnBroker
from collector.config import Address, JmxConfig, load
from collector.jmx import Client, JmxError
from collector.names.rules import load_rules
from collector.series import Series, SeriesTable, TargetSeries
from collector.sources.jmx_target import jmx_source
from collector.sources.kafka import KafkaSource
from collector.targets import cluster
from tests.lab.kafka import HOST, controller_only
from tests.lab.waiting import wait_for
from tests.real.edge import SOON
from tests.real.three_brokers import (
    GROUPS,
    TOPICS,
    Brokers,
    Reads,
    groups_of,
    is_shared,
    three_brokers,
    three_collectors,
    topics_of,
)
from tests.real.three_edges import beside, three_edges
from tests.real.told import Told, read


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with three_brokers(tmp_path_factory.mktemp("three")) as three:
        yield three


@pytest.fixture
def collectors(brokers: Brokers) -> Iterator[dict[int, Reads]]:
    brokers.wait_until_settled()  # another test may have killed one
    with three_collectors(brokers) as three:
        yield three


def test_each_topic_and_group_is_told_by_one(brokers: Brokers, collectors: dict[int, Reads]):
    found: dict[int, Told] = {}

    def are_told() -> bool:
        """Read one after the other: on a busy machine something may move between two of them."""
        found.update({node: one.read() for node, one in collectors.items()})
        return is_shared(found)

    wait_for(are_told, SOON, "all, and nothing by two")
    for node, told in found.items():
        assert told["edgevitals_kafka_own_broker"] == {(): node}
        assert topics_of(told), "each leads some"
        assert groups_of(told)
        assert set(told["edgevitals_topic_replicas"].values()) == {9}
        # Of its own disks each tells all: there is a replica of each topic.
        assert told["edgevitals_topic_size_bytes"] == {(str(node), topic): 0 for topic in TOPICS}
        (directory,) = {where for _, where in told["edgevitals_log_directory_free_bytes"]}
        assert directory == str(brokers.nodes[node].directory / "data")
        disk = os.statvfs(directory)
        size = disk.f_blocks * disk.f_frsize
        assert told["edgevitals_log_directory_size_bytes"] == {(str(node), directory): size}
        assert told["edgevitals_log_directory_offline"] == {(str(node), directory): 0}
        assert told["edgevitals_broker_log_bytes"][str(node),] > 0
        lags = told["kafka_consumergroup_lag_sum"]
        assert {group for group, _ in lags} == groups_of(told)
        assert "kafka_topic_partition_leader" not in told, "nothing is wrong with any partition"


def test_one_collector_may_tell_all(brokers: Brokers):
    one = Reads(brokers, None)
    told = one.read()
    one.close()
    assert topics_of(told) == set(TOPICS)
    assert groups_of(told) == set(GROUPS)
    assert "edgevitals_kafka_own_broker" not in told


def test_each_collector_has_its_own_bound_and_counts_what_is_over_it(
    brokers: Brokers, collectors: dict[int, Reads], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "MAX_GROUPS", 2)
    monkeypatch.setattr(own_broker, "MOST_LOGS", 5)
    told = [one.read() for one in collectors.values()]
    assert [len(groups_of(one)) for one in told] == [2, 2, 2]
    assert len(set().union(*map(groups_of, told))) == 6, "none is told twice"
    left_out = [one["edgevitals_kafka_left_out"] for one in told]
    assert sum(one["groups",] for one in left_out) == len(GROUPS) - 6
    for one, counts in zip(told, left_out, strict=True):
        assert counts["sizes",] > 3 * len(TOPICS)
        assert "edgevitals_topic_size_bytes" not in one
        assert "edgevitals_broker_log_bytes" not in one, "a sum without its parts"
        assert len(one["edgevitals_log_directory_free_bytes"]) == 1


def test_a_collector_is_killed_and_then_a_broker(brokers: Brokers, tmp_path: Path):
    """Coordinators and leaders decide, not collectors: from a collector nobody takes over."""
    with three_edges(brokers, tmp_path) as edges:
        brokers.wait_until_settled()  # else there is another share to come back to
        wait_for(edges.is_whole, SOON, "each group and topic from one collector")
        before = edges.seen
        assert all(before.values()), "each has a share"

        edges[2].kill()
        for node in (1, 3):
            edges[node].wait_for_rounds(2)
        # Its share is nobody's; the others' are as ever.
        wait_for(lambda: edges.look() == {**before, 2: {}}, SOON)
        edges[2].start()  # as its supervisor would
        wait_for(lambda: edges.look() == before, SOON, "its share again")

        brokers.nodes[3].kill()
        wait_for(lambda: edges.is_whole() and not edges.seen[3], SOON, "the others take over")
        wait_for(
            lambda: edges[3].target("kafka_exporter").get("up") is True,
            SOON,
            "it lives, and tells what it can",
        )
        brokers.nodes[3].start()
        brokers.wait_until_settled()
        wait_for(lambda: edges.look() == before, SOON, "each its share again")


def test_one_collector_for_the_cluster_but_for_what_is_excluded(brokers: Brokers, tmp_path: Path):
    keys = {"scope": "cluster", "exclude_groups": ["reads-1.*"], "exclude_topics": [".*-[45]"]}
    config = load(beside(brokers, 2, tmp_path, **keys).file, {}).config
    assert config.sources.kafka is not None
    admin, table = Admin({"bootstrap.servers": brokers.bootstrap}), SeriesTable()
    reader = cluster(config, admin).reader()
    source = KafkaSource(reader, TargetSeries(table, {}), config.sources.kafka)
    try:
        told = read(source, table)
    finally:
        source.close()
        admin.close()
    assert topics_of(told) == {*TOPICS} - {"shared-4", "shared-5"}
    assert groups_of(told) == {*GROUPS} - {"reads-1", "reads-10", "reads-11"}
    assert "edgevitals_kafka_own_broker" not in told, "though sources.jmx leads to a broker"
    assert not any(told["edgevitals_kafka_left_out"].values())


OF_REPLICATION = (
    *(f"kafka_server_replicamanager_{name}" for name in (
        "underreplicatedpartitions", "underminisrpartitioncount", "atminisrpartitioncount",
        "offlinereplicacount", "reassigningpartitions", "leadercount", "partitioncount",
        "produceridcount", "partitionswithlatetransactionscount", "isrshrinkspersec_total",
        "isrexpandspersec_total", "failedisrupdatespersec_total",
    )),
    *(f"kafka_server_replicafetchermanager_{name}" for name in (
        "maxlag", "minfetchrate", "failedpartitionscount", "deadthreadcount",
    )),
    *(f"kafka_server_raft_metrics_{name}" for name in (
        "current_state_info", "current_leader", "current_epoch", "current_vote", "high_watermark",
        "log_end_offset", "log_end_epoch", "number_of_voters", "number_unknown_voter_connections",
        "commit_latency_avg", "election_latency_avg", "append_records_rate", "fetch_records_rate",
        "poll_idle_ratio_avg",
    )),
    *(f"kafka_controller_kafkacontroller_{name}" for name in (
        "activecontrollercount", "activebrokercount", "fencedbrokercount", "globaltopiccount",
        "globalpartitioncount", "offlinepartitionscount", "preferredreplicaimbalancecount",
        "metadataerrorcount", "lastappliedrecordlagms", "lastappliedrecordoffset",
        "timedoutbrokerheartbeatcount", "newactivecontrollerscount",
    )),
    *(f"kafka_server_broker_metadata_metrics_{name}" for name in (
        "last_applied_record_offset", "last_applied_record_lag_ms", "metadata_load_error_count",
        "metadata_apply_error_count",
    )),
    *(f"kafka_log_logmanager_{name}" for name in (
        "offlinelogdirectorycount", "logdirectoryoffline",
    )),
    *(f"kafka_log_logcleaner_{name}" for name in (
        "deadthreadcount", "max_clean_time_secs", "max_compaction_delay_secs",
    )),
    *(f"kafka_log_logcleanermanager_{name}" for name in (
        "time_since_last_run_ms", "uncleanable_bytes", "uncleanable_partitions_count",
    )),
    "kafka_controller_controllerstats_uncleanleaderelectionspersec_total",
    "kafka_server_metadataloader_currentcontrollerid",
)  # fmt: skip
"""What each node tells of replicas, logs and the quorum, under the profile default."""

RULES = Path(__file__).parents[2] / "alerts/kafka.yaml"


def test_replicas_logs_and_the_quorum_are_told_by_each_node(brokers: Brokers):
    found: dict[int, dict[str, float]] = {}
    states: list[str] = []

    def are_at_rest() -> bool:
        """Read one after the other: in an election each is right, and they don't fit together."""
        states.clear()
        for number in brokers.nodes:
            told_here = by_jmx(brokers, number)
            found[number] = {one.name: value for one, value in told_here.items()}
            for one in told_here:
                if one.name == "kafka_server_raft_metrics_current_state_info":
                    states.extend(text for key, text in one.labels if "state" in key)
            assert sorted(set(OF_REPLICATION) - found[number].keys()) == []
        epochs = {one["kafka_server_raft_metrics_current_epoch"] for one in found.values()}
        return len(epochs) == 1 and "leader" in states

    brokers.wait_until_settled()
    wait_for(are_at_rest, SOON, "three nodes in an epoch that has its leader")
    told = list(found.values())
    assert sorted(states) == ["follower", "follower", "leader"]
    assert sum(one["kafka_controller_kafkacontroller_activecontrollercount"] for one in told) == 1
    (leader,) = {one["kafka_server_raft_metrics_current_leader"] for one in told}
    assert found[int(leader)]["kafka_controller_kafkacontroller_activecontrollercount"] == 1
    assert {one["kafka_server_raft_metrics_number_of_voters"] for one in told} == {3}
    assert {one["kafka_controller_kafkacontroller_activebrokercount"] for one in told} == {3}


QUORUM = (
    "kafka_server_raft_metrics_current_leader",
    "kafka_server_raft_metrics_high_watermark",
    "kafka_controller_kafkacontroller_activecontrollercount",
)
LEADER, COMMITTED = QUORUM[:2]
SINCE_A_RECORD_MS = "kafka_server_broker_metadata_metrics_last_applied_record_lag_ms"
MINUTES_LONG = 8


@pytest.mark.parametrize("left", ["leader", "follower"])
def test_a_node_that_is_left_without_a_majority_makes_the_alert_fire(
    brokers: Brokers, promtool: Path, tmp_path: Path, left: str
):
    """Two of three hang. What a node told before, meanwhile and after is judged by the rules.

    A follower that is left goes on to name the leader that is gone, for as long as one likes.
    """
    leader = steady_leader(brokers)
    follower, other = (node for node in brokers.nodes if node != leader)
    one = leader if left == "leader" else follower
    hung = [node for node in (leader, follower, other) if node != one]
    history = [quorum(brokers, one)]
    wait_for(lambda: quorum(brokers, one)[COMMITTED] > history[0][COMMITTED])
    history += [quorum(brokers, one)]
    for node in hung:
        brokers.nodes[node].pause()
    try:
        if one == leader:
            wait_for(lambda: quorum(brokers, one)[LEADER] == -1)
        else:
            wait_for(lambda: quorum(brokers, one)[SINCE_A_RECORD_MS] > 4_000)
        alone = quorum(brokers, one)
        assert alone[LEADER] == (-1 if one == leader else leader)
        again = quorum(brokers, one)
        assert {name: again[name] for name in QUORUM} == {name: alone[name] for name in QUORUM}
        history += [again] * MINUTES_LONG
    finally:
        for node in hung:
            brokers.nodes[node].resume()
    wait_for(lambda: quorum(brokers, one)[COMMITTED] > history[1][COMMITTED])
    history += [quorum(brokers, one)]
    brokers.wait_until_settled()

    labels = f'site="s",node="{one}",job="kafka"'
    series = [
        {"series": f"{name}{{{labels}}}", "values": " ".join(str(told[name]) for told in history)}
        for name in QUORUM
    ]
    alerts = 'ALERTS{alertname="EVKafkaNoController",alertstate="firing"%s}'
    firing = {
        "labels": alerts % ',job="kafka",scope="site",severity="critical",site="s"',
        "value": 1,
    }
    cases = [
        {"expr": alerts % "", "eval_time": f"{minute}m", "exp_samples": samples}
        for minute, samples in ((1, []), (MINUTES_LONG, [firing]), (MINUTES_LONG + 2, []))
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": cases}
    file = tmp_path / "case.yaml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]})
    )
    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def steady_leader(brokers: Brokers) -> int:
    """The leader by all three, over some looks: on a busy machine there may be an election."""
    seen: list[set[float]] = []

    def is_steady() -> bool:
        seen.append({quorum(brokers, node)[LEADER] for node in brokers.nodes})
        return len(set.union(*seen[-5:])) == 1 and len(seen) >= 5 and -1 not in seen[-1]

    wait_for(is_steady, SOON, "a leader")
    return int(seen[-1].pop())


def quorum(brokers: Brokers, node: int) -> dict[str, float]:
    """What a node tells of the quorum now."""
    found = {one.name: value for one, value in by_jmx(brokers, node).items()}
    return {name: found[name] for name in (*QUORUM, SINCE_A_RECORD_MS)}


def by_jmx(brokers: Brokers, node: int) -> dict[Series, float]:
    """All that a node tells by JMX, under the profile default."""
    table = SeriesTable()
    jvm = JmxConfig(address=Address(HOST, brokers.nodes[node].jmx_port))
    source = jmx_source(jvm, load_rules(["default"]), TargetSeries(table, {}))
    reading = source.read(time.monotonic() + 20)
    source.close()
    return {
        table[series_id]: value
        for series_id, value in zip(reading.series, reading.values, strict=True)
    }


def test_a_controller_that_is_no_broker_is_not_taken_for_ours(tmp_path: Path):
    kafka = controller_only(tmp_path / "kafka")
    kafka.start(wait=False)
    try:
        jvm = Client(HOST, kafka.jmx_port, selection=Logs())
        wait_for(lambda: has_names(jvm), SOON)
        assert OwnBroker([jvm]).id(time.monotonic() + 10) is None
        jvm.close()
    finally:
        kafka.kill()


def has_names(jvm: Client) -> bool:
    """Whether the node has said its id."""
    try:
        return bool(jvm.names("kafka.server:type=app-info,*", time.monotonic() + 5))
    except JmxError:
        return False
