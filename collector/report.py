"""The report: what the rooms know of themselves, as the status server and the round want it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import psutil

from collector import __version__, catalog
from collector.admin.client import Admin
from collector.flow.mark import Mark
from collector.reload import Reload
from collector.rights import Watch
from collector.rounds.room import Rounds
from collector.series import Series, SeriesTable
from collector.sinks.stats import SinkStats, total
from collector.sources.links.own import Now, OwnLink
from collector.spool.spool import Spool
from collector.status.model import PumpStatus, SpoolStatus, Status, StreamStatus, TargetStatus
from collector.target import Scraper, Target
from collector.telemetry import Key, PumpReport, Telemetry, joined


class PumpView(NamedTuple):
    """A pump's reports, one a lane, and how far its log has come with our own stream.

    Without `mark` it carries the streams of others: then only what is under way is known of it.
    """

    reports: Sequence[PumpReport]
    mark: Callable[[int], Mark | None] | None

    @property
    def report(self) -> PumpReport:
        return self.reports[0] if len(self.reports) == 1 else joined(self.reports)


class Report:
    """Answers for the whole program. Read by the round room and by the status server.

    `rounds`, `rights`, `pumps` and `sinks` (by name, one a lane) are set once they are there.
    """

    def __init__(
        self,
        spool: Spool,
        scraper: Scraper,
        table: SeriesTable,
        telemetry: Telemetry,
        admin: Admin,
        reload: Reload,
    ) -> None:
        self.rounds: Rounds | None = None
        self.rights: Watch | None = None
        self.pumps: list[PumpView] = []
        self.sinks: Mapping[str, Sequence[SinkStats]] = {}
        self._links: dict[str, OwnLink] = {}
        self._spool = spool
        self._scraper = scraper
        self._table = table
        self._telemetry = telemetry
        self._admin = admin
        self._reload = reload
        self._process = psutil.Process()
        self._started_at = time.time()

    def gauges(self) -> Mapping[Key, float]:
        """Everything that the collector says of itself in a round, but seq and epoch."""
        values: dict[Key, float] = dict(self._telemetry.values())

        def put(name: str, value: float, **labels: str) -> None:
            values[name, tuple(sorted(labels.items()))] = value

        put("edgevitals_series", len(self._table))
        put("edgevitals_spool_bytes", self._spool.bytes)
        put("edgevitals_spool_max_bytes", self._spool.max_bytes)
        if (begun_ms := self._spool.oldest_ms) is not None:
            put("edgevitals_spool_oldest_timestamp_seconds", begun_ms / 1000)
        put("edgevitals_spool_memory_rounds", self._spool.rounds_in_memory)
        put("edgevitals_config_info", 1, hash=self._reload.hash)
        put("edgevitals_config_last_reload_successful", self._reload.refused is None)
        succeeded_at = self._reload.succeeded_at
        put("edgevitals_config_last_reload_success_timestamp_seconds", succeeded_at)
        put("edgevitals_admin_crashes_total", self._admin.stats.crashes)
        put("edgevitals_admin_late_total", self._admin.stats.late)
        put("edgevitals_process_start_time_seconds", self._started_at)
        sinks = {name: total(lanes) for name, lanes in self.sinks.items()}
        for view in self.pumps:
            report = view.report
            backlog, oldest_ms = self._backlog(view)
            if backlog is not None:
                put("edgevitals_pump_backlog_rounds", backlog, pump=report.name)
            report.eta_s = report.eta.note(backlog, time.monotonic_ns() // 1_000_000)
            if report.eta_s is not None:
                put("edgevitals_pump_eta_seconds", report.eta_s, pump=report.name)
            if oldest_ms is not None:
                put("edgevitals_pump_oldest_timestamp_seconds", oldest_ms / 1000, pump=report.name)
            to = report.name.removeprefix("forward-")
            if sink := sinks.get(to):
                oldest_at, sent = _seconds(oldest_ms), sink.bytes_sent
                now = Now(report.state, backlog, oldest_at, report.eta_s, sent)
                link = self._links.setdefault(to, OwnLink(to))
                for name, value, labels in link.gauges(now, time.time()):
                    put(name, value, **labels)
            for state in catalog.PUMP_STATES:
                put("edgevitals_pump_state", report.state == state, pump=report.name, state=state)
        for name, sink in sinks.items():
            for code, requests in dict(sink.requests).items():
                put("edgevitals_sink_requests_total", requests, sink=name, code=code)
            put("edgevitals_sink_sent_bytes_total", sink.bytes_sent, sink=name)
            put("edgevitals_sink_sent_samples_total", sink.samples_delivered, sink=name)
            put("edgevitals_sink_already_stored_samples_total", sink.already_stored, sink=name)
            for why, samples in dict(sink.unsendable).items():
                put("edgevitals_sink_unsendable_samples_total", samples, sink=name, reason=why)
            for why, samples in dict(sink.rejected).items():
                put("edgevitals_sink_rejected_samples_total", samples, sink=name, reason=why)
            put("edgevitals_sink_withheld_rounds_total", sink.withheld_rounds, sink=name)
            put("edgevitals_sink_request_samples", sink.request_samples, sink=name)
            put("edgevitals_sink_protocol_info", 1, sink=name, protocol=sink.protocol)
        for right in self.rights.missing if self.rights else ():
            put(
                "edgevitals_kafka_right_missing",
                1,
                operation=right.operation,
                resource=right.resource,
            )
        for name, process in self._processes():
            try:
                cpu = process.cpu_times()
                put("edgevitals_process_cpu_seconds_total", cpu.user + cpu.system, process=name)
                memory = process.memory_info().rss
                put("edgevitals_process_resident_memory_bytes", memory, process=name)
            except (psutil.Error, OSError):
                continue  # it ended just now, or no descriptor is left to look at it
        return values

    def caught_up(self) -> bool:
        """Whether every pump of ours has delivered our newest round."""
        return all(self._backlog(view)[0] == 0 for view in self.pumps if view.mark)

    def samples(self) -> Iterable[tuple[Series, float]]:
        latest = self.rounds.latest if self.rounds else None
        return latest.samples() if latest else ()

    def last_round_age(self) -> float | None:
        taken_at = self.rounds.taken_at if self.rounds else None
        return None if taken_at is None else time.monotonic() - taken_at

    def status(self) -> Status:
        now = time.time()
        rounds = self.rounds
        latest = rounds.latest if rounds else None
        targets = [target_status(target) for target in self._scraper.targets]
        pumps = [self._pump(view, now) for view in self.pumps]
        streams = []
        if rounds and latest:
            streams.append(
                StreamStatus(
                    tier=rounds.recorder.stream.tier,
                    epoch=f"{latest.frame.lineage.epoch:016x}",
                    last_seq=latest.seq,
                    last_at=_seconds(latest.at.wall_ms),
                )
            )
        oldest = min((p.oldest_at for p in pumps if p.oldest_at), default=None)
        error = rounds.disk_error if rounds else None
        spool = SpoolStatus(
            path=str(self._spool.path),
            bytes=self._spool.bytes,
            max_bytes=self._spool.max_bytes,
            rounds=max((p.backlog_rounds or 0 for p in pumps), default=0),
            oldest_at=oldest,
            writable=error is None,
            degraded=error is not None,
            rounds_in_memory=self._spool.rounds_in_memory,
            error=error,
        )
        clock_problem = rounds.clock_problem if rounds else None
        return Status(
            version=__version__,
            site=self._spool.site,
            node=self._spool.node,
            started_at=self._started_at,
            now=now,
            interval_seconds=rounds.interval_s if rounds else 0.0,
            problems=[
                *_problems(targets, pumps, spool, clock_problem),
                *self._advice(),
                *(f"{v.report.name}: {v.report.clash}" for v in self.pumps if v.report.clash),
            ],
            targets=targets,
            spool=spool,
            streams=streams,
            pumps=pumps,
            missed=self._telemetry.by_label("edgevitals_round_missed_total", "reason"),
            gaps=self._telemetry.by_label("edgevitals_gap_rounds_total", "reason"),
        )

    def line(self) -> str:
        """How things stand, on one line."""
        said = self.status()
        up = sum(target.up for target in said.targets)
        seq = said.streams[0].last_seq if said.streams else 0
        problems = f", {said.problems[0]}" if said.problems else ""
        return f"round {seq}, {up} of {len(said.targets)} targets up{problems}"

    def _advice(self) -> Iterable[str]:
        if self._reload.refused:
            yield f"the new configuration is refused, the one before stays: {self._reload.refused}"
        for view in self.pumps:
            yield from view.report.advice.values()
        for lanes in self.sinks.values():
            if advice := total(lanes).advice:
                yield advice
        for right in self.rights.missing if self.rights else ():
            yield f"kafka: the right {right} is missing, so there is no: {right.needs}"

    def present(self) -> Status | None:
        """The status, for the pulse; None while the clock is not known to be right."""
        is_stamped = self.rounds is not None and self.rounds.clock_problem is None
        return self.status() if is_stamped else None

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        processes = [("main", self._process)]
        pid = self._admin.pid
        if pid is not None:
            with suppress(psutil.Error):
                processes.append(("admin", psutil.Process(pid)))
        return processes

    def _backlog(self, view: PumpView) -> tuple[int | None, int | None]:
        """Rounds of our own stream that a pump has still to deliver, and the time of the oldest.

        The time is the newest delivered one's: what is owed is younger than that. None: not known
        yet, since the consumer group has not told us our marks.
        """
        if view.mark is None:
            return None, view.report.oldest_ms
        latest = self.rounds.latest if self.rounds else None
        if self.rounds is None or latest is None:
            return None, None
        mark = view.mark(self.rounds.recorder.stream.key)
        if mark is None:
            return None, None
        backlog = self.rounds.history.behind(mark)
        if backlog is None:
            return latest.seq, view.report.oldest_ms
        return backlog, (mark.wall_ms if backlog else None)

    def _pump(self, view: PumpView, now: float) -> PumpStatus:
        report = view.report
        backlog, oldest_ms = self._backlog(view)
        next_try = report.next_try_at
        return PumpStatus(
            name=report.name,
            from_=report.source,
            to=report.to,
            state=report.state,
            backlog_rounds=backlog,
            oldest_at=_seconds(oldest_ms),
            eta_seconds=report.eta_s if backlog else None,
            last_error=report.last_error,
            retries=report.retries,
            delivered_rounds=report.delivered_rounds,
            rejected_rounds=report.rejected_rounds,
            next_try_seconds=max(0.0, next_try - now) if next_try else None,
        )


def target_status(target: Target) -> TargetStatus:
    """How the last read of a target went."""
    outcome = target.outcome
    if outcome is None:
        return TargetStatus(job=target.job, instance=target.instance, up=False)
    return TargetStatus(
        job=target.job,
        instance=target.instance,
        up=outcome.error is None,
        duration_seconds=outcome.duration_s,
        samples=outcome.samples,
        error=outcome.error,
        age_seconds=time.monotonic() - outcome.at,
    )


def _problems(
    targets: Sequence[TargetStatus],
    pumps: Sequence[PumpStatus],
    spool: SpoolStatus,
    clock_problem: str | None,
) -> Iterable[str]:
    if clock_problem:
        yield clock_problem
    if spool.error:
        yield f"the disk takes no rounds, {spool.rounds_in_memory} wait in memory: {spool.error}"
    for pump in pumps:
        if pump.state in {"waiting", "holding"}:
            yield f"{pump.name} is {pump.state}: {pump.last_error}"
        elif pump.state == "sending" and pump.last_error:
            yield f"{pump.name} tries again: {pump.last_error}"
    for target in targets:
        if target.error:
            yield f"{target.job} {target.instance} is down: {target.error}"


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
