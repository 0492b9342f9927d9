"""A real ZooKeeper server, alone, for the brokers that still need one: Kafka before 4.0."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.lab import parts
from tests.lab.kafka import HOST, SMALL_JVM, START_SECONDS, jmx_options
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

CONFIGURATION = """
dataDir={directory}/data
clientPortAddress={host}
clientPort={port}
tickTime=1000
admin.enableServer=false
"""


class ZooKeeper(Part):
    """One server out of the jars of a Kafka release, with JMX."""

    def __init__(self, directory: Path, *, version: str) -> None:
        self.port = free_port()
        self.jmx_port = free_port()
        self._directory = directory
        options = [
            *jmx_options(self.jmx_port),
            "-Dzookeeper.jmx.log4j.disable=true",  # it has no log4j, and would say so at length
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
        ]
        self.process = Process(
            "ZooKeeper",
            [
                *(parts.java(), *SMALL_JVM, *options, "-cp", f"{parts.kafka(version)}/*"),
                *("org.apache.zookeeper.server.ZooKeeperServerMain", self._file),
            ],
            directory / "zookeeper.log",
        )

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start it and return when it takes connections. Raises StartError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file.write_text(
            CONFIGURATION.format(directory=self._directory, host=HOST, port=self.port)
        )
        self.process.start()
        self.process.wait_until(self._listens, START_SECONDS)

    def stop(self) -> None:
        self.process.stop()

    @property
    def _file(self) -> Path:
        return self._directory / "zoo.cfg"

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True
