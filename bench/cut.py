"""A cut link with a SIGKILL in its middle: what arrives of it, beside today's agents.

One run, one receiver (Prometheus 3, out-of-order window 31 days), three agents beside each other,
each behind a link of its own: EdgeVitals at a real broker, through its topic; vmagent and
Prometheus in agent mode at a page of 3,000 series whose value is the number of the scrape. The
peers run with their defaults; vmagent speaks the format that a Prometheus takes.

What is lost is judged by the receiver's own data: numbers of scrapes (of ours: of rounds) that an
agent took and the receiver doesn't have. What is out of order, or has a second value for a time, is
judged on the wire.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.peers import NUMBER, PROMETHEUS_AGENT, VMAGENT, Page, prometheus_agent, vmagent
from bench.table import Row, Table, Target, Unit
from tests.demo.stage import INTERVAL, NODE, SITE, Stage
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.witness import RemoteWriteWitness

CUT_S = float(os.environ.get("BENCH_CUT_S", "120"))
"""Others publish ten minutes: BENCH_CUT_S=600."""

BEFORE_S, AFTER_S = 30.0, 20.0
CAUGHT_UP_S = 120.0
LOOK_EVERY_S = 0.25
SERIES = 3_000
WINDOW = "2h"
OURS = "edgevitals"


class Agent(NamedTuple):
    """One of those that are compared. `taken` is the number of its newest scrape."""

    name: str
    start: Callable[[], object]
    kill: Callable[[], object]
    stop: Callable[[], object]
    taken: Callable[[], int]
    selector: str  # of the series whose values are the numbers
    link: Proxy
    witness: RemoteWriteWitness


def run() -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="edgevitals-bench-") as directory, ExitStack() as here:
        place = Path(directory)
        stage = here.enter_context(Stage(place / "site", release=3))
        page = here.enter_context(Page(SERIES))
        agents = [_ours(stage)]
        for name, build in ((VMAGENT, vmagent), (PROMETHEUS_AGENT, prometheus_agent)):
            witness = here.enter_context(RemoteWriteWitness())
            link = here.enter_context(Proxy(stage.centre.port, witness.tap))
            url = f"http://{link.address}/api/v1/write"
            process = build(place / name, page, url, INTERVAL)
            selector = f'{NUMBER}{{job="{name}"}}'
            agents.append(
                Agent(
                    name,
                    process.start,
                    process.kill,
                    process.stop,
                    lambda name=name: page.served[name],  # type: ignore[misc]
                    selector,
                    link,
                    witness,
                )
            )
        for agent in agents:
            here.callback(agent.stop)
        return [_told(agents, stage.centre, *_play(agents, stage.centre))]


def _ours(stage: Stage) -> Agent:
    collector = stage.collector

    def newest() -> int:
        status = collector.status()
        return int(status["streams"][0]["last_seq"]) if status and status["streams"] else 0

    selector = f'edgevitals_round_seq{{site="{SITE}",node="{NODE}"}}'
    stop = collector.process.stop
    return Agent(
        OURS, collector.start, collector.kill, stop, newest, selector, stage.link, stage.witness
    )


def _play(agents: Sequence[Agent], centre: Prometheus) -> tuple[dict[str, int], dict[str, float]]:
    """Cut, kill, restore. Return each one's newest number in the end, and seconds to catch up."""
    for agent in agents:
        agent.start()
    time.sleep(BEFORE_S)
    for agent in agents:
        agent.link.cut()
    time.sleep(CUT_S / 2)
    for agent in agents:
        agent.kill()
        agent.start()
    time.sleep(CUT_S / 2)
    owed = {agent.name: agent.taken() for agent in agents}
    for agent in agents:
        agent.link.restore()
    restored = time.monotonic()
    seconds: dict[str, float] = {}
    while len(seconds) < len(agents) and time.monotonic() - restored < CAUGHT_UP_S:
        for agent in agents:
            if agent.name not in seconds and max(_at(centre, agent), default=0) >= owed[agent.name]:
                seconds[agent.name] = time.monotonic() - restored
        time.sleep(LOOK_EVERY_S)
    time.sleep(AFTER_S)
    taken = {agent.name: agent.taken() for agent in agents}
    time.sleep(3 * INTERVAL)  # what was taken just before is on its way
    return taken, seconds


def _at(centre: Prometheus, agent: Agent) -> set[int]:
    """The numbers that the receiver has."""
    tracks = centre.samples(agent.selector, WINDOW)
    return {int(value) for track in tracks for _, value in track.points}


def _told(
    agents: Sequence[Agent], centre: Prometheus, taken: dict[str, int], seconds: dict[str, float]
) -> Table:
    rows = []
    for agent in agents:
        report = agent.witness.report()
        missing = set(range(1, taken[agent.name] + 1)) - _at(centre, agent)
        after = f"{seconds[agent.name]:.1f} s" if agent.name in seconds else "never"
        rows.append(
            Row(
                f"{agent.name}: lost",
                100 * len(missing) / taken[agent.name],
                Unit.PERCENT,
                Target(0.0) if agent.name == OURS else None,
                f"{len(missing)} of {taken[agent.name]} rounds  out of order "
                f"{report.out_of_order:,}  conflicts {report.conflicts:,}  caught up {after}  "
                f"{report.bytes / max(1, report.samples):.2f} B a sample of "
                f"{report.samples:,}",
            )
        )
    return Table(
        f"A cut of {CUT_S:.0f} s, SIGKILL in its middle, a round every {INTERVAL:g} s", rows
    )
