"""Our side of the bench jmx, as a process of its own: all of its CPU and memory is the reader's.

    python -m bench.jmx_reader HOST:PORT NAMES

NAMES is a profile or a rule file. For each line with a number on stdin it reads so many times,
each time into a round, and writes a line with what that took. It imports nothing that reading
doesn't need: that would be counted too.
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

from collector.frames.dictionary import Stream
from collector.frames.frame import Instant
from collector.names.rules import load_rules
from collector.rounds.recorder import Epochs, Recorder
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget

WITHIN_S = 60.0
NAMES_EVERY = 4
"""Reads between two looks for new MBeans: one a minute, at a round every 15 s."""


class Taken(NamedTuple):
    """What one reading took, as a mean of `times`; `values` of the last one."""

    wall_s: float
    cpu_s: float
    values: int


class Reader:
    """A broker's JMX, as the collector reads and records it."""

    def __init__(self, address: str, names: str) -> None:
        host, _, port = address.rpartition(":")
        table = SeriesTable()
        target = JmxTarget(host=host, port=int(port), refresh_s=1e9)  # `read` says when
        series = TargetSeries(table, {"job": "kafka", "instance": address, "site": "s-0412"})
        self.source = JmxSource(target, series, load_rules([names]))
        stream = Stream("s-0412", "n1", "standard")
        self._recorder = Recorder(stream, table, Epochs(bytes(16)).behind(None))
        self._reads = 0

    def read(self, times: int) -> Taken:
        """Read and record. Raises SourceError."""
        values = 0
        began, cpu = time.monotonic(), time.process_time()
        for _ in range(times):
            if self._reads % NAMES_EVERY == 0:
                self.source.client._scraper._next_look = 0.0
            self._reads += 1
            now = time.monotonic()
            reading = self.source.read(now + WITHIN_S)
            self._recorder.record([reading], Instant(int(time.time() * 1e3), int(now * 1e3)))
            values = len(reading.values)
        took, used = time.monotonic() - began, time.process_time() - cpu
        return Taken(took / times, used / times, values)


def main(address: str, names: str) -> None:
    reader = Reader(address, names)
    try:
        for line in sys.stdin:
            print(*reader.read(int(line)), flush=True)
    finally:
        reader.source.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
