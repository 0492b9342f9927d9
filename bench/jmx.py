"""Reading a broker's JMX: ours beside jmx_exporter, its javaagent and jmxquery.

One broker with about 250 partitions; all read the same MBeans by the same rule files, in turns, a
few times a turn; medians over the turns. Ours is `JmxSource.read` and `Recorder.record` in a
process of its own: rules, names and the round that is kept are counted, and every fourth time a
look for new MBeans. The others' page is fetched and thrown away.

What a reading costs the broker is what its CPU time grew by, less what it takes when nobody reads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple, Protocol

from bench.jmx_others import Agent, Query, add_topics, cpu_s, exporter
from bench.jmx_process import ReaderProcess
from bench.jmx_reader import Taken
from bench.table import Row, Table, Target, Unit
from collector.names.rules import load_rules, profile_path
from tests.demo.cost import pss_kib
from tests.lab.kafka import Kafka

TURNS = int(os.environ.get("BENCH_JMX_TURNS", "5"))
IDLE_S = 0.7
MEMORY_READS = 5

OURS, EXPORTER, AGENT, QUERY = "ours", "jmx_exporter", "javaagent", "jmxquery"


class Case(NamedTuple):
    """What is read, and how often in a turn: about as long for each, so that noise evens out."""

    title: str
    names: str
    warm_ups: Mapping[str, int]
    times: Mapping[str, int]
    most_mib: float


EVERYTHING = Case(
    "all numeric attributes",
    "everything.yaml",
    {OURS: 4, EXPORTER: 5, AGENT: 4},
    {OURS: 4, EXPORTER: 1, AGENT: 2, QUERY: 1},
    32.0,
)
DEFAULT = Case(
    "profile default",
    "default",
    {OURS: 8, EXPORTER: 6, AGENT: 6},
    {OURS: 8, EXPORTER: 1, AGENT: 3, QUERY: 1},
    16.0,
)


class Contender(Protocol):
    def read(self, times: int) -> Taken: ...


class Turn(NamedTuple):
    """What one reading of a contender took in one turn."""

    taken: Taken
    broker_cpu_s: float


class Turns:
    """All contenders, one after the other, each turn beginning with another one."""

    def __init__(self, broker: Kafka, case: Case, contenders: Mapping[str, Contender]) -> None:
        self._pid = broker.process.pid
        self._case = case
        self._contenders = contenders
        self._turns: dict[str, list[Turn]] = {name: [] for name in contenders}
        self._idle: list[float] = []

    def run(self) -> None:
        for name, times in self._case.warm_ups.items():
            self._contenders[name].read(times)
        names = list(self._contenders)
        for turn in range(TURNS):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                self._take(name)

    def values(self, name: str) -> int:
        return self._turns[name][-1].taken.values

    def wall_s(self, name: str) -> float:
        return median(turn.taken.wall_s for turn in self._turns[name])

    def cpu_s(self, name: str) -> float:
        return median(turn.taken.cpu_s for turn in self._turns[name])

    def broker_cpu_s(self, name: str) -> float:
        idle = median(self._idle)
        return median(turn.broker_cpu_s - idle * turn.taken.wall_s for turn in self._turns[name])

    def _take(self, name: str) -> None:
        self._idle.append(self._idle_rate())
        times = self._case.times[name]
        before = cpu_s(self._pid)
        taken = self._contenders[name].read(times)
        self._turns[name].append(Turn(taken, (cpu_s(self._pid) - before) / times))

    def _idle_rate(self) -> float:
        """Seconds of CPU a second that the broker takes by itself."""
        before, began = cpu_s(self._pid), time.monotonic()
        time.sleep(IDLE_S)
        return (cpu_s(self._pid) - before) / (time.monotonic() - began)


def run() -> Iterator[Table]:
    # Installed programs have their bytecode; compiling it would be counted as ours.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="edgevitals-bench-") as name:
        directory = Path(name)
        everything = directory / EVERYTHING.names
        everything.write_text('rules:\n- pattern: ".*"\n')
        agent = Agent(directory)
        with agent.broker as broker:
            add_topics(broker)
            yield _measure(agent, EVERYTHING, everything, directory)
            yield _measure(agent, DEFAULT, profile_path(DEFAULT.names), directory)


def _measure(agent: Agent, case: Case, rules: Path, directory: Path) -> Table:
    broker, text = agent.broker, rules.read_text()
    names = str(rules) if case is EVERYTHING else case.names
    with (
        exporter(broker, text, directory) as page,
        ReaderProcess(broker.jmx_address, names) as reader,
    ):
        contenders: dict[str, Contender] = {
            OURS: reader,
            EXPORTER: page,
            AGENT: agent.page(text),
            QUERY: Query(broker, load_rules([names]).patterns),
        }
        turns = Turns(broker, case, contenders)
        turns.run()
    rows = [
        _ratio("wall", turns.wall_s(OURS), EXPORTER, turns.wall_s(EXPORTER), 0.2),
        _ratio("own CPU", turns.cpu_s(OURS), EXPORTER, turns.cpu_s(EXPORTER), 0.15),
        _ratio("broker CPU", turns.broker_cpu_s(OURS), AGENT, turns.broker_cpu_s(AGENT), 1.0),
        _ratio("wall", turns.wall_s(OURS), QUERY, turns.wall_s(QUERY), 0.1),
        _memory(broker.jmx_address, names, case.most_mib),
    ]
    values = ", ".join(f"{name} {turns.values(name):,}" for name in contenders)
    return Table(f"JMX, {case.title}, medians of {TURNS} turns; values: {values}", rows)


def _ratio(what: str, ours_s: float, name: str, theirs_s: float, limit: float) -> Row:
    note = f"{ours_s * 1e3:,.0f} ms against {theirs_s * 1e3:,.0f} ms"
    return Row(f"{what}, to {name}", ours_s / theirs_s, Unit.RATIO, Target(limit), note)


def _memory(address: str, names: str, most_mib: float) -> Row:
    """The highest PSS after each of some reads, less that of a Python that does nothing.

    Pages of programs and libraries count by share, so other Pythons on the machine make it less:
    the note has RSS, where they don't.
    """
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with (
        subprocess.Popen(waiting, stdin=subprocess.PIPE) as bare,
        ReaderProcess(address, names) as reader,
    ):
        pss = rss = 0
        for _ in range(1 + MEMORY_READS):  # the first one connects
            reader.read(1)
            pss, rss = max(pss, _pss_kib(reader.pid)), max(rss, _rss_kib(reader.pid))
        bare_pss, bare_rss = _pss_kib(bare.pid), _rss_kib(bare.pid)
        peak = _status_kib(reader.pid, "VmHWM") - bare_rss
    note = f"PSS; RSS {(rss - bare_rss) / 1024:.1f}, its peak {peak / 1024:.1f} MiB"
    mib = (pss - bare_pss) / 1024
    return Row("memory, to a bare Python", mib, Unit.MEBIBYTES, Target(most_mib), note)


def _pss_kib(pid: int) -> int:
    return pss_kib(Path(f"/proc/{pid}/smaps_rollup").read_text())


def _rss_kib(pid: int) -> int:
    return _status_kib(pid, "VmRSS")


def _status_kib(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
