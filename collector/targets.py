"""Every configured source as a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from collector.admin.client import Admin
from collector.config import Config
from collector.series import SeriesTable, TargetSeries
from collector.target import Source, Target
from collector.telemetry import Telemetry


def targets(
    config: Config,
    table: SeriesTable,
    labels: Mapping[str, str],
    admin: Admin,
    telemetry: Telemetry,
) -> list[Target]:
    """Every configured source as a target, under the labels that Prometheus would give it."""
    node = labels["node"]
    found = []

    def add(job: str, instance: str, build: Callable[[TargetSeries], Source]) -> None:
        series = TargetSeries(table, {**labels, "job": job, "instance": instance})
        found.append(Target(job, instance, build(series), series))

    sources = config.sources
    for jmx in sources.jmx:
        from collector.names.rules import load_rules  # noqa: PLC0415
        from collector.sources.jmx_target import jmx_source  # noqa: PLC0415

        rules = load_rules(list(map(str, jmx.names)))
        add(jmx.job, jmx.target_instance, partial(jmx_source, jmx, rules))
    if sources.host:
        from collector.sources.host import HostSource  # noqa: PLC0415
        from collector.sources.host_paths import host_paths  # noqa: PLC0415

        paths = host_paths(sources.host.proc, sources.host.sys, sources.host.root)
        add(sources.host.job, sources.host.instance or node, partial(HostSource, paths=paths))
    if sources.kafka:
        from collector.sources.kafka import KafkaSource  # noqa: PLC0415

        groups, topics = sources.kafka.groups, sources.kafka.topics
        instance = sources.kafka.instance or node
        add(sources.kafka.job, instance, lambda s: KafkaSource(admin, s, groups, topics))
    for page in sources.scrape:
        from collector.sources.scrape import ScrapeSource  # noqa: PLC0415

        add(page.job, page.target_instance, partial(ScrapeSource, page, telemetry))
    return found
