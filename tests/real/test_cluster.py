"""Three brokers, three collectors: the work is shared, and moves with the cluster."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.admin.client import Admin
from collector.cluster.own_broker import Logs, OwnBroker
from collector.cluster.reading import Cluster, Patterns
from collector.config import Address, JmxConfig, KafkaConfig
from collector.errors import SourceError
from collector.jmx import Client, JmxError
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx_target import jmx_source
from collector.sources.kafka import KafkaSource
from tests.lab.kafka import HOST, Kafka, controller_only
from tests.lab.ports import free_port
from tests.lab.waiting import wait_for
from tests.real.told import Told, read
from tests.real.topics import QUIET

pytestmark = pytest.mark.timeout(600 + 60 * int(os.environ.get("SOAK_COORDINATOR_KILLS", "0")))

KILLS = int(os.environ.get("SOAK_COORDINATOR_KILLS", "4"))
TOPICS = [f"shared-{number}" for number in range(6)]
GROUPS = [f"reads-{number}" for number in range(12)]
READ_S = 7.5
"""What a round of 15 s gives a source."""


class Brokers:
    """Three nodes. Leaders and coordinators go back to where they were, soon after a start."""

    def __init__(self, directory: Path) -> None:
        voters = {node: free_port() for node in (1, 2, 3)}
        own = {"leader.imbalance.check.interval.seconds": 2}
        self.nodes = {
            node: Kafka(directory / str(node), node_id=node, voters=voters, properties=own)
            for node in voters
        }

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes.values())

    def start(self) -> None:
        for node in self.nodes.values():
            node.start(wait=False)
        for node in self.nodes.values():
            node.wait_until_ready()

    def stop(self) -> None:
        for node in self.nodes.values():
            node.kill()  # in order, the last of three would wait five minutes for the others

    def leaders(self) -> Counter[int]:
        """How many partitions of ours each broker leads, as the cluster says now."""
        client = AdminClient({"bootstrap.servers": self.bootstrap, **QUIET})
        topics = client.list_topics(timeout=5.0).topics
        return Counter(
            partition.leader
            for name in (*TOPICS, "__consumer_offsets")
            for partition in topics[name].partitions.values()
        )

    def wait_until_left(self, node: int) -> None:
        """Until nothing of ours is led by this node, nor by nobody."""
        wait_for(lambda: not {node, -1} & set(self.leaders()), 60.0)

    def wait_until_back(self, node: int) -> None:
        """Until this node leads its share again: preferred leaders are back."""
        wait_for(lambda: self.leaders()[node] >= 4, 90.0)


class Reads:
    """The source kafka of one collector."""

    def __init__(self, brokers: Brokers, node: int | None) -> None:
        self.admin = Admin({"bootstrap.servers": brokers.bootstrap})
        self.jvms = [Client(HOST, brokers.nodes[node].jmx_port, selection=Logs())] if node else []
        patterns = Patterns(("reads-.*",), ("shared-.*",))
        own = OwnBroker(self.jvms) if node else None
        cluster = Cluster(self.admin, patterns, own) if own else Cluster(self.admin, patterns)
        self.table = SeriesTable()
        config = KafkaConfig(topics=("shared-.*",), groups=("reads-.*",))
        self.source = KafkaSource(cluster.reader(), TargetSeries(self.table, {}), config)

    def read(self) -> Told:
        return read(self.source, self.table, READ_S)

    def close(self) -> None:
        self.source.close()
        self.admin.close()
        for jvm in self.jvms:
            jvm.close()


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    three = Brokers(tmp_path_factory.mktemp("three"))
    with ExitStack() as stack:
        stack.callback(three.stop)
        three.start()
        client = AdminClient({"bootstrap.servers": three.bootstrap, **QUIET})
        wanted = [
            NewTopic(name, num_partitions=3, replica_assignment=_spread(number))
            for number, name in enumerate(TOPICS)
        ]
        for future in client.create_topics(wanted).values():
            future.result(30)
        for group in GROUPS:
            consumer = Consumer({"bootstrap.servers": three.bootstrap, "group.id": group, **QUIET})
            places = [TopicPartition(TOPICS[0], partition, 0) for partition in range(3)]
            wait_for(lambda c=consumer, p=places: _is_committed(c, p), 60.0)  # type: ignore[misc]
            consumer.close()
        yield three


@pytest.fixture
def collectors(brokers: Brokers) -> Iterator[dict[int, Reads]]:
    three = {node: Reads(brokers, node) for node in brokers.nodes}
    yield three
    for one in three.values():
        one.close()


def _spread(first: int) -> list[list[int]]:
    """Replicas of three partitions: each node leads one, and of each topic another the first."""
    return [[(first + partition + copy) % 3 + 1 for copy in range(3)] for partition in range(3)]


def _is_committed(consumer: Consumer, places: list[TopicPartition]) -> bool:
    try:
        done = consumer.commit(offsets=places, asynchronous=False)
    except Exception:
        return False
    return all(place.error is None for place in done) and all(
        place.offset >= 0 for place in consumer.committed(places, timeout=5)
    )


def topics_of(told: Told) -> set[str]:
    return {topic for (topic,) in told.get("edgevitals_topic_end_offsets", {})}


def groups_of(told: Told) -> set[str]:
    return {group for (group,) in told.get("kafka_consumergroup_members", {})}


def is_shared(found: Mapping[int, Told]) -> bool:
    """All is told, and nothing by two."""
    topics = [topic for told in found.values() for topic in topics_of(told)]
    groups = [group for told in found.values() for group in groups_of(told)]
    return sorted(topics) == TOPICS and sorted(groups) == sorted(GROUPS)


def test_each_topic_and_group_is_told_by_one(brokers: Brokers, collectors: dict[int, Reads]):
    found = {node: one.read() for node, one in collectors.items()}
    assert is_shared(found)
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


def test_brokers_are_killed_and_their_share_moves(brokers: Brokers, collectors: dict[int, Reads]):
    """Unplanned moves by SIGKILL, planned ones when leaders go back: no round fails, none is late.

    The collector beside a broker that is dead lives on and tells nothing that others tell.
    """
    assert is_shared({node: one.read() for node, one in collectors.items()})
    for turn in range(KILLS):
        victim = 1 + turn % 3
        brokers.nodes[victim].kill()
        began = time.monotonic()
        deaths = []

        while time.monotonic() - began < 30.0:
            for node, one in collectors.items():
                started = time.monotonic()
                try:
                    one.read()
                except SourceError as error:
                    deaths.append((node, str(error)))
                assert time.monotonic() - started < READ_S + 1.0
            if not {victim, -1} & set(brokers.leaders()):
                break
        assert not deaths, deaths
        brokers.wait_until_left(victim)
        found = [{node: one.read() for node, one in collectors.items()} for _ in range(2)]
        assert is_shared(found[-1]), [groups_of(told) for told in found[-1].values()]
        assert not topics_of(found[-1][victim])
        wrong = [told for told in found[-1].values() if "kafka_topic_partition_leader" in told]
        assert wrong, "partitions with a replica too few are told one by one"
        brokers.nodes[victim].start()
        brokers.wait_until_back(victim)
        wait_for(
            lambda: is_shared({node: one.read() for node, one in collectors.items()}), READ_S * 3
        )


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


def test_replicas_logs_and_the_quorum_are_told_by_each_node(brokers: Brokers):
    found: dict[int, dict[str, float]] = {}
    states = []
    for number, node in brokers.nodes.items():
        table = SeriesTable()
        jvm = JmxConfig(address=Address(HOST, node.jmx_port))
        source = jmx_source(jvm, load_rules(["default"]), TargetSeries(table, {}))
        reading = source.read(time.monotonic() + 20)
        source.close()
        found[number] = {}
        for series_id, value in zip(reading.series, reading.values, strict=True):
            found[number][table[series_id].name] = value
            if table[series_id].name == "kafka_server_raft_metrics_current_state_info":
                states += [text for key, text in table[series_id].labels if "state" in key]
        assert sorted(set(OF_REPLICATION) - found[number].keys()) == []
    told = list(found.values())
    assert sorted(states) == ["follower", "follower", "leader"]
    assert sum(one["kafka_controller_kafkacontroller_activecontrollercount"] for one in told) == 1
    (leader,) = {one["kafka_server_raft_metrics_current_leader"] for one in told}
    assert found[int(leader)]["kafka_controller_kafkacontroller_activecontrollercount"] == 1
    assert {one["kafka_server_raft_metrics_number_of_voters"] for one in told} == {3}
    assert {one["kafka_controller_kafkacontroller_activebrokercount"] for one in told} == {3}


def test_a_controller_that_is_no_broker_is_not_taken_for_ours(tmp_path: Path):
    kafka = controller_only(tmp_path / "kafka")
    kafka.start(wait=False)
    try:
        jvm = Client(HOST, kafka.jmx_port, selection=Logs())
        wait_for(lambda: has_names(jvm), 60.0)
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
