"""Every configured source as a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from collector.admin.client import Admin
from collector.cluster.own_broker import Logs, OwnBroker
from collector.cluster.reading import Cluster, Patterns
from collector.config import LINK_JOB, Config, HostConfig, KafkaConfig
from collector.config.checks import OWN_JOB
from collector.credentials import kafka_properties
from collector.series import SeriesTable, TargetSeries
from collector.sources.host_paths import host_paths
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
    host = sources.host or HostConfig()
    paths = host_paths(host.proc, host.sys, host.root)
    if sources.host:
        from collector.sources.host import HostSource  # noqa: PLC0415

        add(host.job, host.instance or node, partial(HostSource, paths=paths))
    one_cluster = cluster(config, admin)
    if sources.kafka:
        from collector.sources.kafka import KafkaSource  # noqa: PLC0415

        kafka, reader = sources.kafka, one_cluster.reader()
        add(kafka.job, kafka.instance or node, lambda s: KafkaSource(reader, s, kafka, paths.root))
    for link in config.links:
        from collector.sources.links.kinds import link_source  # noqa: PLC0415

        properties = partial(kafka_properties, config)
        add(LINK_JOB, link.name, partial(link_source, link, one_cluster.reader(), properties))
    for page in sources.scrape:
        from collector.sources.scrape import ScrapeSource  # noqa: PLC0415

        add(page.job, page.target_instance, partial(ScrapeSource, page, telemetry))
    if sources.certificates:
        from collector.sources.certificate_places import (  # noqa: PLC0415
            configured_files,
            configured_listeners,
        )
        from collector.sources.certificates import CertificatesSource  # noqa: PLC0415

        own = sources.certificates
        files, listeners = [*own.files], [*own.listeners]
        if own.configured:
            files += configured_files(config)
            listeners += configured_listeners(config)
        longest = own.longest_disconnection
        add(
            own.job,
            own.instance or node,
            lambda s: CertificatesSource(s, files, listeners, longest),
        )
    if sources.otlp:  # the last: no sender may speak for another target
        from collector.sources.otlp import OtlpSource  # noqa: PLC0415

        otlp = sources.otlp
        taken = {(OWN_JOB, node), *((one.job, one.instance) for one in found)}
        add(
            otlp.job,
            otlp.instance or node,
            lambda s: OtlpSource(otlp, telemetry, s, taken),
        )
    return found


def cluster(config: Config, admin: Admin) -> Cluster:
    """The cluster of `kafka`, as much of it as is ours."""
    kafka = config.sources.kafka or KafkaConfig(groups=(), topics=())
    linked = [topic for link in config.links if link.side == "source" for topic in link.topics]
    patterns = Patterns(
        kafka.groups, (*kafka.topics, *linked), kafka.exclude_groups, kafka.exclude_topics
    )
    jvms = [jmx for jmx in config.sources.jmx if jmx.engine == "native"]
    if kafka.scope == "cluster" or not jvms:
        return Cluster(admin, patterns)
    from collector.sources.jmx_target import jmx_target  # noqa: PLC0415

    return Cluster(admin, patterns, OwnBroker([jmx_target(jmx).client(Logs()) for jmx in jvms]))
