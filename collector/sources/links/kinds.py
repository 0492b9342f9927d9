"""A configured link: what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from collector.cluster.reading import Reader
from collector.config import LinkConfig
from collector.http.access import Access
from collector.series import TargetSeries
from collector.sources.jmx_target import jmx_target
from collector.sources.links import cluster_link, mirrormaker2
from collector.sources.links.cluster_link import ClusterLink
from collector.sources.links.connect import Connector
from collector.sources.links.mirrormaker2 import CONNECTOR, Flow, MirrorMaker2
from collector.sources.links.offset_syncs import OffsetSyncs
from collector.sources.links.reading import Link
from collector.sources.links.source import LinkSource

REFRESH_S = 5.0
"""Tasks come and go with a link: their MBeans are looked for more often than a broker's."""


def link_source(
    link: LinkConfig,
    reader: Reader,
    kafka: Callable[[], Mapping[str, Any]],
    series: TargetSeries,
) -> LinkSource:
    """Return the source for a link. Nothing is read yet; `kafka` gives a client's properties."""
    jvms = [replace(jmx_target(jmx), refresh_s=REFRESH_S) for jmx in link.jmx]
    one: Link
    if link.kind == "cluster_link":
        brokers = [jvm.client(cluster_link.Wanted(link.name)) for jvm in jvms]
        one = ClusterLink(link.name, brokers)
    else:
        workers = [jvm.client(mirrormaker2.Wanted()) for jvm in jvms]
        connector = Connector(link.connect, Access()) if link.connect else None
        syncs = OffsetSyncs(link.offset_syncs, kafka) if link.offset_syncs else None
        name = link.connect.rstrip("/").rpartition("/")[2] if link.connect else CONNECTOR
        flow = Flow(link.source, link.target, name)
        one = MirrorMaker2(workers, flow, connector, syncs)
    return LinkSource(one, reader, series, link)
