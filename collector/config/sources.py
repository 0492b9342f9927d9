"""The keys of what is read."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from collector.config.reader import Switch
from collector.config.scalars import (
    FilePath,
    HostPort,
    LabelText,
    NameRules,
    Pattern,
    Port,
    UserName,
    Word,
    YesNo,
    one_of,
)
from collector.config.tls import TlsConfig

Engine = Literal["native", "jmxquery"]
ENGINES: tuple[Engine, ...] = ("native", "jmxquery")


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
