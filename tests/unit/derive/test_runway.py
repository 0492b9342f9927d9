"""How long a disk lasts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from collector.derive.runway import LEAST_S, WINDOW_S, Runway

START = 1_000.0


def told(free_at: Sequence[tuple[float, float]]) -> list[float | None]:
    runway = Runway()
    return [runway.note(free, START + at) for at, free in free_at]


def test_a_disk_that_fills_evenly():
    found = told([(at, 1e9 - 1e5 * at) for at in range(0, 1_800, 15)])
    assert found[: int(LEAST_S / 15)] == [None] * int(LEAST_S / 15)
    assert found[-1] == pytest.approx((1e9 - 1e5 * 1_785) / 1e5)


def test_steps_of_a_segment_are_no_trend():
    """What is freed in between counts: the disk fills by half of what is written."""
    free = 1e9
    points: list[tuple[float, float]] = []
    for at in range(0, 3_600, 60):
        free += 5e6 if at % 600 == 300 else -1e6
        points.append((at, free))
    found = told(points)
    rate = (points[0][1] - points[-1][1]) / 3_540
    assert found[-1] == pytest.approx(free / rate)


@pytest.mark.parametrize("free", [lambda at: 1e9, lambda at: 1e9 + at, lambda at: 1e9 - at / 1e3])
def test_a_disk_that_does_not_fill_has_no_end(free):
    assert set(told([(at, free(at)) for at in range(0, 7_200, 30)])) == {None}


def test_a_full_disk_has_none_left():
    assert told([(0, 1e6), (LEAST_S, 0)])[-1] == 0


def test_what_was_long_ago_is_forgotten():
    calm = [(at, 2e9) for at in range(0, 7_200, 15)]
    filling = [(7_200 + at, 2e9 - 1e5 * at) for at in range(0, int(WINDOW_S) + 120, 15)]
    assert told(calm + filling)[-1] == pytest.approx(filling[-1][1] / 1e5, rel=0.02)


def test_few_points_are_kept():
    runway = Runway()
    for at in range(20_000):
        runway.note(1e9 - at, START + at)
    assert len(runway._points) <= WINDOW_S / 60 + 2


def test_a_clock_that_is_set_back_begins_anew():
    assert told([(0, 2e9), (LEAST_S, 1e9), (10, 1e9), (20, 0.9e9)])[2:] == [None, None]
