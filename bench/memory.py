"""Peak memory of `edgevitals run`, two minutes beside a real broker with traffic.

Measured from outside, every half second: the proportional set size (PSS) of the process and of its
admin child. Pages that they share with other Python processes, such as this one, count by their
share; RSS counts them whole. Parts and configuration are the demo's (JMX, host and Kafka, a topic,
a sink to a real Prometheus, a round every five seconds), with more topics on the broker: about as
many series as a site has.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.table import Row, Table, Target, Unit
from tests.demo.cost import ADMIN, MAIN, TARGETS_MIB, Cost
from tests.demo.stage import INTERVAL, Collector, Stage
from tests.lab.waiting import wait_for

SECONDS = 120.0
LOOK_EVERY_S = 0.5
MORE_TOPICS, PARTITIONS = 80, 4


def run() -> list[Table]:
    # Installed programs have their bytecode; compiling it would be counted as theirs.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with (
        tempfile.TemporaryDirectory(prefix="edgevitals-bench-") as directory,
        Stage(Path(directory)) as stage,
    ):
        _add_topics(stage.broker.bootstrap)
        collector = stage.collector
        collector.start()
        # A life until every pump has delivered: all modules are loaded, and compiled.
        wait_for(lambda: _has_delivered(collector.status()), 60.0, "a round at the centre")
        collector.stop()

        collector.start()
        cost, rss_mib = _watch(collector)
        samples = _samples(collector.status())
        collector.stop()
    rows = [
        Row(
            role,
            cost.peak_kib[role] / 1024,
            Unit.MEBIBYTES,
            Target(TARGETS_MIB[role]),
            f"RSS {rss_mib[role]:.1f} MiB  CPU {60 * cost.cpu_seconds(role) / SECONDS:.1f} s/min",
        )
        for role in (MAIN, ADMIN)
    ]
    title = f"Peak memory (PSS) in {SECONDS:.0f} s, {samples:,} samples every {INTERVAL:g} s"
    return [Table(title, rows)]


def _watch(collector: Collector) -> tuple[Cost, dict[str, float]]:
    """Look for two minutes; return what it cost, and the highest RSS by role."""
    cost = Cost()
    rss_mib: dict[str, float] = defaultdict(float)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        process = collector.process
        assert process.is_running, process.tail()
        cost.look(process.pid)
        try:
            main = psutil.Process(process.pid)
            for role, one in [(MAIN, main), *((ADMIN, child) for child in main.children())]:
                rss_mib[role] = max(rss_mib[role], one.memory_info().rss / (1 << 20))
        except psutil.NoSuchProcess:
            pass  # an admin child ended just now: the next look finds the next one
        time.sleep(LOOK_EVERY_S)
    return cost, rss_mib


def _add_topics(bootstrap: str) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    topics = [NewTopic(f"plant-{number}", PARTITIONS) for number in range(MORE_TOPICS)]
    for created in client.create_topics(topics, operation_timeout=30.0).values():
        created.result(30.0)


def _has_delivered(status: dict[str, Any] | None) -> bool:
    pumps = status["pumps"] if status else []
    return bool(pumps) and all(pump["delivered_rounds"] for pump in pumps)


def _samples(status: dict[str, Any] | None) -> int:
    """Of the last round, over all targets."""
    return sum(target["samples"] for target in status["targets"]) if status else 0
