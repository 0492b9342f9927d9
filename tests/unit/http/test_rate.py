from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.http.rate import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_request_leaves_at_once_and_the_next_when_it_is_paid_for():
    clock = Clock()
    rate = Rate(1000, clock)
    assert rate.wait_s() == 0
    rate.take(5000)
    assert rate.wait_s() == 4
    clock.now += 3
    assert rate.wait_s() == 1
    clock.now += 1
    assert rate.wait_s() == 0


def test_what_was_not_used_for_long_is_a_second_at_most():
    clock = Clock()
    rate = Rate(1000, clock)
    clock.now += 3600
    rate.take(2000)
    assert rate.wait_s() == 1


@given(st.lists(st.integers(1, 1 << 22), min_size=1, max_size=50), st.integers(1000, 1 << 20))
def test_the_average_holds_whatever_is_sent(sizes, a_second):
    clock = Clock()
    rate = Rate(a_second, clock)
    for size in sizes:
        clock.now += rate.wait_s() + 1e-6
        rate.take(size)
    clock.now += rate.wait_s()
    assert sum(sizes) <= a_second * (clock.now - 100.0 + 1.001)
