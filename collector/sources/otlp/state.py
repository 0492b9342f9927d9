"""The last value of every series that was sent, until a round takes it.

A point is taken once: one that is not newer than the last of its series changes nothing. Deltas are
added up from their first sight on, so what a round sees of them only ever rises; when a series was
not sent for `stale_after`, it is forgotten and ends.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

from collector.errors import SourceError
from collector.series import MAX_TARGET_SERIES, Family, Kind, TargetSeries
from collector.sources.otlp import names
from collector.sources.otlp.points import (
    CUMULATIVE,
    DELTA,
    NO_VALUE,
    Attributes,
    Group,
    Metric,
    Point,
)

HELP_CHARACTERS = 1024
MOST_RESOURCES = 1000

_WHAT_TO_DO = {
    "exponential": "exponential histograms are not taken: choose explicit buckets",
    "temporality": "a sum or histogram says neither delta nor cumulative",
    "malformed": "a point has no value, no usable name, or buckets that don't fit together",
    "order": "older than what came before",
    "overlap": "two senders share one identity: give each a service.instance.id",
    "duplicate": "another metric has the same name and labels in Prometheus",
    "labels": "too many labels, or too long ones: raise label_limit or label_value_length_limit",
    "series": "too many series: raise series_limit, or send fewer attributes",
    "reserved": "the name belongs to the collector itself",
}
"""Why a point is refused, and what a person can do."""

Key = tuple[Attributes, Attributes, str, str, Attributes]
"""Resource, scope, name, what it is, and the point's own attributes."""


class Limits(NamedTuple):
    """What may be kept; lengths in bytes."""

    series: int
    labels: int
    value_bytes: int
    stale_after_s: float


class Taken(NamedTuple):
    """What became of a request's points, by reason where they were not taken."""

    points: int
    refused: Counter[str]

    @property
    def rejected(self) -> int:
        """What the sender is told."""
        return sum(number for reason, number in self.refused.items() if reason != "repeat")

    @property
    def message(self) -> str:
        told = [reason for reason in _WHAT_TO_DO if self.refused[reason]]
        return "; ".join(f"{self.refused[why]} {why}: {_WHAT_TO_DO[why]}" for why in told)


class _Refused(Exception):  # noqa: N818 - a point, with its reason
    pass


class _Stream:
    """One series of the sender: several of Prometheus for a histogram."""

    def __init__(
        self, ids: Sequence[int], values: Sequence[float], bounds: Sequence[float], *, has_sum: bool
    ) -> None:
        self.ids = ids
        self.values = values
        self.bounds = bounds
        self.has_sum = has_sum
        self.time = 0
        self.start = 0
        self.seen_at = 0.0


