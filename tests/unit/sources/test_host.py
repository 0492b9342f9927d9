"""Texts of /proc in, node_exporter's series out; and mounts that never answer."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from collector.errors import SourceError
from collector.series import Kind, SeriesTable, TargetSeries
from collector.sources.filesystems import mounts
from collector.sources.host import HostSource
from collector.sources.host_paths import HostPaths

TICKS = os.sysconf("SC_CLK_TCK")

STAT = """\
cpu  100 0 50 900 10 0 5 1 0 0
cpu0 60 0 30 450 {iowait} 0 3 1 7 2
cpu11 40 0 20 450 5 0 2 0 0 0
intr 5000 1 2 3 0 0
ctxt 6000
btime 1700000000
processes 7000
procs_running 3
procs_blocked 1
softirq 999 1 2
"""
MEMINFO = """\
MemTotal:       16000000 kB
MemFree:         7000000 kB
MemAvailable:    8000000 kB
Buffers:               1 kB
Cached:                2 kB
Active:                3 kB
Inactive:              4 kB
Active(anon):        100 kB
SwapTotal:             5 kB
SwapFree:              6 kB
Dirty:                 7 kB
Shmem:                 8 kB
Slab:                  9 kB
SReclaimable:         10 kB
HugePages_Total:       4
"""
DISKSTATS = """\
   7       0 loop0 9 9 9 9 9 9 9 9 9 9 9
   8       0 sda 100 1 2000 3000 200 2 4000 5000 6 7000 8000 0 0 0 0 9 9
   8       1 sda1 9 9 9 9 9 9 9 9 9 9 9
 259       0 nvme0n1 1 0 8 2 3 0 16 4 0 5 6
 259       1 nvme0n1p1 9 9 9 9 9 9 9 9 9 9 9
 253       0 zram0 9 9 9 9 9 9 9 9 9 9 9
"""
NETDEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
eth0:1:5 6 7 8 0 0 0 0 9 10 11 12 0 0 0 0
"""
MOUNTINFO = r"""
1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
2 1 0:5 / /proc rw - proc proc rw
3 1 0:6 / /sys/fs/cgroup rw - tmpfs tmpfs rw
4 1 8:2 / /data rw - xfs /dev/sdb1 ro,errors=remount-ro
5 1 8:3 / /a\040b ro - ext4 /dev/sdc1 rw
6 1 8:2 /kafka /srv/kafka rw master:2 - xfs /dev/sdb1 rw
7 1 0:7 / /shares rw - nfs4 nas:/shares rw
8 1 0:8 /@ /pool rw - btrfs /dev/sdd rw
9 1 0:8 /@home /pool/home rw - btrfs /dev/sdd rw
10 1 0:9 / /data2 rw - autofs auto rw
11 10 8:4 / /data2 rw - ext4 /dev/sde1 rw
12 1 0:10 / /run rw shared:3 propagate_from:1 - tmpfs tmpfs rw
"""

VMSTAT = """\
nr_free_pages 5
pgpgin 11
pswpin 4
pswpout 5
pgfault 22
pgmajfault 3
oom_kill 2
"""

Values = dict[tuple[str, ...], float]


def kafka_box(directory: Path) -> tuple[Path, Path]:
    """Lay out a small /proc and /sys."""
    files = {
        "stat": STAT.format(iowait=5),
        "loadavg": "0.10 0.20 0.30 3/456 7890\n",
        "meminfo": MEMINFO,
        "vmstat": VMSTAT,
        "sys/fs/file-nr": "1000\t0\t9000\n",
        "sys/kernel/domainname": "(none)\n",
        "diskstats": DISKSTATS,
        "net/dev": NETDEV,
        "1/mountinfo": f"1 0 8:1 / {directory} rw - ext4 /dev/sda1 rw\n",
    }
    proc, sys = directory / "proc", directory / "sys"
    for name, text in files.items():
        (proc / name).parent.mkdir(parents=True, exist_ok=True)
        (proc / name).write_text(text)
    for device, state in (("eth0", "up"), ("lo", "unknown")):
        (sys / "class/net" / device).mkdir(parents=True)
        (sys / "class/net" / device / "operstate").write_text(f"{state}\n")
    (sys / "class/net/bonding_masters").write_text("bond0\n")
    return proc, sys


