"""The configuration, as one frozen tree: what each key means, its kind and its default.

This file is the reference: the reader, the environment names and the docs page are made from it.
A key that stands here works; one that doesn't work yet doesn't stand here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from collector.config.headers import header_name, header_value
from collector.config.kafka_properties import property_name, property_value
from collector.config.reader import Entries, Switch
from collector.config.scalars import (
    GIB,
    Address,
    ByteRate,
    FilePath,
    Free,
    FreeSpace,
    HostName,
    HostPort,
    HttpUrl,
    Interval,
    LabelText,
    Lanes,
    NameRules,
    Pattern,
    PlainName,
    Port,
    ProxyUrl,
    Rounds,
    Size,
    TopicName,
    UserName,
    Window,
    Word,
    YesNo,
    label_name,
    label_value,
    one_of,
)

TierName = Literal["vital", "standard", "detail"]
TIERS: tuple[TierName, ...] = ("vital", "standard", "detail")
PresetName = Literal["lan", "cellular", "satellite"]
Engine = Literal["native", "jmxquery"]
ENGINES: tuple[Engine, ...] = ("native", "jmxquery")
Protocol = Literal["remote_write", "remote_write_1", "otlp"]
PROTOCOLS: tuple[Protocol, ...] = ("remote_write", "remote_write_1", "otlp")
Compression = Literal["snappy", "gzip", "zstd"]
COMPRESSIONS: tuple[Compression, ...] = ("snappy", "gzip", "zstd")


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


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the far side is trusted, and how it may trust us. Files are PEM, read on change."""

    ca_file: Annotated[
        FilePath | None,
        Meta(
            description="Certificates that are trusted: a CA, or the server's own. "
            "Those of the system if left out."
        ),
    ] = None
    cert_file: Annotated[
        FilePath | None,
        Meta(description="Our certificate with its chain, where the server asks for one."),
    ] = None
    key_file: Annotated[
        FilePath | None,
        Meta(description="The key of cert_file, not encrypted; in cert_file if left out."),
    ] = None
    server_name: Annotated[
        HostName | None,
        Meta(description="The name that the certificate has; the host of the address if left out."),
    ] = None


class JmxTlsConfig(TlsConfig, frozen=True, kw_only=True):
    verify_hostname: Annotated[
        YesNo,
        Meta(
            description="Whether the certificate must name the host. JMX certificates often don't, "
            "since Java's own clients did not ask before JDK 25.0.2; false needs a ca_file that "
            "signs nothing else."
        ),
    ] = True


class JmxConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One JVM."""

    address: Annotated[HostPort, Meta(description="Where the JVM's JMX port is.")]
    job: Annotated[LabelText, Meta(description="The job label.")] = "kafka"
    instance: Annotated[
        LabelText | None, Meta(description="The instance label; the address if left out.")
    ] = None
    names: Annotated[
        tuple[NameRules, ...],
        Meta(description="Profiles or jmx_exporter rule files that make the metric names."),
    ] = ("default",)
    username: Annotated[
        UserName | None, Meta(description="Who reads; a user of the role readonly is enough.")
    ] = None
    password_file: Annotated[
        FilePath | None,
        Meta(description="File with the user's password, read again when it changes."),
    ] = None
    tls: Annotated[
        JmxTlsConfig | None,
        Switch(),
        Meta(description="The JMX server speaks TLS: true, or keys below."),
    ] = None
    registry_tls: Annotated[
        YesNo, Meta(description="The registry speaks TLS too, at the port of the address.")
    ] = False
    rmi_port: Annotated[
        Port | None,
        Meta(description="The port of the JMX server; what the registry says if left out."),
    ] = None
    follow_stub: Annotated[
        YesNo,
        Meta(
            description="Connect to the host that the registry names, not to that of the address: "
            "for a registry on another machine. The password goes there too."
        ),
    ] = False
    engine: Annotated[
        Engine,
        Word("engine", "native", one_of(*ENGINES)),
        Meta(
            description="native reads without a JVM. jmxquery starts one for each round: for JVMs "
            "that native can't read; needs Java and the extra jvm."
        ),
    ] = "native"

    @property
    def target_instance(self) -> str:
        return self.instance or str(self.address)


class HostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The machine it runs on, under the names of node_exporter."""

    job: Annotated[LabelText, Meta(description="The job label.")] = "node"
    instance: Annotated[
        LabelText | None, Meta(description="The instance label; the node if left out.")
    ] = None


class KafkaConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Groups, lag, topics and brokers, under the names of kafka_exporter."""

    groups: Annotated[
        tuple[Pattern, ...],
        Meta(description="Consumer groups to read: patterns of whole names."),
    ] = (".*",)
    topics: Annotated[
        tuple[Pattern, ...], Meta(description="Topics to read: patterns of whole names.")
    ] = (".*",)
    job: Annotated[LabelText, Meta(description="The job label.")] = "kafka_exporter"
    instance: Annotated[
        LabelText | None, Meta(description="The instance label; the node if left out.")
    ] = None


class SourcesConfig(msgspec.Struct, frozen=True, kw_only=True):
    jmx: Annotated[tuple[JmxConfig, ...], Meta(description="JVMs to read.")] = ()
    host: Annotated[
        HostConfig | None, Switch(), Meta(description="Read this machine: true, or keys below.")
    ] = None
    kafka: Annotated[
        KafkaConfig | None,
        Switch(),
        Meta(description="Read groups and topics of `kafka`: true, or keys below."),
    ] = None

    @property
    def is_any(self) -> bool:
        return bool(self.jmx) or self.host is not None or self.kafka is not None


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


class ProxyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy on the way to a sink. Proxies of the environment are never used."""

    url: Annotated[ProxyUrl, Meta(description="The proxy; https travels through it unread.")]
    username: Annotated[UserName | None, Meta(description="Who we are to the proxy.")] = None
    password_file: Annotated[
        FilePath | None, Meta(description="File with that user's password, read on change.")
    ] = None


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of Prometheus remote write, or of OTLP metrics."""

    name: Annotated[
        PlainName, Meta(description="Its name in logs, metrics and the consumer group.")
    ]
    url: Annotated[HttpUrl, Meta(description="Where to send, with the path.")]
    out_of_order_time_window: Annotated[
        Window,
        Meta(
            description="How old a sample the receiver still takes: its own setting of this name, "
            "or unlimited (VictoriaMetrics)."
        ),
    ]
    protocol: Annotated[
        Protocol,
        Word("protocol", "remote_write", one_of(*PROTOCOLS)),
        Meta(
            description="remote_write is 2.0, and 1.0 where the receiver doesn't say what it wrote "
            "of that; remote_write_1 is 1.0 alone; otlp is OTLP over HTTP, with the whole path in "
            "url."
        ),
    ] = "remote_write"
    compression: Annotated[
        Compression | None,
        Word("compression", "zstd", one_of(*COMPRESSIONS)),
        Meta(
            description="snappy for remote write and gzip for OTLP if left out. zstd is a third of "
            "that where the receiver takes it, as VictoriaMetrics does; else it is not used."
        ),
    ] = None
    token_file: Annotated[
        FilePath | None, Meta(description="File with a bearer token, read again when it changes.")
    ] = None
    username: Annotated[
        UserName | None, Meta(description="Who we are to the receiver, by basic authentication.")
    ] = None
    password_file: Annotated[
        FilePath | None,
        Meta(description="File with that user's password, read again when it changes."),
    ] = None
    headers: Annotated[
        dict[str, str | Path],
        Entries(header_name, header_value),
        Meta(
            description="More headers of each request, like X-Scope-OrgID. One that is secret is "
            "written as <header>_file with the path of a file that holds it."
        ),
    ] = {}
    tls: Annotated[
        TlsConfig | None, Meta(description="Certificates of https; the system's if left out.")
    ] = None
    proxy: Annotated[
        ProxyConfig | None, Meta(description="An HTTP proxy on the way; none if left out.")
    ] = None
    rate_limit: Annotated[
        ByteRate | None,
        Meta(description="Bytes that may leave for this sink in a second, on average."),
    ] = None
    pulse: Annotated[
        YesNo,
        Meta(
            description="Send a few numbers as of now each interval, beside the rounds; never "
            "where out_of_order_time_window is 0s."
        ),
    ] = True
    rounds_per_request: Annotated[
        Rounds | None, Meta(description="Rounds that one request holds; the preset's if left out.")
    ] = None
    lanes: Annotated[
        Lanes | None,
        Meta(
            description="Requests under way at once, at most one a stream: 4 in a forwarder if "
            "left out, 1 at a site."
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
    def is_forwarder(self) -> bool:
        """Whether it only carries on what sites have put into the topic, and puts nothing there."""
        return self.topic is not None and bool(self.sinks) and not self.sources.is_any

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
