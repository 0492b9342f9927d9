"""The pumps of a forwarder: from the topics of all sites to each sink, several streams at once.

topics of sites ==lanes==> sinks <==pump== spool <── its own rounds

It puts nothing into the topics: they are the sites', and a linker would carry it in circles. Its
own rounds, with what it counts and the gaps that it meets, go from its spool straight to its sinks.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from collector.admin.client import Admin
from collector.config import Config, SinkConfig
from collector.errors import Paced, Rejected, Retry, TooNew
from collector.flow.careful import careful
from collector.flow.foresight import Dated, Foresight
from collector.flow.lanes import Lanes
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, Pump
from collector.frames.dictionary import Stream
from collector.horizon import Horizon
from collector.line import Part, appetite_for, destinations_of, part, spool_reader
from collector.rooms import Room
from collector.rounds.tracing import Traces
from collector.security.credentials import kafka_properties
from collector.spool.spool import Spool
from collector.telemetry import PumpReport, Telemetry, Throttle

if TYPE_CHECKING:
    from collector.sinks.delivery import Delivery

_NEWS_S = 5.0
"""The log tells again what a stream waits for, as long as it does."""

log = logging.getLogger(__name__)


class Troubles:
    """Why streams wait, over all lanes of a sink. Any thread may tell."""

    def __init__(self) -> None:
        self._why: dict[Stream, Retry] = {}
        self._changing = Lock()
        self.quiet = Throttle()

    def __len__(self) -> int:
        return len(self._why)

    def add(self, stream: Stream, why: Retry) -> None:
        with self._changing:
            self._why[stream] = why

    def end(self, stream: Stream) -> None:
        with self._changing:
            self._why.pop(stream, None)

    def keep(self, streams: AbstractSet[int]) -> None:
        """Forget those of streams that are no longer with us."""
        with self._changing:
            self._why = {of: why for of, why in self._why.items() if of.key in streams}

    @property
    def sentence(self) -> str:
        """How many streams wait, and of one of them why: one that a person must help, if any."""
        with self._changing:
            told = max(self._why.items(), key=lambda one: one[1].hold, default=None)
            if told is None:
                return ""
            stream, why = told
            others = f" ({len(self._why) - 1} more streams wait)" if len(self._why) > 1 else ""
            return f"{'/'.join(stream)}: {why}{others}"


@dataclass
class LaneReport(PumpReport):
    """How a lane is doing. What waits is told by stream: the lane itself goes on to others."""

    troubles: Troubles = field(default_factory=Troubles)
    _stream: Stream = field(default=Stream("", "", ""))

    def sending(self, batch: Batch) -> None:
        self._stream = batch.dictionary.stream
        super().sending(batch)

    def delivered(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        self.troubles.end(batch.dictionary.stream)
        super().delivered(batch, withheld)

    def retrying(self, why: Retry, wait: float) -> None:
        if not isinstance(why, Paced):
            self.troubles.add(self._stream, why)
        super().retrying(why, wait)

    def rejected(self, batch: Batch, why: Rejected) -> None:
        self.troubles.end(batch.dictionary.stream)
        super().rejected(batch, why)

    def _say_waiting(self, why: Retry) -> None:
        more = self.troubles.quiet.passes()
        if more is not None:
            log.warning("%s: %s waits: %s%s", self.name, "/".join(self._stream), why, more)


@dataclass
class KeeperReport(PumpReport):
    """How the log of the lanes is doing, and what waits in them. It sends nothing itself."""

    troubles: Troubles = field(default_factory=Troubles)
    _away: str = ""
    _held: tuple[str, float] = ("", 0.0)  # and until when (monotonic) that is news

    def away(self, why: str) -> None:
        self._away = why

    def held(self, why: TooNew) -> None:
        super().held(why)
        self._held = str(why), math.inf  # until a newer version takes our place

    def waits(self, why: str) -> None:
        super().waits(why)
        self._held = why, time.monotonic() + _NEWS_S

    def kept(self, streams: AbstractSet[int]) -> None:
        """Called several times a second, with the streams that have a batch in a lane."""
        self.troubles.keep(streams)
        self.telemetry.set("edgevitals_pump_waiting_streams", len(self.troubles), pump=self.name)
        held, until = self._held
        held = held if time.monotonic() < until else ""
        self.last_error = self._away or held or self.troubles.sentence or None
        self.state = "holding" if held else "waiting" if self.last_error else "idle"


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
        cursor = spool_reader(spool, sink, appetite, report, foresight)
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
    from collector.topic.member import Member  # noqa: PLC0415 - librdkafka is large
    from collector.topic.reader import TopicReader  # noqa: PLC0415

    name, source = f"forward-{sink.name}", f"topic {config.topic_name}"
    troubles = Troubles()
    keeper = KeeperReport(name, source, sink.url, telemetry, troubles=troubles)
    member = Member(f"edgevitals.{sink.name}", f"{spool.site}.{spool.node}")
    reader = TopicReader(
        config.topic_name or "",
        kafka_properties(config),
        member,
        appetite_for(config, config.rounds_per_request(sink)),
        keeper,
        foresight,
    )
    lanes = Lanes(reader, len(receivers), keeper.kept)
    rooms: list[Room] = [lanes.run]
    reports: list[PumpReport] = [keeper]
    for lane, receiver in zip(lanes.logs, receivers, strict=True):
        report = LaneReport(name, source, sink.url, telemetry, troubles=troubles)
        report.watch = traces.watch(name, sink.url)
        door = careful(name, Dated(receiver, foresight), spool.attempts)
        rooms.append(Pump(name, lane, door, spool.rejected, report).run)
        reports.append(report)
    return Part(rooms, lanes, reports, receivers, is_ours=False)
