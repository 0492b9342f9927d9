"""What listens at a port: one protocol after the other is tried, and the answer decides.

One connection at a time to a port, and a new one for each protocol, since a peer that is asked in
a language of another closes. What is asked first is what the number, or this machine, makes likely:
most ports need one or two connections. Every port has a deadline of its own, so that one which says
nothing, or never ends, holds up nobody.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Thread
from typing import Literal, NamedTuple

from collector.config import Address
from collector.discovery import jvm, kafka_wire, web
from collector.discovery.found import (
    ConnectWorker,
    Found,
    JmxPort,
    KafkaPort,
    MetricsPage,
    Nobody,
    Security,
    Service,
    Unknown,
)
from collector.discovery.line import Ended, Line, NoConnection
from collector.jmx.jrmp import ACK, HANDSHAKE

Protocol = Literal["kafka", "rmi", "http"]
PROTOCOLS: tuple[Protocol, ...] = ("kafka", "rmi", "http")

WELL_KNOWN: Mapping[int, Protocol] = {
    9092: "kafka",
    9093: "kafka",
    9094: "kafka",
    9095: "kafka",
    9096: "kafka",
    9071: "kafka",  # CFK, inside
    19092: "kafka",
    29092: "kafka",
    39092: "kafka",
    9999: "rmi",
    9998: "rmi",
    9997: "rmi",
    1099: "rmi",
    5555: "rmi",
    7203: "rmi",  # CFK
    9101: "rmi",  # Confluent's docker examples
    9102: "rmi",
    9991: "rmi",
    10099: "rmi",
    9581: "rmi",
    9582: "rmi",
    9584: "rmi",
    9585: "rmi",
    7071: "http",  # jmx_exporter, by its README
    7072: "http",
    7778: "http",  # CFK
    8078: "http",  # cp-ansible
    8079: "http",  # cp-ansible, controllers
    8080: "http",
    8081: "http",  # Schema Registry, Flink
    8083: "http",  # Connect
    8084: "http",
    8088: "http",  # ksqlDB
    8090: "http",
    9100: "http",  # node_exporter
    9249: "http",  # Flink
    9308: "http",  # kafka_exporter
    9404: "http",  # Strimzi
    9464: "http",
    5556: "http",
}
"""Ports that Kafka's parts are found at, and what to ask first."""

AT_ONCE = 24
"""Ports that are asked at the same time."""
MOST_PORTS = 1000
SECONDS = 1.5
"""For one connection, unless told otherwise."""

_KAFKA_ALERT = b"\x15\x03"


class Task(NamedTuple):
    """A port to ask, and in which language first."""

    address: Address
    first: Protocol = "kafka"


def probe_all(
    tasks: Sequence[Task], seconds: float = SECONDS, whole_seconds: float = 60.0
) -> tuple[list[Found], int]:
    """Ask each port; return what was found, in the order of the tasks, and how many had no turn.

    A task stands for at most six connections of `seconds` each, one after the other.
    """
    wanted = list(dict.fromkeys(tasks))
    turns = wanted[:MOST_PORTS]
    deadline = time.monotonic() + whole_seconds
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Task, Found | BaseException]] = queue.SimpleQueue()
    for task in turns:
        waiting.put(task)

    def work() -> None:
        while time.monotonic() < deadline:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((task, probe(task, seconds)))
            except BaseException as bug:  # noqa: BLE001 - it belongs to the caller, who is waiting
                done.put((task, bug))

    for _ in range(min(AT_ONCE, len(turns))):
        # Daemons: a name server that never answers must not keep the process.
        Thread(target=work, name="probe", daemon=True).start()
    found: dict[Task, Found] = {}
    while len(found) < len(turns):
        try:
            task, answer = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(answer, BaseException):
            raise answer
        found[task] = answer
    return [found[task] for task in turns if task in found], len(wanted) - len(found)


def probe(task: Task, seconds: float = SECONDS) -> Found:
    """Say what listens at one port."""
    return _Probe(task.address, seconds).run(task.first)


