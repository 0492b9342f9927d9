"""A real Apache Kafka node: KRaft, broker and controller in one process, with JMX.

Or a broker of before 4.0, with a ZooKeeper beside it.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.lab import parts
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

HOST = "127.0.0.1"
CLUSTER_ID = "EdgeVitalsLabClusterAA"  # what KRaft takes: 16 bytes in base64, 22 letters
SMALL_JVM = ("-Xmx192m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
START_SECONDS = 60.0  # 1.5 s on a quiet machine, 13 s after a kill on a busy one


class Kafka(Part):
    """One node. It keeps its ports and its data over `stop`, `kill` and `start`.

    A cluster is several nodes that are given the same `voters`: node id -> controller port.
    With `zookeeper`, the address of one, it is a broker without a controller's port.
    With `users`, names and passwords, it has rights: everybody on `bootstrap` may do all, and a
    user on `guarded_bootstrap` (SASL_PLAINTEXT, PLAIN) what ACLs allow.
    `properties` go over ours in server.properties, `jvm` after ours on the command line.
    `java` is another program than the path's; without `jmx` the port for it stays closed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        version: str = parts.KAFKA,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        zookeeper: str | None = None,
        users: Mapping[str, str] | None = None,
        properties: Mapping[str, object] | None = None,
        jvm: Sequence[str] = (),
        java: str = "",
        jmx: bool = True,
    ) -> None:
        self.directory = directory
        self.node_id = node_id
        self.voters = dict(voters or {node_id: free_port()})
        self.port = free_port()
        self.jmx_port = free_port()
        self.cluster_id = CLUSTER_ID
        self._zookeeper = zookeeper
        self.guarded_port = free_port() if users else 0
        guarded = self._with_users(users) if users else {}
        self._properties = {**self._own_properties(), **guarded, **(properties or {})}
        self._java = [java or parts.java(), *SMALL_JVM, "-cp", f"{parts.kafka(version)}/*"]
        opened = jmx_options(self.jmx_port) if jmx else []
        self._jvm = [*opened, *self._log_options(), *jvm]
        self.process = Process(
            f"Kafka node {node_id}",
            [*self._java, *self._jvm, "kafka.Kafka", self._file],
            directory / "kafka.log",
        )

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def guarded_bootstrap(self) -> str:
        return f"{HOST}:{self.guarded_port}"

    @property
    def jmx_address(self) -> str:
        return f"{HOST}:{self.jmx_port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it, formatted at the first time, and return when it answers.

        `wait=False` is for the nodes of a cluster, which need each other to become ready.
        """
        self._format()
        self.process.start()
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Return when a fresh client is told of this node's cluster. Raises StartError."""
        self.process.wait_until(self._answers, seconds)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, as when the power goes."""
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop its clock: connections stay open and nobody answers."""
        self.process.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send(signal.SIGCONT)

    @property
    def _file(self) -> Path:
        return self.directory / "server.properties"

    def _own_properties(self) -> dict[str, object]:
        nodes = len(self.voters)
        copies, least = min(3, nodes), min(2, nodes)
        return {
            **(self._as_broker(self._zookeeper) if self._zookeeper else self._as_both()),
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.directory / "data",
            "default.replication.factor": copies,
            "min.insync.replicas": least,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": least,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": least,
            # Fewer internal partitions: with the usual 50 the first consumer waits for seconds.
            "offsets.topic.num.partitions": 6,
            "transaction.state.log.num.partitions": 2,
            "share.coordinator.state.topic.num.partitions": 2,
            "group.initial.rebalance.delay.ms": 0,
            "log.retention.check.interval.ms": 5_000,
            "log.segment.delete.delay.ms": 1_000,
            "log.cleaner.dedupe.buffer.size": 8_388_608,  # the usual 128 MiB don't fit our heap
            "log.cleaner.threads": 1,
            "broker.session.timeout.ms": 6_000,  # how long a killed broker still "leads"
            "broker.heartbeat.interval.ms": 1_000,
        }

    def _as_both(self) -> dict[str, object]:
        controller = self.voters[self.node_id]
        return {
            "process.roles": "broker,controller",
            "node.id": self.node_id,
            "controller.quorum.voters": ",".join(
                f"{node}@{HOST}:{port}" for node, port in sorted(self.voters.items())
            ),
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }

    def _with_users(self, users: Mapping[str, str]) -> dict[str, object]:
        own, guarded = self._as_both(), f"GUARDED://{HOST}:{self.guarded_port}"
        protocols = own["listener.security.protocol.map"]
        known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return {
            "listeners": f"{own['listeners']},{guarded}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port},{guarded}",
            "listener.security.protocol.map": f"{protocols},GUARDED:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.guarded.plain.sasl.jaas.config": f"{module} required {known};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def limit(self, client_id: str, bytes_per_second: int) -> None:
        """Give the producers of a client id a quota."""
        tool = [*self._java, "kafka.admin.ConfigCommand", "--bootstrap-server", self.bootstrap]
        setting = f"producer_byte_rate={bytes_per_second}"
        entity = ["--entity-type", "clients", "--entity-name", client_id]
        parts.run([*tool, "--alter", "--add-config", setting, *entity])

    def _as_broker(self, zookeeper: str) -> dict[str, object]:
        return {
            "broker.id": self.node_id,
            "zookeeper.connect": zookeeper,
            "listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT",
        }

    def _log_options(self) -> list[str]:
        options = {
            "defaultLogLevel": "info",
            "showDateTime": "true",
            "dateTimeFormat": "HH:mm:ss.SSS",
            # All of the configuration, three times over: the end of the log is to show more.
            "log.kafka.server.KafkaConfig": "warn",
            "log.org.apache.kafka.common.config": "warn",
        }
        return [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in options.items()]

    def _format(self) -> None:
        """Write server.properties, and make the data directory when there is none yet."""
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = (f"{name}={value}\n" for name, value in self._properties.items())
        self._file.write_text("".join(lines))
        if self._zookeeper is None and not (self.directory / "data/meta.properties").exists():
            tool = [*self._java, "kafka.tools.StorageTool", "format"]
            parts.run([*tool, "-t", self.cluster_id, "-c", self._file])

    def _answers(self) -> bool:
        """Ask for metadata with a fresh client: the one call that is safe while brokers move."""
        try:
            socket.create_connection((HOST, self.port), timeout=1.0).close()
        except OSError:
            return False  # not yet: without a client, which would only complain to stderr
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return self.node_id in client.list_topics(timeout=2.0).brokers
        except KafkaException:
            return False


def controller_only(directory: Path) -> Kafka:
    """Return a node that is a controller and no broker. No client can ask it if it is ready."""
    port = free_port()
    own = {
        "process.roles": "controller",
        "listeners": f"CONTROLLER://{HOST}:{port}",
        "advertised.listeners": f"CONTROLLER://{HOST}:{port}",
    }
    node = Kafka(directory, voters={1: port}, properties=own)
    del node._properties["inter.broker.listener.name"]  # it has none
    return node


def jmx_options(port: int) -> list[str]:
    """Return what opens a JVM's JMX port on this machine, for everybody on it."""
    options = {
        "com.sun.management.jmxremote.host": HOST,
        "com.sun.management.jmxremote.port": port,
        "com.sun.management.jmxremote.rmi.port": port,
        "com.sun.management.jmxremote.authenticate": "false",
        "com.sun.management.jmxremote.ssl": "false",
        "java.rmi.server.hostname": HOST,
    }
    return [f"-D{name}={value}" for name, value in options.items()]
