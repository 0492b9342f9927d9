"""When records were written: what a few points allow to say."""

from __future__ import annotations

import bisect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.derive.offset_times import MOST_POINTS, OffsetTimes, Written


def test_nothing_is_known_of_nothing():
    times = OffsetTimes()
    assert times.written(5) is None
    assert times.end is None
    assert times.wanted(5, 1e9)[0] == 1e9 - 60


def test_between_two_points_time_goes_straight():
    times = OffsetTimes()
    times.note(100, 1000.0)
    times.note(200, 1100.0)
    assert times.written(100) == Written(1000.0, 1000.0)
    assert times.written(150) == Written(1050.0, 1000.0)
    assert times.written(99) is None
    assert times.written(200) is None  # not written yet


def test_a_quiet_hour_belongs_to_no_record():
    times = OffsetTimes()
    times.note(100, 1000.0)
    times.note(100, 4600.0)
    times.note(110, 4615.0)
    assert times.written(100) == Written(4600.0, 4600.0)


def test_a_point_that_contradicts_the_others_is_dropped():
    times = OffsetTimes()
    times.note(100, 1000.0)
    times.note(200, 1100.0)
    times.note(150, 1200.0)
    times.note(250, 1050.0)
    times.note(100, 1150.0)
    assert len(times) == 2
    assert times.written(150) == Written(1050.0, 1000.0)


def test_a_log_that_is_shorter_was_made_anew():
    times = OffsetTimes()
    times.note(100, 1000.0)
    times.note(200, 1100.0)
    times.trim(0, 50)
    assert len(times) == 0


def test_what_the_log_has_dropped_is_forgotten_but_for_one_point():
    times = OffsetTimes()
    for second in range(10):
        times.note(second * 10, 1000.0 + second)
    times.trim(55, 90)
    assert times.written(55) == pytest.approx((1005.5, 1005.0))
    assert times.written(45) is None


@given(st.lists(st.integers(1, 50), min_size=MOST_POINTS, max_size=300))
def test_there_is_a_bound_and_the_newest_are_known_best(steps: list[int]):
    times = OffsetTimes()
    end = 0
    for second, step in enumerate(steps):
        end += step
        times.note(end, 1000.0 + 15 * second)
    assert len(times) <= MOST_POINTS
    found = times.written(end - 1)
    assert found is not None
    newest = 1000.0 + 15 * (len(steps) - 1)
    assert newest - 15 <= found.after <= found.at <= newest


@given(
    st.lists(st.floats(0.1, 90_000.0), min_size=2, max_size=60),
    st.data(),
)
def test_questions_find_the_time_of_any_record(gaps: list[float], data: st.DataObject):
    """Whatever the log: after a few questions the age is right to 5 s or a twentieth."""
    now = 1_700_000_000.0
    written = [now - 1.0 - sum(gaps[i:]) for i in range(len(gaps))]
    offset = data.draw(st.integers(0, len(written) - 1))
    times = OffsetTimes()
    times.note(len(written), now)
    asked = 0
    while wanted := times.wanted(offset, now):
        for at in wanted:
            asked += 1
            first = bisect.bisect_left(written, at)
            times.note(min(len(written), first), at)
        assert asked < 40
    found = times.written(offset)
    assert found is not None
    age = now - written[offset]
    precise = max(5.0, 0.05 * age) + 0.002
    assert abs(found.at - written[offset]) <= precise
    assert written[offset] - precise <= found.after <= written[offset] + 0.002, "never too young"
