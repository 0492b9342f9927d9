"""The pumps of a forwarder: from the topics of all sites to each sink, several streams at once.

topics of sites ==lanes==> sinks <==pump== spool <── its own rounds

It puts nothing into the topics: they are the sites', and a linker would carry it in circles. Its
own rounds, with what it counts and the gaps that it meets, go from its spool straight to its sinks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from collector.admin.client import Admin
from collector.config import Config, SinkConfig
from collector.credentials import kafka_properties
from collector.foresight import Dated, Foresight
from collector.horizon import Horizon
from collector.lanes import Lanes
from collector.line import Part, appetite_for, destinations_of, part, spool_reader
from collector.pump import Pump
from collector.rooms import Room
from collector.spool.spool import Spool
from collector.telemetry import PumpReport, Telemetry
from collector.tracing import Traces

if TYPE_CHECKING:
    from collector.sinks.delivery import Delivery


class _Keeper(PumpReport):
    """What the log of the lanes tells. It sends nothing itself: when all is well, it is idle."""

    def away(self, why: str) -> None:
        super().away(why)
        self.idle()


def pumps(
    config: Config, spool: Spool, _: Admin, telemetry: Telemetry, traces: Traces
) -> Iterator[Part]:
    """For each sink the pump of the own rounds, and the lanes of the sites' rounds."""
    for sink in config.sinks:
        report = PumpReport(f"own-{sink.name}", "spool", sink.url, telemetry)
        horizon = Horizon()
        foresight = Foresight(horizon)
        receiver, *others = destinations_of(sink, 1 + config.lanes(sink), horizon=horizon)
        appetite = appetite_for(config, config.rounds_per_request(sink))
        cursor = spool_reader(config, spool, sink, appetite, report, foresight)
        yield part(cursor, Dated(receiver, foresight), spool, report, traces, [receiver])
        yield _lanes(config, spool, sink, others, telemetry, traces, foresight)


def _lanes(
    config: Config,
    spool: Spool,
    sink: SinkConfig,
    receivers: Sequence[Delivery],
    telemetry: Telemetry,
    traces: Traces,
    foresight: Foresight,
) -> Part:
    from collector.topic.reader import Member, TopicReader  # noqa: PLC0415 - librdkafka is large

    name, source = f"forward-{sink.name}", f"topic {config.topic_name}"
    keeper = _Keeper(name, source, sink.url, telemetry)
    member = Member(f"edgevitals.{sink.name}", f"{spool.site}.{spool.node}")
    reader = TopicReader(
        config.topic_name or "",
        kafka_properties(config),
        member,
        appetite_for(config, config.rounds_per_request(sink)),
        keeper,
        foresight,
    )
    lanes = Lanes(reader, len(receivers))
    rooms: list[Room] = [lanes.run]
    reports: list[PumpReport] = [keeper]
    for log, receiver in zip(lanes.logs, receivers, strict=True):
        report = PumpReport(name, source, sink.url, telemetry)
        report.watch = traces.watch(name, sink.url)
        rooms.append(Pump(name, log, Dated(receiver, foresight), spool.rejected, report).run)
        reports.append(report)
    return Part(rooms, lanes, reports, receivers, is_ours=False)