class _Probe:
    """One port. Each try makes a connection of its own and returns what it recognised, or None."""

    def __init__(self, address: Address, seconds: float) -> None:
        self._address = address
        self._seconds = seconds
        self._has_tls = False  # a handshake was made
        self._speaks_tls = False  # it says so
        self._speaks_http = False
        self._says = "closes the connection on whatever is asked"
        self._is_certificate_wanted = False

    def run(self, first: Protocol) -> Found:
        try:
            if found := self._in_plain(first):
                return found
            if not self._speaks_http and (found := self._in_tls(first)):
                return found
            return Unknown(address=self._address, says=self._says, has_tls=self._has_tls)
        except NoConnection as nobody:
            return Nobody(address=self._address, is_refused=nobody.is_refused, says=nobody.says)

    def _in_plain(self, first: Protocol) -> Found | None:
        for protocol in _order(first):
            if self._speaks_tls:
                return None
            if self._speaks_http and protocol != "http":
                continue
            if found := self._tries(protocol)(False):
                return found
        return None

    def _in_tls(self, first: Protocol) -> Found | None:
        for protocol in _order(first):
            if found := self._tries(protocol)(True):
                return found
            if not self._has_tls:
                return None
        says = "speaks TLS, and nothing inside it that is known here"
        if self._is_certificate_wanted:
            says = "speaks TLS, and wants a client certificate first"
        self._says = says
        return None

    def _tries(self, protocol: Protocol) -> Callable[[bool], Found | None]:
        tries: dict[Protocol, Callable[[bool], Found | None]] = {
            "kafka": self._kafka,
            "rmi": self._rmi,
            "http": self._http,
        }
        return tries[protocol]

    def _line(self, has_tls: bool) -> Line:
        line = Line(self._address, time.monotonic() + self._seconds, has_tls=has_tls)
        self._has_tls |= has_tls
        return line

    def _took(self, end: Ended) -> None:
        """Learn from what did come: many a peer says what it is, in its own language."""
        self._note(end.came)
        if "CERTIFICATE" in end.says.upper():
            self._is_certificate_wanted = True
        if end.is_late and not end.came:
            self._says = "takes a connection and says nothing"

    def _note(self, came: bytes) -> None:
        self._speaks_http |= web.is_http(came)
        self._speaks_tls |= came.startswith(_KAFKA_ALERT)
        if came:
            self._says = "answers in no language that is known here"

    def _kafka(self, has_tls: bool) -> Found | None:
        came = b""
        try:
            with self._line(has_tls) as line:
                line.send(kafka_wire.api_versions())
                came = line.read(kafka_wire.HEAD_BYTES)
                apis = kafka_wire.read_api_versions(line.read(kafka_wire.body_size(came)))
                return self._kafka_node(line, apis, has_tls)
        except kafka_wire.NotKafka:
            self._note(came)
        except Ended as end:
            self._took(end)
        return None

    def _kafka_node(
        self, line: Line, apis: Mapping[int, tuple[int, int]], has_tls: bool
    ) -> KafkaPort | Unknown:
        plain: Security = "SSL" if has_tls else "PLAINTEXT"
        guarded: Security = "SASL_SSL" if has_tls else "SASL_PLAINTEXT"
        found = KafkaPort(
            address=self._address,
            is_controller=not kafka_wire.is_broker(apis),
            security=plain,
        )
        try:
            if _has(apis, kafka_wire.SASL_HANDSHAKE, kafka_wire.SASL_HANDSHAKE_VERSION):
                answer = _ask(line, kafka_wire.sasl_handshake())
                mechanisms = kafka_wire.read_sasl_handshake(answer)
                if mechanisms is not None:
                    return replace(found, security=guarded, mechanisms=mechanisms)
        except (kafka_wire.NotKafka, Ended):
            says = "a Kafka node that does not say in time whether it wants a login"
            return Unknown(address=self._address, says=says, has_tls=has_tls)
        if found.is_controller:
            return found
        try:
            if _has(apis, kafka_wire.METADATA, kafka_wire.METADATA_VERSION):
                cluster, brokers = kafka_wire.read_metadata(_ask(line, kafka_wire.metadata()))
                nodes = sorted(brokers)
                return replace(
                    found,
                    cluster_id=cluster,
                    nodes=tuple(nodes),
                    brokers=tuple(brokers[node] for node in nodes),
                )
        except (kafka_wire.NotKafka, Ended):
            pass  # it is a broker that wants no login, and that is what has to be known
        return found

    def _rmi(self, has_tls: bool) -> Found | None:
        try:
            with self._line(has_tls) as line:
                # An empty line behind it makes a web server answer; RMI takes it for our address.
                line.send(HANDSHAKE + b"\r\n\r\n")
                ack = line.read(3)
                size = int.from_bytes(ack[1:])
                if ack[0] != ACK or size > 255:
                    self._note(ack)
                    return None
                line.read(size + 4)  # our own address as it sees it
        except Ended as end:
            self._took(end)
            return None
        if has_tls:
            return JmxPort(address=self._address, has_tls=True, has_registry_tls=True)
        found = jvm.look(self._address, time.monotonic() + 2 * self._seconds)
        return found or Service(address=self._address, name="Java RMI, and no JMX registry")

    def _http(self, has_tls: bool) -> Found | None:
        scheme = "https" if has_tls else "http"
        base = f"{scheme}://{self._address}"
        page = self._get("/metrics", has_tls)
        if page is None:
            return None
        reply, is_whole = page
        if metrics := web.metrics_of(reply, is_whole=is_whole):
            return MetricsPage(
                address=self._address,
                url=f"{base}/metrics",
                exporter=metrics.exporter,
                samples=metrics.samples,
                is_whole=is_whole,
            )
        if (page := self._get("/", has_tls)) is None:
            return None
        root, _ = page
        if (connect := web.connect_of(root)) is not None:
            version, cluster = connect
            listed = self._get("/connectors?expand=info", has_tls)
            connectors = web.connectors_of(listed[0]) if listed else None
            count, mirrors = connectors or (None, ())
            return ConnectWorker(
                address=self._address,
                url=f"{base}/",
                version=version,
                cluster_id=cluster,
                connectors=count,
                mirrors=mirrors,
            )
        if name := web.service_of(root):
            return Service(address=self._address, name=name)
        wants_login = next((one for one in (reply, root) if one.status in {401, 403}), None)
        self._says = (
            f"a web server that wants a login (status {wants_login.status})"
            if wants_login
            else "a web server without /metrics"
        )
        return Unknown(address=self._address, says=self._says, has_tls=has_tls)

    def _get(self, path: str, has_tls: bool) -> tuple[web.Reply, bool] | None:
        """Return an answer, and whether it is whole; None for what is none."""
        try:
            with self._line(has_tls) as line:
                line.send(web.request(path, str(self._address)))
                came, is_whole = line.read_to_end(web.MOST_BYTES)
        except Ended as end:
            self._took(end)
            came, is_whole = end.came, False
        reply = web.read_reply(came)
        if reply is None:
            self._note(came)
            return None
        self._speaks_http = True
        return reply, is_whole


def _order(first: Protocol) -> list[Protocol]:
    return [first, *(one for one in PROTOCOLS if one != first)]


def _ask(line: Line, question: bytes) -> bytes:
    line.send(question)
    return line.read(kafka_wire.body_size(line.read(kafka_wire.HEAD_BYTES)))


def _has(apis: Mapping[int, tuple[int, int]], key: int, version: int) -> bool:
    least, most = apis.get(key, (1, 0))
    return least <= version <= most


def well_known(hosts: Iterable[str]) -> list[Task]:
    """Return the ports of hosts that are worth a question."""
    return [
        Task(Address(host, port), protocol)
        for host in hosts
        for port, protocol in WELL_KNOWN.items()
    ]
