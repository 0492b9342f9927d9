"""A real Kafka Connect worker, standalone, with a MirrorSourceConnector in it."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.lab import parts
from tests.lab.kafka import HOST, SMALL_JVM, jmx_options
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

NAME = "plant-mirror"
START_SECONDS = 60.0


class Connect(Part):
    """Carries `topics` from the cluster at `source` to the one at `target`; has a REST interface.

    `properties` go over ours of the connector.
    """

    def __init__(
        self,
        directory: Path,
        source: str,
        target: str,
        topics: str,
        properties: Mapping[str, object] | None = None,
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.jmx_port = free_port()
        converter = "org.apache.kafka.connect.converters.ByteArrayConverter"
        worker = {
            "bootstrap.servers": target,
            "key.converter": converter,
            "value.converter": converter,
            "offset.storage.file.filename": directory / "offsets",
            "offset.flush.interval.ms": 1_000,
            "plugin.discovery": "service_load",
            "listeners": f"http://{HOST}:{self.port}",
        }
        mirror = {
            "name": NAME,
            "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
            "source.cluster.alias": "plant",
            "target.cluster.alias": "central",
            "source.cluster.bootstrap.servers": source,
            "target.cluster.bootstrap.servers": target,
            "topics": topics,
            "replication.factor": 1,
            "offset-syncs.topic.replication.factor": 1,
            **(properties or {}),
        }
        self._settings: dict[str, Mapping[str, object]] = {"worker": worker, "mirror": mirror}
        files = [directory / f"{name}.properties" for name in self._settings]
        level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        self.process = Process(
            "Connect",
            [
                *(parts.java(), *SMALL_JVM, *jmx_options(self.jmx_port), level),
                *("-cp", f"{parts.kafka()}/*", "org.apache.kafka.connect.cli.ConnectStandalone"),
                *files,
            ],
            directory / "connect.log",
        )

    @property
    def url(self) -> str:
        """The connector, as Connect's REST interface has it."""
        return f"http://{HOST}:{self.port}/connectors/{NAME}"

    def start(self) -> None:
        """Return when the connector is there. Raises StartError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for name, properties in self._settings.items():
            lines = (f"{key}={value}\n" for key, value in properties.items())
            (self.directory / f"{name}.properties").write_text("".join(lines))
        self.process.start()
        self.process.wait_until(self._has_connector, START_SECONDS)

    def stop(self) -> None:
        self.process.stop()

    def put(self, what: str) -> None:
        """Tell the connector to `pause` or `resume`."""
        self._tell("PUT", what)

    def restart(self) -> None:
        """Start the tasks that failed again."""
        self._tell("POST", "restart?includeTasks=true&onlyFailed=true")

    def _tell(self, method: str, what: str) -> None:
        request = urllib.request.Request(f"{self.url}/{what}", method=method)
        urllib.request.urlopen(request, timeout=10.0).close()

    def _has_connector(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=2.0).close()
        except OSError:
            return False
        return True
