"""A JMX port, looked at once: whether one may come in, and what the JVM does."""

from __future__ import annotations

from collector.config import Address
from collector.discovery.found import JmxPort, Role
from collector.jmx import CallFailed, Client, JmxError, PeerBrokeProtocol

SIGNS: tuple[tuple[Role, str], ...] = (
    # Only a broker leads partitions; a KRaft controller has KafkaServer and app-info too.
    ("broker", "kafka.server:type=ReplicaManager,name=LeaderCount"),
    ("controller", "kafka.controller:type=KafkaController,name=ActiveControllerCount"),
    ("mirrormaker", "kafka.connect.mirror:*"),
    ("connect", "kafka.connect:type=connect-worker-metrics"),
    ("schema registry", "kafka.schema.registry:type=*"),
    ("ksqldb", "io.confluent.ksql.metrics:*"),
    ("rest proxy", "kafka.rest:type=*"),
    ("flink", "org.apache.flink.*:*"),
    ("zookeeper", "org.apache.ZooKeeperService:*"),
    ("client", "kafka.consumer:*"),
    ("client", "kafka.producer:*"),
    ("client", "kafka.streams:*"),
)
"""Names of MBeans, and what they are a sign of; the first that is there counts."""

_NO_LOGIN = "java.lang.SecurityException"
_NOT_BOUND = "java.rmi.NotBoundException"
_NO_REGISTRY = "java.rmi.NoSuchObjectException"


def look(address: Address, deadline: float) -> JmxPort | None:
    """Say what a port that speaks RMI is; None when no JMX server is behind it."""
    with Client(address.host, address.port) as client:
        try:
            client.connect(deadline)
            for role, pattern in SIGNS:
                if client.names(pattern, deadline):
                    return JmxPort(address=address, role=role, node=_node(client, role, deadline))
        except JmxError as error:
            return _closed(address, error)
    return JmxPort(address=address)


def _closed(address: Address, error: JmxError) -> JmxPort | None:
    if isinstance(error, CallFailed):
        if error.java_class in {_NOT_BOUND, _NO_REGISTRY}:
            return None
        if error.java_class == _NO_LOGIN:
            return JmxPort(address=address, wants_password=True)
    if isinstance(error, PeerBrokeProtocol) and error.wants_tls:
        return JmxPort(address=address, has_tls=True)
    return JmxPort(address=address, trouble=error.message)


def _node(client: Client, role: Role, deadline: float) -> int | None:
    if role not in {"broker", "controller"}:
        return None
    for name in client.names("kafka.server:type=app-info,id=*", deadline):
        text = name.properties.get("id", "")
        if text.isdigit():
            return int(text)
    return None
