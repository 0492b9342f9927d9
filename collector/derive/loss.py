"""Time to data loss: how long Kafka still keeps the oldest record that a reader has not read.

A lower bound, as far as position and age are known: Kafka deletes whole closed segments, when the
newest record of one is too old, and looks every `log.retention.check.interval.ms`: the record is
gone between this time and that plus `segment.ms` plus one interval. Where bytes are not known, size
is left out. A disk that is full loses more than records; it has a series of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COMPACT = "compact"


class Retention(NamedTuple):
    """A topic's settings; None where it sets no bound. `bytes` is of each partition."""

    seconds: float | None
    bytes: int | None
    policy: str

    @property
    def is_lossy(self) -> bool:
        """Whether records go by age or size. A compacted topic keeps the newest of each key."""
        return "delete" in self.policy and COMPACT not in self.policy


class Position(NamedTuple):
    """A reader in one partition: the age in seconds of the record that it reads next.

    0 when it has read all. `bytes_behind`: from that record to the end; `inflow`: bytes a second.
    """

    age_s: float | None
    bytes_behind: float | None = None
    inflow: float | None = None


def time_to_loss(retention: Retention | None, position: Position) -> float | None:
    """Return seconds, 0 when the record may be gone any moment; None when nobody can tell.

    By age and by size, the lesser of both. A topic without a bound, or a compacted one, loses
    nothing by retention: None as well. `retention` is None when the settings are not known.
    """
    if retention is None or not retention.is_lossy:
        return None
    found = []
    if retention.seconds is not None and position.age_s is not None:
        found.append(retention.seconds - position.age_s)
    if retention.bytes is not None and position.bytes_behind is not None and position.inflow:
        found.append((retention.bytes - position.bytes_behind) / position.inflow)
    return max(0.0, min(found)) if found else None


def retention(settings: Mapping[str, str]) -> Retention:
    """Return what a topic's settings say; see `collector.admin.wire.TopicConfig`."""
    ms = int(settings.get("retention.ms", -1))
    size = int(settings.get("retention.bytes", -1))
    return Retention(
        ms / 1000 if ms >= 0 else None,
        size if size >= 0 else None,
        settings.get("cleanup.policy", "delete"),
    )
