"""Every metric that this program emits of itself, and those that the shipped alerts read.

Names here are a promise to the dashboards and rules of others: they are never changed and never
given another meaning, only added. Boards, alert rules and docs are checked against this package.

Labels are those of the metric alone. Every series has `site`, `node`, `job` and `instance` too,
and the `labels:` of the configuration. Units are base units and stand at the end of the name;
counters end in `_total`. `unit` is what OpenMetrics and OTLP call so, and empty for plain numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

from collector.catalog.cluster import DISKS, GROUPS, TOPICS
from collector.catalog.delivery import PUMP_STATES, PUMPS, SINKS, TOPIC
from collector.catalog.itself import COMPLETENESS, PROCESS, SPOOL
from collector.catalog.limits import LIMITS, READ_BY_ALERTS, Limit
from collector.catalog.links import LINKS
from collector.catalog.metric import Metric, Tier
from collector.catalog.pulse import PULSE as _PULSE
from collector.catalog.settings import SETTINGS
from collector.catalog.sources import (
    CERTIFICATES,
    CGROUP,
    JMX,
    KAFKA,
    OTLP,
    SCRAPE,
    TARGETS,
    THROTTLED,
)

__all__ = ["LIMITS", "METRICS", "OWN", "PULSE", "PUMP_STATES", "Limit", "Metric", "Tier"]


def _by_name(metrics: Iterable[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


OWN = _by_name(
    (
        *(*COMPLETENESS, *TARGETS, *SPOOL, *PUMPS, *TOPIC, *SINKS, *PROCESS),
        *(*JMX, *KAFKA, *TOPICS, *DISKS, *GROUPS, *SETTINGS, *LINKS, *SCRAPE, *OTLP),
        *(*CGROUP, *THROTTLED, *CERTIFICATES),
    )
)
"""What this program emits of itself and of its targets."""

PULSE = _by_name(_PULSE)
"""What is sent beside the rounds, as of now."""

METRICS = {**OWN, **PULSE, **_by_name(READ_BY_ALERTS)}
"""`OWN`, `PULSE`, and what the shipped alerts read of others."""
