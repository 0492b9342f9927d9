"""Every configured source as a target, under one configuration and the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from collector.admin.client import Admin
from collector.cluster.own_broker import Logs, OwnBroker
from collector.cluster.reading import Cluster, Patterns
from collector.config import LINK_JOB, Config, HostConfig, KafkaConfig, LinkConfig
from collector.config.checks import OWN_JOB
from collector.security.credentials import kafka_properties
from collector.series import SeriesTable, TargetSeries
from collector.sources.host_paths import host_paths
from collector.target import Source, Target
from collector.telemetry import Telemetry


class Targets:
    """The targets of a configuration. Those that the one before had too stay as they are.

    So they keep their sessions, their ports and what they count when SIGHUP brings another one.
    """

    def __init__(self, table: SeriesTable, admin: Admin, telemetry: Telemetry) -> None:
        self._table = table
        self._admin = admin
        self._telemetry = telemetry
        self._cluster: tuple[object, Cluster] | None = None
        self._targets: list[tuple[object, Target]] = []
        self._taken: set[tuple[str, str]] = set()

    def of(self, config: Config, labels: Mapping[str, str]) -> list[Target]:
        """Return a target for each source, under the labels that Prometheus would give it.

        Whoever has those that are wanted no longer closes them. Raises ConfigError for a rule file
        that can't be used; then nothing has changed.
        """
        read_as = (config.sources.kafka, config.sources.jmx, config.links)
        one_cluster = self._cluster
        if one_cluster is None or one_cluster[0] != read_as:
            one_cluster = read_as, cluster(config, self._admin)
        node = labels["node"]
        sources = [*_sources(config, node, one_cluster[1], self._telemetry, self._is_taken)]
        targets = [
            ((source.job, source.instance, *source.made_of, {**labels}), source)
            for source in sources
        ]
        self._cluster = one_cluster
        others = [one for one in sources if one.made_of != (config.sources.otlp,)]
        self._taken = {(OWN_JOB, node), *((one.job, one.instance) for one in others)}
        self._targets = [
            (key, self._known(key) or self._built(source, labels)) for key, source in targets
        ]
        return [target for _, target in self._targets]

    def _is_taken(self, target: tuple[str, str]) -> bool:
        """Whether a job and instance are a target's, so that no sender may speak for it."""
        return target in self._taken

    def _known(self, key: object) -> Target | None:
        return next((target for known, target in self._targets if known == key), None)

    def _built(self, source: _Source, labels: Mapping[str, str]) -> Target:
        own = {**labels, "job": source.job, "instance": source.instance}
        series = TargetSeries(self._table, own)
        return Target(source.job, source.instance, source.build(series), series)


class _Source(NamedTuple):
    """A source as it is configured. Two that are made of the same read the same."""

    job: str
    instance: str
    made_of: tuple[object, ...]
    build: Callable[[TargetSeries], Source]


def _sources(
    config: Config,
    node: str,
    one_cluster: Cluster,
    telemetry: Telemetry,
    is_taken: Callable[[tuple[str, str]], bool],
) -> Iterator[_Source]:
    yield from _jvms(config)
    yield from _host(config, node)
    yield from _kafka(config, node, one_cluster)
    yield from _links(config, one_cluster)
    yield from _pages(config, telemetry)
    yield from _certificates(config, node)
    yield from _otlp(config, node, telemetry, is_taken)


def _jvms(config: Config) -> Iterator[_Source]:
    for jmx in config.sources.jmx:
        from collector.names.rules import PROFILES, load_rules  # noqa: PLC0415
        from collector.sources.jmx_target import jmx_source  # noqa: PLC0415

        names = list(map(str, jmx.names))
        rules = load_rules(names)
        # A file may say something else by now. No rule equals another: then it is a new target.
        made_of = (jmx,) if {*names} <= {*PROFILES} else (jmx, rules)
        yield _Source(jmx.job, jmx.target_instance, made_of, partial(jmx_source, jmx, rules))


def _host(config: Config, node: str) -> Iterator[_Source]:
    if host := config.sources.host:
        from collector.sources.host import HostSource  # noqa: PLC0415

        paths = host_paths(host.proc, host.sys, host.root)
        build = partial(HostSource, paths=paths)
        yield _Source(host.job, host.instance or node, (host, paths), build)


def _kafka(config: Config, node: str, one_cluster: Cluster) -> Iterator[_Source]:
    if kafka := config.sources.kafka:
        from collector.sources.kafka import KafkaSource  # noqa: PLC0415

        host = config.sources.host or HostConfig()
        root = host_paths(host.proc, host.sys, host.root).root

        def build(series: TargetSeries) -> Source:
            return KafkaSource(one_cluster.reader(), series, kafka, root)

        yield _Source(kafka.job, kafka.instance or node, (kafka, one_cluster, root), build)


def _links(config: Config, one_cluster: Cluster) -> Iterator[_Source]:
    for link in config.links:
        from collector.sources.links.kinds import link_source  # noqa: PLC0415

        def build(series: TargetSeries, link: LinkConfig = link) -> Source:
            properties = partial(kafka_properties, config)
            return link_source(link, one_cluster.reader(), properties, series)

        yield _Source(LINK_JOB, link.name, (link, one_cluster), build)


def _pages(config: Config, telemetry: Telemetry) -> Iterator[_Source]:
    for page in config.sources.scrape:
        from collector.sources.scrape import ScrapeSource  # noqa: PLC0415

        build = partial(ScrapeSource, page, telemetry)
        yield _Source(page.job, page.target_instance, (page,), build)


def _certificates(config: Config, node: str) -> Iterator[_Source]:
    if own := config.sources.certificates:
        from collector.sources.certificate_places import (  # noqa: PLC0415
            configured_files,
            configured_listeners,
        )
        from collector.sources.certificates import CertificatesSource  # noqa: PLC0415

        files, listeners = [*own.files], [*own.listeners]
        if own.configured:
            files += configured_files(config)
            listeners += configured_listeners(config)

        def build(series: TargetSeries) -> Source:
            return CertificatesSource(series, files, listeners, own.longest_disconnection)

        yield _Source(own.job, own.instance or node, (own, files, listeners), build)


def _otlp(
    config: Config,
    node: str,
    telemetry: Telemetry,
    is_taken: Callable[[tuple[str, str]], bool],
) -> Iterator[_Source]:
    if otlp := config.sources.otlp:
        from collector.sources.otlp import OtlpSource  # noqa: PLC0415

        def build(series: TargetSeries) -> Source:
            return OtlpSource(otlp, telemetry, series, is_taken)

        yield _Source(otlp.job, otlp.instance or node, (otlp,), build)


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
