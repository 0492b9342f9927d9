"""One model over all kinds of links: state, lag, time to catch up, time to data loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from collector import catalog
from collector.cluster.view import TopicView, View
from collector.derive.loss import time_to_loss
from collector.derive.rates import Growth
from collector.derive.totals import whole_sum
from collector.series import TargetSeries
from collector.sources.links.reading import LinkReading, State, Topic

Values = dict[int, float]

RATE_WINDOW_S = 120.0


class Lag(NamedTuple):
    """How far one topic is behind, the worst of its partitions; None for what nobody can tell."""

    records: float | None
    seconds: float | None
    to_loss_s: float | None


class LinkModel:
    """Makes series of one link; keeps since when it is as it is, and how fast it goes."""

    def __init__(self, series: TargetSeries, name: str, kind: str) -> None:
        self._series = series
        self._labels = {"link": name, "kind": kind}
        self._state: State | None = None
        self._since = 0.0
        self._positions: dict[str, dict[int, int]] = {}
        self._progress: dict[str, Growth] = {}
        self._inflow: dict[str, Growth] = {}

    def values(self, found: LinkReading, view: View, topics: Mapping[str, TopicView]) -> Values:
        """Return what a round holds of the link.

        `topics` are those of the source that are ours; none at the target, where there is nothing
        to hold positions against.
        """
        values: Values = {}
        self._add_state(values, found, view.at)
        for name in topics.keys() | found.topics.keys():
            told = found.topics.get(name, Topic())
            of_topic: dict[str, float | None] = {
                "edgevitals_link_bytes_per_second": told.bytes_per_second,
                "edgevitals_link_record_age_seconds": told.age_s,
                "edgevitals_link_latency_seconds": told.latency_s,
                "edgevitals_link_lost_records_total": found.lost.get(name),
            }
            topic = topics.get(name)
            if topic is None:
                lags = told.lags
                of_topic["edgevitals_link_lag_records"] = sum(lags.values()) if lags else told.lag
            else:
                of_topic |= self._against(topic, told, view)
            for metric, value in of_topic.items():
                if value is not None:
                    values[self._id(metric, topic=name)] = value
        return values

    def _add_state(self, values: Values, found: LinkReading, now: float) -> None:
        if found.state is not self._state:
            self._state, self._since = found.state, now
            self._progress.clear()  # how fast it went in a cut says nothing of now
        for state in State:
            values[self._id("edgevitals_link_state", state=state)] = float(state is found.state)
        if found.state in (State.CONNECTED, State.DISCONNECTED):
            metric = f"edgevitals_link_{found.state}_since_timestamp_seconds"
            values[self._id(metric)] = self._since
        for task, count in found.tasks.items():
            values[self._id("edgevitals_link_tasks", state=task)] = count
        for what in found.failures:
            values[self._id("edgevitals_link_failures", what=what)] = 1
        if found.checkpoint_latency_s is not None:
            metric = "edgevitals_link_checkpoint_latency_seconds"
            values[self._id(metric)] = found.checkpoint_latency_s
        if found.bytes_per_second is not None:
            values[self._id("edgevitals_link_bytes_per_second")] = found.bytes_per_second
        if found.max_lag is not None:
            values[self._id("edgevitals_link_max_lag_records")] = found.max_lag

    def _against(self, topic: TopicView, told: Topic, view: View) -> dict[str, float | None]:
        """What positions and the source's logs say together."""
        positions = self._where(topic, told)
        lag = _lag(topic, positions, view)
        return {
            "edgevitals_link_position_known": float(positions.keys() >= topic.logs.keys()),
            "edgevitals_link_lag_records": told.lag if lag.records is None else lag.records,
            "edgevitals_link_lag_seconds": lag.seconds,
            "edgevitals_link_time_to_loss_seconds": lag.to_loss_s,
            "edgevitals_link_catch_up_seconds": self._catch_up(topic, positions, lag, view.at),
        }

    def _where(self, topic: TopicView, told: Topic) -> Mapping[int, int]:
        """The positions; those of a while ago where the link tells none now.

        A link that is cut says nothing of where it is, and has not moved. Only what it told itself
        is kept: after a restart of ours during a cut nobody knows.
        """
        known = self._positions.setdefault(topic.name, {})
        if told.positions is not None:
            known |= told.positions
        elif told.lags is not None:
            known |= {
                partition: max(0, log.end - int(told.lags[partition]))
                for partition, log in topic.logs.items()
                if log.end is not None and partition in told.lags
            }
        return known

    def _catch_up(
        self, topic: TopicView, positions: Mapping[int, int], lag: Lag, now: float
    ) -> float | None:
        """Seconds until there is no lag, as fast as it shrinks now; None while it does not."""
        if lag.records is None:
            return None
        progress = self._progress.setdefault(topic.name, Growth(RATE_WINDOW_S))
        inflow = self._inflow.setdefault(topic.name, Growth(RATE_WINDOW_S))
        progress.note(sum(positions.values()), now)
        inflow.note(sum(log.end for log in topic.logs.values() if log.end is not None), now)
        if lag.records == 0:
            return 0.0
        fast, more = progress.per_second(), inflow.per_second()
        if fast is None or more is None or fast <= more:
            return None
        return lag.records / (fast - more)

    def _id(self, metric: str, **labels: str) -> int:
        return self._series.intern(catalog.OWN[metric].family, self._labels | labels)


def _lag(topic: TopicView, positions: Mapping[int, int], view: View) -> Lag:
    kept = view.retention_of(topic.name)
    records: list[int | None] = []
    seconds: list[float] = []
    losses: list[float] = []
    for partition, log in topic.logs.items():
        position = positions.get(partition)
        if position is None or log.end is None:
            records.append(None)
            continue
        records.append(max(0, log.end - position))
        stand = view.position(topic.name, partition, position, log)
        if stand.age_s is not None:
            seconds.append(stand.age_s)
        loss = time_to_loss(kept, stand)
        if loss is not None:
            losses.append(loss)
    return Lag(whole_sum(records), max(seconds, default=None), min(losses, default=None))
