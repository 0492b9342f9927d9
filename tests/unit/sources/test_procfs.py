"""Pressure and what the network loses, of a small machine of tests/data/hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.sources.procfs import Procfs
from collector.sources.timex import samples
from tests.unit.sources.machines import lay_out


@pytest.fixture
def proc(tmp_path: Path) -> Procfs:
    return Procfs(lay_out("raspberry-pi-4", tmp_path) / "proc")


def test_pressure_in_seconds(proc: Procfs):
    assert {key[0].removeprefix("node_pressure_"): v for key, v in proc.pressure()} == {
        "cpu_waiting_seconds_total": 81.234567,
        "io_waiting_seconds_total": 123.456789,
        "io_stalled_seconds_total": 98.765432,
        "memory_waiting_seconds_total": 1.5,
        "memory_stalled_seconds_total": 0.25,
    }


def test_a_kernel_without_pressure_has_none(proc: Procfs):
    for file in (proc.path / "pressure").iterdir():
        file.unlink()
    assert list(proc.pressure()) == []


def test_what_the_network_loses(proc: Procfs):
    assert {key[0].removeprefix("node_netstat_"): v for key, v in proc.netstat()} == {
        "Tcp_InErrs": 5,
        "Tcp_OutSegs": 398765,
        "Tcp_RetransSegs": 1234,
        "Udp_InErrors": 3,
        "Udp_RcvbufErrors": 2,
        "TcpExt_ListenDrops": 8,
        "TcpExt_ListenOverflows": 7,
        "TcpExt_TCPTimeouts": 91,
    }


def test_of_another_proc_the_network_is_that_of_its_first_process(proc: Procfs):
    """/proc/net is a link to the network of whoever asks: a container would tell its own."""
    (proc.path / "1/net").mkdir(parents=True)
    header = "Inter-|   Receive\n face |bytes\n"
    (proc.path / "net/dev").write_text(f"{header}  eth0: {'1 ' * 16}\n")
    (proc.path / "1/net/dev").write_text(f"{header}enp3s0: {'2 ' * 16}\n")
    assert {key[1] for key, _ in proc.netdev()} == {"enp3s0"}


@pytest.mark.parametrize(
    "state, status, offset, expected", [(0, 0x2001, -1_500_000, -0.0015), (0, 1, 250, 0.00025)]
)
def test_the_clocks_offset_is_in_the_unit_that_the_kernel_says(state, status, offset, expected):
    told = dict(samples(state, status, offset, 16_000_000, 500))
    assert told["node_timex_offset_seconds",] == expected
    assert told["node_timex_sync_status",] == 1
    assert told["node_timex_maxerror_seconds",] == 16.0
    assert told["node_timex_estimated_error_seconds",] == 0.0005


def test_a_clock_that_nobody_sets_is_not_synchronised():
    assert dict(samples(5, 0x40, 0, 16_000_000, 16_000_000))["node_timex_sync_status",] == 0
