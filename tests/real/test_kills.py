"""The collector killed at any moment: what was on disk is whole, and arrives."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from threading import Event

import pytest

from tests.lab import parts
from tests.lab.process import Process
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, TIER, Edge, environment, seqs_at, sink, to_centre
from tests.real.test_line import assert_in_order, link_to

KILLS = int(os.environ.get("SOAK_KILLS", "8"))
"""Of a collector; 1,000 in `make soak`."""

CALLS = int(os.environ.get("SOAK_CALLS", "2"))
"""At how many calls of each kind it is killed; 25 in `make soak`."""


class Ledger:
    """What was ever on disk. It only grows, whatever happens to the process."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.seqs: list[int] = []

    def look(self) -> None:
        found = self._edge.seqs_on_disk() if (self._edge.spool / TIER).exists() else []
        assert found[: len(self.seqs)] == self.seqs, "what was on disk is gone, or is another"
        assert found == sorted(set(found)), "a number was given twice"
        self.seqs = found


def test_f01_a_collector_that_is_killed_again_and_again_loses_nothing(
    tmp_path: Path, prometheus: Prometheus
):
    draw = random.Random(KILLS)
    with link_to(prometheus) as link:
        edge = Edge(tmp_path, sinks=[to_centre(link)])
        ledger = Ledger(edge)
        for _ in range(KILLS):
            edge.process.start()
            Event().wait(draw.uniform(0.05, 1.5))
            edge.process.kill()
            ledger.look()
        with edge:
            edge.wait_for_rounds(2)
            wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
            assert edge.status()["gaps"] == {}
            assert edge.terminate() == 0
        ledger.look()
        assert ledger.seqs == list(range(1, len(ledger.seqs) + 1))
        wait_for(lambda: len(seqs_at(prometheus)) == len(ledger.seqs), SOON, "all at the centre")
        assert seqs_at(prometheus) == ledger.seqs
        assert_in_order(link.report())


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "rename"])
def test_f01_killed_at_a_call_of_a_round_it_has_what_was_durable_and_goes_on(
    tmp_path: Path, prometheus: Prometheus, call: str
):
    """By strace, at the first, second... call of that kind of each thread."""
    strace = parts.need("strace", "strace")
    edge = Edge(tmp_path, sinks=[sink(prometheus.write_url)])
    ledger = Ledger(edge)
    for number in range(1, CALLS + 1):
        inject = f"inject={call}:signal=KILL:when={number}"
        quietly = [strace, "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", inject]
        command = [*quietly, *edge.process.command]
        traced = Process("collector under strace", command, tmp_path / "strace.log", environment())
        traced.start()
        assert traced.wait(SOON) == -signal.SIGKILL
        ledger.look()
    with edge:
        edge.wait_for_rounds(2)
        assert edge.status()["gaps"] == {}
        assert edge.terminate() == 0
    ledger.look()
    wait_for(lambda: seqs_at(prometheus) == ledger.seqs, SOON, "all at the centre")
