"""The machine the collector runs on, under node_exporter's names.

This is the machine as this process sees it: psutil has one /proc for a whole process. A container
that shows its host's elsewhere is not read there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from collector.errors import SourceError
from collector.series import Family, Kind, TargetSeries
from collector.sources import procfs
from collector.sources.filesystems import Filesystems
from collector.sources.procfs import Sample
from collector.target import Reading

NETWORK_DEVICES = Path("/sys/class/net")

LONGEST_FILESYSTEMS = 2.0
"""Seconds that a mount which hangs may take of the first read that meets it."""
RESERVE = 0.2
"""Seconds before the deadline at which all waiting ends."""

STEP_BACK = 3.0
"""Seconds. Linux's idle and iowait counters step back a little now and then, which a rate would
take for a restart; a CPU that was away begins again at 0."""

_COUNTER, _GAUGE = Kind.COUNTER, Kind.GAUGE
_CPU, _DISK, _DEVICE = ("cpu", "mode"), ("device",), ("device",)
_MOUNT = ("device", "fstype", "mountpoint")

_FAMILIES: dict[str, tuple[tuple[str, ...], Kind, str]] = {
    "node_cpu_seconds_total": (_CPU, _COUNTER, "Seconds the CPU spent in each mode."),
    "node_cpu_guest_seconds_total": (_CPU, _COUNTER, "Seconds the CPU spent in guests."),
    "node_context_switches_total": ((), _COUNTER, "Context switches."),
    "node_intr_total": ((), _COUNTER, "Interrupts."),
    "node_forks_total": ((), _COUNTER, "Forks."),
    "node_boot_time_seconds": ((), _GAUGE, "Unix time of the boot."),
    "node_procs_running": ((), _GAUGE, "Processes that could run."),
    "node_procs_blocked": ((), _GAUGE, "Processes that wait for I/O."),
    "node_load1": ((), _GAUGE, "Load average of 1 minute."),
    "node_load5": ((), _GAUGE, "Load average of 5 minutes."),
    "node_load15": ((), _GAUGE, "Load average of 15 minutes."),
    "node_filefd_allocated": ((), _GAUGE, "File descriptors in use."),
    "node_filefd_maximum": ((), _GAUGE, "File descriptors there may be."),
    "node_time_seconds": ((), _GAUGE, "Unix time."),
    "node_uname_info": (
        ("domainname", "machine", "nodename", "release", "sysname", "version"),
        _GAUGE,
        "What uname says, as labels.",
    ),
    "node_filesystem_size_bytes": (_MOUNT, _GAUGE, "Size."),
    "node_filesystem_free_bytes": (_MOUNT, _GAUGE, "Free space."),
    "node_filesystem_avail_bytes": (_MOUNT, _GAUGE, "Free space for users other than root."),
    "node_filesystem_files": (_MOUNT, _GAUGE, "File nodes."),
    "node_filesystem_files_free": (_MOUNT, _GAUGE, "Free file nodes."),
    "node_filesystem_readonly": (_MOUNT, _GAUGE, "1 if mounted read-only."),
    "node_filesystem_device_error": (_MOUNT, _GAUGE, "1 if it fails or does not answer."),
    "node_disk_reads_completed_total": (_DISK, _COUNTER, "Reads that succeeded."),
    "node_disk_read_bytes_total": (_DISK, _COUNTER, "Bytes read."),
    "node_disk_read_time_seconds_total": (_DISK, _COUNTER, "Seconds spent by all reads."),
    "node_disk_writes_completed_total": (_DISK, _COUNTER, "Writes that succeeded."),
    "node_disk_written_bytes_total": (_DISK, _COUNTER, "Bytes written."),
    "node_disk_write_time_seconds_total": (_DISK, _COUNTER, "Seconds spent by all writes."),
    "node_disk_io_now": (_DISK, _GAUGE, "Reads and writes under way."),
    "node_disk_io_time_seconds_total": (_DISK, _COUNTER, "Seconds with I/O under way."),
    "node_disk_io_time_weighted_seconds_total": (
        _DISK,
        _COUNTER,
        "Seconds with I/O under way, times how many.",
    ),
    "node_network_up": (_DEVICE, _GAUGE, "1 if the operational state is up."),
    "node_scrape_collector_success": (("collector",), _GAUGE, "1 if this part could be read."),
}
for _direction in ("receive", "transmit"):
    for _what in ("bytes", "packets", "errs", "drop"):
        _FAMILIES[f"node_network_{_direction}_{_what}_total"] = (
            _DEVICE,
            _COUNTER,
            f"Network device: {_direction} {_what}.",
        )


class HostSource:
    """Reads this machine."""

    def __init__(self, series: TargetSeries) -> None:
        self._series = series
        self._filesystems = Filesystems()
        self._ids: dict[tuple[str, ...], int] = {}
        self._cpu: dict[tuple[str, ...], float] = {}

    def read(self, deadline: float) -> Reading:
        """Read everything once; see `collector.target.Source`.

        A part that fails is missing and says so in `node_scrape_collector_success`.
        """
        parts: dict[str, Callable[[], Iterator[Sample]]] = {
            "stat": self._stat,
            "loadavg": procfs.loadavg,
            "meminfo": procfs.meminfo,
            "vmstat": procfs.vmstat,
            "filefd": procfs.filefd,
            "diskstats": procfs.diskstats,
            "netdev": procfs.netdev,
            "netclass": _network_up,
            "uname": _uname,
            "time": lambda: iter([(("node_time_seconds",), time.time())]),
            "filesystem": lambda: self._filesystem_samples(deadline),
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
                f"check that {psutil.PROCFS_PATH} is there",
            )
        return Reading(list(values), list(values.values()))

    def close(self) -> None:
        """Nothing is held. A thread in a mount that hangs ends with the process."""

    def _stat(self) -> Iterator[Sample]:
        for key, value in procfs.stat():
            if key[0] == "node_cpu_seconds_total":
                before = self._cpu.get(key, 0.0)
                told = before if before - STEP_BACK < value < before else value
                self._cpu[key] = told
                yield key, told
            else:
                yield key, value

    def _filesystem_samples(self, deadline: float) -> Iterator[Sample]:
        seconds = min(LONGEST_FILESYSTEMS, deadline - RESERVE - time.monotonic())
        for mount, usage in self._filesystems.read(max(0.0, seconds)):
            labels = mount.device, mount.fstype, mount.mountpoint
            yield ("node_filesystem_device_error", *labels), float(usage is None)
            yield ("node_filesystem_readonly", *labels), float(mount.is_readonly)
            if usage is not None:
                yield ("node_filesystem_size_bytes", *labels), float(usage.size)
                yield ("node_filesystem_free_bytes", *labels), float(usage.free)
                yield ("node_filesystem_avail_bytes", *labels), float(usage.avail)
                yield ("node_filesystem_files", *labels), float(usage.files)
                yield ("node_filesystem_files_free", *labels), float(usage.files_free)

    def _id(self, key: tuple[str, ...]) -> int:
        known = self._ids.get(key)
        if known is None:
            name, *labels = key
            names, kind, text = _FAMILIES.get(name) or _made_up(name)
            unit = next((unit for unit in ("bytes", "seconds") if f"_{unit}" in name), "")
            family = Family(name, kind, unit, text)
            known = self._series.intern(family, dict(zip(names, labels, strict=True)))
            self._ids[key] = known
        return known


def _network_up() -> Iterator[Sample]:
    for device in NETWORK_DEVICES.iterdir():
        try:
            state = (device / "operstate").read_text()
        except OSError:  # not a device (bonding_masters), or just gone
            continue
        yield ("node_network_up", device.name), float(state.strip() == "up")


def _uname() -> Iterator[Sample]:
    found = os.uname()
    domain = procfs.text("sys/kernel/domainname").strip()
    labels = domain, found.machine, found.nodename, found.release, found.sysname, found.version
    yield ("node_uname_info", *labels), 1.0


def _made_up(name: str) -> tuple[tuple[str, ...], Kind, str]:
    """Return what is known of a metric whose name the kernel gives."""
    if name.startswith("node_memory_"):
        return (), Kind.GAUGE, f"Field of /proc/meminfo: {name.removeprefix('node_memory_')}."
    # node_exporter says untyped: among them are counters and others.
    return (), Kind.UNKNOWN, f"Field of /proc/vmstat: {name.removeprefix('node_vmstat_')}."
