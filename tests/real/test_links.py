"""A link by a real MirrorMaker 2: what is told of it at the source, in a cut and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from collector.admin.client import Admin
from collector.cluster.reading import Cluster, Patterns
from collector.config import Address, JmxAccess, LinkConfig
from collector.errors import SourceError
from collector.series import SeriesTable, TargetSeries
from collector.sources.links.kinds import link_source
from collector.sources.links.offset_syncs import Jump, OffsetSyncs
from tests.lab.connect import NAME, Connect
from tests.lab.doors import Doors, plain
from tests.lab.kafka import HOST, Kafka
from tests.lab.mirror import MirrorMaker
from tests.lab.ports import free_port
from tests.lab.proxy import Proxy
from tests.lab.traffic import Traffic
from tests.lab.waiting import wait_for
from tests.real.edge import SOON
from tests.real.told import Told, read
from tests.real.topics import QUIET, create

SYNCS = "mm2-offset-syncs.central.internal"
TOPICS = ("orders", "readings")
ALONE = "numbered"
"""The topic that Connect carries: its records are a test's own."""

THIN = 100_000
"""Bytes a second: twice what is written to both topics, so that a backlog takes seconds."""


class Site:
    """A site whose topics go to a central cluster; the mirror's way to each side can be cut."""

    def __init__(self, directory: Path) -> None:
        port, inner = free_port(), free_port()  # the brokers name them to their clients
        self.broker = Doors(directory / "site", {"MIRROR": plain()}, {"MIRROR": f"{HOST}:{inner}"})
        own = {"advertised.listeners": f"PLAINTEXT://{HOST}:{port}"}
        self.central = Kafka(directory / "central", properties=own)
        self.link = Proxy(self.central.port, port=port)
        self.inside = Proxy(int(self.broker.at["MIRROR"].rpartition(":")[2]), port=inner)
        self.traffic = Traffic(self.broker.bootstrap, topics=TOPICS)
        self.mirror = MirrorMaker(
            directory / "mirror",
            {"plant": self.broker},
            self.central,
            "orders|readings",
            {
                "central.bootstrap.servers": self.link.address,
                "plant.bootstrap.servers": self.inside.address,
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

    def __init__(
        self,
        site: Site,
        *,
        topics: tuple[str, ...] = TOPICS,
        jmx_port: int | None = None,
        **keys: object,
    ) -> None:
        access = JmxAccess(address=Address(HOST, jmx_port or site.mirror.jmx_port))
        config = LinkConfig(name="hq", kind="mirrormaker2", jmx=(access,), topics=topics, **keys)  # type: ignore[arg-type]
        kafka = {"bootstrap.servers": site.broker.bootstrap}
        self.admin = Admin(kafka)
        self.cluster = Cluster(self.admin, Patterns((), topics))
        self.table = SeriesTable()
        series = TargetSeries(self.table, {})
        self.source = link_source(config, self.cluster.reader(), lambda: kafka, series)

    def read(self) -> Told:
        return read(self.source, self.table, SOON, without=("link", "kind"))

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
    with one.broker, one.inside, one.link, one.central, one.traffic, one.mirror:
        yield one


@pytest.fixture(scope="module")
def worker(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """A mirror in Connect, of a topic that nobody writes to but the tests."""
    create(site.broker, ALONE)
    folder = tmp_path_factory.mktemp("connect")
    own = {"offset.lag.max": 0}
    with Connect(folder, site.broker.bootstrap, site.central.bootstrap, ALONE, own) as one:
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

    wait_for(is_close)
    return found[-1]


def most(found: list[Told], what: str) -> float:
    """The highest value that was told of one topic, 0 when none was."""
    return max(
        told.get(f"edgevitals_link_{what}_seconds", {}).get(("orders",), 0) for told in found
    )


def seconds_behind(reads: Reads) -> float:
    """The lag of one topic, 0 while nobody can tell."""
    return reads.read().get("edgevitals_link_lag_seconds", {}).get(("orders",), 0.0)


def test_a_mirror_that_runs(site: Site, by_lag: Reads):
    wait_for(lambda: by_lag.state() == "connected")
    told = caught_up(by_lag)
    assert told["edgevitals_link_tasks"]["running",] == 1
    assert told["edgevitals_link_tasks"]["failed",] == 0
    assert told["edgevitals_link_connected_since_timestamp_seconds"]
    assert "edgevitals_link_disconnected_since_timestamp_seconds" not in told
    for topic in TOPICS:
        assert told["edgevitals_link_position_known"][topic,] == 1
        assert told["edgevitals_link_bytes_per_second"][topic,] > 0
        assert 0 <= told["edgevitals_link_lag_seconds"][topic,] < 30
        age = told["edgevitals_link_record_age_seconds"][topic,]
        assert 0 <= age <= told["edgevitals_link_latency_seconds"][topic,] + 1 < 30
        week = 604_800
        assert week - 60 < told["edgevitals_link_time_to_loss_seconds"][topic,] <= week
    assert "edgevitals_link_lost_records_total" not in told  # only the syncs tell that
    latency = "edgevitals_link_checkpoint_latency_seconds"
    wait_for(lambda: by_lag.read().get(latency, {}).get((), 0) > 0, SOON)
    assert by_lag.read()[latency][()] < 30


def test_a_cut_is_a_disconnection_and_lag_grows_by_what_is_written(site: Site, by_syncs: Reads):
    before = caught_up(by_syncs)
    assert set(before["edgevitals_link_lost_records_total"].values()) == {0}
    site.link.cut()
    began = time.time()
    wait_for(lambda: by_syncs.state() == "disconnected")
    wait_for(lambda: seconds_behind(by_syncs) >= 8.0)  # so that there is a lag to speak of
    asked = time.time()
    cut = by_syncs.read()
    told = time.time()
    since = cut["edgevitals_link_disconnected_since_timestamp_seconds"]
    assert began <= since[()] <= told
    lag = cut["edgevitals_link_lag_records"]["orders",]
    books = site.traffic.books("orders")
    least, most_of_it = (
        books.written_by(at).acknowledged - books.written_by(began).acknowledged
        for at in (asked, told)
    )
    assert least * 0.7 <= lag <= most_of_it + 500
    seconds = cut["edgevitals_link_lag_seconds"]["orders",]
    assert 8.0 <= seconds <= told - began + 8.0
    loss = cut["edgevitals_link_time_to_loss_seconds"]["orders",]
    # A lower bound: a record's time is known within 5 s.
    assert 604_800 - seconds - 6.0 <= loss <= 604_800 - seconds + 1.0
    assert "edgevitals_link_catch_up_seconds" not in cut
    site.link.thin(THIN)
    site.link.restore()
    wait_for(lambda: by_syncs.state() == "connected", SOON)
    draining: list[Told] = []

    def is_told() -> bool:
        """Latency falls while the backlog drains, and is the last record's: so half of the wait."""
        draining.append(by_syncs.read())
        return most(draining, "catch_up") > 0 and most(draining, "latency") >= 4.0

    wait_for(is_told, SOON, "a time to catch up, and records that had waited")
    site.link.thin(None)
    wait_for(lambda: most([by_syncs.read()], "catch_up") < 1, SOON)
    wait_for(lambda: most([by_syncs.read()], "latency") < 2, SOON)
    after = by_syncs.read()
    assert set(after["edgevitals_link_lost_records_total"].values()) == {0}


def test_a_cut_of_the_source_s_side_is_one_too(site: Site, by_syncs: Reads):
    caught_up(by_syncs)
    site.inside.cut()
    began = time.time()
    wait_for(lambda: by_syncs.state() == "disconnected", SOON)
    cut = by_syncs.read()
    assert began <= cut["edgevitals_link_disconnected_since_timestamp_seconds"][()] <= time.time()
    assert "edgevitals_link_connected_since_timestamp_seconds" not in cut
    assert cut["edgevitals_link_tasks"]["running",] == 1  # Connect sees nothing of it
    more = cut["edgevitals_link_lag_records"]["orders",] + 100
    wait_for(lambda: by_syncs.read()["edgevitals_link_lag_records"]["orders",] > more, SOON)
    site.inside.restore()
    back = time.time()
    wait_for(lambda: by_syncs.state() == "connected", SOON)
    after = caught_up(by_syncs)
    assert back <= after["edgevitals_link_connected_since_timestamp_seconds"][()] <= time.time()
    assert "edgevitals_link_disconnected_since_timestamp_seconds" not in after
    assert set(after["edgevitals_link_lost_records_total"].values()) == {0}


def test_of_a_mirror_that_does_not_run_nothing_is_told(site: Site):
    reads = Reads(site, jmx_port=free_port())
    with pytest.raises(SourceError):
        reads.read()
    reads.close()


def write(site: Site, count: int) -> int:
    """Write records to the topic that is ours alone, and return its end."""
    producer = Producer({"bootstrap.servers": site.broker.bootstrap, **QUIET})
    for _ in range(count):
        producer.produce(ALONE, b"record")
    assert producer.flush(30) == 0
    return ends(site.broker, ALONE)[1]


def ends(broker: Kafka, topic: str) -> tuple[int, int]:
    """The oldest offset of a topic's one partition, and the next."""
    client = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "ends", **QUIET})
    oldest, end = client.get_watermark_offsets(TopicPartition(topic, 0), 10.0)
    client.close()
    return oldest, end


def take_records_of(broker: Kafka, topic: str, most_bytes: int) -> None:
    """Let a topic take no record that is longer."""
    entry = ConfigEntry(
        "max.message.bytes", str(most_bytes), incremental_operation=AlterConfigOpType.SET
    )
    where = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    for done in client.incremental_alter_configs([where]).values():
        done.result(10)


def drop_before(broker: Kafka, topic: str, offset: int) -> None:
    """Delete records, as retention would."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    for done in client.delete_records([TopicPartition(topic, 0, offset)]).values():
        done.result(10)


def has_carried_all(reads: Reads) -> bool:
    told = reads.read()
    is_up = told["edgevitals_link_state"]["connected",] == 1
    return is_up and told.get("edgevitals_link_lag_records", {}).get((ALONE,)) == 0


def test_a_mirror_in_connect_tells_its_position_itself(site: Site, worker: Connect):
    """KIP-875: no right on any topic is needed. A person may pause it."""
    reads = Reads(
        site, topics=(ALONE,), jmx_port=worker.jmx_port, connect=worker.url, source="plant"
    )
    write(site, 10)
    wait_for(lambda: has_carried_all(reads), SOON)
    told = reads.read()
    assert "edgevitals_link_failures" not in told
    assert told["edgevitals_link_tasks"]["running",] == 1
    assert told["edgevitals_link_position_known"] == {(ALONE,): 1}
    worker.put("pause")
    wait_for(lambda: reads.state() == "paused", SOON)
    write(site, 150)
    wait_for(lambda: reads.read()["edgevitals_link_lag_records"][ALONE,] == 150, SOON)
    worker.put("resume")
    wait_for(lambda: has_carried_all(reads), SOON)
    reads.close()


def test_a_failed_task_is_broken_and_what_goes_meanwhile_is_lost(site: Site, worker: Connect):
    """The target takes no record. Connect's REST interface tells of the task, and so does JMX."""
    keys = {"topics": (ALONE,), "jmx_port": worker.jmx_port, "source": "plant"}
    reads = Reads(site, **keys, connect=worker.url, offset_syncs=SYNCS)  # type: ignore[arg-type]
    nowhere = f"http://{HOST}:{free_port()}/connectors/{NAME}"
    by_jmx = Reads(site, **keys, connect=nowhere)  # type: ignore[arg-type]
    syncs = OffsetSyncs(SYNCS, lambda: {"bootstrap.servers": site.broker.bootstrap})

    def jumps() -> list[Jump]:
        syncs.read(time.monotonic() + SOON)
        return syncs.jumps

    mirrored = write(site, 100)
    wait_for(lambda: has_carried_all(reads), SOON)
    arrived = ends(site.central, f"plant.{ALONE}")[1]
    assert reads.read()["edgevitals_link_lost_records_total"][ALONE,] == 0
    assert not jumps()
    syncs.close()  # and sees the rest when it is back
    take_records_of(site.central, f"plant.{ALONE}", 10)
    write(site, 1)
    wait_for(lambda: reads.state() == "broken", SOON)
    told = reads.read()
    assert told["edgevitals_link_tasks"]["failed",] == 1
    assert "edgevitals_link_connected_since_timestamp_seconds" not in told
    wait_for(lambda: by_jmx.state() == "broken", SOON)
    assert by_jmx.read()["edgevitals_link_failures"] == {("connect",): 1}
    write(site, 199)
    drop_before(site.broker, ALONE, mirrored + 150)
    take_records_of(site.central, f"plant.{ALONE}", 1_000_000)
    worker.restart()
    wait_for(lambda: has_carried_all(reads), SOON)
    assert ends(site.central, f"plant.{ALONE}")[1] == arrived + 50, "so 150 never came"
    assert reads.read()["edgevitals_link_lost_records_total"] == {(ALONE,): 150}
    assert reads.read()["edgevitals_link_tasks"]["failed",] == 0
    wait_for(jumps, SOON)
    assert syncs.jumps == [Jump(ALONE, 0, mirrored - 1, 150)]
    for one in (reads, by_jmx, syncs):
        one.close()
