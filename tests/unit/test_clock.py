from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice, pairwise
from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from collector import BUILT_MS, clock
from collector.clock import STEP_MS, Known, WallClock
from collector.frames.frame import Instant


class _Hours(Event):
    """A clock that stands still, except while somebody waits or a round takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.ms = 5_000_000
        self.oversleeps: Iterator[int] = iter(())

    def now(self) -> Instant:
        return Instant(1_700_000_000_000 + self.ms, self.ms)

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        assert timeout >= 0
        self.ms += round(timeout * 1000) + next(self.oversleeps, 0)
        return self.is_set()


def test_ticks_come_each_interval_the_first_at_once():
    hours = _Hours()
    start = hours.ms
    ticks = list(islice(clock.ticks(15, hours, hours.now), 4))
    assert [tick.at.monotonic_ms - start for tick in ticks] == [0, 15_000, 30_000, 45_000]
    assert [tick.missed for tick in ticks] == [0, 0, 0, 0]
    assert ticks[1].at.wall_ms == 1_700_000_000_000 + start + 15_000


def test_a_slow_round_moves_the_next_tick_and_not_those_behind_it():
    hours = _Hours()
    start = hours.ms
    ticks = clock.ticks(10, hours, hours.now)
    next(ticks)
    hours.ms += 12_000
    assert next(ticks) == (Instant(1_700_000_000_000 + start + 12_000, start + 12_000), 0)
    assert next(ticks).at.monotonic_ms == start + 20_000


def test_ticks_that_were_due_in_a_very_slow_round_are_missed_and_not_made_up_for():
    hours = _Hours()
    start = hours.ms
    ticks = clock.ticks(10, hours, hours.now)
    next(ticks)
    hours.ms += 35_000  # 10 and 20 are gone; 30 is late
    late = next(ticks)
    assert (late.at.monotonic_ms - start, late.missed) == (35_000, 2)
    assert next(ticks).at.monotonic_ms == start + 40_000


def test_a_machine_that_slept_takes_one_round_when_it_wakes():
    """The wait itself ends late. Two rounds with almost one time would be worth nothing."""
    hours = _Hours()
    start = hours.ms
    hours.oversleeps = iter([0, 3_600_000 + 4_000])
    ticks = [
        (t.at.monotonic_ms - start, t.missed) for t in islice(clock.ticks(10, hours, hours.now), 3)
    ]
    assert ticks == [(0, 0), (3_614_000, 360), (3_620_000, 0)]


def test_nothing_comes_after_stop():
    hours = _Hours()
    ticks = clock.ticks(10, hours, hours.now)
    next(ticks)
    hours.set()
    assert list(ticks) == []


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 40_000)), max_size=30))
def test_ticks_and_missed_ones_are_all_there_were(delays):
    """However rounds and waits drag on: each due tick is taken or missed, and none comes twice."""
    hours = _Hours()
    start = hours.ms
    hours.oversleeps = iter([0, *(over for _, over in delays)])
    ticks = clock.ticks(10, hours, hours.now)
    seen = [next(ticks)]
    for slow, _ in delays:
        hours.ms += slow
        seen.append(next(ticks))
    due = 0
    for tick in seen:
        due += tick.missed * 10_000
        assert 0 <= tick.at.monotonic_ms - start - due < 10_000
        due += 10_000
    times = [tick.at.monotonic_ms for tick in seen]
    assert all(a < b for a, b in pairwise(times))


def test_now_is_in_milliseconds_of_the_world_and_of_the_boot():
    before = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    now = clock.now()
    after = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    assert now.wall_ms is not None
    assert int(before[0] * 1000) <= now.wall_ms <= after[0] * 1000
    assert int(before[1] * 1000) <= now.monotonic_ms <= after[1] * 1000


def test_the_boot_has_one_id_of_16_bytes():
    assert len(clock.boot_id()) == 16
    assert clock.boot_id() == clock.boot_id()


# Whether the wall clock can be believed

BOOT, OTHER_BOOT = bytes(16), bytes([1] * 16)
NOW_MS = BUILT_MS + 1_000_000


def test_a_clock_before_the_program_was_built_was_never_set():
    wall = WallClock(None, BOOT)
    assert (wall.stepped(Instant(1000, 5000)), wall.is_right) == (0, False)
    assert (wall.stepped(Instant(BUILT_MS - 1, 5000), believe=True), wall.is_right) == (0, False)
    assert (wall.stepped(Instant(BUILT_MS, 5000)), wall.is_right) == (0, True)
    assert wall.wall_of(4000) == BUILT_MS - 1000


def test_the_last_round_of_another_boot_is_the_least_that_is_believed():
    last = Known(OTHER_BOOT, Instant(NOW_MS, 77))
    wall = WallClock(last, BOOT)
    assert (wall.stepped(Instant(NOW_MS, 10)), wall.is_right) == (0, False)
    assert (wall.stepped(Instant(NOW_MS - 5, 10), believe=True), wall.is_right) == (0, True)
    assert (WallClock(last, BOOT).stepped(Instant(NOW_MS + 1, 10))) == 0


def test_the_last_round_of_this_boot_tells_a_step_exactly():
    wall = WallClock(Known(BOOT, Instant(NOW_MS, 1000)), BOOT)
    assert wall.stepped(Instant(NOW_MS + 1_000_000 - 3_600, 1_001_000)) == -3_600
    assert wall.is_right


@given(st.lists(st.integers(-10 * STEP_MS, 10 * STEP_MS), max_size=30))
def test_steps_are_what_the_clock_moved_against_the_monotonic_one(moves):
    wall, ahead = WallClock(None, BOOT), 0
    wall.stepped(Instant(NOW_MS, 0))
    for i, move in enumerate(moves, 1):
        ahead += move
        found = wall.stepped(Instant(NOW_MS + ahead + i * 15_000, i * 15_000))
        assert found == (move if abs(move) >= STEP_MS else 0)
