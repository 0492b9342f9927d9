"""The configuration, as one frozen tree: what each key means, its kind and its default.

This file, with `sources.py`, `links.py` and `sinks.py`, is the reference: the reader, the
environment names and the docs page are made from it.
A key that stands here works; one that doesn't work yet doesn't stand here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from collector.config.kafka_properties import property_name, property_value
from collector.config.links import LinkConfig
from collector.config.reader import Entries
from collector.config.scalars import (
    GIB,
    Address,
    FilePath,
    Free,
    FreeSpace,
    HostPort,
    Interval,
    PlainName,
    Rounds,
    Size,
    TopicName,
    Word,
    label_name,
    label_value,
    one_of,
)
from collector.config.sinks import SinkConfig
from collector.config.sources import SourcesConfig

TierName = Literal["vital", "standard", "detail"]
TIERS: tuple[TierName, ...] = ("vital", "standard", "detail")
PresetName = Literal["lan", "cellular", "satellite"]


class Preset(NamedTuple):
    """What a kind of link asks for. Intervals are seconds, by tier."""

    intervals: dict[TierName, float]
    frame_after: int
    rounds_per_request: int


LANES_OF_A_FORWARDER = 4

PRESETS: dict[PresetName, Preset] = {
    "lan": Preset({"vital": 15.0, "standard": 15.0, "detail": 15.0}, 1, 1),
    "cellular": Preset({"vital": 15.0, "standard": 15.0, "detail": 60.0}, 6, 4),
    "satellite": Preset({"vital": 60.0, "standard": 60.0, "detail": 300.0}, 20, 20),
}


class TierConfig(msgspec.Struct, frozen=True, kw_only=True):
    interval: Annotated[Interval | None, Meta(description="Time between rounds of this tier.")] = (
        None
    )


class TiersConfig(msgspec.Struct, frozen=True, kw_only=True):
    vital: Annotated[TierConfig, Meta(description="What alerts need; drained first.")] = (
        TierConfig()
    )
    standard: Annotated[TierConfig, Meta(description="What boards show.")] = TierConfig()
    detail: Annotated[TierConfig, Meta(description="What is nice to have; dropped first.")] = (
        TierConfig()
    )


class SpoolConfig(msgspec.Struct, frozen=True, kw_only=True):
    path: Annotated[FilePath, Meta(description="Folder on a local disk that keeps the rounds.")] = (
        Path("/var/lib/edgevitals")
    )
    max_size: Annotated[Size, Meta(description="Disk that the spool may take.")] = 2 * GIB
    min_free: Annotated[
        Free | None,
        Meta(description="Disk to leave free for others; the larger of 1GiB and 5% if left out."),
    ] = None

    def min_free_bytes(self, disk_bytes: int) -> int:
        """Return what to leave free on a disk of this size."""
        floor = self.min_free or FreeSpace(GIB, 0.05)
        return max(floor.bytes, int(floor.fraction * disk_bytes))


class TopicConfig(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[
        TopicName,
        Meta(
            description="The telemetry topic; {site} in it stands for the site, and in a forwarder "
            "for any site."
        ),
    ] = "edgevitals.telemetry"
    max_size: Annotated[
        Size, Meta(description="Bytes that the topic may take, over all its partitions.")
    ] = 4 * GIB
    frame_after: Annotated[
        Rounds | None, Meta(description="Rounds that one record holds; the preset's if left out.")
    ] = None
    pulse: Annotated[
        TopicName | None,
        Meta(
            description="The topic of the pulse, written where there are no sinks and read by a "
            "forwarder. If left out, the name with pulse for its last telemetry, else behind pulse."
        ),
    ] = None


class StatusConfig(msgspec.Struct, frozen=True, kw_only=True):
    listen: Annotated[
        HostPort, Meta(description="Where /metrics, /healthz and the status page are served.")
    ] = Address("127.0.0.1", 9464)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `node` is None until the host name is known."""

    site: Annotated[PlainName, Meta(description="The place; a label on everything.")]
    node: Annotated[
        PlainName | None,
        Meta(description="The machine; a label on everything. The host name if left out."),
    ] = None
    labels: Annotated[
        dict[str, str],
        Entries(label_name, label_value, has_variables=True),
        Meta(description="More labels for everything that is read here."),
    ] = {}
    preset: Annotated[
        PresetName,
        Word("preset", "cellular", one_of(*PRESETS)),
        Meta(description="The kind of link: intervals, rounds a record and a request."),
    ] = "cellular"
    interval: Annotated[Interval | None, Meta(description="Time between rounds, of all tiers.")] = (
        None
    )
    tiers: Annotated[TiersConfig, Meta(description="Keys of each tier.")] = TiersConfig()
    kafka: Annotated[
        dict[str, str | Path],
        Entries(property_name, property_value, required=("bootstrap.servers", "HOST:PORT")),
        Meta(
            description="Connection to Kafka: properties of librdkafka. A secret is written as "
            "<property>_file with the path of a file that holds it."
        ),
    ] = {}
    sources: Annotated[SourcesConfig, Meta(description="What is read.")] = SourcesConfig()
    links: Annotated[
        tuple[LinkConfig, ...],
        Meta(description="What carries topics to another cluster, and which must arrive there."),
    ] = ()
    spool: Annotated[SpoolConfig, Meta(description="Where rounds are kept first.")] = SpoolConfig()
    topic: Annotated[
        TopicConfig | None, Meta(description="The telemetry topic; none if left out.")
    ] = None
    sinks: Annotated[tuple[SinkConfig, ...], Meta(description="Where rounds are sent.")] = ()
    status: Annotated[StatusConfig, Meta(description="What is served.")] = StatusConfig()

    def interval_of(self, tier: TierName) -> float:
        """Seconds between rounds of a tier: its own, that of all tiers, or the preset's."""
        own: float | None = getattr(self.tiers, tier).interval
        return own or self.interval or PRESETS[self.preset].intervals[tier]

    @property
    def frame_after(self) -> int:
        """Rounds that one record of the topic holds."""
        own = self.topic.frame_after if self.topic else None
        return own or PRESETS[self.preset].frame_after

    def rounds_per_request(self, sink: SinkConfig) -> int:
        """Rounds that one live request to this sink holds."""
        return sink.rounds_per_request or PRESETS[self.preset].rounds_per_request

    @property
    def hash(self) -> str:
        """Alike where two sites are set up alike: without what names the site."""
        alike = msgspec.structs.replace(self, site="", node=None, labels={})
        return hashlib.sha256(msgspec.json.encode(alike, enc_hook=str)).hexdigest()[:8]

    @property
    def is_forwarder(self) -> bool:
        """Whether it only carries on what sites have put into the topic, and puts nothing there."""
        is_site = self.sources.is_any or bool(self.links)
        return self.topic is not None and bool(self.sinks) and not is_site

    def lanes(self, sink: SinkConfig) -> int:
        """Requests to this sink that may be under way at once."""
        return sink.lanes or (LANES_OF_A_FORWARDER if self.is_forwarder else 1)

    @property
    def topic_name(self) -> str | None:
        """The telemetry topic's name, or None without one; a forwarder's may hold {site}."""
        if self.topic is None:
            return None
        name = self.topic.name
        return name if self.is_forwarder else name.replace("{site}", self.site)

    @property
    def pulse_topic_name(self) -> str | None:
        """The pulse topic's name, or None without one; a forwarder's may hold {site}."""
        if self.topic is None:
            return None
        head, found, tail = self.topic.name.rpartition("telemetry")
        beside = f"{head}pulse{tail}" if found else f"pulse.{self.topic.name}"
        name = self.topic.pulse or beside
        return name if self.is_forwarder else name.replace("{site}", self.site)
