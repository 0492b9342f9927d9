"""docs/metrics.md: every metric that the collector emits of itself, from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from collector.catalog import (
    LIMITS,
    Limit,
    Metric,
    cluster,
    delivery,
    itself,
    links,
    pulse,
    settings,
    sources,
)
from docs.markdown import code, table

_INTRODUCTION = """\
<!-- Made from collector/catalog by `make docs`. -->
# Every metric of the collector's own

What it tells of itself, of its targets, and of what other exporters have no name for. Names, labels
and meanings stay as they are from the first release on: there will only be more. Every series has
`site`, `node`, `job` and `instance` too, and the `labels` of the configuration; the table names the
others. What is read under the names of jmx_exporter, node_exporter and kafka_exporter is in
[names.md](names.md), [host.md](host.md) and [groups-and-topics.md](groups-and-topics.md); which of
all these a board or a rule can have at your site says `edgevitals check --uses`.

*Tier* is the stream in which a metric travels; `every` is in each round of each tier. The unit is
the last word of the name, before `_total`: seconds, bytes or rounds; others are plain numbers."""

SECTIONS: dict[str, Iterable[Metric]] = {
    "Rounds, and what is missing": itself.COMPLETENESS,
    "Targets": sources.TARGETS,
    "Spool": itself.SPOOL,
    "Pumps: the way of the rounds": delivery.PUMPS,
    "Telemetry topic": delivery.TOPIC,
    "Sinks": delivery.SINKS,
    "The process": itself.PROCESS,
    "Source jmx": sources.JMX,
    "Source kafka": sources.KAFKA,
    "Topics": cluster.TOPICS,
    "Disks": cluster.DISKS,
    "Consumer groups": cluster.GROUPS,
    "Settings": settings.SETTINGS,
    "Links": links.LINKS,
    "Source scrape": sources.SCRAPE,
    "Source otlp": sources.OTLP,
    "The collector's own control group": sources.CGROUP,
    "The machine, throttled": sources.THROTTLED,
    "Certificates": sources.CERTIFICATES,
    "Pulse: as of now, beside the rounds": pulse.PULSE,
}
"""In the order of the page. A test compares it with the catalogue: nothing may be left out."""


def page() -> str:
    lines = [_INTRODUCTION]
    for title, metrics in SECTIONS.items():
        lines += [
            "",
            f"## {title}",
            "",
            *table(("metric", "kind", "tier", "what"), map(_row, metrics)),
        ]
    lines += ["", "## What the alerts compare with", ""]
    lines += table(("alert", "limit", "what"), map(_limit, LIMITS.values()))
    return "\n".join(lines) + "\n"


def _row(metric: Metric) -> tuple[str, str, str, str]:
    labels = f"{{{', '.join(metric.labels)}}}" if metric.labels else ""
    return code(metric.name + labels), metric.kind.name.lower(), metric.tier, metric.help


def _limit(limit: Limit) -> tuple[str, str, str]:
    return code(limit.alert), f"{limit.value:,.12g} {limit.unit}".strip(), limit.help
