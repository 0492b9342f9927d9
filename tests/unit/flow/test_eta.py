from __future__ import annotations

import pytest

from collector.flow.eta import Eta


def test_the_time_left_is_by_how_fast_the_backlog_shrank():
    eta = Eta()
    assert eta.note(1000, 0) is None
    assert eta.note(900, 10_000) == 90.0
    assert eta.note(700, 20_000) == pytest.approx(700 / 15)
    assert eta.note(0, 30_000) == 0.0


def test_what_grows_or_is_not_known_has_no_end():
    eta = Eta()
    assert eta.note(None, 0) is None
    assert eta.note(5, 0) is None
    assert eta.note(6, 15_000) is None
    assert eta.note(5, 30_000) is None, "no less than at first"
    assert eta.note(None, 45_000) is None


def test_only_the_last_minutes_count():
    eta = Eta()
    for i in range(100):
        eta.note(100, i * 15_000)
    assert eta.note(61, 1_500_000) == pytest.approx(61 * (40 - 1) * 15 / 39, rel=0.05)


def test_a_new_backlog_is_measured_anew():
    eta = Eta()
    eta.note(10, 0)
    eta.note(0, 1000)
    assert eta.note(10, 2000) is None
    assert eta.note(5, 3000) == 1.0
