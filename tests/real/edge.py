"""An edge site for a test: `edgevitals run` as a child process, with its spool and its status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, decode
from collector.spool.segment import SegmentReader
from tests.lab.disk import SmallDisk
from tests.lab.kafka import Kafka
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.waiting import wait_for

SITE, NODE, TIER = "store-1", "edge-1", "standard"
STREAM = Stream(SITE, NODE, TIER)
HOST = "127.0.0.1"
SOON = 60.0
OF_THE_MACHINE = {"overrun", "suspended"}
"""Reasons for rounds that were missed: with one a second, a machine that is busy is enough."""
_TOO_SLOW = re.compile(r" is down: (no answer within 0\.5 s|still busy with an earlier round)$")
BACK_SOON = {"broker.session.timeout.ms": 2_000, "broker.heartbeat.interval.ms": 500}
"""Of a broker that is killed: it may come back once its last session is over, 6 s as a rule."""

PROGRAM = Path(sys.executable).with_name("edgevitals")


def sink(url: str, **keys: Any) -> dict[str, Any]:
    """Without a pulse: a scripted receiver would take it for a round."""
    keys = {"out_of_order_time_window": "31d", "pulse": False, **keys}
    return {"name": "centre", "url": url, **keys}


def to_centre(link: Proxy) -> dict[str, Any]:
    return sink(f"http://{link.address}/api/v1/write", pulse=True)


def jmx(broker: Kafka) -> list[dict[str, str]]:
    return [{"address": broker.jmx_address}]


def environment() -> dict[str, str]:
    """Empty is as if unset: no variable of the caller's reaches into our configuration."""
    return dict.fromkeys(
        (name for name in os.environ if name.startswith(("EDGEVITALS_", "OTEL_"))), ""
    )


def run(*args: object) -> subprocess.CompletedProcess[str]:
    """Run a verb as a person does; what it printed, and how it ended."""
    return subprocess.run(
        [str(word) for word in (PROGRAM, *args)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment()},
        timeout=120,
    )


class Edge(Part):
    """One site. It keeps its spool over `kill`, `stop` and `start`.

    `settings` are keys of the configuration; a round a second, of the host if nothing is said.
    `variables` are the process's environment, besides ours. With a `disk` the spool is on it.
    """

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str] | None = None,
        disk: SmallDisk | None = None,
        **settings: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.spool = (disk.seen if disk else folder) / "spool"
        path = disk.place / "spool" if disk else self.spool
        self.file = folder / "edgevitals.yaml"
        self.settings = {
            "site": SITE,
            "node": NODE,
            "preset": "lan",
            "interval": "1s",
            "sources": {"host": True},
            "spool": {"path": str(path), "max_size": "64MiB", "min_free": "1MiB"},
            "status": {"listen": f"{HOST}:{free_port()}"},
            **settings,
        }
        self.file.write_text(json.dumps(self.settings))  # which is YAML too
        self.url = f"http://{self.settings['status']['listen']}"
        within = disk.within if disk else []
        command: list[str | Path] = [*within, PROGRAM, "run", "-c", self.file]
        self.process = Process(
            "collector", command, folder / "collector.log", {**environment(), **(variables or {})}
        )

    def start(self) -> None:
        """Start it, and return when it answers."""
        self.process.start()
        self.process.wait_until(lambda: self._get("/healthz") is not None, SOON)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, its admin child with it."""
        self.process.kill()

    def terminate(self) -> int:
        """SIGTERM; return the exit code, that of SIGKILL when it does not end.

        How long that may take is judged in test_stops, beside what a start takes there and then.
        """
        self.process.stop(SOON)
        assert self.process.returncode is not None
        return self.process.returncode

    def status(self) -> dict[str, Any]:
        """What /status.json says; nothing while nobody answers."""
        body = self._get("/status.json")
        said: dict[str, Any] = json.loads(body) if body else {}
        return said

    def metrics(self) -> str:
        return (self._get("/metrics") or b"").decode()

    def target(self, job: str) -> dict[str, Any]:
        found = (one for one in self.status().get("targets", []) if one["job"] == job)
        return next(found, {})

    def pump(self, name: str) -> dict[str, Any]:
        found = (one for one in self.status().get("pumps", []) if one["name"] == name)
        return next(found, {})

    @property
    def seq(self) -> int:
        """The number of the latest round, 0 before the first."""
        streams = self.status().get("streams", [])
        return int(streams[0]["last_seq"]) if streams else 0

    def missed(self) -> dict[str, int]:
        """The rounds that were missed, by reason, but for those a busy machine had no time for."""
        missed: dict[str, int] = self.status()["missed"]
        return {why: count for why, count in missed.items() if why not in OF_THE_MACHINE}

    def problems(self) -> list[str]:
        """What it complains of, but for targets that a busy machine was too slow to read."""
        problems: list[str] = self.status()["problems"]
        return [one for one in problems if not _TOO_SLOW.search(one)]

    def wait_for_rounds(self, number: int) -> None:
        """Return when so many more rounds are taken."""
        wanted = self.seq + number
        wait_for(lambda: self.seq >= wanted, SOON, f"round {wanted}")

    @property
    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    def seqs_on_disk(self) -> list[int]:
        """The rounds of the spool, by their segments and nothing else."""
        found: list[int] = []
        for path in sorted((self.spool / TIER).iterdir(), key=lambda path: path.name):
            found += (seq for frame in frames_of(path) for seq in seqs_of(frame))
        return found

    def _get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=SOON) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.read()
        except OSError:
            return None


def records_of(path: Path) -> list[Any]:
    """Everything that a file of the spool holds, decoded."""
    reader = SegmentReader(path)
    try:
        found, at = [], 0
        known: dict[int, Dictionary] = {}
        while (entry := reader.read(at, reader.size)) is not None:
            body = decode(entry.payload, known)
            if isinstance(body, Dictionary):
                known[body.id] = body
            found.append(body)
            at = entry.end
        return found
    finally:
        reader.close()


def frames_of(path: Path) -> list[Frame]:
    return [one for one in records_of(path) if isinstance(one, Frame)]


def seqs_of(frame: Frame) -> range:
    return range(frame.first_seq, frame.last_seq + 1)


def seqs_at(centre: Prometheus, window: str = "1h") -> list[int]:
    """The rounds that the centre has, by their own numbers, in the order of their times."""
    tracks = centre.samples(f'edgevitals_round_seq{{site="{SITE}",tier="{TIER}"}}', window)
    return [int(value) for track in tracks for _, value in track.points]