class Rig:
    def __init__(self, directory: Path) -> None:
        self.proc, sys = kafka_box(directory)
        self.table = SeriesTable()
        paths = HostPaths(self.proc, sys, Path("/"), self.proc)
        self.source = HostSource(TargetSeries(self.table, {"job": "node"}), paths)

    def read(self) -> Values:
        """Return {(name, label values in the order of their names): value}."""
        reading = self.source.read(time.monotonic() + 10)
        assert len(set(reading.series)) == len(reading.series) == len(reading.values)
        values = {}
        for series_id, value in zip(reading.series, reading.values, strict=True):
            name, labels, _ = self.table[series_id]
            values[name, *(v for k, v in labels if k != "job")] = value
        return values

    def told(self, prefix: str, *labels: str) -> dict[str, float]:
        """Return {rest of the name: value} of the metrics whose labels these are."""
        return {
            name.removeprefix(prefix): value
            for (name, *found), value in self.read().items()
            if name.startswith(prefix) and tuple(found) == labels
        }


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.source.close()


def test_a_whole_machine(rig: Rig, tmp_path: Path):
    values = rig.read()
    assert values["node_load1",] == 0.1
    assert values["node_load5",] == 0.2
    assert values["node_load15",] == 0.3
    assert values["node_filefd_allocated",] == 1000
    assert values["node_filefd_maximum",] == 9000
    assert values["node_network_up", "eth0"] == 1
    assert values["node_network_up", "lo"] == 0
    assert abs(values["node_time_seconds",] - time.time()) < 60
    (uname,) = (key for key in values if key[0] == "node_uname_info")
    assert uname[1:] == (
        "(none)",
        *(getattr(os.uname(), n) for n in ("machine", "nodename", "release", "sysname", "version")),
    )
    on = "/dev/sda1", "ext4", str(tmp_path)
    truth = os.statvfs(tmp_path)
    assert values["node_filesystem_size_bytes", *on] == truth.f_blocks * truth.f_frsize
    assert values["node_filesystem_files", *on] == truth.f_files
    assert 0 < values["node_filesystem_avail_bytes", *on] <= truth.f_blocks * truth.f_frsize
    assert values["node_filesystem_readonly", *on] == 0
    assert values["node_filesystem_device_error", *on] == 0
    parts = {key[1]: v for key, v in values.items() if key[0] == "node_scrape_collector_success"}
    assert set(parts.values()) == {1}
    assert {"stat", "filesystem", "netdev", "diskstats"} <= set(parts)


def test_ids_stay_the_same_from_read_to_read(rig: Rig):
    first = rig.source.read(time.monotonic() + 10).series
    assert rig.source.read(time.monotonic() + 10).series == first
    assert len(rig.table) == len(first)


def test_every_family_has_a_kind_a_unit_and_a_help_text(rig: Rig):
    rig.read()
    for series_id in range(len(rig.table)):
        family = rig.table[series_id].family
        assert family.help.endswith(".")
        assert (family.kind is Kind.COUNTER) == family.name.endswith("_total")
        assert (family.unit == "bytes") == ("_bytes" in family.name)
        assert (family.unit == "seconds") == ("_seconds" in family.name)
        if family.name.startswith("node_vmstat"):
            assert family.kind is Kind.UNKNOWN  # as node_exporter: untyped


def test_a_part_that_fails_says_so_and_the_others_go_on(rig: Rig):
    (rig.proc / "diskstats").write_text("8 0 sda 1 2\n")
    (rig.proc / "vmstat").write_text(VMSTAT + "pgpgout -\n")
    values = rig.read()
    assert values["node_scrape_collector_success", "diskstats"] == 0
    assert values["node_scrape_collector_success", "vmstat"] == 0
    assert values["node_scrape_collector_success", "stat"] == 1
    assert not any(key[0].startswith("node_disk") for key in values)
    assert values["node_load1",] == 0.1


def test_no_proc_at_all_is_a_source_error(rig: Rig):
    shutil.rmtree(rig.proc)
    with pytest.raises(SourceError, match=rf"can't be read.*check that {rig.proc} is there"):
        rig.source.read(time.monotonic() + 10)


