"""The keys of what is read."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from collector.config.otlp import OtlpConfig
from collector.config.reader import Switch
from collector.config.scalars import (
    BodySize,
    Disconnection,
    FilePath,
    HostPort,
    HttpUrl,
    LabelCount,
    LabelText,
    NameRules,
    Pattern,
    Port,
    Samples,
    TextLength,
    UserName,
    Word,
    YesNo,
    one_of,
)
from collector.config.tls import TlsConfig

Engine = Literal["native", "jmxquery"]
ENGINES: tuple[Engine, ...] = ("native", "jmxquery")
Scope = Literal["own", "cluster"]
SCOPES: tuple[Scope, ...] = ("own", "cluster")


class JmxTlsConfig(TlsConfig, frozen=True, kw_only=True):
    verify_hostname: Annotated[
        YesNo,
        Meta(
            description="Whether the certificate must name the host. JMX certificates often don't, "
            "since Java's own clients did not ask before JDK 25.0.2; false needs a ca_file that "
            "signs nothing else."
        ),
    ] = True


class JmxAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How a JVM is reached."""

    address: Annotated[HostPort, Meta(description="Where the JVM's JMX port is.")]
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


class JmxConfig(JmxAccess, frozen=True, kw_only=True):
    """One JVM."""

    job: Annotated[LabelText, Meta(description="The job label.")] = "kafka"
    instance: Annotated[
        LabelText | None, Meta(description="The instance label; the address if left out.")
    ] = None
    names: Annotated[
        tuple[NameRules, ...],
        Meta(description="Profiles or jmx_exporter rule files that make the metric names."),
    ] = ("default",)
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
    proc: Annotated[
        FilePath | None,
        Meta(
            description="The host's /proc in a container. If left out, /host/proc where that is "
            "mounted, else /proc."
        ),
    ] = None
    sys: Annotated[
        FilePath | None,
        Meta(
            description="The host's /sys in a container. If left out, /host/sys where that is "
            "mounted, else /sys."
        ),
    ] = None
    root: Annotated[
        FilePath | None,
        Meta(
            description="The host's / in a container, for the sizes of its file systems. If left "
            "out, /host/root or /host where that is mounted, else /."
        ),
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
    exclude_groups: Annotated[
        tuple[Pattern, ...], Meta(description="Groups of these that are not read.")
    ] = ()
    exclude_topics: Annotated[
        tuple[Pattern, ...], Meta(description="Topics of these that are not read.")
    ] = ()
    partitions: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Topics whose partitions are told one by one; of the others there are "
            "totals, and the partitions that something is wrong with."
        ),
    ] = ()
    scope: Annotated[
        Scope,
        Word("scope", "own", one_of(*SCOPES)),
        Meta(
            description="own: the groups that our own broker coordinates and the topics that it "
            "leads, so that collectors of one cluster share the work. cluster: all of them."
        ),
    ] = "own"
    job: Annotated[LabelText, Meta(description="The job label.")] = "kafka_exporter"
    instance: Annotated[
        LabelText | None, Meta(description="The instance label; the node if left out.")
    ] = None


class ScrapeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A page in the text format of Prometheus or OpenMetrics. One over a limit is refused whole."""

    url: Annotated[HttpUrl, Meta(description="The page, with its path and query.")]
    job: Annotated[LabelText, Meta(description="The job label.")]
    instance: Annotated[
        LabelText | None,
        Meta(description="The instance label; host and port of the url if left out."),
    ] = None
    body_size_limit: Annotated[
        BodySize, Meta(description="Size that the page may have, unfolded.")
    ] = 16 << 20
    sample_limit: Annotated[Samples, Meta(description="Samples that the page may have.")] = 50_000
    label_limit: Annotated[LabelCount, Meta(description="Labels that a sample may have.")] = 64
    label_name_length_limit: Annotated[
        TextLength, Meta(description="Length of a label's name, in bytes.")
    ] = 256
    label_value_length_limit: Annotated[
        TextLength, Meta(description="Length of a label's value and of a metric's name, in bytes.")
    ] = 4096
    token_file: Annotated[
        FilePath | None, Meta(description="File with a bearer token, read again when it changes.")
    ] = None
    username: Annotated[
        UserName | None, Meta(description="Who we are, by basic authentication.")
    ] = None
    password_file: Annotated[
        FilePath | None,
        Meta(description="File with that user's password, read again when it changes."),
    ] = None
    tls: Annotated[
        TlsConfig | None, Meta(description="Certificates of https; the system's if left out.")
    ] = None

    @property
    def target_instance(self) -> str:
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        return self.instance or f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


class CertificatesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Until when certificates are good, in files and of listeners."""

    files: Annotated[
        tuple[FilePath, ...], Meta(description="Files to look at: PEM, DER or a Java keystore.")
    ] = ()
    listeners: Annotated[
        tuple[HostPort, ...], Meta(description="TLS ports whose certificates to look at.")
    ] = ()
    configured: Annotated[
        YesNo,
        Meta(
            description="Look at those too that this configuration names elsewhere: the files of "
            "every tls, and brokers, JVMs and pages that are read by TLS."
        ),
    ] = True
    longest_disconnection: Annotated[
        Disconnection,
        Meta(description="How long the site may be out of reach, at the longest."),
    ] = 31 * 86_400.0
    job: Annotated[LabelText, Meta(description="The job label.")] = "certificates"
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

    scrape: Annotated[
        tuple[ScrapeConfig, ...],
        Meta(description="Pages of other exporters and programs to read."),
    ] = ()

    certificates: Annotated[
        CertificatesConfig | None,
        Switch(),
        Meta(description="Look at certificates: true, or keys below."),
    ] = None

    otlp: Annotated[
        OtlpConfig | None,
        Switch(),
        Meta(description="Take metrics of applications by OTLP: true, or keys below."),
    ] = None

    @property
    def is_any(self) -> bool:
        others = any(
            one is not None for one in (self.host, self.kafka, self.certificates, self.otlp)
        )
        return bool(self.jmx) or bool(self.scrape) or others
