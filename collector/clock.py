"""Clocks: when a round is taken, and on which boot of the machine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Event
from typing import NamedTuple

from collector.frame import Instant


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
