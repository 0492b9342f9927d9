"""Time to data loss: how long Kafka still keeps the oldest record that a reader has not read.

A lower bound, as long as no more comes in than now: Kafka deletes whole closed segments, when the
newest record of one is too old, and looks every `log.retention.check.interval.ms`. The record is
gone between this time and that plus `segment.ms` plus one interval. What one bound needs and nobody
knows makes the whole unknown: the other alone could be days too late. A disk that is full loses
more than records; it has a series of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class Retention(NamedTuple):
    """A topic's settings; None where it sets no bound. `bytes` is of each partition."""

    seconds: float | None
    bytes: int | None
    policy: str

    @property
    def is_lossy(self) -> bool:
        """Whether records go by age or size. A compacted topic keeps the newest of each key.

        One that does both (compact,delete) keeps that, too, only until it is too old.
        """
        return "delete" in self.policy

    @property
    def is_compacted(self) -> bool:
        """Whether records go from between others: then bytes are in no proportion to offsets."""
        return "compact" in self.policy


class Position(NamedTuple):
    """A reader in one partition: the age in seconds of the record that it reads next.

    `age_s` is the likeliest, and `most_age_s` the highest that it can be: records that were written
    in bursts are as old as their neighbours. Both are 0 when all is read. `bytes_behind`: from that
    record to the end; `inflow`: bytes a second. None for what nobody knows.
    """

    age_s: float | None = None
    most_age_s: float | None = None
    bytes_behind: float | None = None
    inflow: float | None = None


def time_to_loss(retention: Retention | None, position: Position) -> float | None:
    """Return seconds, 0 when the record may be gone any moment; None when nobody can tell.

    By age and by size, the lesser of both. A topic without a bound, or a compacted one, loses
    nothing by retention: None as well. `retention` is None when the settings are not known.
    """
    if retention is None or not retention.is_lossy:
        return None
    bounds = []
    if retention.seconds is not None:
        bounds.append(_by_age(retention.seconds, position))
    if retention.bytes is not None:
        bounds.append(None if retention.is_compacted else _by_size(retention.bytes, position))
    known = [bound for bound in bounds if bound is not None]
    if not known or (len(known) < len(bounds) and min(known) > 0):
        return None
    soonest = max(0.0, min(known))
    return None if math.isinf(soonest) else soonest


def _by_age(seconds: float, position: Position) -> float | None:
    return None if position.most_age_s is None else seconds - position.most_age_s


def _by_size(size: int, position: Position) -> float | None:
    """Never, so far as one can see now, while nothing comes in."""
    if position.bytes_behind is None:
        return None
    room = size - position.bytes_behind
    if room <= 0:
        return 0.0
    if position.inflow is None:
        return None
    return room / position.inflow if position.inflow > 0 else math.inf


def retention(settings: Mapping[str, str]) -> Retention:
    """Return what a topic's settings say; see `collector.admin.wire.TopicConfig`."""
    ms = int(settings.get("retention.ms", -1))
    size = int(settings.get("retention.bytes", -1))
    return Retention(
        ms / 1000 if ms >= 0 else None,
        size if size >= 0 else None,
        settings.get("cleanup.policy", "delete"),
    )
