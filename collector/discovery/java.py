"""What a Java process says of itself on its command line, and in the file that it names there.

Text in, data out; nothing is read here. Of files with passwords in them a few named keys are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collector.discovery.found import Role

MAIN_CLASSES: Mapping[str, Role] = {
    "kafka.Kafka": "broker",
    "io.confluent.support.metrics.SupportedKafka": "broker",
    "kafka.docker.KafkaDockerWrapper": "broker",
    "org.apache.kafka.connect.cli.ConnectDistributed": "connect",
    "org.apache.kafka.connect.cli.ConnectStandalone": "connect",
    "org.apache.kafka.connect.mirror.MirrorMaker": "mirrormaker",
    "io.confluent.kafka.schemaregistry.rest.SchemaRegistryMain": "schema registry",
    "io.confluent.ksql.rest.server.KsqlServerMain": "ksqldb",
    "io.confluent.kafkarest.KafkaRestMain": "rest proxy",
    "org.apache.flink.runtime.taskexecutor.TaskManagerRunner": "flink",
    "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint": "flink",
    "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint": "flink",
    "org.apache.zookeeper.server.quorum.QuorumPeerMain": "zookeeper",
    "org.apache.zookeeper.server.ZooKeeperServerMain": "zookeeper",
}

_WITH_VALUE = {"-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules"}
_JMX = "com.sun.management.jmxremote"
_AGENT = re.compile(r"-javaagent:([^=]+)(?:=(.*))?", re.DOTALL)
_AGENT_PORT = re.compile(r"(?:.*:)?(\d{1,5}):[^:]+", re.DOTALL)
_DEBUG = re.compile(r"-(?:agentlib:jdwp=|Xrunjdwp:).*address=(?:[^,]*:)?(\d{1,5})")
_LISTENER = re.compile(r"(?:([A-Za-z][\w.-]*)://)?(\[[0-9A-Fa-f:.]*\]|[^:/,\[\]]*):(\d{1,5})")
_PROPERTY = re.compile(r"((?:[^\s:=\\]|\\.)+)[ \t]*[:= \t][ \t]*(.*)")
_LEFT_OUT = "#!"

BROKER_KEYS = frozenset(
    {
        "advertised.listeners",
        "broker.id",
        "controller.listener.names",
        "listener.security.protocol.map",
        "listeners",
        "log.dir",
        "log.dirs",
        "node.id",
        "process.roles",
        "zookeeper.connect",
    }
)
"""Of a broker's properties: none of them is a secret, and no other is looked at."""


class Agent(NamedTuple):
    """A -javaagent: the name of its jar, and the port it opens, if that is said."""

    jar: str
    port: int | None


class Listener(NamedTuple):
    """One entry of `listeners`. `host` is empty where it listens everywhere."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaProcess:
    """A JVM by its command line. Ports are None where they are not said."""

    pid: int
    role: Role
    main_class: str
    jmx_port: int | None = None
    rmi_port: int | None = None
    debug_port: int | None = None
    agents: tuple[Agent, ...] = ()
    files: tuple[str, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerFile:
    """What a broker's properties say."""

    roles: tuple[str, ...]
    node: int | None
    listeners: tuple[Listener, ...]
    controller_names: tuple[str, ...]
    log_dirs: tuple[str, ...]

    @property
    def is_controller_only(self) -> bool:
        return self.roles == ("controller",)


def java_process(pid: int, arguments: Sequence[str]) -> JavaProcess | None:
    """Return what a command line says; None when it is no JVM's."""
    if not arguments or arguments[0].rpartition("/")[2] != "java":
        return None
    options, main_class, rest = _parted(arguments[1:])
    system = dict(option[2:].partition("=")[::2] for option in options if option.startswith("-D"))
    files, overrides = _of_broker(rest)
    debug = next((int(found[1]) for option in options if (found := _DEBUG.match(option))), None)
    agents = [found for option in options if (found := _AGENT.fullmatch(option))]
    return JavaProcess(
        pid=pid,
        role=MAIN_CLASSES.get(main_class, "java"),
        main_class=main_class,
        jmx_port=_port(system.get(f"{_JMX}.port", "")),
        rmi_port=_port(system.get(f"{_JMX}.rmi.port", "")),
        debug_port=debug,
        agents=tuple(_agent(found[1], found[2] or "") for found in agents),
        files=files,
        overrides=overrides,
    )


def broker_file(text: str, overrides: Iterable[tuple[str, str]] = ()) -> BrokerFile:
    """Return what a server.properties says, with what stands on the command line over it."""
    said = {**properties(text, BROKER_KEYS), **dict(overrides)}
    node = said.get("node.id", said.get("broker.id", ""))
    return BrokerFile(
        roles=_list(said.get("process.roles", "")),
        node=int(node) if node.isdigit() else None,
        listeners=listeners(said.get("listeners", "PLAINTEXT://:9092")),
        controller_names=_list(said.get("controller.listener.names", "")),
        log_dirs=_list(said.get("log.dirs") or said.get("log.dir", "")),
    )


def listeners(text: str) -> tuple[Listener, ...]:
    """Read the value of `listeners`; what can't be read is left out."""
    found = [_LISTENER.fullmatch(entry) for entry in _list(text)]
    return tuple(
        Listener(one[1] or "", one[2].strip("[]").replace("0.0.0.0", ""), port)  # noqa: S104
        for one in found
        if one and (port := _port(one[3]))
    )


def properties(text: str, keys: Iterable[str]) -> dict[str, str]:
    """Return the values of these keys in a file of Java properties."""
    wanted = set(keys)
    found = {}
    joined = re.sub(r"\\\r?\n[ \t]*", "", text)
    for line in joined.splitlines():
        stripped = line.strip()
        one = None if stripped[:1] in _LEFT_OUT else _PROPERTY.fullmatch(stripped)
        if one and one[1] in wanted:
            found[one[1]] = re.sub(r"\\(.)", r"\1", one[2]).strip()
    return found


def _parted(arguments: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """Return the JVM's options, the main class, and what is meant for that."""
    options: list[str] = []
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        if argument in _WITH_VALUE:
            at += 2
            continue
        if argument in {"-jar", "-m", "--module"}:
            main = arguments[at + 1] if at + 1 < len(arguments) else ""
            return options, main.rpartition("/")[2], list(arguments[at + 2 :])
        if not argument.startswith(("-", "@")):
            return options, argument, list(arguments[at + 1 :])
        options.append(argument)
        at += 1
    return options, "", []


def _of_broker(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the files that a program is given, and `--override key=value`."""
    files: list[str] = []
    overrides: list[tuple[str, str]] = []
    at = 0
    while at < len(arguments):
        if arguments[at] == "--override" and at + 1 < len(arguments):
            key, _, value = arguments[at + 1].partition("=")
            if key in BROKER_KEYS:
                overrides.append((key, value))
            at += 2
            continue
        if arguments[at].endswith((".properties", ".conf", ".cfg")):
            files.append(arguments[at])
        at += 1
    return tuple(files), tuple(overrides)


def _agent(jar: str, options: str) -> Agent:
    name = jar.rpartition("/")[2]
    if "jolokia" in name:
        found = re.search(r"(?:^|,)port=(\d{1,5})", options)
        return Agent(name, _port(found[1]) if found else 8778)
    port = _AGENT_PORT.fullmatch(options) or re.fullmatch(r"(?:.*:)?(\d{1,5})", options)
    return Agent(name, _port(port[1]) if port else None)


def _port(text: str) -> int | None:
    return int(text) if text.isdigit() and 0 < int(text) <= 0xFFFF else None


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
