"""The whole program on one page.

    targets -> rounds -> spool ==pump==> topic ==pump==> sinks

Only this module knows every part; each part knows only its own door.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from collector import clock
from collector.admin.client import Admin
from collector.config import Config, SinkConfig, TierName
from collector.credentials import Secret, kafka_properties
from collector.dictionary import Stream
from collector.mark import Mark
from collector.pump import Appetite, Log, Pump
from collector.recorder import Recorder, lineage_after
from collector.report import PumpView, Report, target_status
from collector.rooms import House
from collector.rounds import LONGEST_READ_S, Own, Rounds
from collector.series import Series, SeriesTable, TargetSeries
from collector.spool.spool import TIERS, Limits, Spool
from collector.status.model import TargetStatus
from collector.status.server import opened
from collector.target import Scraper, Source, Target
from collector.telemetry import PumpReport, Telemetry

if TYPE_CHECKING:
    from collector.sinks.remote_write import RemoteWrite

TIER: TierName = "standard"
"""The tier of all series, until tiers come."""

END_S = 9.0
LAST_ROUND_S = 2.0
FLUSH_S = 4.0
LEAVE_S = 1.5
"""How long a stop may take in all, and of that for the round under way, for delivering the last
rounds, and for leaving the consumer group. Supervisors kill after 10 s at the earliest."""

_LOOK_S = 0.5

log = logging.getLogger(__name__)


def run(config: Config, stop: Event) -> None:
    """Run every room until told to stop, or until one of them dies: then its error is raised."""
    with ExitStack() as at_end:
        spool = at_end.enter_context(_open_spool(config))
        telemetry = Telemetry()
        table = SeriesTable()
        admin = at_end.enter_context(closing(_admin(config)))
        labels = {**config.labels, "site": spool.site, "node": spool.node}
        scraper = at_end.enter_context(closing(Scraper(_targets(config, table, labels, admin))))

        report = Report(spool, scraper, table, telemetry, admin, _hash(config))
        last = spool.last(TIER)
        lineage = lineage_after(last and (last.line, last.epoch, last.seq), clock.boot_id())
        recorder = Recorder(Stream(spool.site, spool.node, TIER), table, lineage)
        own = TargetSeries(table, {**labels, "job": "edgevitals", "instance": spool.node})
        rounds = Rounds(
            config.interval_of(TIER), scraper, Own(own, report.gauges), recorder, spool, telemetry
        )
        rounds.follow(last)
        report.rounds = rounds

        house = House()
        line = list(_line(config, spool, admin, telemetry))
        report.pumps = [PumpView(part.report, part.log.mark) for part in line]
        report.sinks = {part.sink.name: part.sink.stats for part in line if part.sink}
        status = at_end.enter_context(opened(report, str(config.status.listen)))
        for part in line:
            house.open(part.report.name, part.pump.run)
        house.open_again("status", status.run)
        log.info("site %s, node %s: epoch %016x", spool.site, spool.node, lineage.epoch)
        _live(house, rounds, line, report, stop)


class Once(NamedTuple):
    """One round that is kept nowhere: its samples, and how each target did."""

    samples: list[tuple[Series, float]]
    targets: list[TargetStatus]


def read_once(config: Config) -> Once:
    """Read all targets once. No spool, no sinks; `site` and `node` are labels all the same."""
    table = SeriesTable()
    labels = {**config.labels, "site": config.site, "node": config.node or os.uname().nodename}
    with (
        closing(_admin(config)) as admin,
        closing(Scraper(_targets(config, table, labels, admin))) as scraper,
    ):
        readings = scraper.read(LONGEST_READ_S) or []
        samples = [
            (table[series], value)
            for reading in readings
            for series, value in zip(reading.series, reading.values, strict=True)
        ]
        return Once(samples, [target_status(target) for target in scraper.targets])


def _live(house: House, rounds: Rounds, line: Sequence[_Part], report: Report, stop: Event) -> None:
    """Take rounds until told to stop; deliver the last ones if that is soon done; then end.

    A stop takes at most END_S, whatever hangs: what is on disk is delivered after the next start.
    """
    taking = House()
    taking.open("rounds", rounds.run)
    while not stop.wait(_LOOK_S) and house.error is None and taking.error is None:
        pass
    end_at = time.monotonic() + END_S
    stuck = taking.join(LAST_ROUND_S)
    for part in line:
        part.log.hurry()
    flushed_at = time.monotonic() + FLUSH_S
    while time.monotonic() < flushed_at and house.error is None and not report.caught_up():
        house.stop.wait(_LOOK_S)
    stuck += house.join(end_at - time.monotonic() - LEAVE_S)
    if not stuck:
        leaving = House()  # a consumer group may be slow to leave, or its broker dead
        leaving.open("leave", lambda _: _close(line))
        stuck += leaving.join(LEAVE_S)
    if stuck:
        log.warning("ended without waiting longer for: %s", ", ".join(stuck))
    error = taking.error or house.error
    if error is not None:
        raise error


class _ReadLog(Log, Protocol):
    """A log as the program opens it: beyond the pump's use it is asked, hurried and closed."""

    def mark(self, stream: int) -> Mark | None: ...
    def hurry(self) -> None: ...
    def close(self) -> None: ...


