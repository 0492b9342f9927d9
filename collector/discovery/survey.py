"""What is asked, and all that was found: on this machine, or at the addresses that were given.

On this machine only ports are asked that are likely: those of Java processes, those that a command
line names, and those that are well known. What else listens here is left alone.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector.config import Address
from collector.discovery import java, listening
from collector.discovery.found import (
    Found,
    JmxPort,
    KafkaPort,
    Mirror,
    Nobody,
    Service,
    Unknown,
    is_useful,
)
from collector.discovery.java import BrokerFile, JavaProcess
from collector.discovery.mirror_file import mirrors
from collector.discovery.probing import SECONDS, WELL_KNOWN, Protocol, Task, probe_all, well_known
from collector.topic.settings import is_here

MOST_HOSTS = 20
_LOCAL = "127.0.0.1"
_EXPORTER = "exporter"


@dataclass(frozen=True, slots=True)
class Survey:
    """All that was found.

    `host` is this machine's name. `given` is what was asked for, nothing for this machine; then
    `processes` are its JVMs, `owners` the one behind an address, `files` what brokers' properties
    say by process id, and `containers` who is in one. `unseen` are sentences on what could not be
    looked at.
    """

    host: str
    given: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    processes: tuple[JavaProcess, ...] = ()
    owners: Mapping[Address, JavaProcess] = field(default_factory=dict)
    files: Mapping[int, BrokerFile] = field(default_factory=dict)
    containers: Mapping[int, str] = field(default_factory=dict)
    mirrors: tuple[Mirror, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        return not self.given

    @property
    def is_here(self) -> bool:
        """Whether all of it is on this machine."""
        return self.is_local or all(is_here(one.address.host) for one in self.found)

    @property
    def is_useful(self) -> bool:
        return any(is_useful(one) for one in self.found)

    @property
    def is_silent(self) -> bool:
        """Whether nobody answered at all, not even by refusing."""
        return all(isinstance(one, Nobody) and not one.is_refused for one in self.found)


def survey_addresses(
    given: Sequence[str], addresses: Sequence[tuple[str, int | None]], seconds: float = SECONDS
) -> Survey:
    """Ask hosts at their well-known ports, and single ports. `given` is how they were written."""
    hosts = list(dict.fromkeys(host for host, port in addresses if port is None))
    single = [
        Task(Address(host, port), WELL_KNOWN.get(port, "kafka"))
        for host, port in addresses
        if port is not None
    ]
    found, left = probe_all([*single, *well_known(hosts[:MOST_HOSTS])], seconds)
    unseen = []
    if len(hosts) > MOST_HOSTS:
        unseen.append(f"{len(hosts) - MOST_HOSTS} hosts: {MOST_HOSTS} are asked at a time")
    if left:
        unseen.append(f"{left} ports that had no turn within a minute: ask fewer hosts at a time")
    return Survey(
        host=socket.gethostname(),
        given=tuple(given),
        found=tuple(found),
        unseen=tuple(unseen),
    )


def survey_machine(seconds: float = SECONDS, proc: Path = Path("/proc")) -> Survey:
    """Look at this machine's sockets and processes, and ask what is likely."""
    machine = listening.machine(proc)
    files = {
        process.pid: java.broker_file(text, process.overrides)
        for process in machine.java
        if process.role == "broker" and (text := _first_file(process, proc)) is not None
    }
    tasks, owners, left_alone = likely(machine, files)
    found, left = probe_all(tasks, seconds)
    return Survey(
        host=socket.gethostname(),
        found=tuple(one for one in found if not _is_inner(one, owners)),
        processes=tuple(machine.java),
        owners=owners,
        files=files,
        containers=machine.containers,
        mirrors=tuple(
            flow
            for process in machine.java
            if process.role == "mirrormaker"
            for flow in mirrors(_first_file(process, proc) or "")
        ),
        unseen=tuple(_unseen(machine, left_alone, left, files)),
    )


