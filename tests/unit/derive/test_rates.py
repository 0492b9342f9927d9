"""How fast a number grows."""

from __future__ import annotations

from collector.derive.rates import Growth


def test_the_rise_of_the_window_counts():
    growth = Growth(window_s=60)
    assert growth.per_second() is None
    for second in range(0, 300, 15):
        growth.note(second * 10.0 if second > 100 else 0.0, float(second))
    assert growth.per_second() == 10.0


def test_a_fall_begins_anew():
    growth = Growth()
    growth.note(100.0, 0.0)
    growth.note(50.0, 10.0)
    assert growth.per_second() is None
    growth.note(150.0, 20.0)
    assert growth.per_second() == 10.0
