"""The program is told to stop, is stopped for a while, or has little of everything."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from collector.app import END_S
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.proxy import Cut, Proxy
from tests.real.edge import OF_THE_MACHINE, TIER, Edge, environment, frames_of, sink

PAUSED_S = 5.0
MEMORY = 128 << 20


@pytest.mark.parametrize("how", [Cut.REFUSE, Cut.HANG])
def test_f41_a_stop_takes_ten_seconds_at_most_when_centre_and_broker_are_dead(
    tmp_path: Path, how: Cut
):
    """Beside what a start takes: a machine that is busy takes its time for both."""
    with Proxy(free_port()) as broker, Proxy(free_port()) as centre:
        for link in (broker, centre):
            link.cut(how)
        edge = Edge(
            tmp_path,
            kafka={"bootstrap.servers": broker.address},
            sources={"host": True, "kafka": True, "jmx": [{"address": broker.address}]},
            topic={"name": "telemetry", "max_size": "96MiB"},
            sinks=[sink(f"http://{centre.address}/api/v1/write")],
        )
        began = time.monotonic()
        with edge:
            started = time.monotonic() - began
            edge.wait_for_rounds(3)
            began = time.monotonic()
            assert edge.terminate() == 0, "not by SIGKILL"
            took = time.monotonic() - began
        for link in (broker, centre):
            link.restore()
    assert took <= END_S + started, f"it started within {started:.1f} s"
    seqs = edge.seqs_on_disk()
    assert seqs == list(range(1, len(seqs) + 1)), "with the round that ended all series"
    assert "Traceback" not in edge.log


def test_f42_a_process_that_was_stopped_for_a_while_counts_and_makes_up_for_nothing(
    tmp_path: Path,
):
    with Edge(tmp_path) as edge:
        edge.wait_for_rounds(2)
        edge.process.pause()
        Event().wait(PAUSED_S)
        edge.process.resume()
        edge.wait_for_rounds(3)
        missed = edge.status()["missed"]
        assert edge.terminate() == 0
    taken = [
        at.monotonic_ms
        for path in sorted((edge.spool / TIER).iterdir())
        for frame in frames_of(path)
        for at in frame.at
    ][:-1]  # the closing round is at no tick
    # One that stood still in the middle of a round can't tell that from a round that took long.
    assert sum(missed.get(why, 0) for why in OF_THE_MACHINE) >= PAUSED_S - 2
    due = round((taken[-1] - taken[0]) / 1000) + 1
    assert len(taken) + sum(missed.values()) == pytest.approx(due, abs=1)
    # The first one behind the pause comes at once, the next ones when they are due.
    gaps = [after - before for before, after in pairwise(taken)]
    behind = taken[gaps.index(max(gaps)) + 1 :]
    assert len(behind) <= (behind[-1] - behind[0]) / 1000 + 2, "no burst"


def test_f42_little_memory_is_enough(tmp_path: Path):
    """128 MiB of data, as in a small container: thread stacks count, as they don't there."""
    edge = Edge(tmp_path)
    limits = ["prlimit", f"--data={MEMORY}", f"--stack={1 << 20}", "--"]
    edge.process = Process(
        "collector", [*limits, *edge.process.command], edge.process.log, environment()
    )
    with edge:
        edge.wait_for_rounds(3)
        assert edge.problems() == []
        assert edge.terminate() == 0
    assert "Traceback" not in edge.log