def test_counters_of_idle_time_never_step_back(rig: Rig):
    key = ("node_cpu_seconds_total", "0", "iowait")
    for iowait, told in ((1000, 1000), (990, 1000), (1005, 1005), (5, 5)):
        (rig.proc / "stat").write_text(STAT.format(iowait=iowait))
        assert rig.read()[key] == told / TICKS


def test_cpus_and_the_kernels_counters(rig: Rig):
    values = rig.read()
    assert values["node_cpu_seconds_total", "0", "user"] == 60 / TICKS
    assert values["node_cpu_seconds_total", "11", "idle"] == 450 / TICKS
    assert values["node_cpu_guest_seconds_total", "0", "user"] == 7 / TICKS
    assert values["node_cpu_guest_seconds_total", "0", "nice"] == 2 / TICKS
    kernel = {
        "intr_total": 5000,
        "context_switches_total": 6000,
        "boot_time_seconds": 1700000000,
        "forks_total": 7000,
        "procs_running": 3,
        "procs_blocked": 1,
    }
    told = rig.told("node_")
    assert {name: told[name] for name in kernel} == kernel


def test_memory_is_in_bytes_but_for_counts(rig: Rig):
    assert rig.told("node_memory_") == {
        "MemTotal_bytes": 16000000 * 1024,
        "MemFree_bytes": 7000000 * 1024,
        "MemAvailable_bytes": 8000000 * 1024,
        "Buffers_bytes": 1024,
        "Cached_bytes": 2 * 1024,
        "Active_bytes": 3 * 1024,
        "Inactive_bytes": 4 * 1024,
        "SwapTotal_bytes": 5 * 1024,
        "SwapFree_bytes": 6 * 1024,
        "Dirty_bytes": 7 * 1024,
        "Shmem_bytes": 8 * 1024,
        "Slab_bytes": 9 * 1024,
        "SReclaimable_bytes": 10 * 1024,
        "HugePages_Total": 4,
    }


def test_no_memory_available_is_told_as_it_is(rig: Rig):
    text = MEMINFO.replace("MemAvailable:    8000000 kB", "MemAvailable:          0 kB")
    (rig.proc / "meminfo").write_text(text)
    assert rig.read()["node_memory_MemAvailable_bytes",] == 0


def test_virtual_memory_takes_the_fields_of_node_exporter(rig: Rig):
    assert rig.told("node_vmstat_") == {
        "pgpgin": 11,
        "pswpin": 4,
        "pswpout": 5,
        "pgfault": 22,
        "pgmajfault": 3,
        "oom_kill": 2,
    }


def test_disks_without_their_partitions(rig: Rig):
    disks = {key[1] for key in rig.read() if key[0].startswith("node_disk_")}
    assert disks == {"sda", "nvme0n1"}
    assert rig.told("node_disk_", "sda") == {
        "reads_completed_total": 100,
        "read_bytes_total": 2000 * 512,
        "read_time_seconds_total": 3.0,
        "writes_completed_total": 200,
        "written_bytes_total": 4000 * 512,
        "write_time_seconds_total": 5.0,
        "io_now": 6,
        "io_time_seconds_total": 7.0,
        "io_time_weighted_seconds_total": 8.0,
    }


def test_a_counter_that_wrapped_is_told_as_it_is(rig: Rig):
    assert rig.told("node_disk_", "sda")["read_time_seconds_total"] == 3.0
    (rig.proc / "diskstats").write_text(DISKSTATS.replace(" 3000 ", " 5 "))
    assert rig.told("node_disk_", "sda")["read_time_seconds_total"] == 0.005


def test_network_devices_even_with_a_colon(rig: Rig):
    assert rig.told("node_network_", "eth0") == {
        "receive_bytes_total": 1000,
        "receive_packets_total": 10,
        "receive_errs_total": 1,
        "receive_drop_total": 2,
        "transmit_bytes_total": 2000,
        "transmit_packets_total": 20,
        "transmit_errs_total": 3,
        "transmit_drop_total": 4,
        "up": 1,
    }
    assert rig.read()["node_network_transmit_drop_total", "eth0:1"] == 12


