"""`edgevitals discover` against real parts, and against peers that answer nothing or too much."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from collector.config import Address, JmxConfig, load
from collector.discovery import suggestion, survey, telling
from collector.discovery.found import (
    ConnectWorker,
    JmxPort,
    KafkaPort,
    MetricsPage,
    Nobody,
    Service,
    Unknown,
)
from collector.discovery.probing import PROTOCOLS, Task, probe, probe_all
from collector.doctor.jmx import look
from tests.lab import parts
from tests.lab.connect import Connect
from tests.lab.java.jvm import Jvm
from tests.lab.java.keys import PASSWORD, Keys
from tests.lab.kafka import HOST, Kafka, controller_only
from tests.lab.mirror import MirrorMaker
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.real import edge

FOLDER = Path(__file__).parents[1] / "data" / "discovery"
SECONDS = 5.0  # for one connection: a busy machine is no finding
SHORT = 0.3  # for peers that never answer


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A node that is a controller and nothing else."""
    kafka = controller_only(tmp_path_factory.mktemp("controller"))
    (port,) = kafka.voters.values()
    kafka.start(wait=False)
    try:
        kafka.process.wait_until(lambda: is_open(port) and is_open(kafka.jmx_port), 60)
        yield kafka
    finally:
        kafka.stop()


