"""A link by a real MirrorMaker 2: what is told of it at the source, in a cut and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import Address, JmxAccess, LinkConfig
from collector.errors import SourceError
from collector.series import SeriesTable, TargetSeries
from collector.sources.links.kinds import link_source
from tests.lab.connect import Connect
from tests.lab.kafka import HOST, Kafka
from tests.lab.mirror import MirrorMaker
from tests.lab.ports import free_port
from tests.lab.proxy import Proxy
from tests.lab.traffic import Traffic
from tests.lab.waiting import wait_for
from tests.real.told import Told, read

SYNCS = "mm2-offset-syncs.central.internal"
TOPICS = ("orders", "readings")


class Site:
    """A site whose topics go to a central cluster through a link that can be cut."""

    def __init__(self, directory: Path) -> None:
        port = free_port()  # the central broker names it to its clients
        self.broker = Kafka(directory / "site")
        own = {"advertised.listeners": f"PLAINTEXT://{HOST}:{port}"}
        self.central = Kafka(directory / "central", properties=own)
        self.link = Proxy(self.central.port, port=port)
        self.traffic = Traffic(self.broker.bootstrap, topics=TOPICS)
        self.mirror = MirrorMaker(
            directory / "mirror",
            {"plant": self.broker},
            self.central,
            "orders|readings",
            {
                "central.bootstrap.servers": self.link.address,
                "plant->central.offset.lag.max": 0,
                # Else Connect waits five minutes before it runs tasks again that a cut has ended.
                "central.scheduled.rebalance.max.delay.ms": 0,
                "plant->central.emit.checkpoints.enabled": "true",
                "plant->central.emit.checkpoints.interval.seconds": 1,
                "plant->central.groups": "group-.*",
            },
        )


class Reads:
    """A link as the collector reads it."""

    def __init__(self, site: Site, *, jmx_port: int | None = None, **keys: object) -> None:
        access = JmxAccess(address=Address(HOST, jmx_port or site.mirror.jmx_port))
        config = LinkConfig(name="hq", kind="mirrormaker2", jmx=(access,), topics=TOPICS, **keys)  # type: ignore[arg-type]
        kafka = {"bootstrap.servers": site.broker.bootstrap}
        self.admin = Admin(kafka)
        self.cluster = Cluster(self.admin, Patterns((), TOPICS))
        self.table = SeriesTable()
        series = TargetSeries(self.table, {})
        self.source = link_source(config, self.cluster.reader(), lambda: kafka, series)

    def read(self) -> Told:
        return read(self.source, self.table, 10.0, without=("link", "kind"))

    def is_up(self) -> bool:
        try:
            self.read()
        except SourceError:
            return False
        return True

    def state(self) -> str:
        (found,) = [
            state for (state,), value in self.read()["edgevitals_link_state"].items() if value
        ]
        return found

    def close(self) -> None:
        self.source.close()
        self.admin.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    one = Site(tmp_path_factory.mktemp("links"))
    with one.broker, one.link, one.central, one.traffic, one.mirror:
        yield one


@pytest.fixture
def by_lag(site: Site) -> Iterator[Reads]:
    reads = Reads(site)
    yield reads
    reads.close()


@pytest.fixture
def by_syncs(site: Site) -> Iterator[Reads]:
    reads = Reads(site, offset_syncs=SYNCS)
    yield reads
    reads.close()


def caught_up(reads: Reads) -> Told:
    """Read until the mirror is close behind."""
    found: list[Told] = []

    def is_close() -> bool:
        found.append(reads.read())
        lags = found[-1].get("edgevitals_link_lag_records", {})
        return set(lags) == {(topic,) for topic in TOPICS} and max(lags.values()) < 300

    wait_for(is_close, 60.0)
    return found[-1]


def seconds_behind(reads: Reads) -> float:
    """The lag of one topic, 0 while nobody can tell."""
    return reads.read().get("edgevitals_link_lag_seconds", {}).get(("orders",), 0.0)


def test_a_mirror_that_runs(site: Site, by_lag: Reads):
    wait_for(lambda: by_lag.state() == "connected", 60.0)
    told = caught_up(by_lag)
    assert told["edgevitals_link_tasks"]["running",] == 1
    assert told["edgevitals_link_tasks"]["failed",] == 0
    assert told["edgevitals_link_connected_since_timestamp_seconds"]
    assert "edgevitals_link_disconnected_since_timestamp_seconds" not in told
    for topic in TOPICS:
        assert told["edgevitals_link_position_known"][topic,] == 1
        assert told["edgevitals_link_bytes_per_second"][topic,] > 0
        assert 0 <= told["edgevitals_link_lag_seconds"][topic,] < 30
        assert 0 <= told["edgevitals_link_latency_seconds"][topic,] < 30
        week = 604_800
        assert week - 60 < told["edgevitals_link_time_to_loss_seconds"][topic,] <= week
    assert "edgevitals_link_lost_records_total" not in told  # only the syncs tell that


def test_a_cut_is_a_disconnection_and_lag_grows_by_what_is_written(site: Site, by_syncs: Reads):
    before = caught_up(by_syncs)
    assert set(before["edgevitals_link_lost_records_total"].values()) == {0}
    site.link.cut()
    began = time.time()
    wait_for(lambda: by_syncs.state() == "disconnected", 60.0)
    wait_for(lambda: seconds_behind(by_syncs) >= 10.0, 60.0)  # so that there is a lag to speak of
    cut = by_syncs.read()
    since = cut["edgevitals_link_disconnected_since_timestamp_seconds"]
    assert began <= since[()] <= time.time()
    lag = cut["edgevitals_link_lag_records"]["orders",]
    books = site.traffic.books("orders")
    written = books.written_by(time.time()).acknowledged - books.written_by(began).acknowledged
    assert written * 0.7 <= lag <= written + 500
    seconds = cut["edgevitals_link_lag_seconds"]["orders",]
    assert 8.0 <= seconds <= 20.0 + time.time() - began - 12.0
    loss = cut["edgevitals_link_time_to_loss_seconds"]["orders",]
    assert loss == pytest.approx(604_800 - seconds, abs=2.0)
    site.link.restore()
    wait_for(lambda: by_syncs.state() == "connected", 90.0)
    after = caught_up(by_syncs)
    assert set(after["edgevitals_link_lost_records_total"].values()) == {0}


def test_a_mirror_in_connect_tells_its_position_itself(site: Site, tmp_path: Path):
    """KIP-875: no right on any topic is needed. A person may pause it."""
    with Connect(
        tmp_path / "connect", site.broker.bootstrap, site.central.bootstrap, "orders|readings"
    ) as worker:
        reads = Reads(site, jmx_port=worker.jmx_port, connect=worker.url, source="plant")
        try:
            wait_for(lambda: reads.state() == "connected", 60.0)
            told = caught_up(reads)
            assert "edgevitals_link_failures" not in told
            assert told["edgevitals_link_tasks"]["running",] == 1
            assert set(told["edgevitals_link_position_known"].values()) == {1}
            worker.put("pause")
            wait_for(lambda: reads.state() == "paused", 30.0)
            before = reads.read()["edgevitals_link_lag_records"]["orders",]
            wait_for(
                lambda: reads.read()["edgevitals_link_lag_records"]["orders",] > before + 100, 30.0
            )
            worker.stop()
            assert not reads.is_up(), "nobody tells of it"
        finally:
            reads.close()
