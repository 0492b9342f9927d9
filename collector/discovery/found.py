"""What a port turned out to be. Data only: how it is found stands elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from collector.config import Address

Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
"""Of a listener, as `security.protocol` names it."""

Role = Literal[
    "broker",
    "controller",
    "connect",
    "mirrormaker",
    "schema registry",
    "ksqldb",
    "rest proxy",
    "flink",
    "zookeeper",
    "client",
    "java",
]
"""What a process does. `client`: it uses Kafka; `java`: a JVM, no more is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaPort:
    """A listener of a Kafka node.

    `brokers` are the addresses that the node names for this listener, `nodes` their ids beside
    them; none where a login or a certificate is asked for before that.
    """

    address: Address
    is_controller: bool
    security: Security
    mechanisms: tuple[str, ...] = ()
    cluster_id: str = ""
    brokers: tuple[Address, ...] = ()
    nodes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JmxPort:
    """A JVM's JMX port. `role` is "java" where a login stands before it."""

    address: Address
    role: Role = "java"
    node: int | None = None
    wants_password: bool = False
    has_tls: bool = False
    has_registry_tls: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPage:
    """A page in the text format of Prometheus. `samples` were seen in what was read of it."""

    address: Address
    url: str
    exporter: str
    samples: int
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A flow of MirrorMaker 2: from one cluster, by alias, to another one."""

    name: str
    source: str
    target: str
    topics: tuple[str, ...]
    source_servers: tuple[str, ...] = ()
    target_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectWorker:
    """Kafka Connect's REST interface. `connectors` is None where it did not list them."""

    address: Address
    url: str
    version: str
    cluster_id: str
    connectors: int | None = None
    mirrors: tuple[Mirror, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Something that is known, and has no metrics at this port."""

    address: Address
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A port that answers nothing that is known here. `says` is how it behaves."""

    address: Address
    says: str
    has_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """No connection. `is_refused`: the machine is there and nothing listens at the port."""

    address: Address
    is_refused: bool
    says: str


Found = KafkaPort | JmxPort | MetricsPage | ConnectWorker | Service | Unknown | Nobody


def is_useful(found: Found) -> bool:
    """Whether there is something to read at it, or by it."""
    return isinstance(found, KafkaPort | JmxPort | MetricsPage | ConnectWorker)
