"""The whole program on one page.

    targets -> rounds -> spool ==pump==> topic ==pump==> sinks

Only this module knows every part; each part knows only its own door.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from threading import Event
from typing import NamedTuple

from collector import clock, forwarder
from collector.admin.client import Admin
from collector.config import Config
from collector.frames.dictionary import Stream
from collector.line import TIER, Part, newest_in_topic
from collector.line import pumps as site_pumps
from collector.pulse import pulses
from collector.reload import Reload
from collector.report import PumpView, Report, target_status
from collector.rights import Watch, needed
from collector.rooms import House
from collector.rounds import tracing
from collector.rounds.recorder import Epochs, Recorder
from collector.rounds.room import LONGEST_READ_S, Own, Rounds
from collector.rounds.timeline import beginning
from collector.security.credentials import kafka_properties
from collector.series import Series, SeriesTable, TargetSeries
from collector.spool.spool import Limits, Spool
from collector.status.model import TargetStatus
from collector.status.server import opened
from collector.supervisor import Supervisor
from collector.target import Scraper
from collector.targets import Targets
from collector.telemetry import Telemetry

END_S = 9.0
LAST_ROUND_S = 2.0
FLUSH_S = 4.0
LEAVE_S = 1.5
"""How long a stop may take in all, and of that for the round under way, for delivering the last
rounds, and for leaving the consumer group. Supervisors kill after 10 s at the earliest."""

_LOOK_S = 0.5

log = logging.getLogger(__name__)


def run(reload: Reload, stop: Event) -> None:
    """Run every room until told to stop, or until one of them dies: then its error is raised."""
    config = reload.config
    with ExitStack() as at_end:
        spool = at_end.enter_context(_open_spool(config))
        telemetry = Telemetry()
        traces = at_end.enter_context(closing(tracing.traces(os.environ, telemetry)))
        table = SeriesTable()
        admin = at_end.enter_context(closing(_admin(config)))
        targets = Targets(table, admin, telemetry)
        labels = partial(_labels, spool=spool)
        scraper = at_end.enter_context(closing(Scraper(targets.of(config, labels(config)))))
        report = Report(spool, scraper, table, telemetry, admin, reload)

        def own(config: Config) -> Own:
            of_ours = {**labels(config), "job": "edgevitals", "instance": spool.node}
            return Own(TargetSeries(table, of_ours), report.gauges)

        epochs = Epochs(clock.boot_id())
        begins = beginning(spool, TIER, epochs, newest_in_topic(config, spool))
        recorder = Recorder(Stream(spool.site, spool.node, TIER), table, begins.lineage)
        rounds = Rounds(
            config.interval_of(TIER),
            scraper,
            own(config),
            recorder,
            epochs,
            spool,
            telemetry,
            traces,
        )
        rounds.follow(begins.last)
        report.rounds = rounds

        house = House()
        ways = forwarder.pumps if config.is_forwarder else site_pumps
        line = list(ways(config, spool, admin, telemetry, traces))
        rounds.compare([sink.ahead_ms for one in line for sink in one.sinks[:1]])
        report.pumps = [
            PumpView(one.reports, one.log.mark if one.is_ours else None) for one in line
        ]
        report.sinks = {
            sink.name: [lane.stats for one in line for lane in one.sinks if lane.name == sink.name]
            for sink in config.sinks
        }
        status = at_end.enter_context(opened(report, str(config.status.listen)))
        for part in line:
            for number, room in enumerate(part.rooms):
                house.open(f"{part.name} {number}" if number else part.name, room)
        house.open_again("status", status.run)
        report.rights = rights = Watch(admin, needed(config))
        house.open_again("rights", rights.run)
        for name, pulse in pulses(
            config, lambda: labels(reload.config), report.present, telemetry, admin
        ):
            house.open_again(name, pulse)

        def put_in_force(config: Config) -> None:
            rounds.swap(targets.of(config, labels(config)), own(config))
            rights.rights = needed(config)

        supervisor = Supervisor(os.environ)

        def look() -> None:
            if not rounds.is_swapping:
                reload.look(put_in_force)
            since_round = time.monotonic() - rounds.turned_at
            supervisor.alive(since_round, rounds.interval_s, report.line)

        log.info("site %s, node %s: epoch %016x", spool.site, spool.node, epochs.epoch)
        _live(house, rounds, line, report, look, supervisor, stop)


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
        closing(Scraper(Targets(table, admin, Telemetry()).of(config, labels))) as scraper,
    ):
        readings = scraper.read(LONGEST_READ_S) or []
        samples = [
            (table[series], value)
            for reading in readings
            for series, value in zip(reading.series, reading.values, strict=True)
        ]
        return Once(samples, [target_status(target) for target in scraper.targets])


def _labels(config: Config, spool: Spool) -> Mapping[str, str]:
    """What is on all series of this site."""
    return {**config.labels, "site": spool.site, "node": spool.node}


def _close(line: Sequence[Part]) -> None:
    for part in line:
        part.log.close()


def _live(
    house: House,
    rounds: Rounds,
    line: Sequence[Part],
    report: Report,
    look: Callable[[], None],
    supervisor: Supervisor,
    stop: Event,
) -> None:
    """Take rounds until told to stop; deliver the last ones if that is soon done; then end.

    `look` is called now and then until the stop.
    A stop takes at most END_S, whatever hangs: what is on disk is delivered after the next start.
    """
    taking = House()
    taking.open("rounds", rounds.run)
    supervisor.ready()
    while not stop.wait(_LOOK_S) and house.error is None and taking.error is None:
        look()
    supervisor.stopping()
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
