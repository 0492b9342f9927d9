"""What the collector keeps in memory beside a real broker."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from pathlib import Path

import psutil

from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.traffic import Traffic
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, jmx, seqs_at, sink

MIB = 1 << 20
ROUNDS = 20
MAIN, ADMIN = 64 * MIB, 32 * MIB
"""What each process may take, as PSS: pages that are shared count by halves."""


def pss(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
    assert found, rollup
    return int(found[1]) << 10


class Peaks:
    """The most that the processes of a collector were seen to take, by what they are."""

    def __init__(self, edge: Edge) -> None:
        self._main = psutil.Process(edge.process.pid)
        self.main = self.admin = 0

    def look(self) -> None:
        self.main = max(self.main, pss(self._main.pid))
        for child in self._main.children():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, another begins
                self.admin = max(self.admin, pss(child.pid))


def test_the_memory_of_both_processes_is_in_its_bounds(
    broker: Kafka, traffic: Traffic, prometheus: Prometheus, tmp_path: Path
):
    edge = Edge(
        tmp_path,
        kafka={"bootstrap.servers": broker.bootstrap},
        sources={"jmx": jmx(broker), "host": True, "kafka": True},
        topic={"name": f"telemetry-{uuid.uuid4().hex[:8]}", "max_size": "96MiB"},
        sinks=[sink(prometheus.write_url)],
    )
    with edge:
        peaks = Peaks(edge)

        def are_delivered() -> bool:
            peaks.look()
            return len(seqs_at(prometheus)) >= ROUNDS

        wait_for(are_delivered, SOON, f"{ROUNDS} rounds at the centre")
        tracks = prometheus.samples("scrape_samples_scraped", "1h")
        samples = {track.labels["job"]: max(n for _, n in track.points) for track in tracks}
        assert samples["kafka"] > 1000
        assert samples["kafka_exporter"] > 10
        print(
            f"{ROUNDS} rounds of {sum(samples.values()):.0f} samples: peak PSS main "
            f"{peaks.main / MIB:.1f} MiB, admin {peaks.admin / MIB:.1f} MiB"
        )
        assert 0 < peaks.main <= MAIN
        assert 0 < peaks.admin <= ADMIN
