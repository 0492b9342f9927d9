"""The pumps of a site: spool to topic, topic to each sink; spool to each sink without a topic.

spool ==pump==> topic ==pump==> sinks
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from collector.admin.client import Admin
from collector.config import Config, SinkConfig, TierName
from collector.errors import Retry
from collector.flow.careful import careful
from collector.flow.detour import Detour
from collector.flow.foresight import Dated, Foresight
from collector.flow.mark import Mark
from collector.flow.pump import Appetite, Destination, Log, Pump
from collector.frames.dictionary import Stream
from collector.horizon import Horizon
from collector.rooms import Room
from collector.rounds.tracing import Traces
from collector.security.credentials import kafka_properties
from collector.spool.cursor import Cursor
from collector.spool.spool import TIERS, Last, Spool
from collector.telemetry import PumpReport, Telemetry

if TYPE_CHECKING:
    from collector.sinks.delivery import Delivery
    from collector.topic.site import SiteReader

TIER: TierName = "standard"
"""The tier of all series, until tiers come."""


_AWAY_S = 3.0
"""What is not acknowledged for an interval, and at least for so long, takes the detour."""

_AT_ONCE = Appetite(1, 0.0)
"""On the detour each round goes by itself: the centre should see what happens to the broker now."""

_ASK_S = 3.0
"""How long a start may ask the topic for its last round: a broker that is down gives no answer."""

log = logging.getLogger(__name__)


class Opened(Protocol):
    """A log as the program opens it: beyond the pump's use it is asked, hurried and closed."""

    def mark(self, stream: int) -> Mark | None: ...
    def hurry(self) -> None: ...
    def close(self) -> None: ...


class ReadLog(Opened, Log, Protocol):
    """What a pump reads."""


class Part(NamedTuple):
    """One way of the line: a log, and what empties it, one room and one report a pump.

    `sinks` are there where it delivers to one. `is_ours`: it carries our own rounds.
    """

    rooms: Sequence[Room]
    log: Opened
    reports: Sequence[PumpReport]
    sinks: Sequence[Delivery] = ()
    is_ours: bool = True

    @property
    def name(self) -> str:
        return self.reports[0].name


def part(
    log: ReadLog,
    destination: Destination,
    spool: Spool,
    report: PumpReport,
    traces: Traces,
    sinks: Sequence[Delivery] = (),
) -> Part:
    """A log with one pump."""
    report.watch = traces.watch(report.name, report.to)
    guarded = careful(report.name, destination, spool.attempts)
    pump = Pump(report.name, log, guarded, spool.rejected, report)
    return Part([pump.run], log, [report], sinks)


def pumps(
    config: Config, spool: Spool, admin: Admin, telemetry: Telemetry, traces: Traces
) -> Iterator[Part]:
    """The pumps: spool to topic, topic to each sink; spool to each sink where there is no topic."""
    through = _topic_part(config, spool, admin, telemetry, traces)
    if through is not None:
        yield through
    for sink in config.sinks:
        source = f"topic {config.topic_name}" if through else "spool"
        report = PumpReport(f"forward-{sink.name}", source, sink.url, telemetry)
        appetite = appetite_for(config, config.rounds_per_request(sink))
        horizon = Horizon()
        foresight = Foresight(horizon)
        by_spool = _AT_ONCE if through else appetite
        own = spool_reader(spool, sink, by_spool, report, foresight)
        reads: ReadLog = own
        if through:
            straight = _topic_reader(config, spool, sink, appetite, report, foresight)
            away_s = max(config.interval_of(TIER), _AWAY_S)
            is_away = partial(through.reports[0].owes, away_s)
            reads = Detour(spool.chain(TIER).stream.key, straight, own, is_away, report)
        (receiver,) = destinations_of(sink, horizon=horizon)
        yield part(reads, Dated(receiver, foresight), spool, report, traces, [receiver])


def newest_in_topic(config: Config, spool: Spool) -> Last | None:
    """Our stream's newest round in the topic: the spool may be new, or a copy from long ago."""
    if config.topic_name is None or config.is_forwarder:
        return None
    from collector.topic.client import TopicPlace  # noqa: PLC0415 - librdkafka is large
    from collector.topic.tail import last_of  # noqa: PLC0415

    stream = Stream(spool.site, spool.node, TIER)
    place = TopicPlace(config.topic_name, TIERS.index(TIER))
    try:
        found = last_of(stream, place, kafka_properties(config), _ASK_S)
    except Retry as why:
        log.warning("the topic can't say which round was its last: %s", why)
        return None
    return found and Last(found.line, found.epoch, found.seq, found.wall_ms)


def _topic_part(
    config: Config, spool: Spool, admin: Admin, telemetry: Telemetry, traces: Traces
) -> Part | None:
    """The pump from the spool to the topic, None where there is no topic."""
    if config.topic is None or config.topic_name is None:
        return None
    from collector.topic.client import TopicPlace  # noqa: PLC0415 - librdkafka is large
    from collector.topic.creation import TopicCreation  # noqa: PLC0415
    from collector.topic.writer import TopicWriter  # noqa: PLC0415

    report = PumpReport("publish", "spool", f"topic {config.topic_name}", telemetry)
    cursor = spool.cursor(TIER, "topic", appetite_for(config, config.frame_after), report)
    writer = TopicWriter(
        TopicPlace(config.topic_name, TIERS.index(TIER)),
        kafka_properties(config),
        TopicCreation(admin, config.topic.max_size, report.advise),
        cursor,
        report.throttled,
    )
    return part(cursor, writer, spool, report, traces)


def _topic_reader(
    config: Config,
    spool: Spool,
    sink: SinkConfig,
    appetite: Appetite,
    report: PumpReport,
    foresight: Foresight,
) -> SiteReader:
    from collector.topic.client import TopicPlace  # noqa: PLC0415 - librdkafka is large
    from collector.topic.member import Member  # noqa: PLC0415
    from collector.topic.site import Ours, SiteReader  # noqa: PLC0415

    member = Member(f"edgevitals.{sink.name}", f"{spool.site}.{spool.node}")
    topic = config.topic_name or ""
    ours = Ours(spool.chain(TIER).stream.key, TopicPlace(topic, TIERS.index(TIER)))
    kafka = kafka_properties(config)
    return SiteReader(ours, topic, kafka, member, appetite, report, foresight)


def spool_reader(
    spool: Spool,
    sink: SinkConfig,
    appetite: Appetite,
    report: PumpReport,
    foresight: Foresight,
) -> Cursor:
    return spool.cursor(TIER, f"sink-{sink.name}", appetite, report, foresight)


def appetite_for(config: Config, least: int) -> Appetite:
    return Appetite(least, least * config.interval_of(TIER) * 1.5)


def destinations_of(
    sink: SinkConfig,
    number: int = 1,
    *,
    deadline_s: float | None = None,
    is_limited: bool = True,
    horizon: Horizon | None = None,
) -> list[Delivery]:
    """So many doors to one receiver, each with a connection of its own; they share its limits.

    `is_limited=False` leaves `rate_limit` to others. `horizon` hears what time it is there.
    """
    from collector.http.access import access  # noqa: PLC0415 - no sink, no HTTP
    from collector.sinks.post import DEADLINE_S  # noqa: PLC0415
    from collector.sinks.sink import delivery  # noqa: PLC0415

    way_in = replace(access(sink), horizon=horizon)
    if not is_limited:
        way_in = replace(way_in, rate=None)
    deadline_s = deadline_s or DEADLINE_S
    return [delivery(sink, way_in, deadline_s) for _ in range(number)]