def likely(
    machine: listening.Machine, files: Mapping[int, BrokerFile]
) -> tuple[list[Task], dict[Address, JavaProcess], int]:
    """Return what is worth asking, whose it is, and how many ports of unseen owners are left alone.

    Without a list of sockets it is what command lines and files name, and what is well known.
    """
    by_pid = {process.pid: process for process in machine.java}
    named = {
        port: (process, protocol)
        for process in machine.java
        for port, protocol in named_ports(process, files.get(process.pid))
    }
    debugged = {process.debug_port for process in machine.java}
    tasks: dict[Address, Protocol] = {}
    owners: dict[Address, JavaProcess] = {}
    left_alone = 0
    for one in machine.sockets:
        address = Address(one.host, one.port)
        pid = machine.owners.get(one.inode)
        owner = by_pid.get(pid) if pid is not None else None
        process, protocol = named.get(one.port, (owner, WELL_KNOWN.get(one.port)))
        if pid is not None and process is not None and process.pid != pid:
            process, protocol = owner, WELL_KNOWN.get(one.port)
        if one.port in debugged:
            continue
        if protocol is None and owner is not None and owner.role != "java":
            protocol = "kafka" if owner.role == "broker" else "http"
        if protocol is None and pid is not None and _EXPORTER in machine.names.get(pid, ""):
            protocol = "http"
        if protocol is None:
            left_alone += pid is None
            continue
        tasks[address] = protocol
        if process is not None:
            owners[address] = process
    if not machine.has_sockets:
        for port, (process, protocol) in named.items():
            tasks[Address(_LOCAL, port)] = protocol
            owners[Address(_LOCAL, port)] = process
        for task in well_known([_LOCAL]):
            tasks.setdefault(*task)
    return [Task(address, protocol) for address, protocol in tasks.items()], owners, left_alone


def named_ports(process: JavaProcess, file: BrokerFile | None) -> list[tuple[int, Protocol]]:
    """Return the ports that a process says it has, and what they speak."""
    found: list[tuple[int, Protocol]] = []
    if process.jmx_port:
        found.append((process.jmx_port, "rmi"))
    found += [(agent.port, "http") for agent in process.agents if agent.port]
    if file is not None:
        found += [(listener.port, "kafka") for listener in file.listeners]
    return found


def _is_inner(found: Found, owners: Mapping[Address, JavaProcess]) -> bool:
    """Whether it is a port that a JVM has opened for its JMX besides the one that it names."""
    if not isinstance(found, Service | Unknown):
        return False
    process = owners.get(found.address)
    is_rmi = isinstance(found, Service) and "RMI" in found.name
    return is_rmi and process is not None and found.address.port != process.jmx_port


def _first_file(process: JavaProcess, proc: Path) -> str | None:
    texts = (listening.read_file(process, name, proc) for name in process.files[:2])
    return next((text for text in texts if text is not None), None)


def _unseen(
    machine: listening.Machine, left_alone: int, left: int, files: Mapping[int, BrokerFile]
) -> Iterable[str]:
    if not machine.has_sockets:
        yield "who listens: /proc/net can't be read, so well-known ports were asked"
    elif left_alone:
        yield (
            f"ports left alone, since their process can't be seen and they are not well known: "
            f"{left_alone}. Run it as root, or name them: edgevitals discover localhost:PORT"
        )
    if left:
        yield f"{left} ports that had no turn within a minute"
    for process in machine.java:
        where = f"process {process.pid} ({process.role})"
        if process.pid in machine.containers:
            yield (
                f"{where} is in the container {machine.containers[process.pid]}: the ports that "
                "are not published have to be asked from a container beside it"
            )
        elif process.role == "broker" and process.files and process.pid not in files:
            yield f"{process.files[0]} of {where}: it can't be read, run it as root"


def jmx_of(survey: Survey, listener: KafkaPort) -> JmxPort | None:
    """Return the JMX port of the broker that has this listener, if one was found."""
    own = survey.owners.get(listener.address)
    ports = [one for one in survey.found if isinstance(one, JmxPort)]
    for port in ports:
        process = survey.owners.get(port.address)
        if own is not None and process is not None:
            if own.pid == process.pid:
                return port
        elif port.role in {"broker", "java"} and port.address.host == listener.address.host:
            node = node_of(listener)
            if port.node is None or node is None or port.node == node:
                return port
    return None


def is_told_as(listener: KafkaPort, broker: Address) -> bool:
    """Whether an address that a broker tells its clients is the one where it was found."""
    own = listener.address
    is_same_host = broker.host == own.host or (is_here(broker.host) and is_here(own.host))
    return is_same_host and broker.port == own.port


def node_of(listener: KafkaPort) -> int | None:
    """Return the id of the broker that was asked, where its answer shows it."""
    told = zip(listener.nodes, listener.brokers, strict=True)
    own = [node for node, broker in told if is_told_as(listener, broker)]
    if len(listener.nodes) == 1:
        own = list(listener.nodes)
    return own[0] if own else None
