"""A Cluster Link by the MBeans that Confluent documents, in JVMs of ours, and a real source."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import Address, JmxAccess, JmxConfig, LinkConfig
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx_target import jmx_source
from collector.sources.links.kinds import link_source
from tests.lab.java.jvm import Jvm
from tests.lab.kafka import HOST, Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import SOON

LINK = "plant-hq"
RECORDS = 50
"""In each of the two partitions."""

Told = dict[str, dict[tuple[str, ...], float]]


class LinkBroker:
    """A JVM with the MBeans of a link, to be told how it is."""

    def __init__(self, directory: Path, *partitions: str, links: str = LINK) -> None:
        directory.mkdir()
        self._file: Path = directory / "now.properties"
        self.become()
        arguments: tuple[str | Path, ...] = (self._file, links, *partitions)
        self.jvm = Jvm(directory, program="LinkBeans", arguments=arguments)

    def become(self, **settings: object) -> None:
        """Be this from now on; what is not named is as in a link that runs without lag."""
        lines = [f"{key.replace('_', '-')}={value}\n" for key, value in settings.items()]
        new = self._file.with_suffix(".new")
        new.write_text("".join(lines))
        new.replace(self._file)


class Link:
    """A link as the collector reads it, at one side."""

    def __init__(
        self, site: Kafka, *brokers: LinkBroker, side: str = "source", name: str = LINK
    ) -> None:
        self._name = name
        config = LinkConfig(
            name=name,
            kind="cluster_link",
            jmx=tuple(JmxAccess(address=Address(HOST, one.jvm.port)) for one in brokers),
            topics=("orders",),
            side=side,  # type: ignore[arg-type]
        )
        kafka = {"bootstrap.servers": site.bootstrap}
        self.admin = Admin(kafka)
        cluster = Cluster(self.admin, Patterns((), config.topics))
        self._table = SeriesTable()
        series = TargetSeries(self._table, {})
        self.source = link_source(config, cluster.reader(), lambda: kafka, series)

    def read(self) -> Told:
        """Return {name: {label values but link and kind: value}}."""
        reading = self.source.read(time.monotonic() + 10)
        told: Told = {}
        for series_id, value in zip(reading.series, reading.values, strict=True):
            name, labels, _ = self._table[series_id]
            assert ("link", self._name) in labels
            assert ("kind", "cluster_link") in labels
            own = tuple(text for key, text in labels if key not in ("link", "kind"))
            told.setdefault(name, {})[own] = value
        return told

    def state(self) -> str:
        states = self.read()["edgevitals_link_state"]
        (found,) = [state for (state,), value in states.items() if value]
        return found

    def close(self) -> None:
        self.source.close()
        self.admin.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("site")) as broker:
        client = AdminClient({"bootstrap.servers": broker.bootstrap})
        client.create_topics([NewTopic("orders", num_partitions=2)])["orders"].result(30)
        write(broker)
        yield broker


def write(broker: Kafka) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(RECORDS):
        for partition in range(2):
            producer.produce("orders", str(number).encode(), partition=partition)
    assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LinkBroker, LinkBroker]]:
    """Two brokers of the destination; each leads one partition."""
    directory = tmp_path_factory.mktemp("hq")
    one, other = LinkBroker(directory / "1", "orders:0"), LinkBroker(directory / "2", "orders:1")
    with one.jvm, other.jvm:
        yield one, other


@pytest.fixture
def link(site: Kafka, pair: tuple[LinkBroker, LinkBroker]) -> Iterator[Link]:
    pair[0].become(coordinator="true")
    pair[1].become()
    one = Link(site, *pair)
    yield one
    one.close()


def test_what_a_link_does_is_told_by_whichever_broker_coordinates_it(
    link: Link, pair: tuple[LinkBroker, LinkBroker]
):
    assert link.state() == "connected"
    for state, told in ("paused", "paused"), ("unavailable", "disconnected"):
        pair[0].become(coordinator="true", state=state)
        assert link.state() == told
        pair[0].become()
        pair[1].become(coordinator="true", state=state)
        assert link.state() == told
    pair[1].become()
    assert link.state() == "unknown"


def test_disconnected_is_told_apart_from_broken(link: Link, pair: tuple[LinkBroker, LinkBroker]):
    for what in "failed_partitions", "dead_threads", "failed_mirrors", "in_error":
        trouble = {what: 1}
        pair[1].become(**trouble)  # not by the coordinator
        assert link.state() == "broken", trouble
        pair[1].become()
        assert link.state() == "connected"
    pair[0].become(coordinator="true", connections=0)
    pair[1].become(connections=0)
    told = link.read()
    assert told["edgevitals_link_state"]["disconnected",] == 1
    assert told["edgevitals_link_disconnected_since_timestamp_seconds"]
    pair[0].become(coordinator="true", state="unavailable", in_error=2)
    assert link.state() == "disconnected"


def test_lag_and_what_a_cut_adds_to_it(
    site: Kafka, link: Link, pair: tuple[LinkBroker, LinkBroker]
):
    pair[0].become(coordinator="true", lag=5)
    pair[1].become(lag=7)
    told = link.read()
    assert told["edgevitals_link_lag_records"]["orders",] == 12
    assert told["edgevitals_link_max_lag_records"][()] == 7
    assert told["edgevitals_link_position_known"]["orders",] == 1
    assert told["edgevitals_link_bytes_per_second"][()] == 3000
    assert told["edgevitals_link_tasks"] == {("running",): 8, ("failed",): 0}
    pair[0].become(coordinator="true", state="unavailable", lag=5)  # what they saw last
    pair[1].become(lag=7)
    link.read()
    write(site)
    cut: list[Told] = []

    def has_grown() -> bool:
        cut.append(link.read())
        return cut[-1]["edgevitals_link_lag_records"]["orders",] == 12 + 2 * RECORDS

    wait_for(has_grown, SOON)
    assert cut[-1]["edgevitals_link_position_known"]["orders",] == 1
    week = 604_800
    assert week - 300 < cut[-1]["edgevitals_link_time_to_loss_seconds"]["orders",] <= week
    assert "edgevitals_link_max_lag_records" not in cut[-1]


def test_the_target_knows_lag_in_records(site: Kafka, pair: tuple[LinkBroker, LinkBroker]):
    pair[0].become(coordinator="true", lag=5)
    pair[1].become(lag=7)
    link = Link(site, *pair, side="target")
    told = link.read()
    link.close()
    assert told["edgevitals_link_lag_records"]["orders",] == 12
    for name in ("position_known", "lag_seconds", "time_to_loss_seconds"):
        assert f"edgevitals_link_{name}" not in told


def test_the_source_of_a_link_made_at_the_destination_knows_no_position(
    site: Kafka, tmp_path: Path
):
    broker = LinkBroker(tmp_path / "source", "-source")
    with broker.jvm:
        link = Link(site, broker)
        told = link.read()
        link.close()
    assert told["edgevitals_link_state"]["unknown",] == 1
    assert told["edgevitals_link_position_known"]["orders",] == 0
    for name in ("lag_records", "lag_seconds", "time_to_loss_seconds", "failures"):
        assert f"edgevitals_link_{name}" not in told


def test_the_source_of_a_link_made_there_knows_its_state_and_no_position(
    site: Kafka, tmp_path: Path
):
    broker = LinkBroker(tmp_path / "source", "-made-here")
    with broker.jvm:
        link = Link(site, broker)
        for state, told in (
            ("active", "connected"),
            ("unavailable", "disconnected"),
            ("paused", "paused"),
        ):
            broker.become(coordinator="true", state=state)
            assert link.state() == told
        told_here = link.read()
        link.close()
    assert told_here["edgevitals_link_position_known"]["orders",] == 0
    assert "edgevitals_link_lag_records" not in told_here


def test_two_links_of_one_broker_are_told_apart(site: Kafka, tmp_path: Path):
    broker = LinkBroker(tmp_path / "hq", "orders:0", "orders:1", links=f"{LINK},depot")
    broker.become(**{"coordinator": "true", "lag": 5, "depot.lag": 9, "depot.failed-mirrors": 1})
    with broker.jvm:
        both = [Link(site, broker, side="target", name=name) for name in (LINK, "depot")]
        states = [link.state() for link in both]
        lags = [link.read()["edgevitals_link_lag_records"]["orders",] for link in both]
        for link in both:
            link.close()
    assert states == ["connected", "broken"]
    assert lags == [10, 18]


OF_THE_LINK = frozenset(
    f"kafka_server_cluster_link_{name}"
    for name in (
        "metrics_link_count",
        "metrics_link_task_count",
        "metrics_mirror_topic_count",
        "metrics_mirror_partition_count",
        "metrics_link_fetcher_count",
        "metrics_link_source_unavailable_rate",
        "fetcher_metrics_incoming_byte_rate",
        "fetcher_metrics_connection_count",
    )
)
"""Its beans of many attributes have the same names under each profile."""

GAUGES = frozenset(
    f"kafka_server_{name}"
    for name in (
        "link_clusterlinkfetchermanager_maxlag",
        "link_clusterlinkfetchermanager_failedpartitionscount",
        "link_clusterlinkfetchermanager_deadthreadcount",
        "fetcherlagmetrics_consumerlag",
        "replicamanager_blockedonmirrorsourcepartitioncount",
        "replicamanager_underminisrmirrorpartitioncount",
        "replicamanager_underreplicatedmirrorpartitions",
    )
)


def of_server(*names: str) -> frozenset[str]:
    return frozenset(f"kafka_server_{name}" for name in names)


NAMES = {
    "default": GAUGES
    | of_server(
        "fetcherstats_bytespersec_total",
        "fetcherstats_requestspersec_total",
        "replicamanager_throttledclusterlinkreplicaspersec_total",
    ),
    # Strimzi's rules have no name for a meter with four keys more.
    "strimzi": GAUGES | of_server("replicamanager_throttledclusterlinkreplicas_total"),
    "cp-ansible": GAUGES
    | of_server(
        "fetcherstats_bytespersec",
        "fetcherstats_requestspersec",
        "replicamanager_throttledclusterlinkreplicaspersec",
    ),
    "cfk": of_server(
        "link_clusterlinkfetchermanager_value",
        "fetcherlagmetrics_value",
        "fetcherstats_count",
        "replicamanager_value",
        "replicamanager_count",
    ),
}
"""What a broker with links tells under each profile."""


@pytest.mark.parametrize("profile", NAMES)
def test_what_the_link_tells_has_a_name_under_each_profile(
    pair: tuple[LinkBroker, LinkBroker], profile: str
):
    table = SeriesTable()
    jvm = JmxConfig(address=Address(HOST, pair[0].jvm.port))
    source = jmx_source(jvm, load_rules([profile]), TargetSeries(table, {}))
    reading = source.read(time.monotonic() + 20)
    source.close()
    told = [table[series_id] for series_id in reading.series]
    assert not (NAMES[profile] | OF_THE_LINK) - {one.name for one in told}
    failed = {("link_name", LINK), ("state", "FailedMirror")}
    assert any(failed <= set(one.labels) for one in told), "mirrors by their state"


def test_bytes_of_a_link_and_of_followers_are_two_series_of_one_name(
    pair: tuple[LinkBroker, LinkBroker],
):
    table = SeriesTable()
    jvm = JmxConfig(address=Address(HOST, pair[0].jvm.port))
    source = jmx_source(jvm, load_rules(["default"]), TargetSeries(table, {}))
    reading = source.read(time.monotonic() + 20)
    source.close()
    told = {
        dict(table[series_id].labels).get("link_name"): value
        for series_id, value in zip(reading.series, reading.values, strict=True)
        if table[series_id].name == "kafka_server_fetcherstats_bytespersec_total"
    }
    assert told == {LINK: 7_000, None: 999_999}