@pytest.fixture(scope="module")
def worker(broker: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """A Connect worker with a mirror in it; the ports of its REST interface and its JMX."""
    folder = tmp_path_factory.mktemp("connect")
    with Connect(folder, broker.bootstrap, broker.bootstrap, "never-there-.*") as connect:
        connect.process.wait_until(lambda: has_mirror(connect.port), 60)
        yield connect.port, connect.jmx_port


def has_mirror(port: int) -> bool:
    if not is_open(port):
        return False
    found = probe(Task(Address(HOST, port), "http"), SECONDS)
    return isinstance(found, ConnectWorker) and bool(found.mirrors)


@pytest.fixture(scope="module")
def node_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    command: list[str | Path] = [parts.node_exporter(), f"--web.listen-address={HOST}:{port}"]
    log = tmp_path_factory.mktemp("node_exporter") / "log"
    with Process("node_exporter", command, log) as process:
        process.wait_until(lambda: is_open(port), 60)
        yield port


def is_open(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("first", PROTOCOLS)
def test_each_is_known_by_what_it_answers(first, broker, controller, worker, node_exporter):
    ports = (
        broker.port,
        next(iter(broker.voters.values())),
        broker.jmx_port,
        next(iter(controller.voters.values())),
        controller.jmx_port,
        *worker,
        node_exporter,
        free_port(),
    )
    found, left = probe_all([Task(Address(HOST, port), first) for port in ports], SECONDS)
    assert left == 0
    kafka, inner, jmx, alone, its_jmx, connect, connects_jmx, page, nobody = found
    assert isinstance(kafka, KafkaPort)
    assert (kafka.is_controller, kafka.security) == (False, "PLAINTEXT")
    assert (kafka.cluster_id, kafka.nodes) == (broker.cluster_id, (1,))
    assert kafka.brokers == (Address(HOST, broker.port),)
    assert isinstance(inner, KafkaPort)
    assert inner.is_controller
    assert isinstance(jmx, JmxPort)
    assert (jmx.role, jmx.node) == ("broker", 1)
    assert isinstance(alone, KafkaPort)
    assert alone.is_controller
    assert isinstance(its_jmx, JmxPort)
    assert its_jmx.role == "controller"
    assert isinstance(connect, ConnectWorker)
    assert (connect.version, connect.cluster_id) == (parts.KAFKA, broker.cluster_id)
    (mirror,) = connect.mirrors
    assert (mirror.source, mirror.target) == ("plant", "central")
    assert mirror.topics == ("never-there-.*",)
    assert isinstance(connects_jmx, JmxPort)
    assert connects_jmx.role in {"connect", "mirrormaker"}
    assert isinstance(page, MetricsPage)
    assert page.exporter == "node_exporter"
    assert page.is_whole
    assert nobody == Nobody(
        address=Address(HOST, ports[-1]), is_refused=True, says="nothing listens there"
    )


def test_the_doctor_takes_no_controller_for_a_broker(broker, controller):
    for node, says in (broker, "broker 1"), (controller, "controller 1, which is no broker"):
        where = JmxConfig(address=Address(HOST, node.jmx_port))
        told = [finding.says.partition("MBeans, ")[2] for finding in look(where)]
        assert told == [says]


def test_what_is_printed_is_a_configuration_that_reads(
    broker, controller, worker, node_exporter, tmp_path
):
    file = tmp_path / "c.yaml"
    controllers = (next(iter(controller.voters.values())), controller.jmx_port)
    ports = (broker.port, broker.jmx_port, *worker, node_exporter, *controllers)
    asked = [f"{HOST}:{port}" for port in ports]
    result = edge.run("discover", *asked, "-w", file, "--timeout", SECONDS)
    assert result.returncode == 0, result.stderr
    assert edge.run("check", file).returncode == 0
    config = load(file, {}).config
    assert config.kafka == {"bootstrap.servers": broker.bootstrap}
    assert [(jvm.job, jvm.address.port) for jvm in config.sources.jmx] == [
        ("kafka", broker.jmx_port),
        ("kafka_controller", controller.jmx_port),
        ("connect", worker[1]),
    ]
    (link,) = config.links
    assert (link.name, link.side) == ("plant-central", "source")
    assert [jvm.address.port for jvm in link.jmx] == [worker[1]]
    once = edge.run("scrape", "-c", file)
    assert once.returncode == 0, once.stderr
    for line in once.stdout.splitlines():
        if line.startswith("up{"):
            assert line.endswith(" 1"), line


def test_a_machine_is_known_by_its_sockets_and_processes(broker, tmp_path):
    """/proc with these two processes and their ports: others' brokers run here too."""
    mirror = MirrorMaker(tmp_path / "mirror", {"plant": broker}, broker, "orders")
    mirror.start(wait=False)  # its command line and its file say enough
    try:
        proc = own_proc(tmp_path, [broker.process.pid, mirror.process.pid])
        found = survey.survey_machine(SECONDS, proc)
    finally:
        mirror.process.kill()
    kinds = {one.address.port: type(one) for one in found.found}
    assert kinds[broker.port] is KafkaPort
    assert kinds[broker.jmx_port] is JmxPort
    processes = {process.role: process for process in found.processes}
    assert processes.keys() == {"broker", "mirrormaker"}
    process = processes["broker"]
    assert (process.role, process.jmx_port) == ("broker", broker.jmx_port)
    assert found.files[process.pid].log_dirs == (str(broker.directory / "data"),)
    assert not [one for one in found.found if isinstance(one, Service)]  # the JVM's other RMI port
    file = tmp_path / "c.yaml"
    file.write_text(suggestion.config(found))
    config = load(file, {}).config
    assert config.kafka["bootstrap.servers"] == broker.bootstrap
    assert [jvm.address.port for jvm in config.sources.jmx] == [broker.jmx_port]
    assert config.sources.host is not None
    flow = ("MirrorMaker", "plant -> central", "topics orders")
    assert flow in telling.rows(found)


def own_proc(folder: Path, pids: list[int]) -> Path:
    """A /proc of some processes, and of the sockets that are theirs."""
    proc = folder / "proc"
    (proc / "net").mkdir(parents=True)
    inodes = set()
    for pid in pids:
        (proc / str(pid)).symlink_to(f"/proc/{pid}")
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(link.readlink().name.removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    for name in ("tcp", "tcp6"):
        head, *lines = Path("/proc/net", name).read_text().splitlines()
        own = [line for line in lines if line.split()[9] in inodes]
        (proc / "net" / name).write_text("\n".join([head, *own]) + "\n")
    return proc


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def test_a_listener_that_is_guarded_says_by_what(keys, tmp_path):
    secret, mutual, login = (free_port() for _ in range(3))
    kafka = Kafka(tmp_path / "kafka", users={"reader": "secret"})
    own = kafka._properties
    more = {"SECRET": secret, "MUTUAL": mutual, "LOGIN": login}
    for key in ("listeners", "advertised.listeners"):
        own[key] = ",".join(
            [str(own[key]), *(f"{name}://{HOST}:{port}" for name, port in more.items())]
        )
    kinds = "SECRET:SSL,MUTUAL:SSL,LOGIN:SASL_SSL"
    own["listener.security.protocol.map"] = f"{own['listener.security.protocol.map']},{kinds}"
    own |= {
        "ssl.keystore.location": keys.server_store,
        "ssl.keystore.password": PASSWORD,
        "ssl.truststore.location": keys.trust_store,
        "ssl.truststore.password": PASSWORD,
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.login.plain.sasl.jaas.config": own[
            "listener.name.guarded.plain.sasl.jaas.config"
        ],
    }
    with kafka:
        ports = (kafka.guarded_port, secret, login, mutual)
        found, _ = probe_all([Task(Address(HOST, port)) for port in ports], SECONDS)
    plain, tls, both, certificate = found
    assert isinstance(plain, KafkaPort)
    assert (plain.security, plain.mechanisms) == ("SASL_PLAINTEXT", ("PLAIN",))
    assert isinstance(tls, KafkaPort)
    assert (tls.security, tls.nodes) == ("SSL", (1,))
    assert isinstance(both, KafkaPort)
    assert (both.security, both.mechanisms) == ("SASL_SSL", ("PLAIN",))
    assert isinstance(certificate, Unknown)
    assert certificate.says == "speaks TLS, and wants a client certificate first"
    assert certificate.has_tls


def test_a_jmx_port_that_is_guarded_says_by_what(keys, tmp_path):
    passwords, access = tmp_path / "passwords", tmp_path / "access"
    passwords.write_text("monitor mpass\n")
    access.write_text("monitor readonly\n")
    passwords.chmod(0o600)
    login = {"authenticate": "true", "password.file": passwords, "access.file": access}
    tls = {"ssl": "true"}
    guards = {
        "login": login,
        "tls": {**tls, "rmi.port": free_port()},
        "registry": {**tls, "registry.ssl": "true"},
    }
    with ExitStack() as stack:
        jvms = [
            stack.enter_context(Jvm(tmp_path / name, agent=guard, system=keys.server_system))
            for name, guard in guards.items()
        ]
        tasks = [Task(Address(HOST, jvm.port), "rmi") for jvm in jvms]
        locked, server, registry = probe_all(tasks, SECONDS)[0]
    assert locked == JmxPort(address=tasks[0].address, wants_password=True)
    assert server == JmxPort(address=tasks[1].address, has_tls=True)
    assert registry == JmxPort(address=tasks[2].address, has_tls=True, has_registry_tls=True)


@contextmanager
def peer(answer: bytes, *, is_endless: bool = False, closes: bool = False) -> Iterator[Address]:
    """Something that takes connections and says this to each, whatever it is asked."""
    stop = threading.Event()
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(0.05)

        def talk(client: socket.socket) -> None:
            with client:
                client.settimeout(0.05)
                try:
                    while not stop.is_set():
                        client.sendall(answer)
                        if not is_endless:
                            break
                    while not (closes or stop.wait(0.02)):
                        pass
                except OSError:
                    return

        def serve() -> None:
            while not stop.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    continue
                threading.Thread(target=talk, args=(client,), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(*server.getsockname())
        finally:
            stop.set()
            thread.join()


ENDLESS_PAGE = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 65_000
HOSTILE = {
    "silent": (b"", False),
    "ssh": (b"SSH-2.0-x\r\n", False),
    "zeros": (bytes(65_536), True),
    "noise": (bytes(range(256)) * 256, True),
    "ack": (b"\x4e\xff\xff" + b"a" * 65_536, True),
    "rmi": (b"\x4e\x00\x01a\x00\x00\x00\x01" + b"\x51\xac\xed\x00\x05\x77\xff" * 9_000, True),
    "page": (ENDLESS_PAGE, True),
    "huge": (b"\x00\x00\xff\xf0\r\n\r\n" + b"\x00" * 65_536, True),
    "tls": (b"\x15\x03\x03\x00\x02\x02\x28", False),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_peer_is_unknown_and_soon_left(name):
    answer, is_endless = HOSTILE[name]
    with peer(answer, is_endless=is_endless) as address:
        found = probe(Task(address), SHORT)
    assert isinstance(found, Unknown | JmxPort), found
    if isinstance(found, JmxPort):  # it spoke RMI, and then nothing that is an answer
        assert found.trouble


def test_a_node_that_does_not_say_how_it_is_guarded_is_no_broker_to_use():
    versions = (FOLDER / "broker-api-versions.bin").read_bytes()
    with peer(len(versions).to_bytes(4) + versions) as address:
        found = probe(Task(address), 4 * SHORT)  # it does answer, once
    assert isinstance(found, Unknown)
    assert found.says.startswith("a Kafka node that does not say in time")


def test_a_peer_that_closes_is_unknown():
    with peer(b"", closes=True) as address:
        found = probe(Task(address), SHORT)
    assert isinstance(found, Unknown)


def test_nobody_and_nothing_have_their_exit_codes():
    nothing = edge.run("discover", f"{HOST}:{free_port()}")
    assert nothing.returncode == 1
    assert "nothing was found to read" in nothing.stderr
    nobody = edge.run("discover", "nobody.invalid:9092")
    assert nobody.returncode == 3
    assert "nobody answered" in nobody.stderr
