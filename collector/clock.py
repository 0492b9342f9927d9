"""Clocks: when a round is taken, and on which boot of the machine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
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


def boot_id() -> bytes:
    """16 bytes that are the same until the machine starts again."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        return uuid.UUID(text.strip()).bytes
    except (OSError, ValueError):
        # No /proc: the monotonic times of this process belong together, of others nothing is known.
        return uuid.uuid4().bytes


def ticks(interval_s: float, stop: Event) -> Iterator[Tick]:
    """Yield at each interval of the monotonic clock, the first at once, until told to stop."""
    interval_ms = round(interval_s * 1000)
    due_ms = now().monotonic_ms
    while True:
        late_ms = now().monotonic_ms - due_ms
        missed = max(0, late_ms) // interval_ms
        due_ms += missed * interval_ms
        if stop.wait(max(0, due_ms - now().monotonic_ms) / 1000):
            return
        yield Tick(now(), missed)
        due_ms += interval_ms
