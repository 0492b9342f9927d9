"""The kernel's numbers under node_exporter's names: psutil's, and from /proc what psutil lacks.

It lacks some, and some of its numbers are not node_exporter's: `cached` holds reclaimable slab
too, `available` is an estimate of its own where the kernel says 0, `sin` and `sout` are bytes and
not pages, and `isup` is true for a loopback device, whose state the kernel doesn't know.

All is read from `psutil.PROCFS_PATH`, which is one for the whole process. Counters that wrap are
told as they are (`nowrap=False`): a rate takes that for a restart, and is right.

See proc(5) and the kernel's Documentation/admin-guide/iostats.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil

Sample = tuple[tuple[str, ...], float]
"""((metric name, values of its labels in the order of their names), value)."""

_CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES = (("user", "guest"), ("nice", "guest_nice"))

# Partitions, and disks in memory: their numbers are in those of the disk, or are none.
_NO_DISK = re.compile(r"(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")
_VMSTAT = re.compile(r"oom_kill|pgpg|pswp|pg.*fault")
_MEMORY = frozenset(
    (
        *("MemAvailable", "Cached", "SwapCached", "Dirty", "Writeback", "AnonPages", "Mapped"),
        *("SReclaimable", "SUnreclaim", "KernelStack", "PageTables"),
        *("CommitLimit", "Committed_AS", "HugePages_Total", "HugePages_Free"),
    )
)
_STAT = {
    "processes": "node_forks_total",
    "procs_running": "node_procs_running",
    "procs_blocked": "node_procs_blocked",
}


def text(path: str) -> str:
    """Return a file of /proc. Raises OSError."""
    return Path(psutil.PROCFS_PATH, path).read_text("utf-8", "replace")


def stat() -> Iterator[Sample]:
    """The CPUs, and what the kernel counts of all of them."""
    numbers = []
    for line in text("stat").splitlines():
        name, _, rest = line.partition(" ")
        if name in _STAT:
            yield (_STAT[name],), float(rest)
        elif name.startswith("cpu") and name != "cpu":
            numbers.append(name.removeprefix("cpu"))
    # psutil tells the CPUs that are online, but not which ones those are.
    for number, times in zip(numbers, psutil.cpu_times(percpu=True), strict=True):
        for mode in _CPU_MODES:
            yield ("node_cpu_seconds_total", number, mode), getattr(times, mode)
        for mode, field in _GUEST_MODES:
            yield ("node_cpu_guest_seconds_total", number, mode), getattr(times, field)
    counts = psutil.cpu_stats()
    yield ("node_context_switches_total",), float(counts.ctx_switches)
    yield ("node_intr_total",), float(counts.interrupts)
    yield ("node_boot_time_seconds",), psutil.boot_time()


def loadavg() -> Iterator[Sample]:
    for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
        yield (f"node_load{minutes}",), load


def meminfo() -> Iterator[Sample]:
    """The fields that boards and rules ask for; all 56 would be 32 series more."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield ("node_memory_MemTotal_bytes",), float(memory.total)
    yield ("node_memory_MemFree_bytes",), float(memory.free)
    yield ("node_memory_Buffers_bytes",), float(memory.buffers)
    yield ("node_memory_Active_bytes",), float(memory.active)
    yield ("node_memory_Inactive_bytes",), float(memory.inactive)
    yield ("node_memory_Shmem_bytes",), float(memory.shared)
    yield ("node_memory_Slab_bytes",), float(memory.slab)
    yield ("node_memory_SwapTotal_bytes",), float(swap.total)
    yield ("node_memory_SwapFree_bytes",), float(swap.free)
    for line in text("meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in _MEMORY:
            value, *unit = rest.split()
            if unit:
                yield (f"node_memory_{name}_bytes",), float(value) * 1024
            else:
                yield (f"node_memory_{name}",), float(value)


def vmstat() -> Iterator[Sample]:
    """Paging, swapping, faults and the out-of-memory killer."""
    for line in text("vmstat").splitlines():
        name, _, value = line.partition(" ")
        if _VMSTAT.match(name):
            yield (f"node_vmstat_{name}",), float(value)


def filefd() -> Iterator[Sample]:
    allocated, _, maximum = text("sys/fs/file-nr").split()
    yield ("node_filefd_allocated",), float(allocated)
    yield ("node_filefd_maximum",), float(maximum)


def diskstats() -> Iterator[Sample]:
    """Whole disks."""
    disks = psutil.disk_io_counters(perdisk=True, nowrap=False)
    for disk, counts in disks.items():
        if not _NO_DISK.match(disk):
            yield ("node_disk_reads_completed_total", disk), float(counts.read_count)
            yield ("node_disk_read_bytes_total", disk), float(counts.read_bytes)
            yield ("node_disk_read_time_seconds_total", disk), counts.read_time / 1000
            yield ("node_disk_writes_completed_total", disk), float(counts.write_count)
            yield ("node_disk_written_bytes_total", disk), float(counts.write_bytes)
            yield ("node_disk_write_time_seconds_total", disk), counts.write_time / 1000
            yield ("node_disk_io_time_seconds_total", disk), counts.busy_time / 1000
    for line in text("diskstats").splitlines():
        _, _, disk, *fields = line.split()
        if not _NO_DISK.match(disk):
            yield ("node_disk_io_now", disk), float(fields[8])
            yield ("node_disk_io_time_weighted_seconds_total", disk), int(fields[10]) / 1000


def netdev() -> Iterator[Sample]:
    for device, counts in psutil.net_io_counters(pernic=True, nowrap=False).items():
        received = counts.bytes_recv, counts.packets_recv, counts.errin, counts.dropin
        sent = counts.bytes_sent, counts.packets_sent, counts.errout, counts.dropout
        for direction, values in (("receive", received), ("transmit", sent)):
            for what, value in zip(("bytes", "packets", "errs", "drop"), values, strict=True):
                yield (f"node_network_{direction}_{what}_total", device), float(value)
