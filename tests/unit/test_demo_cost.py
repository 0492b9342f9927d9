from __future__ import annotations

import os

import pytest

from tests.demo.cost import MAIN, Cost, cpu_seconds, pss_kib


def test_the_proportional_size_is_read_and_an_ending_process_has_none():
    text = (
        "55d0-7ffd ---p 00000000 00:00 0  [rollup]\nRss:  9000 kB\nPss:  4321 kB\nPss_Anon: 9 kB\n"
    )
    assert pss_kib(text) == 4321
    with pytest.raises(ValueError, match="Pss"):
        pss_kib("")


def test_cpu_time_is_read_behind_any_name():
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 {3 * ticks} {2 * ticks} 0 0 20 0 1 0"
    assert cpu_seconds(stat) == 5.0


def test_a_process_that_is_gone_costs_nothing():
    cost = Cost()
    cost.look(2**22 + 1)  # above pid_max
    assert cost.peak_kib[MAIN] == 0
    cost.look(os.getpid())
    assert cost.peak_kib[MAIN] > 0
    assert cost.cpu_seconds(MAIN) > 0