class State:
    """All that was sent. The receiver's threads give, the round's takes."""

    def __init__(
        self,
        series: TargetSeries,
        limits: Limits,
        is_taken: Callable[[tuple[str, str]], bool] = lambda _: False,
        reserved: frozenset[int] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_taken` tells the job and instance of others, for which no sender can speak."""
        self._series = series
        self._limits = limits
        self._is_taken = is_taken
        self._reserved = reserved
        self._clock = clock
        self._streams: dict[Key, _Stream] = {}
        self._owners: dict[int, _Stream] = {}
        self._ever: set[int] = set()
        self._resources: dict[Attributes, tuple[TargetSeries, dict[str, str]]] = {}
        self._changing = Lock()

    def take(self, groups: Sequence[Group]) -> Taken:
        """Keep what a request says; never raises."""
        refused: Counter[str] = Counter()
        taken = 0
        with self._changing:
            now = self._clock()
            for group in groups:
                told = 0
                for metric in group.metrics:
                    if metric.refused:
                        refused["exponential"] += metric.refused
                    for point in metric.points:
                        try:
                            self._point(group, metric, point, now)
                        except _Refused as why:
                            refused[str(why)] += 1
                        else:
                            told += 1
                if told:
                    self._target_info(group.resource, now)
                    taken += told
        return Taken(taken, refused)

    def last(self) -> tuple[list[int], list[float]]:
        """The last value of each series that was sent lately; no id twice."""
        series: list[int] = []
        values: list[float] = []
        with self._changing:
            self._forget(self._clock() - self._limits.stale_after_s)
            for stream in self._streams.values():
                series += stream.ids
                values += stream.values
        return series, values

    def _forget(self, before: float) -> None:
        for key in [key for key, one in self._streams.items() if one.seen_at < before]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        stream = self._streams.pop(key, None)
        for one in stream.ids if stream else ():
            del self._owners[one]

    def _point(self, group: Group, metric: Metric, point: Point, now: float) -> None:
        key = (group.resource, group.scope, metric.name, metric.what, point.attributes)
        stream = self._streams.get(key)
        if point.flags & NO_VALUE:
            if stream and (not point.time or point.time >= stream.time):
                self._drop(key)
            return
        is_summed = metric.what in {"sum", "histogram"}
        if is_summed and metric.temporality not in {DELTA, CUMULATIVE}:
            raise _Refused("temporality")
        values = _values(metric, point)
        is_delta = is_summed and metric.temporality == DELTA
        if is_delta and not all(map(math.isfinite, values)):
            raise _Refused("malformed")  # it would stay in the sum for ever
        if stream:
            _newer(stream, point, is_delta=is_delta)
            if (stream.bounds, stream.has_sum) != (point.bounds, point.sum is not None):
                self._drop(key)
                stream = None
        if stream is None:
            stream = self._new(key, group, metric, point)
            stream.values = values
        elif is_delta:
            stream.values = [a + b for a, b in zip(stream.values, values, strict=True)]
        else:
            stream.values = values
        stream.time, stream.start, stream.seen_at = point.time, point.start, now

    def _new(self, key: Key, group: Group, metric: Metric, point: Point) -> _Stream:
        target, more = self._target(group.resource)
        name = names.metric_name(metric)
        if not name:
            raise _Refused("malformed")
        own = {**names.labels((*group.scope, *point.attributes)), **more}
        self._check(name, own)
        family = Family(name, _kind(metric), "", metric.help[:HELP_CHARACTERS])
        ids = self._interned(target, _parts(metric, point, family, own))
        stream = _Stream(ids, (), point.bounds, has_sum=point.sum is not None)
        self._streams[key] = stream
        self._owners.update(dict.fromkeys(ids, stream))
        return stream

    def _interned(
        self, target: TargetSeries, parts: Sequence[tuple[Family, dict[str, str], str]]
    ) -> list[int]:
        if len(self._owners) + len(parts) > self._limits.series:
            raise _Refused("series")
        if len(self._ever) + len(parts) > MAX_TARGET_SERIES:
            raise _Refused("series")  # since the start; the others keep their room
        try:
            ids = [target.intern(*part) for part in parts]
        except SourceError:
            raise _Refused("series") from None
        self._ever.update(ids)
        if not self._reserved.isdisjoint(ids):
            raise _Refused("reserved")
        if any(one in self._owners for one in ids) or len(set(ids)) < len(ids):
            raise _Refused("duplicate")
        return ids

    def _check(self, name: str, own: dict[str, str]) -> None:
        limits = self._limits
        if len(own) > limits.labels:
            raise _Refused("labels")
        for text in (name, *own, *own.values()):
            if len(text) * 4 > limits.value_bytes and (
                len(text.encode(errors="replace")) > limits.value_bytes
            ):
                raise _Refused("labels")

    def _target(self, resource: Attributes) -> tuple[TargetSeries, dict[str, str]]:
        """Under what job and instance, and labels that say so where those are another target's."""
        known = self._resources.get(resource)
        if known is None:
            job, instance = names.job_and_instance(resource)
            self._check("", {"job": job, "instance": instance})
            if len(self._resources) >= MOST_RESOURCES:
                self._resources.clear()
            under = self._series.of(job, instance)
            if self._is_taken(under.target):
                said = {"exported_job": job, "exported_instance": instance}
                known = self._series, {name: value for name, value in said.items() if value}
            else:
                known = under, {}
            self._resources[resource] = known
        return known

    def _target_info(self, resource: Attributes, now: float) -> None:
        others = names.other_attributes(resource)
        if not others or not any(names.job_and_instance(resource)):
            return
        key = (resource, (), "target", "info", ())
        stream = self._streams.get(key)
        if stream is None:
            own = names.labels(others)
            try:
                self._check("target_info", own)
                target, more = self._target(resource)
                family = Family("target_info", Kind.INFO, "", "Attributes of the sender.")
                ids = self._interned(target, [(family, {**own, **more}, "")])
            except _Refused:
                return  # the points stand without it
            stream = self._streams[key] = _Stream(ids, (1.0,), (), has_sum=False)
            self._owners[ids[0]] = stream
        stream.seen_at = now


def _newer(stream: _Stream, point: Point, *, is_delta: bool) -> None:
    """Raise _Refused for a point that says nothing new."""
    if not point.time or not stream.time:
        return
    if (point.start, point.time) == (stream.start, stream.time):
        raise _Refused("repeat")
    if point.time <= stream.time:
        raise _Refused("order")
    if is_delta and point.start and point.start < stream.time:
        raise _Refused("overlap")


def _values(metric: Metric, point: Point) -> list[float]:
    """A point's values in the order of `_parts`."""
    if metric.what in {"gauge", "sum"}:
        if not point.values:
            raise _Refused("malformed")
        return [_plain(point.values[0])]
    bounds, values, count = point.bounds, point.values, point.observed
    rest = [count] if point.sum is None else [count, _plain(point.sum)]
    if metric.what == "summary":
        return [*map(_plain, values), *rest]
    if (values and len(values) != len(bounds) + 1) or (bounds and not values):
        raise _Refused("malformed")
    if not all(map(math.isfinite, bounds)) or any(a >= b for a, b in pairwise(bounds)):
        raise _Refused("malformed")
    summed = []
    so_far = 0.0
    for one in values[:-1]:
        so_far += one
        summed.append(so_far)
    return [*summed, count, *rest]


def _plain(value: float) -> float:
    """No NaN of a sender's is the one by which Prometheus ends a series."""
    return math.nan if value != value else value  # noqa: PLR0124


def _parts(
    metric: Metric, point: Point, family: Family, own: dict[str, str]
) -> list[tuple[Family, dict[str, str], str]]:
    if metric.what in {"gauge", "sum"}:
        return [(family, own, "")]
    bounds = [names.number_label(one) for one in point.bounds]
    if metric.what == "summary":
        parts = [(family, {**own, "quantile": one}, "") for one in bounds]
    else:
        parts = [(family, {**own, "le": one}, "_bucket") for one in [*bounds, "+Inf"]]
    parts.append((family, own, "_count"))
    if point.sum is not None:
        parts.append((family, own, "_sum"))
    return parts


def _kind(metric: Metric) -> Kind:
    if metric.what == "sum":
        return Kind.COUNTER if metric.is_monotonic else Kind.GAUGE
    return {"histogram": Kind.HISTOGRAM, "summary": Kind.SUMMARY}.get(metric.what, Kind.GAUGE)
