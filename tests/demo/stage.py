"""The demo's parts: a site with a broker, a mirror and a collector, a centre, and the link there.

The centre has a Prometheus, to which the collector delivers, and a Kafka, to which MirrorMaker 2
does.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from tests.demo.proof import LEAVE_SECONDS, Dark, Life
from tests.lab import parts
from tests.lab.kafka import Kafka
from tests.lab.mirror import MirrorMaker
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Cut, Proxy
from tests.lab.traffic import Traffic
from tests.lab.witness import RemoteWriteWitness

SITE, NODE, LINK = "store-0412", "broker-1", "hq"
INTERVAL = 5.0
START_SECONDS = 30.0
HOST = "127.0.0.1"


def now() -> float:
    """Seconds since 1970 in whole milliseconds, as rounds have them: they compare with ours."""
    return time.time_ns() // 1_000_000 / 1000


class Collector:
    """`edgevitals run` as a child process, with the times of its lives by our own clock."""

    def __init__(self, config: Path, listen: str, log: Path) -> None:
        self.lives: list[Life] = []
        self.url = f"http://{listen}"
        program = Path(sys.executable).with_name("edgevitals")
        # Empty is as if unset: no variable of the caller's reaches into our configuration.
        ours = dict.fromkeys((name for name in os.environ if name.startswith("EDGEVITALS_")), "")
        self.process = Process("collector", [program, "run", "-c", config], log, ours)
        self._started = 0.0

    def start(self) -> float:
        """Start it, and return the seconds until it answered."""
        self._started = now()
        self.process.start()
        self.process.wait_until(lambda: self.status() is not None, START_SECONDS)
        return now() - self._started

    def kill(self) -> None:
        """SIGKILL, its admin child with it."""
        ended = now()
        self.process.kill()
        self._end(ended)

    def stop(self) -> tuple[int | None, float]:
        """SIGTERM; return the exit code and the seconds that it took."""
        ended = now()
        self.process.stop(LEAVE_SECONDS + 1.0)
        self._end(ended)
        return self.process.returncode, self.lives[-1].gone - ended

    def status(self) -> dict[str, Any] | None:
        """What /status.json says; None when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/status.json", timeout=1.0) as answer:
                said: dict[str, Any] = json.load(answer)
                return said
        except (OSError, ValueError):
            return None

    def _end(self, ended: float) -> None:
        self.lives.append(Life(self._started, ended, now()))


class Stage:
    """Everything that runs. Start it from the main thread: parts end with the thread that does."""

    def __init__(self, directory: Path, release: Literal[2, 3] = 2) -> None:
        self.directory = directory
        self.broker = Kafka(directory / "kafka")
        self.traffic = Traffic(self.broker.bootstrap)
        rules = sorted((parts.PROJECT / "alerts").glob("*.yaml"))
        self.centre = Prometheus(directory / "prometheus", rules=rules, release=release)
        self.witness = RemoteWriteWitness()
        self.link = Proxy(self.centre.port, self.witness.tap)
        port = free_port()  # the central broker names it to its clients
        own = {"advertised.listeners": f"PLAINTEXT://{HOST}:{port}"}
        self.central = Kafka(directory / "central", properties=own)
        self.mirror_link = Proxy(self.central.port, port=port)
        self.mirror = MirrorMaker(
            directory / "mirror",
            {"site": self.broker},
            self.central,
            self.traffic.topics[0],
            {
                "central.bootstrap.servers": self.mirror_link.address,
                # Else Connect runs no task for five minutes after a cut.
                "central.scheduled.rebalance.max.delay.ms": 0,
                "site->central.offset.lag.max": 0,
            },
        )
        listen = f"{HOST}:{free_port()}"
        self.config = directory / "edgevitals.yaml"
        self._settings = self._config(listen)
        self.collector = Collector(self.config, listen, directory / "collector.log")
        self.dark = Dark(0.0, None)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Start everything but the collector. Raises StartError, SetupError, TimeoutError."""
        with ExitStack() as starting:
            for part in (
                *(self.broker, self.central, self.centre, self.traffic),
                *(self.witness, self.link, self.mirror_link, self.mirror),
            ):
                starting.enter_context(part)
            starting.callback(self.collector.process.stop)
            self._running = starting.pop_all()
        self.config.write_text(yaml.safe_dump(self._settings, sort_keys=False))
        return self

    def cut(self) -> None:
        """Nothing leaves the site any more."""
        self.dark = Dark(now(), None)
        self.link.cut(Cut.REFUSE)
        self.mirror_link.cut(Cut.REFUSE)

    def restore(self) -> None:
        self.dark = self.dark._replace(end=now())
        self.link.restore()
        self.mirror_link.restore()

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _config(self, listen: str) -> dict[str, Any]:
        centre = {
            "name": "centre",
            "url": f"http://{self.link.address}/api/v1/write",
            "out_of_order_time_window": "31d",
        }
        return {
            "site": SITE,
            "node": NODE,
            "preset": "lan",
            "interval": f"{INTERVAL:g}s",
            "kafka": {"bootstrap.servers": self.broker.bootstrap},
            "sources": {
                "jmx": [{"address": self.broker.jmx_address}],
                "host": True,
                "kafka": {"partitions": [self.traffic.topics[0]]},
            },
            "links": [
                {
                    "name": LINK,
                    "kind": "mirrormaker2",
                    "topics": [self.traffic.topics[0]],
                    "jmx": [{"address": self.mirror.jmx_address}],
                    "offset_syncs": "mm2-offset-syncs.central.internal",
                }
            ],
            "spool": {
                "path": str(self.directory / "spool"),
                "max_size": "256MiB",
                "min_free": "64MiB",
            },
            "topic": {"name": "edgevitals.telemetry", "max_size": "256MiB"},
            "sinks": [centre],
            "status": {"listen": listen},
        }
