"""The other topology: MirrorMaker 2 carries the topics of sites to a centre that delivers them.

sites -> Kafka at the edge ==MirrorMaker 2==> Kafka at the centre -> two forwarders -> Prometheus
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from collector.admin.client import Admin
from collector.frames.columns import row
from collector.frames.dictionary import Dictionary, Stream, build
from collector.frames.frame import Frame, Instant, Lineage, encode_dictionary, encode_frame, frame
from collector.series import Family, Kind, Series
from collector.topic.creation import TopicCreation
from collector.topic.record import Header, dictionary_headers, frame_headers
from tests.lab.kafka import Kafka
from tests.lab.mirror import MirrorMaker
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.waiting import wait_for
from tests.lab.witness import RemoteWriteWitness
from tests.real.edge import SOON, Edge, to_centre
from tests.unit.examples import BOOT

STANDARD = 1  # the partition of a tier
DAY_MS = 86_400_000
OLD, AHEAD, LIAR, OTHER = "store-old", "store-ahead", "store-liar", "store-other"
ROUNDS = 5  # of those that a test writes itself
LEVEL = Family("level", Kind.GAUGE)
CONTROL = "edgevitals-control"
"""Records as old as those of OLD, in a topic that keeps them for a week: they are deleted."""


class Mirrored:
    """Everything at once: two sites that run, three whose records a test has written itself."""

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        rarely = {"log.retention.check.interval.ms": 3_600_000}  # the centre's is what is tested
        self.edge = Kafka(folder / "edge", properties=rarely)
        self.centre = Kafka(folder / "centre", properties={"log.initial.task.delay.ms": 1_000})
        self.mirror = MirrorMaker(
            folder / "mirror", {"plant": self.edge}, self.centre, r"edgevitals.*"
        )
        self.prometheus = Prometheus(folder / "prometheus")
        for kafka in (self.edge, self.centre):
            parts.callback(kafka.kill)
            kafka.start(wait=False)
        for kafka in (self.edge, self.centre):
            kafka.wait_until_ready()
        parts.callback(self.mirror.stop)
        self.mirror.start(wait=False)
        parts.enter_context(self.prometheus)
        self.witness = parts.enter_context(RemoteWriteWitness())
        self.link = parts.enter_context(Proxy(self.prometheus.port, self.witness.tap))
        self._write_by_hand()
        self.sites = [
            Edge(
                folder / site,
                site=site,
                node="edge-1",
                kafka={"bootstrap.servers": self.edge.bootstrap},
                topic={"name": "edgevitals.{site}", "max_size": "96MiB"},
            )
            for site in ("store-1", "store-2")
        ]
        self.forwarders = [
            Edge(
                folder / node,
                site="hq",
                node=node,
                kafka={
                    "bootstrap.servers": self.centre.bootstrap,
                    "session.timeout.ms": 6_000,
                    "heartbeat.interval.ms": 1_000,
                },
                sources={},
                topic={"name": "plant.edgevitals.{site}"},
                sinks=[to_centre(self.link)],
            )
            for node in ("forwarder-1", "forwarder-2")
        ]
        for site in self.sites:
            parts.callback(site.process.stop)
            site.process.start()
        wanted = {f"plant.edgevitals.{s}" for s in ("store-1", "store-2", OLD, AHEAD, LIAR)}
        client = AdminClient({"bootstrap.servers": self.centre.bootstrap, "log_level": 0})
        wait_for(
            lambda: wanted <= client.list_topics(timeout=SOON).topics.keys(), SOON, "the mirror"
        )
        for forwarder in self.forwarders:
            parts.callback(forwarder.process.stop)
            forwarder.process.start()

    def _write_by_hand(self) -> None:
        """Topics as collectors make them, but for who stamps: so a test can say what time it is."""
        old_ms = int(time.time() * 1000) - 10 * DAY_MS
        ahead_ms = int(time.time() * 1000) + 2 * 3_600_000
        with closing(Admin({"bootstrap.servers": self.edge.bootstrap})) as admin:
            for site in (OLD, AHEAD, LIAR):
                TopicCreation(admin, 96 << 20).ensure(f"edgevitals.{site}")
        client = AdminClient({"bootstrap.servers": self.edge.bootstrap, "log_level": 0})
        client.create_topics([NewTopic(CONTROL, 3, 1)])[CONTROL].result(SOON)
        by_hand = [
            ConfigEntry(
                "message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET
            )
        ]
        changes = [
            ConfigResource(ResourceType.TOPIC, f"edgevitals.{site}", incremental_configs=by_hand)
            for site in (OLD, AHEAD)
        ]
        for change in client.incremental_alter_configs(changes).values():
            change.result(SOON)
        self.write(OLD, OLD, old_ms, stamp_ms=old_ms)
        self.write(AHEAD, AHEAD, ahead_ms - 3 * 3_600_000, stamp_ms=ahead_ms)
        producer = Producer({"bootstrap.servers": self.edge.bootstrap, "log_level": 0})
        producer.produce(CONTROL, b"old", partition=STANDARD, timestamp=old_ms)
        assert producer.flush(SOON) == 0

    def write(
        self, topic: str, site: str, at_ms: int, stamp_ms: int = 0, says: str | None = None
    ) -> None:
        """Rounds of a site into a topic, one a record; their headers may say something else."""
        of = build(Stream(site, "edge-1", "standard"), [Series("level", (("site", site),), LEVEL)])
        stream = Stream(says or site, "edge-1", "standard")
        producer = Producer({"bootstrap.servers": self.edge.bootstrap, "log_level": 0})

        def put(value: bytes, headers: list[Header]) -> None:
            producer.produce(
                f"edgevitals.{topic}",
                value,
                partition=STANDARD,
                headers=headers,
                timestamp=stamp_ms,
            )

        put(encode_dictionary(of), dictionary_headers(of._replace(stream=stream)))
        for it in frames_of(of, at_ms):
            put(encode_frame(it), frame_headers(stream, it))
        assert producer.flush(SOON) == 0

    def seqs(self, site: str) -> list[int]:
        """The rounds of a site that runs, by their numbers, in the order of their times."""
        selector = f'edgevitals_round_seq{{site="{site}",tier="standard"}}'
        tracks = self.prometheus.samples(selector, "1h")
        return [int(value) for track in tracks for _, value in track.points]

    def values(self, site: str) -> list[float]:
        """What is stored of the rounds that a test wrote."""
        tracks = self.prometheus.samples(f'level{{site="{site}"}}', "20d")
        return [value for track in tracks for _, value in track.points]

    def refused(self) -> float:
        """Records that forwarders passed over, by what they have told the centre."""
        counter = 'edgevitals_pump_refused_records_total{reason="wrong_site"}'
        found = self.prometheus.query(f"sum(max_over_time({counter}[1h]))")
        return sum(sample.value for sample in found)

    def ends(self, topic: str) -> tuple[int, int]:
        """The first and the last offset of a topic at the centre; -1 while nobody leads it."""
        client = AdminClient({"bootstrap.servers": self.centre.bootstrap, "log_level": 0})
        place = TopicPartition(f"plant.{topic}", STANDARD)
        found = []
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):
            (future,) = client.list_offsets({place: spec}).values()
            try:
                found.append(future.result(SOON).offset)
            except KafkaException:
                found.append(-1)
        return found[0], found[1]


def frames_of(of: Dictionary, at_ms: int) -> list[Frame]:
    lineage = Lineage(7, 7, None, BOOT)
    return [
        frame(
            of.id,
            lineage,
            seq,
            [Instant(at_ms + seq * 1000, seq * 1000)],
            [row([float(seq)] * len(of.series))],
        )
        for seq in range(1, ROUNDS + 1)
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    with ExitStack() as parts:
        yield Mirrored(tmp_path_factory.mktemp("mirrored"), parts)


def test_f30_rounds_of_all_sites_arrive_once_and_in_order_and_one_forwarder_takes_over(world):
    first, second = world.forwarders

    def have_new(number: int) -> None:
        before = {site: len(world.seqs(site)) for site in ("store-1", "store-2")}
        wait_for(
            lambda: all(len(world.seqs(site)) >= n + number for site, n in before.items()),
            SOON,
            f"{number} more rounds of each site",
        )

    have_new(3)
    wait_for(
        lambda: all(it.pump("forward-centre").get("delivered_rounds") for it in (first, second)),
        SOON,
        "both forwarders at work",
    )
    first.kill()
    have_new(5)
    assert not first.process.is_running
    first.start()
    last = {}
    for site in world.sites:
        assert site.terminate() == 0
        last[site.settings["site"]] = max(site.seqs_on_disk())
    for site, seq in last.items():
        wait_for(lambda: max(world.seqs(site), default=0) >= seq, SOON, "the last round")  # noqa: B023
        assert world.seqs(site) == list(range(1, seq + 1))
    report = world.witness.report()
    found = report.out_of_order, report.conflicts, report.unreadable
    assert found == (0, 0, 0), report.findings
    for site in world.sites:
        site.start()


def test_a_backlog_older_than_a_week_is_not_deleted_on_arrival(world):
    """Retention has been at the centre: it took what stood beside it."""
    wait_for(lambda: world.ends(CONTROL) == (1, 1), SOON, "retention")
    assert world.ends(f"edgevitals.{OLD}") == (0, 1 + ROUNDS)
    wait_for(lambda: len(world.values(OLD)) == ROUNDS, SOON, "the old rounds")
    assert world.values(OLD) == [1, 2, 3, 4, 5]


def test_f44_a_site_whose_clock_is_ahead_stops_no_mirror(world):
    wait_for(lambda: world.ends(f"edgevitals.{AHEAD}")[1] == 1 + ROUNDS, SOON, "those of tomorrow")
    wait_for(lambda: len(world.values(AHEAD)) == ROUNDS, SOON, "their rounds")
    before = world.ends("edgevitals.store-1")[1]
    wait_for(lambda: world.ends("edgevitals.store-1")[1] > before, SOON, "others, behind them")


def test_a_record_in_the_topic_of_another_site_is_refused_and_counted(world):
    """Whatever its headers say: the dictionary can't lie about whose series they are.

    Written when no forwarder is killed any more: it may have counted, and not told the centre yet.
    """
    at_ms = int(time.time() * 1000) - 10 * DAY_MS
    world.write(LIAR, OTHER, at_ms, says=LIAR)
    world.write(LIAR, OTHER, at_ms)
    world.write(LIAR, LIAR, at_ms)
    wait_for(lambda: len(world.values(LIAR)) == ROUNDS, SOON, "the topic's own rounds")
    wait_for(lambda: world.refused() >= 2 * (1 + ROUNDS), SOON, "a count")
    assert world.values(OTHER) == []
