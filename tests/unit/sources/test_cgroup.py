"""Groups with and without limits, of tests/data/hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.catalog import OWN
from collector.sources.cgroup import Cgroup
from collector.sources.procfs import Procfs
from tests.unit.sources.machines import lay_out

MACHINES: dict[str, dict[str, float]] = {
    "docker-v2": {
        "memory_bytes": 73400320,
        "memory_limit_bytes": 268435456,
        "oom_kills_total": 1,
        "cpu_limit": 0.5,
        "cpu_periods_total": 5000,
        "cpu_throttled_periods_total": 321,
        "cpu_throttled_seconds_total": 12.5,
        "pids": 14,
        "pids_limit": 200,
    },
    "docker-v1": {
        "memory_bytes": 83886080,
        "memory_limit_bytes": 167772160,
        "oom_kills_total": 3,
        "cpu_limit": 0.25,
        "cpu_periods_total": 700,
        "cpu_throttled_periods_total": 70,
        "cpu_throttled_seconds_total": 7.5,
        "pids": 9,
    },
    "pod-v2": {  # its own memory limit is higher than the pod's, and it has none for the CPU
        "memory_bytes": 1048576,
        "memory_limit_bytes": 536870912,
        "cpu_limit": 1.5,
        "cpu_periods_total": 40,
        "cpu_throttled_periods_total": 4,
        "cpu_throttled_seconds_total": 0.5,
        "pids": 3,
        "pids_limit": 4096,
    },
    "service-v2": {
        "memory_bytes": 60000000,
        "memory_limit_bytes": 402653184,
        "oom_kills_total": 0,
        "pids": 21,
        "pids_limit": 4615,
    },
}


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_the_tightest_limit_is_told_and_none_where_there_is_none(name: str, tmp_path: Path):
    machine = lay_out(name, tmp_path)
    told = dict(Cgroup(Procfs(machine / "proc")).samples())
    expected = {(f"edgevitals_cgroup_{k}",): v for k, v in MACHINES[name].items()}
    assert told == expected
    assert {key[0] for key in told} <= OWN.keys()


def test_the_number_that_means_no_limit_is_none(tmp_path: Path):
    machine = lay_out("docker-v1", tmp_path)
    limit = machine / "sys/fs/cgroup/memory/memory.limit_in_bytes"
    limit.write_text("9223372036854771712\n")
    told = dict(Cgroup(Procfs(machine / "proc")).samples())
    assert ("edgevitals_cgroup_memory_limit_bytes",) not in told
