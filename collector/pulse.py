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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from threading import Event
from typing import Protocol

from collector import catalog, clock
from collector.admin.client import Admin
from collector.config import Config, SinkConfig
from collector.errors import CollectorError, Rejected
from collector.flow.foresight import Greeted
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, Destination
from collector.frames import dictionary, frame
from collector.frames.columns import row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Instant, Lineage
from collector.horizon import Horizon
from collector.line import TIER, destinations_of
from collector.rooms import Room
from collector.security.credentials import kafka_properties
from collector.series import SeriesTable, TargetSeries
from collector.status.model import Status
from collector.telemetry import Key, Telemetry

PULSE_TIER = "pulse"
"""Of the stream that pulses travel in. It has no marks: nothing of it is ever missing."""

COUNTER = "edgevitals_sink_pulses_total"

LONGEST_SEND_S = 10.0
READ_S = 1.0


log = logging.getLogger(__name__)


def pulses(
    config: Config,
    labels: Callable[[], Mapping[str, str]],
    now: Callable[[], Status | None],
    telemetry: Telemetry,
    admin: Admin,
) -> Iterator[tuple[str, Room]]:
    """Yield a room for each way that the pulse takes, and its name.

    To each sink that may have one; into a topic where a linker carries the data; and what sites
    put into their topics goes on to a forwarder's sinks. `now` says how things stand, None while
    the clock is not known to be right. `labels` are the site's, at present.
    """
    interval_s = config.interval_of(TIER)
    for sink in filter(gets_pulse, config.sinks):
        pulse = Pulse(sink.name, labels, now, telemetry)
        yield f"pulse-{sink.name}", _room(pulse, partial(_door, sink, interval_s), interval_s)
        if config.is_forwarder:
            yield f"pulses-{sink.name}", partial(_pass_on, config, sink, interval_s, telemetry)
    if config.topic is not None and not config.sinks:
        pulse = Pulse("topic", labels, now, telemetry)
        yield "pulse-topic", _room(pulse, partial(_topic, config, admin), interval_s)


def gets_pulse(sink: SinkConfig) -> bool:
    """Whether a sink may have one: see above."""
    return sink.pulse and sink.out_of_order_time_window > 0


class Door(Destination, Protocol):
    """Where pulses go, as long as a room lives."""

    def close(self) -> None: ...


class Timely:
    """Lets no pulse from the future through: for one the receiver may refuse everybody's rest."""

    def __init__(self, door: Door, horizon: Horizon) -> None:
        self._door = door
        self._horizon = horizon

    def send(self, batch: Batch) -> Sequence[Withheld]:
        if not self._horizon.has_answered and isinstance(self._door, Greeted):
            self._door.greet()  # ours may be the wrong clock
        latest_ms = self._horizon.latest_ms()
        newest_ms = max(at.wall_ms or 0 for frame in batch.frames for at in frame.at)
        if latest_ms is None or newest_ms > latest_ms:
            raise Rejected("this pulse lies in the future", "set the clock", reason="future")
        return self._door.send(batch)

    def close(self) -> None:
        self._door.close()


def _door(sink: SinkConfig, interval_s: float) -> Door:
    # Beside `rate_limit`: some hundred bytes an interval, and late they are worth nothing.
    deadline_s, horizon = min(LONGEST_SEND_S, interval_s), Horizon()
    (door,) = destinations_of(sink, deadline_s=deadline_s, is_limited=False, horizon=horizon)
    return Timely(door, horizon)


def _topic(config: Config, admin: Admin) -> Door:
    from collector.topic.pulse import PulseTopic  # noqa: PLC0415 - librdkafka is large

    return PulseTopic(config.pulse_topic_name or "", kafka_properties(config), admin)


def _room(pulse: Pulse, open_door: Callable[[], Door], interval_s: float) -> Room:
    def run(stop: Event) -> None:
        with closing(open_door()) as door:
            for tick in clock.ticks(interval_s, stop):
                pulse.beat(tick.at, door)

    return run


def _pass_on(
    config: Config, sink: SinkConfig, interval_s: float, telemetry: Telemetry, stop: Event
) -> None:
    """The room that sends the newest pulse of each node on to a sink."""
    from collector.topic.pulse import PulseReader  # noqa: PLC0415 - librdkafka is large

    topic, group = config.pulse_topic_name or "", f"edgevitals.{sink.name}.pulse"
    reader = PulseReader(topic, kafka_properties(config), group, PULSE_TIER)
    with closing(reader), closing(_door(sink, interval_s)) as door:
        while not stop.is_set():
            dropped = reader.newest.dropped
            for heard in reader.read(READ_S):
                _send(heard.batch(), door, sink.name, telemetry)
            dropped = reader.newest.dropped - dropped
            if dropped:
                telemetry.add(COUNTER, dropped, sink=sink.name, result="dropped")


def _send(batch: Batch, door: Destination, name: str, telemetry: Telemetry) -> None:
    """Send a pulse, once; whatever becomes of it is counted."""
    try:
        door.send(batch)
    except CollectorError as why:
        log.debug("pulse to %s: %s", name, why)
        telemetry.add(COUNTER, sink=name, result="failed")
    else:
        telemetry.add(COUNTER, sink=name, result="taken")


class Pulse:
    """Says how things stand, each time in a frame of one round. Belongs to one thread."""

    def __init__(
        self,
        name: str,
        labels: Callable[[], Mapping[str, str]],
        now: Callable[[], Status | None],
        telemetry: Telemetry,
    ) -> None:
        self._name = name
        self._now = now
        self._telemetry = telemetry
        self._labels = labels
        of_site = labels()
        self._stream = Stream(of_site["site"], of_site["node"], PULSE_TIER)
        self._table = SeriesTable()
        epoch = int.from_bytes(os.urandom(8), "big") >> 1
        self._lineage = Lineage(epoch, epoch, None, clock.boot_id())
        self._seq = 0
        self._last_ms = 0
        self._words: tuple[object, Dictionary] | None = None

    def beat(self, at: Instant, to: Destination) -> None:
        """Send one pulse, once."""
        status = self._now()
        at_ms = at.wall_ms
        if status is None or at_ms is None or at_ms <= self._last_ms:
            # No time to say it under: a time that was already used has another value.
            self._telemetry.add(COUNTER, sink=self._name, result="skipped")
            return
        self._last_ms = at_ms
        batch = self._batch(at, numbers(status, at_ms))
        _send(batch, to, self._name, self._telemetry)

    def _batch(self, at: Instant, values: Mapping[Key, float]) -> Batch:
        self._seq += 1
        words = self._dictionary(tuple(values))
        one = frame.frame(words.id, self._lineage, self._seq, [at], [row(list(values.values()))])
        return Batch(words, (one,), None)

    def _dictionary(self, keys: tuple[Key, ...]) -> Dictionary:
        of_site = {**self._labels()}
        made_of = keys, of_site
        if self._words is None or self._words[0] != made_of:
            own = {**of_site, "job": "edgevitals", "instance": self._stream.node}
            series = TargetSeries(self._table, own)
            ids = [series.intern(catalog.PULSE[name].family, dict(of)) for name, of in keys]
            words = dictionary.build(self._stream, [self._table[one] for one in ids])
            self._words = made_of, words
        return self._words[1]


def numbers(status: Status, at_ms: int) -> Mapping[Key, float]:
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
        if pump.eta_seconds is not None:
            values["edgevitals_pulse_eta_seconds", of] = pump.eta_seconds
    return values
