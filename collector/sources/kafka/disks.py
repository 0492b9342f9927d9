"""The log directories of our own broker: size, free, data, and how long they last.

Where they are is known by JMX, how full by statvfs: a broker in another container must show its
directories to ours, under the same path or below the host's root. One that isn't there has no size.
"""

from __future__ import annotations

import os
from pathlib import Path

from collector.cluster.view import View
from collector.derive.runway import Runway
from collector.series import Family, TargetSeries
from collector.sources.kafka import names

Values = dict[int, float]

MOST_DIRECTORIES = 32


class LogDirectories:
    """Belongs to one thread."""

    def __init__(self, series: TargetSeries, root: Path) -> None:
        """`root` is where the host's root is, from here."""
        self._series = series
        self._root = root
        self._runways: dict[str, Runway] = {}

    def values(self, view: View) -> Values:
        """Return what a round holds of them; nothing while the broker is not known or away."""
        if view.broker is None or not view.disks.directories:
            return {}
        broker = {"broker": str(view.broker)}
        left_out = self._series.intern(names.LEFT_OUT, {"what": "sizes"})
        values: Values = {left_out: view.disks.left_out}
        if view.disks.is_whole:
            data = self._series.intern(names.BROKER_DATA, broker)
            values[data] = sum(view.disks.sizes.values())
        for directory, is_offline in sorted(view.disks.directories.items())[:MOST_DIRECTORIES]:
            labels = broker | {"directory": directory}
            found: dict[Family, float] = {names.DIRECTORY_OFFLINE: is_offline}
            found |= self._usage(directory, view.at)
            values |= {self._series.intern(family, labels): v for family, v in found.items()}
        return values

    def _usage(self, directory: str, now: float) -> dict[Family, float]:
        path = self._root / directory.lstrip("/")
        try:
            disk = os.statvfs(path)
        except OSError:
            return {}
        free = float(disk.f_bavail * disk.f_frsize)
        found = {
            names.DIRECTORY_SIZE: float(disk.f_blocks * disk.f_frsize),
            names.DIRECTORY_FREE: free,
        }
        left = self._runways.setdefault(directory, Runway()).note(free, now)
        if left is not None:
            found[names.DIRECTORY_RUNWAY] = left
        return found
