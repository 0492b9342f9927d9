"""A real MirrorMaker 2: one process that carries topics of one Kafka to another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.lab import parts
from tests.lab.kafka import HOST, SMALL_JVM, Kafka, jmx_options
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

START_SECONDS = 60.0  # 5 s on a quiet machine
STOP_SECONDS = 3.0  # it takes 10 to leave in order, and for ever without its brokers
_STARTED = "Kafka MirrorMaker started"

_FAST = {
    "replication.factor": 1,
    "offset-syncs.topic.replication.factor": 1,
    "checkpoints.topic.replication.factor": 1,
    "heartbeats.topic.replication.factor": 1,
    "config.storage.replication.factor": 1,
    "offset.storage.replication.factor": 1,
    "status.storage.replication.factor": 1,
    "offset.storage.partitions": 1,
    "status.storage.partitions": 1,
    "refresh.topics.interval.seconds": 2,
    "offset.flush.interval.ms": 1_000,
    "emit.heartbeats.enabled": "false",
    "emit.checkpoints.enabled": "false",
    "tasks.max": 1,
    "plugin.discovery": "service_load",  # looking through all jars takes 20 s
}

_QUIET = {
    "defaultLogLevel": "info",
    "showDateTime": "true",
    "dateTimeFormat": "HH:mm:ss.SSS",
    # A refused connection is told 400,000 times a minute, 430 MB in two.
    "log.org.apache.kafka.clients": "warn",
    # All of the configuration of each client.
    "log.org.apache.kafka.common.config": "warn",
    "log.org.apache.kafka.connect.runtime": "warn",
    "log.org.apache.kafka.connect.mirror.MirrorMaker": "info",
}


class MirrorMaker(Part):
    """Carries the topics that match `topics` from each source to the target.

    `sources` are brokers by alias: the name that mirrored topics get in front. `properties` go
    over ours.
    """

    def __init__(
        self,
        directory: Path,
        sources: Mapping[str, Kafka],
        target: Kafka,
        topics: str,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        self.directory = directory
        self.jmx_port = free_port()
        self._properties: dict[str, object] = {
            "clusters": ", ".join([*sources, "central"]),
            "central.bootstrap.servers": target.bootstrap,
            **_FAST,
        }
        for alias, source in sources.items():
            self._properties |= {
                f"{alias}.bootstrap.servers": source.bootstrap,
                f"{alias}->central.enabled": "true",
                f"{alias}->central.topics": topics.replace("\\", "\\\\"),
                f"central->{alias}.enabled": "false",
            }
        self._properties |= properties or {}
        options = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in _QUIET.items()]
        self.process = Process(
            "MirrorMaker",
            [
                *(parts.java(), *SMALL_JVM, *jmx_options(self.jmx_port), *options),
                *("-cp", f"{parts.kafka()}/*"),
                *("org.apache.kafka.connect.mirror.MirrorMaker", self._file),
                *("--clusters", "central"),
            ],
            directory / "mirrormaker.log",
        )

    @property
    def jmx_address(self) -> str:
        return f"{HOST}:{self.jmx_port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, return once it says so. Its first record comes seconds later."""
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = (f"{name} = {value}\n" for name, value in self._properties.items())
        self._file.write_text("".join(lines))
        self.process.start()
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Raises StartError."""
        self.process.wait_until(lambda: _STARTED in self.log, START_SECONDS)

    def stop(self) -> None:
        self.process.stop(STOP_SECONDS)

    @property
    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    @property
    def _file(self) -> Path:
        return self.directory / "mirrormaker.properties"
