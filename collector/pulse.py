"""The pulse: the present of a site, sent beside its past.

Rounds are delivered in order, so a site that was cut off for weeks has much to tell before it comes
to now. Each interval the pulse says a few numbers as of now, on a connection of its own, and never
twice: one that fails is counted, and the next one says more. Its series are written by nobody else,
so that they are out of nobody's order.

A receiver without an out-of-order window would then refuse the backlog, which is older than what it
has seen last: it gets no pulse.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from threading import Event

from collector import catalog, clock, dictionary, frame
from collector.columns import row
from collector.config import Config, SinkConfig
from collector.dictionary import Dictionary, Stream
from collector.errors import CollectorError
from collector.frame import Instant, Lineage
from collector.line import TIER, destinations_of
from collector.pump import Batch, Destination
from collector.rooms import Room
from collector.series import SeriesTable, TargetSeries
from collector.status.model import Status
from collector.telemetry import Key, Telemetry

PULSE_TIER = "pulse"
"""Of the stream that pulses travel in. It has no marks: nothing of it is ever missing."""

LONGEST_SEND_S = 10.0

_POINTS = 40  # pulses that a pace is taken from: ten minutes at 15 s

log = logging.getLogger(__name__)


def pulses(
    config: Config,
    labels: Mapping[str, str],
    now: Callable[[], Status | None],
    telemetry: Telemetry,
) -> Iterator[tuple[str, Room]]:
    """Yield a room for each sink that gets a pulse, and its name.

    `now` says how things stand, None while the clock is not known to be right.
    """
    for sink in config.sinks:
        if gets_pulse(sink):
            pulse = Pulse(sink.name, labels, now, telemetry)
            interval_s = config.interval_of(TIER)
            yield f"pulse-{sink.name}", _room(pulse, sink, interval_s)


def gets_pulse(sink: SinkConfig) -> bool:
    """Whether a sink may have one: see above."""
    return sink.pulse and sink.out_of_order_time_window > 0


def _room(pulse: Pulse, sink: SinkConfig, interval_s: float) -> Room:
    def run(stop: Event) -> None:
        # Beside `rate_limit`: some hundred bytes an interval, and late they are worth nothing.
        deadline_s = min(LONGEST_SEND_S, interval_s)
        (to,) = destinations_of(sink, deadline_s=deadline_s, is_limited=False)
        try:
            for tick in clock.ticks(interval_s, stop):
                pulse.beat(tick.at, to)
        finally:
            to.close()

    return run


class Pulse:
    """Says how things stand, each time in a frame of one round. Belongs to one thread."""

    def __init__(
        self,
        name: str,
        labels: Mapping[str, str],
        now: Callable[[], Status | None],
        telemetry: Telemetry,
    ) -> None:
        self._name = name
        self._now = now
        self._telemetry = telemetry
        self._stream = Stream(labels["site"], labels["node"], PULSE_TIER)
        self._table = SeriesTable()
        own = {**labels, "job": "edgevitals", "instance": labels["node"]}
        self._series = TargetSeries(self._table, own)
        epoch = int.from_bytes(os.urandom(8), "big") >> 1
        self._lineage = Lineage(epoch, epoch, None, clock.boot_id())
        self._seq = 0
        self._last_ms = 0
        self._pace = Pace()
        self._words: dict[tuple[Key, ...], Dictionary] = {}

    def beat(self, at: Instant, to: Destination) -> None:
        """Send one pulse, once; whatever becomes of it is counted."""
        status = self._now()
        at_ms = at.wall_ms
        if status is None or at_ms is None or at_ms <= self._last_ms:
            # No time to say it under: a time that was already used has another value.
            self._count("skipped")
            return
        self._last_ms = at_ms
        try:
            to.send(self._batch(at, numbers(status, at_ms, self._pace.of(status, at))))
        except CollectorError as why:
            log.debug("pulse to %s: %s", self._name, why)
            self._count("failed")
        else:
            self._count("taken")

    def _batch(self, at: Instant, values: Mapping[Key, float]) -> Batch:
        self._seq += 1
        words = self._dictionary(tuple(values))
        one = frame.frame(words.id, self._lineage, self._seq, [at], [row(list(values.values()))])
        return Batch(words, (one,), None)

    def _dictionary(self, keys: tuple[Key, ...]) -> Dictionary:
        known = self._words.get(keys)
        if known is None:
            ids = [self._series.intern(catalog.PULSE[name].family, dict(of)) for name, of in keys]
            known = dictionary.build(self._stream, [self._table[one] for one in ids])
            self._words = {keys: known}
        return known

    def _count(self, result: str) -> None:
        self._telemetry.add("edgevitals_sink_pulses_total", sink=self._name, result=result)


class Pace:
    """How fast backlogs shrink, from the pulses of the last minutes."""

    def __init__(self) -> None:
        self._points: dict[str, deque[tuple[int, int]]] = {}

    def of(self, status: Status, at: Instant) -> Mapping[str, float]:
        """Return the seconds until a pump is done, by its name; none where it can't be said."""
        found: dict[str, float] = {}
        for pump in status.pumps:
            points = self._points.setdefault(pump.name, deque(maxlen=_POINTS))
            if pump.backlog_rounds is None:
                continue
            if not pump.backlog_rounds:
                points.clear()
                found[pump.name] = 0.0
                continue
            points.append((at.monotonic_ms, pump.backlog_rounds))
            first_ms, first = points[0]
            drained = first - pump.backlog_rounds
            if drained > 0:
                elapsed_s = (at.monotonic_ms - first_ms) / 1000
                found[pump.name] = pump.backlog_rounds * elapsed_s / drained
        return found


def numbers(status: Status, at_ms: int, eta_s: Mapping[str, float]) -> Mapping[Key, float]:
    """Return what a pulse says, under the names of the catalogue."""
    up = sum(target.up for target in status.targets)
    values: dict[Key, float] = {
        ("edgevitals_pulse_timestamp_seconds", ()): at_ms / 1000,
        ("edgevitals_pulse_targets", (("state", "up"),)): up,
        ("edgevitals_pulse_targets", (("state", "down"),)): len(status.targets) - up,
    }
    newest = max((stream.last_at for stream in status.streams if stream.last_at), default=None)
    if newest is not None:
        values["edgevitals_pulse_round_timestamp_seconds", ()] = newest
    if status.spool is not None:
        values["edgevitals_pulse_degraded", ()] = not status.spool.writable
    for pump in status.pumps:
        of = (("pump", pump.name),)
        for state in catalog.PUMP_STATES:
            key = ("edgevitals_pulse_pump_state", (*of, ("state", state)))
            values[key] = pump.state == state
        if pump.backlog_rounds is not None:
            values["edgevitals_pulse_backlog_rounds", of] = pump.backlog_rounds
        if pump.backlog_rounds and pump.oldest_at is not None:
            values["edgevitals_pulse_oldest_timestamp_seconds", of] = pump.oldest_at
        if pump.name in eta_s:
            values["edgevitals_pulse_eta_seconds", of] = eta_s[pump.name]
    return values
