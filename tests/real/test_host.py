"""The host source beside node_exporter and psutil, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from collector.series import Family, Kind, Labels, SeriesTable, TargetSeries
from collector.sources.host import HostSource
from collector.sources.host_paths import HERE, HostPaths, host_paths
from tests.lab import parts
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.unit.sources.machines import lay_out

KINDS = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.UNKNOWN: "unknown"}
Key = tuple[str, Labels]

NEAR = {
    # What moves while one page is read, and by how much at most: a share, and a number beside it.
    "node_load": (0.5, 2.0),
    "node_memory_": (0.2, 200e6),
    "node_filesystem_": (0.05, 200e6),
    "node_filefd_allocated": (0.5, 1000.0),
    "node_procs_": (0.0, 200.0),
    "node_disk_io_now": (0.0, 1000.0),
    "node_time_seconds": (0.0, 30.0),
    "node_timex_": (0.5, 1.0),
    "node_boot_time_seconds": (0.0, 1.0),
}

PARTS = (("procfs", "proc"), ("sysfs", "sys"), ("rootfs", "root"))
SENSED = ("node_hwmon", "node_thermal", "node_cooling", "node_pressure", "node_netstat")


class Page:
    """What node_exporter says: values, and the type of each metric."""

    def __init__(self, text: str) -> None:
        self.values: dict[Key, float] = {}
        self.kinds: dict[str, str] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.values[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
                self.kinds[sample.name] = family.type


class Ours:
    """Our own source, read as values by name and labels."""

    def __init__(self, paths: HostPaths = HERE) -> None:
        self.table = SeriesTable()
        self.source = HostSource(TargetSeries(self.table, {}), paths)

    def read(self) -> dict[Key, float]:
        reading = self.source.read(time.monotonic() + 30)
        return {
            (self.table[i].name, self.table[i].labels): value
            for i, value in zip(reading.series, reading.values, strict=True)
        }


@pytest.fixture
def ours() -> Iterator[Ours]:
    made = Ours()
    yield made
    made.source.close()


@contextmanager
def node_exporter(folder: Path, *flags: str) -> Iterator[str]:
    """A real node_exporter, while in use: the address of its page."""
    url = f"http://127.0.0.1:{(port := free_port())}/metrics"
    listen = f"--web.listen-address=127.0.0.1:{port}"
    command: list[str | Path] = [parts.node_exporter(), listen, *flags]

    def answers() -> bool:
        try:
            return urllib3.request("GET", url, retries=False, timeout=5.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    with Process("node_exporter", command, folder / "node_exporter.log") as process:
        process.wait_until(answers, 30.0)
        yield url


def page_of(url: str) -> Page:
    return Page(urllib3.request("GET", url, timeout=30.0).data.decode())


def test_series_are_those_of_node_exporter_and_values_are_near(ours: Ours, tmp_path: Path):
    with node_exporter(tmp_path) as url:
        before = ours.read()
        page = page_of(url)
        after = ours.read()
    label_names = {name: [k for k, _ in labels] for name, labels in page.values}
    families = {s.name: s.family for s in map(ours.table.__getitem__, range(len(ours.table)))}
    compared = 0
    for key in before.keys() & after.keys():
        name, labels = key
        if name.startswith("edgevitals_"):  # node_exporter has no name for our own group
            continue
        assert label_names.get(name) == [k for k, _ in labels], name
        if name == "node_scrape_collector_success":
            assert before[key] == 1
            continue
        if key not in page.values:
            assert labels, name  # only mounts and devices may have come or gone since
            continue
        compared += 1
        kind = families[name].kind
        assert page.kinds[name] == KINDS[kind], name
        theirs = page.values[key]
        if kind is not Kind.GAUGE:
            # Go multiplies milliseconds by 0.001, which is not quite a division by 1000.
            assert before[key] - 1e-6 <= theirs <= after[key] + 1e-6, key
            continue
        share, room = next((v for k, v in NEAR.items() if name.startswith(k)), (0.0, 0.0))
        least, most = sorted((before[key], after[key]))
        near = share * abs(theirs) + room
        assert least - near <= theirs <= most + near, key
    assert compared > 70
    # The disk that the tests run on, the CPUs and a network device are among them.
    names = {name for name, _ in before.keys() & page.values.keys()}
    assert {name.rsplit("_", 1)[0] for name in names} >= {
        "node_cpu_seconds",
        "node_network_receive_bytes",
        "node_memory_MemTotal",
        "node_filesystem_size",
        "node_timex_sync",
        "node_netstat_Tcp",
    }


@pytest.mark.parametrize("machine", ["raspberry-pi-4", "xeon"])
def test_a_machine_that_is_not_here_is_told_as_node_exporter_does(machine: str, tmp_path: Path):
    """Sensors, throttling, pressure: the machine of a test may lack them, so both read files."""
    here = lay_out(machine, tmp_path)
    (here / "proc").mkdir(exist_ok=True)
    (here / "proc/stat").write_text("cpu0 1 0 1 1 1 0 1 1 0 0\n")
    (here / "proc/cpuinfo").write_text("")
    ours = Ours(HostPaths(here / "proc", here / "sys", Path("/"), here / "proc"))
    told = {
        key: value
        for key, value in ours.read().items()
        if key[0].startswith(SENSED) or "throttles_" in key[0]
    }
    collectors = ("cpu", "hwmon", "netstat", "pressure", "thermal_zone")
    flags = [f"--collector.{name}" for name in ("disable-defaults", *collectors)]
    paths = [f"--path.procfs={here}/proc", f"--path.sysfs={here}/sys"]
    with node_exporter(tmp_path, *flags, *paths) as url:
        page = page_of(url)
    assert len(told) > 20
    for key, value in told.items():
        assert page.values.get(key) == pytest.approx(value, rel=1e-12), key
        kind = ours.table[ours.table.intern(*key, Family(key[0]))].family.kind
        assert page.kinds[key[0]] == KINDS[kind], key


def test_a_host_beside_a_container_is_told_as_node_exporter_does(tmp_path: Path):
    """Its /proc, /sys and root are elsewhere; names of places stay those that the host has."""
    host = tmp_path / "host"
    host.mkdir()
    for name, target in (("proc", "/proc"), ("sys", "/sys"), ("root", "/")):
        (host / name).symlink_to(target)
    paths = host_paths(None, None, None, host)
    assert paths == HostPaths(host / "proc", host / "sys", host / "root", host / "proc")
    ours = Ours(paths)
    wanted = (
        "node_filesystem_size",
        "node_filesystem_files",
        "node_network",
        "node_memory_MemTotal",
    )
    flags = [f"--path.{part}={host}/{name}" for part, name in PARTS]
    with node_exporter(tmp_path, *flags) as url:
        before = ours.read()
        page = page_of(url)
        after = ours.read()
    compared = [k for k in before.keys() & page.values.keys() if k[0].startswith(wanted)]
    assert {name for name, _ in compared} >= {
        "node_filesystem_size_bytes",
        "node_network_receive_bytes_total",
        "node_memory_MemTotal_bytes",
    }
    for key in compared:
        if key[0].endswith("_total"):
            assert before[key] <= page.values[key] <= after[key], key
        elif key[0] != "node_filesystem_files_free":
            assert page.values[key] == before[key], key


def test_counters_are_those_of_psutil(ours: Ours):
    before = ours.read()
    cpus = psutil.cpu_times(percpu=True)
    devices = psutil.net_io_counters(pernic=True, nowrap=False)
    disks = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    after = ours.read()

    def lies_between(name: str, value: float, **labels: str) -> None:
        key = name, tuple(sorted(labels.items()))
        assert before[key] <= value <= after[key], key

    for number, times in enumerate(cpus):
        for mode in ("user", "nice", "system", "irq", "softirq", "steal"):
            value = getattr(times, mode)
            lies_between("node_cpu_seconds_total", value, cpu=str(number), mode=mode)
    for device, traffic in devices.items():
        lies_between("node_network_receive_bytes_total", traffic.bytes_recv, device=device)
        lies_between("node_network_transmit_packets_total", traffic.packets_sent, device=device)
        lies_between("node_network_receive_drop_total", traffic.dropin, device=device)
        lies_between("node_network_transmit_errs_total", traffic.errout, device=device)
    told = {dict(labels)["device"] for name, labels in before if name.startswith("node_disk_")}
    for disk in told:
        lies_between("node_disk_read_bytes_total", disks[disk].read_bytes, device=disk)
        lies_between("node_disk_written_bytes_total", disks[disk].write_bytes, device=disk)
        lies_between("node_disk_io_time_seconds_total", disks[disk].busy_time / 1000, device=disk)
    memory = psutil.virtual_memory()
    assert before["node_memory_MemTotal_bytes", ()] == memory.total
    assert before["node_boot_time_seconds", ()] == psutil.boot_time()
