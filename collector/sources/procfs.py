"""Texts of /proc to samples under node_exporter's names: no I/O, no state.

See proc(5) and the kernel's Documentation/admin-guide/iostats.rst.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

Sample = tuple[tuple[str, ...], float]
"""((metric name, values of its labels in the order of their names), value)."""

TICKS = os.sysconf("SC_CLK_TCK")
SECTOR = 512
"""Bytes: /proc/diskstats counts in these, whatever the disk has."""
CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
GUEST_MODES = ("user", "nice")

# Partitions, and disks in memory: their numbers are in those of the disk, or are none.
_NO_DISK = re.compile(r"(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")
_VMSTAT = re.compile(r"oom_kill|pgpg|pswp|pg.*fault")
_MEMORY = frozenset(
    (
        *("MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "Active", "Inactive"),
        *("SwapTotal", "SwapFree", "SwapCached", "Dirty", "Writeback", "AnonPages", "Mapped"),
        *("Shmem", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables"),
        *("CommitLimit", "Committed_AS", "HugePages_Total", "HugePages_Free"),
    )
)
_STAT = {
    "ctxt": "node_context_switches_total",
    "btime": "node_boot_time_seconds",
    "processes": "node_forks_total",
    "procs_running": "node_procs_running",
    "procs_blocked": "node_procs_blocked",
    "intr": "node_intr_total",
}
_NETWORK = ((0, "bytes"), (1, "packets"), (2, "errs"), (3, "drop"))


def stat(text: str) -> Iterator[Sample]:
    """/proc/stat: the CPUs, and what the kernel counts of all of them."""
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            ticks = rest.split()
            for mode, count in zip(CPU_MODES, ticks, strict=False):
                yield ("node_cpu_seconds_total", name[3:], mode), int(count) / TICKS
            for mode, count in zip(GUEST_MODES, ticks[len(CPU_MODES) :], strict=False):
                yield ("node_cpu_guest_seconds_total", name[3:], mode), int(count) / TICKS
        elif name in _STAT:
            yield (_STAT[name],), float(rest.split(" ", 1)[0])  # after it `intr` has each source


def loadavg(text: str) -> Iterator[Sample]:
    """/proc/loadavg."""
    one, five, fifteen, *_ = text.split()
    yield ("node_load1",), float(one)
    yield ("node_load5",), float(five)
    yield ("node_load15",), float(fifteen)


def meminfo(text: str) -> Iterator[Sample]:
    """/proc/meminfo: the fields that boards and rules ask for; all 56 would be 60 series more."""
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in _MEMORY:
            value, *unit = rest.split()
            if unit:
                yield (f"node_memory_{name}_bytes",), float(value) * 1024
            else:
                yield (f"node_memory_{name}",), float(value)


def vmstat(text: str) -> Iterator[Sample]:
    """/proc/vmstat: paging, swapping, faults and the out-of-memory killer."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if _VMSTAT.match(name):
            yield (f"node_vmstat_{name}",), float(value)


def file_nr(text: str) -> Iterator[Sample]:
    """/proc/sys/fs/file-nr."""
    allocated, _, maximum = text.split()
    yield ("node_filefd_allocated",), float(allocated)
    yield ("node_filefd_maximum",), float(maximum)


def diskstats(text: str) -> Iterator[Sample]:
    """/proc/diskstats: whole disks."""
    for line in text.splitlines():
        _, _, disk, *fields = line.split()
        if _NO_DISK.match(disk):
            continue
        reads, _, read, read_ms, writes, _, written, write_ms, now, io_ms, weighted_ms = map(
            int, fields[:11]
        )
        yield ("node_disk_reads_completed_total", disk), float(reads)
        yield ("node_disk_read_bytes_total", disk), float(read * SECTOR)
        yield ("node_disk_read_time_seconds_total", disk), read_ms / 1000
        yield ("node_disk_writes_completed_total", disk), float(writes)
        yield ("node_disk_written_bytes_total", disk), float(written * SECTOR)
        yield ("node_disk_write_time_seconds_total", disk), write_ms / 1000
        yield ("node_disk_io_now", disk), float(now)
        yield ("node_disk_io_time_seconds_total", disk), io_ms / 1000
        yield ("node_disk_io_time_weighted_seconds_total", disk), weighted_ms / 1000


def netdev(text: str) -> Iterator[Sample]:
    """/proc/net/dev; a device's name may hold a colon itself."""
    for line in text.splitlines()[2:]:
        device, _, rest = line.rpartition(":")
        fields = rest.split()
        for at, what in _NETWORK:
            yield (f"node_network_receive_{what}_total", device.strip()), float(fields[at])
            yield (f"node_network_transmit_{what}_total", device.strip()), float(fields[8 + at])
