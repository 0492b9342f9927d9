"""The keys of links: what carries topics to another cluster."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from collector.config.scalars import (
    HttpUrl,
    Pattern,
    PlainName,
    TopicName,
    Word,
    one_of,
)
from collector.config.sources import JmxAccess

LINK_JOB = "edgevitals_link"
"""The job label of links."""

LinkKind = Literal["mirrormaker2", "cluster_link"]
LINK_KINDS: tuple[LinkKind, ...] = ("mirrormaker2", "cluster_link")
LinkSide = Literal["source", "target"]
LINK_SIDES: tuple[LinkSide, ...] = ("source", "target")


class LinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A link: MirrorMaker 2 or a Cluster Link."""

    name: Annotated[
        PlainName,
        Meta(description="The label link; of a cluster link the name that Kafka knows it by."),
    ]
    kind: Annotated[
        LinkKind,
        Word("kind", "mirrormaker2", one_of(*LINK_KINDS)),
        Meta(description="What carries the topics."),
    ]
    topics: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Topics that must arrive: patterns of whole names, as the source has them."
        ),
    ] = (".*",)
    jmx: Annotated[
        tuple[JmxAccess, ...],
        Meta(
            description="JVMs that tell of it: MirrorMaker's or Connect's workers; of a cluster "
            "link the brokers that have it."
        ),
    ]
    side: Annotated[
        LinkSide,
        Word("side", "source", one_of(*LINK_SIDES)),
        Meta(
            description="Which cluster `kafka` is: the one that the topics come from, or the one "
            "that they go to. Lag in seconds and time to loss are known at the source alone."
        ),
    ] = "source"
    source: Annotated[
        PlainName | None,
        Meta(description="MirrorMaker's alias of the source; any if left out."),
    ] = None
    target: Annotated[
        PlainName | None,
        Meta(description="MirrorMaker's alias of the target; any if left out."),
    ] = None
    connect: Annotated[
        HttpUrl | None,
        Meta(
            description="Connect's REST interface, with the connector: "
            "http://HOST:8083/connectors/NAME. It tells how far the mirror has come."
        ),
    ] = None
    offset_syncs: Annotated[
        TopicName | None,
        Meta(
            description="MirrorMaker's topic of offset syncs, which tells how far the mirror has "
            "come; our user needs Read on this one topic. Not read if left out."
        ),
    ] = None
