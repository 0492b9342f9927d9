"""The machine the collector runs on, under node_exporter's names; and what its own group may take.

What a machine lacks (a battery of sensors, pressure in an old kernel) is no series, and no failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from collector.derive.runway import Runway
from collector.errors import SourceError
from collector.series import TargetSeries
from collector.sources.cgroup import Cgroup
from collector.sources.filesystems import Filesystems
from collector.sources.host_families import family
from collector.sources.host_paths import HERE, HostPaths
from collector.sources.procfs import Procfs, Sample
from collector.sources.sysfs import Sysfs
from collector.sources.timex import timex
from collector.target import Reading

LONGEST_FILESYSTEMS = 2.0
"""Seconds that a mount which hangs may take of the first read that meets it."""
RESERVE = 0.2
"""Seconds before the deadline at which all waiting ends."""

STEP_BACK = 3.0
"""Seconds. Linux's idle and iowait counters step back a little now and then, which a rate would
take for a restart; a CPU that was away begins again at 0."""


class HostSource:
    """Reads this machine."""

    def __init__(self, series: TargetSeries, paths: HostPaths = HERE) -> None:
        self._series = series
        self._proc = Procfs(paths.proc)
        self._sys = Sysfs(paths.sys)
        self._cgroup = Cgroup()
        self._filesystems = Filesystems(Procfs(paths.mounts), paths.root)
        self._runways: dict[tuple[str, ...], Runway] = {}
        self._ids: dict[tuple[str, ...], int] = {}
        self._cpu: dict[tuple[str, ...], float] = {}

    def read(self, deadline: float) -> Reading:
        """Read everything once; see `collector.target.Source`.

        A part that fails is missing and says so in `node_scrape_collector_success`.
        """
        parts: dict[str, Callable[[], Iterator[Sample]]] = {
            "stat": self._stat,
            "loadavg": self._proc.loadavg,
            "meminfo": self._proc.meminfo,
            "vmstat": self._proc.vmstat,
            "filefd": self._proc.filefd,
            "diskstats": self._proc.diskstats,
            "netdev": self._proc.netdev,
            "netstat": self._proc.netstat,
            "netclass": self._sys.network_up,
            "pressure": self._proc.pressure,
            "hwmon": self._sys.hwmon,
            "thermal_zone": self._sys.thermal,
            "cpu": self._sys.throttles,
            "timex": timex,
            "uname": self._uname,
            "time": lambda: iter([(("node_time_seconds",), time.time())]),
            "filesystem": lambda: self._filesystem_samples(deadline),
            "cgroup": self._cgroup.samples,
        }
        values: dict[int, float] = {}
        errors: dict[str, Exception] = {}
        for name, part in parts.items():
            try:
                values.update([(self._id(key), value) for key, value in part()])
            except (OSError, ValueError, LookupError, RuntimeError) as error:
                errors[name] = error
            key = ("node_scrape_collector_success", name)
            values[self._id(key)] = float(name not in errors)
        if "stat" in errors:  # without it there is no /proc at all
            raise SourceError(
                f"this machine can't be read: {errors['stat']}",
                f"check that {self._proc.path} is there",
            )
        return Reading(list(values), list(values.values()))

    def close(self) -> None:
        """Nothing is held. A thread in a mount that hangs ends with the process."""

    def _stat(self) -> Iterator[Sample]:
        for key, value in self._proc.stat():
            if key[0] == "node_cpu_seconds_total":
                before = self._cpu.get(key, 0.0)
                told = before if before - STEP_BACK < value < before else value
                self._cpu[key] = told
                yield key, told
            else:
                yield key, value

    def _filesystem_samples(self, deadline: float) -> Iterator[Sample]:
        seconds = min(LONGEST_FILESYSTEMS, deadline - RESERVE - time.monotonic())
        found = self._filesystems.read(max(0.0, seconds))
        before, self._runways = self._runways, {}
        for mount, usage in found:
            labels = mount.device, mount.fstype, mount.mountpoint
            yield ("node_filesystem_device_error", *labels), float(usage is None)
            yield ("node_filesystem_readonly", *labels), float(mount.is_readonly)
            runway = self._runways[labels] = before.get(labels) or Runway()
            if usage is not None:
                yield ("node_filesystem_size_bytes", *labels), float(usage.size)
                yield ("node_filesystem_free_bytes", *labels), float(usage.free)
                yield ("node_filesystem_avail_bytes", *labels), float(usage.avail)
                yield ("node_filesystem_files", *labels), float(usage.files)
                yield ("node_filesystem_files_free", *labels), float(usage.files_free)
                left = runway.note(usage.avail, time.monotonic())
                if left is not None and not mount.is_readonly:
                    yield ("edgevitals_host_filesystem_runway_seconds", *labels), left

    def _id(self, key: tuple[str, ...]) -> int:
        known = self._ids.get(key)
        if known is None:
            name, *labels = key
            known_of_it, names = family(name)
            known = self._series.intern(known_of_it, dict(zip(names, labels, strict=True)))
            self._ids[key] = known
        return known

    def _uname(self) -> Iterator[Sample]:
        found = os.uname()
        domain = self._proc.text("sys/kernel/domainname").strip()
        labels = domain, found.machine, found.nodename, found.release, found.sysname, found.version
        yield ("node_uname_info", *labels), 1.0
