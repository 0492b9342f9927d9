"""What the collector takes of the machine, seen from outside: memory and CPU from /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import psutil

MAIN, ADMIN = "main process", "admin child"
TARGETS_MIB = {MAIN: 64, ADMIN: 32}
_TICKS = os.sysconf("SC_CLK_TCK")


class Cost:
    """The highest memory and the CPU time of the collector's processes, over all its lives.

    CPU counts up to the last look at a process: look often.
    """

    def __init__(self) -> None:
        self.peak_kib: dict[str, int] = defaultdict(int)
        self._cpu: dict[tuple[str, int], float] = {}

    def look(self, pid: int) -> None:
        """Measure the collector with this process id, and its child."""
        self._measure(MAIN, pid)
        try:
            children = psutil.Process(pid).children()
        except psutil.Error:
            return
        for child in children:
            self._measure(ADMIN, child.pid)

    def cpu_seconds(self, role: str) -> float:
        return sum(seconds for (known, _), seconds in self._cpu.items() if known == role)

    def _measure(self, role: str, pid: int) -> None:
        process = Path("/proc", str(pid))
        try:
            kib = pss_kib((process / "smaps_rollup").read_text())
            seconds = cpu_seconds((process / "stat").read_text())
        except (OSError, ValueError):
            return  # it ended just now
        self.peak_kib[role] = max(self.peak_kib[role], kib)
        self._cpu[role, pid] = seconds


def pss_kib(smaps_rollup: str) -> int:
    """The proportional set size: pages shared with other processes count by their share.

    Raises ValueError when the text has none, as of a process that is ending.
    """
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError("no Pss in smaps_rollup")


def cpu_seconds(stat: str) -> float:
    """User and system time of /proc/PID/stat. The name in it may hold blanks and brackets."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