def test_mounts_that_hold_data():
    found = {mount.mountpoint: mount for mount in mounts(MOUNTINFO.strip())}
    assert list(found) == [
        "/",
        "/data",
        "/a b",
        "/srv/kafka",
        "/pool",
        "/pool/home",
        "/data2",
        "/run",
        "/shares",
    ]
    assert found["/data2"].device == "/dev/sde1"  # what lies under it can't be reached
    assert [m for m in found if found[m].is_readonly] == ["/data", "/a b"]
    assert [m for m in found if found[m].is_bind] == ["/srv/kafka"]


def mounted(rig: Rig, *lines: str) -> None:
    (rig.proc / "1/mountinfo").write_text("".join(f"{line}\n" for line in lines))


def sizes(values: Values) -> list[str]:
    return [key[3] for key in values if key[0] == "node_filesystem_size_bytes"]


def test_bind_mounts_are_not_told_twice(rig: Rig, tmp_path: Path):
    """In a container: /etc/hosts and its like are bind mounts of files on the disk of the data."""
    (tmp_path / "hosts").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "more").mkdir()
    binds = [
        f"{i} 0 8:1 /x/{n} {tmp_path / n} rw - ext4 /dev/sda1 rw"
        for i, n in enumerate(("hosts", "data", "more"))
    ]
    mounted(rig, *binds)
    assert sizes(rig.read()) == [str(tmp_path / "data")]
    mounted(rig, *binds, f"9 0 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw")
    assert sizes(rig.read()) == [str(tmp_path)]


def test_a_mount_that_is_gone_is_an_error_and_not_the_end(rig: Rig, tmp_path: Path):
    mounted(
        rig,
        "1 0 8:9 / /nowhere rw - ext4 /dev/sdz rw",
        f"2 0 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw",
    )
    values = rig.read()
    assert values["node_filesystem_device_error", "/dev/sdz", "ext4", "/nowhere"] == 1
    assert sizes(values) == [str(tmp_path)]


def test_without_the_right_to_see_process_1_our_own_mounts_count(rig: Rig, tmp_path: Path):
    (rig.proc / "1/mountinfo").unlink()
    (rig.proc / "self").mkdir()
    (rig.proc / "self/mountinfo").write_text(f"2 0 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw\n")
    assert sizes(rig.read()) == [str(tmp_path)]


@pytest.fixture
def dead_mount(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Event, list[str]]]:
    """A mountpoint whose statvfs waits for the event; and all that were asked."""
    answers = Event()
    asked: list[str] = []
    real = os.statvfs

    def statvfs(path: str) -> os.statvfs_result:
        asked.append(path)
        if path == "/dead":
            answers.wait(50)
            raise OSError
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    yield "/dead", answers, asked
    answers.set()


def hang(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Values]:
    monkeypatch.setattr("collector.sources.host.LONGEST_FILESYSTEMS", 1.0)
    mounted(
        rig,
        "1 0 0:9 / /dead rw - nfs4 nas:/dead rw",
        f"2 0 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw",
    )
    return rig.read


def test_a_mount_that_hangs_holds_up_nothing_else(rig, tmp_path, monkeypatch, dead_mount):
    read = hang(rig, tmp_path, monkeypatch)
    _, answers, asked = dead_mount
    for _ in range(3):
        values = read()
        assert values["node_filesystem_device_error", "nas:/dead", "nfs4", "/dead"] == 1
        assert sizes(values) == [str(tmp_path)]
        assert values["node_scrape_collector_success", "filesystem"] == 1
    assert asked.count("/dead") == 1  # it is not asked again until it returned
    answers.set()
    deadline = time.monotonic() + 30
    while asked.count("/dead") < 2:
        read()
        assert time.monotonic() < deadline
    assert read()["node_filesystem_device_error", "nas:/dead", "nfs4", "/dead"] == 1


def test_how_long_a_disk_lasts(rig, tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)
    free = [1000]

    def statvfs(path: str) -> os.statvfs_result:
        fields = list(real[:10])
        fields[4] = free[0]  # f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr("collector.derive.runway.LEAST_S", 0.0)
    runway = ("edgevitals_host_filesystem_runway_seconds", "/dev/sda1", "ext4", str(tmp_path))
    began = time.monotonic()
    assert runway not in rig.read()
    free[0] = 500
    assert 0 < rig.read()[runway] <= time.monotonic() - began  # half went, half is left
    free[0] = 1000
    assert runway not in rig.read()
