"""The kernel's numbers of /proc, under node_exporter's names.

Not by psutil: it has one /proc for a whole process, and a container needs its own and its host's.
Its numbers aren't always node_exporter's either: `cached` holds reclaimable slab too, `available`
is an estimate of its own where the kernel says 0, `sin` and `sout` are bytes and not pages.

Counters that wrap are told as they are: a rate takes that for a restart, and is right. What a
machine lacks is no sample. See proc(5), and iostats.rst and psi.rst of the kernel's documentation.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

Sample = tuple[tuple[str, ...], float]
"""((metric name, values of its labels in the order of their names), value)."""

SECTOR = 512
"""Bytes, whatever the disk's own sectors are."""

_TICKS = os.sysconf("SC_CLK_TCK")
_CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

# Partitions, and disks in memory: their numbers are in those of the disk, or are none.
_NO_DISK = re.compile(r"(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$")
_VMSTAT = re.compile(r"oom_kill|pgpg|pswp|pg.*fault")
_MEMORY = frozenset(
    (
        *("MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapCached", "Active"),
        *("Inactive", "SwapTotal", "SwapFree", "Dirty", "Writeback", "AnonPages", "Mapped"),
        *("Shmem", "Slab", "SReclaimable", "SUnreclaim", "KernelStack", "PageTables"),
        *("CommitLimit", "Committed_AS", "HugePages_Total", "HugePages_Free"),
    )
)
"""The fields that boards and rules ask for; all 56 would be 32 series more."""
_STAT = {
    "ctxt": "node_context_switches_total",
    "intr": "node_intr_total",
    "btime": "node_boot_time_seconds",
    "processes": "node_forks_total",
    "procs_running": "node_procs_running",
    "procs_blocked": "node_procs_blocked",
}
_NETSTAT = {
    "Tcp": ("InErrs", "OutSegs", "RetransSegs"),
    "TcpExt": ("ListenDrops", "ListenOverflows", "TCPTimeouts"),
    "Udp": ("InErrors", "RcvbufErrors"),
}
_PRESSURE = (("cpu", ("some",)), ("io", ("some", "full")), ("memory", ("some", "full")))
_PRESSED = {"some": "waiting", "full": "stalled"}


class Procfs:
    """A /proc: our own, or a host's that is mounted elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def text(self, name: str) -> str:
        """Return a file. Raises OSError."""
        return (self.path / name).read_text("utf-8", "replace")

    def stat(self) -> Iterator[Sample]:
        """The CPUs, and what the kernel counts of all of them."""
        for line in self.text("stat").splitlines():
            name, *fields = line.split(None, 11)
            if name in _STAT:
                yield (_STAT[name],), float(fields[0])
            elif name.startswith("cpu") and name != "cpu":
                number = name.removeprefix("cpu")
                *modes, guest, guest_nice = (int(field) / _TICKS for field in fields[:10])
                for mode, seconds in zip(_CPU_MODES, modes, strict=True):
                    yield ("node_cpu_seconds_total", number, mode), seconds
                yield ("node_cpu_guest_seconds_total", number, "user"), guest
                yield ("node_cpu_guest_seconds_total", number, "nice"), guest_nice

    def loadavg(self) -> Iterator[Sample]:
        for minutes, load in zip((1, 5, 15), self.text("loadavg").split(), strict=False):
            yield (f"node_load{minutes}",), float(load)

    def meminfo(self) -> Iterator[Sample]:
        for line in self.text("meminfo").splitlines():
            name, _, rest = line.partition(":")
            if name in _MEMORY:
                value, *unit = rest.split()
                if unit:
                    yield (f"node_memory_{name}_bytes",), float(value) * 1024
                else:
                    yield (f"node_memory_{name}",), float(value)

    def vmstat(self) -> Iterator[Sample]:
        """Paging, swapping, faults and the out-of-memory killer."""
        for line in self.text("vmstat").splitlines():
            name, _, value = line.partition(" ")
            if _VMSTAT.match(name):
                yield (f"node_vmstat_{name}",), float(value)

    def filefd(self) -> Iterator[Sample]:
        allocated, _, maximum = self.text("sys/fs/file-nr").split()
        yield ("node_filefd_allocated",), float(allocated)
        yield ("node_filefd_maximum",), float(maximum)

    def diskstats(self) -> Iterator[Sample]:
        """Whole disks."""
        for line in self.text("diskstats").splitlines():
            _, _, disk, *fields = line.split()
            if _NO_DISK.match(disk):
                continue
            counts = [int(field) for field in fields[:11]]
            reads, _, read, read_ms, writes, _, written, write_ms, now, busy_ms, all_ms = counts
            yield ("node_disk_reads_completed_total", disk), float(reads)
            yield ("node_disk_read_bytes_total", disk), float(read * SECTOR)
            yield ("node_disk_read_time_seconds_total", disk), read_ms / 1000
            yield ("node_disk_writes_completed_total", disk), float(writes)
            yield ("node_disk_written_bytes_total", disk), float(written * SECTOR)
            yield ("node_disk_write_time_seconds_total", disk), write_ms / 1000
            yield ("node_disk_io_now", disk), float(now)
            yield ("node_disk_io_time_seconds_total", disk), busy_ms / 1000
            yield ("node_disk_io_time_weighted_seconds_total", disk), all_ms / 1000

    def netdev(self) -> Iterator[Sample]:
        for line in self._net("dev").splitlines()[2:]:
            name, _, rest = line.rpartition(":")
            device, fields = name.strip(), rest.split()
            for direction, at in (("receive", 0), ("transmit", 8)):
                for what, field in zip(
                    ("bytes", "packets", "errs", "drop"), fields[at:], strict=False
                ):
                    yield (f"node_network_{direction}_{what}_total", device), float(field)

    def netstat(self) -> Iterator[Sample]:
        """What the network loses: segments sent again, connections and datagrams dropped."""
        for name in ("snmp", "netstat"):
            with suppress(FileNotFoundError):
                lines = self._net(name).splitlines()
                for names, values in zip(lines[::2], lines[1::2], strict=True):
                    protocol, *keys = names.split()
                    wanted = _NETSTAT.get(protocol.removesuffix(":"))
                    if wanted:
                        found = dict(zip(keys, values.split()[1:], strict=True))
                        for key in wanted:
                            if key in found:
                                yield (f"node_netstat_{protocol[:-1]}_{key}",), float(found[key])

    def pressure(self) -> Iterator[Sample]:
        """Seconds in which some or all that had something to do had to wait, since the boot.

        Of the CPU "all" has no meaning for a whole machine. A kernel may have it built in and off.
        """
        for resource, kinds in _PRESSURE:
            try:
                lines = self.text(f"pressure/{resource}").splitlines()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.EOPNOTSUPP:
                    continue
                raise
            for line in lines:
                kind, *fields = line.split()
                if kind in kinds:
                    micros = dict(field.split("=") for field in fields)["total"]
                    name = f"node_pressure_{resource}_{_PRESSED[kind]}_seconds_total"
                    yield (name,), int(micros) / 1e6

    def _net(self, name: str) -> str:
        """Return a file of the network; /proc/net is that of whoever asks, not of the host."""
        if self.path != Path("/proc"):
            with suppress(OSError):
                return self.text(f"1/net/{name}")
        return self.text(f"net/{name}")
