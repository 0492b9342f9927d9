"""What a kind of link has to tell; `model` makes all of `edgevitals_link_*` of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from collector.cluster.view import TopicView


class State(StrEnum):
    """A link that is cut is disconnected, which is an edge's daily life; broken needs a person."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    PAUSED = "paused"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Topic(NamedTuple):
    """One topic of a link, by the name that it has at the source.

    `positions` is the next offset of the source to be mirrored, by partition: None where nobody on
    this side can know. `lags` is in records, where the link tells
    that instead: positions are made of it and of the source's end offsets. `age_s` is how old the
    record that was carried last was when it was read, `latency_s` when it was at the target.
    """

    positions: Mapping[int, int] | None = None
    lags: Mapping[int, float] | None = None
    bytes_per_second: float | None = None
    age_s: float | None = None
    latency_s: float | None = None
    lag: float | None = None
    """Records of the whole topic, where the link tells that and not by partition."""


class LinkReading(NamedTuple):
    """A link as it is now. `lost` is how many records it has skipped since we began to look."""

    state: State
    topics: Mapping[str, Topic]
    lost: Mapping[str, int] = {}
    checkpoint_latency_s: float | None = None
    tasks: Mapping[str, int] = {}
    """Tasks by what they are: running, paused, failed, ..."""

    failures: Mapping[str, str] = {}
    """What could not be read, with why; the rest stands."""

    bytes_per_second: float | None = None
    """Of the whole link, where it doesn't tell that by topic."""

    max_lag: float | None = None
    """Records that the worst partition is behind, by the link's own count."""


class Link(Protocol):
    """One link of some kind."""

    def read(self, topics: Mapping[str, TopicView], deadline: float) -> LinkReading:
        """Read it once; `topics` are those of the source that must arrive, none at the target.

        Raises SourceError when nothing of it can be read.
        """
        ...

    def close(self) -> None:
        """Give back what is held. Never raises."""
        ...