class _Part(NamedTuple):
    """A pump with its log, and the sink if that is where it delivers."""

    pump: Pump
    log: _ReadLog
    report: PumpReport
    sink: RemoteWrite | None = None


def _close(line: Sequence[_Part]) -> None:
    for part in line:
        part.log.close()


def _line(config: Config, spool: Spool, admin: Admin, telemetry: Telemetry) -> Iterator[_Part]:
    """The pumps: spool to topic, topic to each sink; spool to each sink where there is no topic."""
    through = _topic_part(config, spool, admin, telemetry)
    if through is not None:
        yield through
    for sink in config.sinks:
        source = f"topic {config.topic_name}" if through else "spool"
        report = PumpReport(f"forward-{sink.name}", source, sink.url, telemetry)
        appetite = _appetite(config, config.rounds_per_request(sink))
        reader = _topic_reader if through else _spool_reader
        log_ = reader(config, spool, sink, appetite, report)
        destination = _sink(sink)
        pump = Pump(report.name, log_, destination, spool.rejected, report)
        yield _Part(pump, log_, report, destination)


def _topic_part(config: Config, spool: Spool, admin: Admin, telemetry: Telemetry) -> _Part | None:
    """The pump from the spool to the topic, None where there is no topic."""
    if config.topic is None or config.topic_name is None:
        return None
    from collector.topic.client import TopicPlace  # noqa: PLC0415 - librdkafka is large
    from collector.topic.creation import TopicCreation  # noqa: PLC0415
    from collector.topic.writer import TopicWriter  # noqa: PLC0415

    report = PumpReport("publish", "spool", f"topic {config.topic_name}", telemetry)
    cursor = spool.cursor(TIER, "topic", _appetite(config, config.frame_after), report)
    writer = TopicWriter(
        TopicPlace(config.topic_name, TIERS.index(TIER)),
        kafka_properties(config),
        TopicCreation(admin, config.topic.max_size),
    )
    return _Part(Pump(report.name, cursor, writer, spool.rejected, report), cursor, report)


def _topic_reader(
    config: Config, spool: Spool, sink: SinkConfig, appetite: Appetite, report: PumpReport
) -> _ReadLog:
    from collector.topic.reader import Member, TopicReader  # noqa: PLC0415 - librdkafka is large

    member = Member(f"edgevitals.{sink.name}", f"{spool.site}.{spool.node}")
    topic = config.topic_name or ""
    return TopicReader(topic, kafka_properties(config), member, appetite, report)


def _spool_reader(
    _: Config, spool: Spool, sink: SinkConfig, appetite: Appetite, report: PumpReport
) -> _ReadLog:
    return spool.cursor(TIER, f"sink-{sink.name}", appetite, report)


def _appetite(config: Config, least: int) -> Appetite:
    return Appetite(least, least * config.interval_of(TIER) * 1.5)


def _sink(sink: SinkConfig) -> RemoteWrite:
    from collector.sinks.remote_write import RemoteWrite  # noqa: PLC0415

    token = Secret(sink.token_file).read if sink.token_file else None
    return RemoteWrite(sink.name, sink.url, token)


def _targets(
    config: Config, table: SeriesTable, labels: Mapping[str, str], admin: Admin
) -> list[Target]:
    """Every configured source as a target, under the labels that Prometheus would give it."""
    node = labels["node"]
    targets = []

    def add(job: str, instance: str, build: Callable[[TargetSeries], Source]) -> None:
        series = TargetSeries(table, {**labels, "job": job, "instance": instance})
        targets.append(Target(job, instance, build(series), series))

    sources = config.sources
    for jmx in sources.jmx:
        from collector.names.rules import load_rules  # noqa: PLC0415
        from collector.sources.jmx_target import jmx_source  # noqa: PLC0415

        rules = load_rules(list(map(str, jmx.names)))
        add(jmx.job, jmx.target_instance, partial(jmx_source, jmx, rules))
    if sources.host:
        from collector.sources.host import HostSource  # noqa: PLC0415

        add(sources.host.job, sources.host.instance or node, HostSource)
    if sources.kafka:
        from collector.sources.kafka import KafkaSource  # noqa: PLC0415

        groups, topics = sources.kafka.groups, sources.kafka.topics
        instance = sources.kafka.instance or node
        add(sources.kafka.job, instance, lambda s: KafkaSource(admin, s, groups, topics))
    return targets


def _open_spool(config: Config) -> Spool:
    return Spool(
        config.spool.path,
        config.site,
        config.node,
        Limits(config.spool.max_size, config.spool.min_free_bytes),
    )


def _admin(config: Config) -> Admin:
    """The admin process; nothing starts before the first call."""
    return Admin(kafka_properties(config))


def _hash(config: Config) -> str:
    """Alike where two sites are set up alike: without what names the site."""
    alike = msgspec.structs.replace(config, site="", node=None, labels={})
    return hashlib.sha256(msgspec.json.encode(alike, enc_hook=str)).hexdigest()[:8]
