"""A day of 4,000 series drains from a real topic into a real Prometheus.

The backlog is written by the real writer: the recording over and over, six rounds a frame. Then
`edgevitals run` starts as a forwarder, reads it as a consumer group, and delivers it by remote
write. CPU and memory of both ends are looked at from outside: who is at its limit, we or the
receiver?
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import psutil

from bench.recording import load
from bench.rounds import STREAM, Taker
from bench.table import Row, Table, Target, Unit
from collector.admin.client import Admin
from collector.flow.pump import Batch
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame
from collector.topic.client import TopicPlace
from collector.topic.creation import TopicCreation
from collector.topic.writer import TopicWriter
from tests.demo.cost import ADMIN, MAIN, Cost
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.real.edge import Edge, sink

ROUNDS = int(os.environ.get("BENCH_DRAIN_ROUNDS", str(24 * 60 * 4)))
ROUNDS_A_FRAME = 6
TOPIC = "edgevitals.bench"
MAX_BYTES = 1 << 30
MOST_MIB = 120.0
LOOK_EVERY_S = 0.25
GIVE_UP_S = 300.0


def run() -> list[Table]:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="edgevitals-bench-") as directory, ExitStack() as here:
        place = Path(directory)
        broker = here.enter_context(Kafka(place / "kafka"))
        centre = here.enter_context(Prometheus(place / "centre", release=3))
        dictionary, last = _fill(broker.bootstrap)
        edge = Edge(
            place / "edge",
            sources={},
            kafka={"bootstrap.servers": broker.bootstrap},
            topic={"name": TOPIC, "max_size": "1GiB"},
            sinks=[sink(centre.write_url)],
        )
        here.callback(edge.process.stop)
        return [_watch(edge, centre, dictionary, last)]


def _fill(bootstrap: str) -> tuple[Dictionary, Frame]:
    """Write the backlog; return its dictionary and its last frame."""
    kafka = {"bootstrap.servers": bootstrap}
    taker = Taker(load())
    with closing(Admin(kafka)) as admin:
        place = TopicPlace(TOPIC, 1)
        with closing(TopicWriter(place, kafka, TopicCreation(admin, MAX_BYTES))) as writer:
            for _ in range(0, ROUNDS - ROUNDS_A_FRAME, ROUNDS_A_FRAME):
                writer.send(_batch(taker))
            last = _batch(taker)
            writer.send(last)
    return last.dictionary, last.frames[-1]


def _batch(taker: Taker) -> Batch:
    dictionary, frames = taker.take(ROUNDS_A_FRAME)
    return Batch(dictionary, tuple(frames), None)


def _watch(edge: Edge, centre: Prometheus, dictionary: Dictionary, last: Frame) -> Table:
    newest_ms = last.at[-1].wall_ms or 0
    name = dictionary.series[0].name
    newest = f'{name}{{site="{STREAM.site}",node="{STREAM.node}"}}'
    receiver = psutil.Process(centre.process.pid)
    before = receiver.cpu_times()
    cost = Cost()
    edge.start()
    began = time.monotonic()
    first: float | None = None
    looks = 0
    while time.monotonic() - began < GIVE_UP_S:
        cost.look(edge.process.pid)
        sent = edge.pump("forward-centre").get("delivered_rounds", 0)
        if first is None and sent:
            first = time.monotonic()
        looks += 1
        if centre.samples(newest, "10s", at=newest_ms / 1000 + 1):
            break
        time.sleep(LOOK_EVERY_S)
    else:
        raise TimeoutError(f"not drained after {GIVE_UP_S:.0f} s\n{edge.log[-2000:]}")
    seconds = time.monotonic() - (first or began)
    after = receiver.cpu_times()
    theirs = after.user + after.system - before.user - before.system
    samples = ROUNDS * len(dictionary.series)
    ours = cost.cpu_seconds(MAIN)
    memory = sum(cost.peak_kib.values()) / 1024
    rows = [
        Row(
            "into Prometheus 3",
            samples / seconds / 1e6,
            Unit.SAMPLES_A_SECOND,
            None,
            f"{samples / 1e6:.1f} M samples in {seconds:.1f} s",
        ),
        Row(
            "a CPU second of ours",
            samples / ours / 1e6,
            Unit.SAMPLES_A_SECOND,
            None,
            f"ours {ours:.1f} s, the receiver's {theirs:.1f} s: it is at its limit, not we",
        ),
        Row(
            "peak memory (PSS), all of ours",
            memory,
            Unit.MEBIBYTES,
            Target(MOST_MIB),
            f"main {cost.peak_kib[MAIN] / 1024:.1f}  admin {cost.peak_kib[ADMIN] / 1024:.1f}",
        ),
    ]
    title = f"A backlog of {ROUNDS:,} rounds of {len(dictionary.series):,} series drains"
    return Table(title, rows)
