"""Clocks: when a round is taken, on which boot of the machine, and whether the wall clock is right.

A dark site has no second clock. What there is: the monotonic clock, which never steps within a
boot; the time of the last round; and that nothing ran before it was built.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Event
from typing import NamedTuple

from collector import BUILT_MS
from collector.frames.frame import Instant

STEP_MS = 2_000
"""A wall clock that moved so far against the monotonic one was set; less is a slew, or a sleep."""


class Tick(NamedTuple):
    """A round is due. `missed` ticks before it were let go: no bursts to make up for them."""

    at: Instant
    missed: int


def now() -> Instant:
    """Wall and monotonic time. The latter goes on while the machine sleeps (CLOCK_BOOTTIME)."""
    return Instant(
        time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    )


@cache
def boot_id() -> bytes:
    """16 bytes that are the same until the machine starts again."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        return uuid.UUID(text.strip()).bytes
    except (OSError, ValueError):
        # No /proc: the monotonic times of this process belong together, of others nothing is known.
        return uuid.uuid4().bytes


def ticks(interval_s: float, stop: Event, clock: Callable[[], Instant] = now) -> Iterator[Tick]:
    """Yield at each interval of the monotonic clock, the first at once, until told to stop.

    A tick that comes a whole interval late stands for itself and for those it has missed, whether
    the round before took so long or the machine slept: the next is never right behind it.
    """
    interval_ms = round(interval_s * 1000)
    due_ms = clock().monotonic_ms
    while not stop.wait(max(0, due_ms - clock().monotonic_ms) / 1000):
        at = clock()
        missed = max(0, at.monotonic_ms - due_ms) // interval_ms
        yield Tick(at, missed)
        due_ms += (missed + 1) * interval_ms


class Known(NamedTuple):
    """What is known of the time before the first round: when the last one was taken, by `boot`."""

    boot_id: bytes
    at: Instant


class WallClock:
    """Holds the wall clock against the monotonic one, tick by tick.

    `is_right` says whether rounds get its time. Until it is, they have a monotonic time alone.
    """

    def __init__(self, last: Known | None, boot: bytes) -> None:
        self.is_right = False
        self._least_ms = BUILT_MS
        self._offset_ms: int | None = None  # wall - monotonic, when it was right
        if last and last.at.wall_ms is not None:
            if last.boot_id == boot:
                # Its offset holds still: a step since then can be told exactly.
                self._offset_ms = last.at.wall_ms - last.at.monotonic_ms
            else:
                self._least_ms = max(BUILT_MS, last.at.wall_ms + 1)

    def stepped(self, at: Instant, *, believe: bool = False) -> int:
        """Look at a tick: return by how many ms the clock was set since the last one, 0 for not.

        `believe` it although it is behind the last round of an earlier boot, whose clock may have
        been the wrong one.
        """
        wall_ms = at.wall_ms or 0
        offset_ms = wall_ms - at.monotonic_ms
        if wall_ms < (BUILT_MS if believe else self._least_ms):
            self.is_right = False
            return 0
        self.is_right, self._least_ms = True, BUILT_MS
        before, self._offset_ms = self._offset_ms, offset_ms
        moved = 0 if before is None else offset_ms - before
        return moved if abs(moved) >= STEP_MS else 0

    def wall_of(self, monotonic_ms: int) -> int:
        """The wall time of an instant of this boot, by the clock as it is now."""
        assert self._offset_ms is not None
        return monotonic_ms + self._offset_ms
