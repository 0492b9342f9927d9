"""How old and how new a round may be for a receiver. Nothing here looks at a clock."""

from __future__ import annotations

from enum import Enum

from collector.horizon import AHEAD_MS

ALWAYS_TAKEN_S = 3600.0
"""In order, Prometheus takes what is up to half a block (1 h) older than its newest, whatever its
out-of-order window."""


class Age(Enum):
    """What a receiver would make of a round's time."""

    GOOD = "good"
    TOO_OLD = "too old"
    FUTURE = "future"


def age(at_ms: int, now_ms: int, window_s: float) -> Age:
    """Judge a round's time; `window_s` is the receiver's out_of_order_time_window, inf for all."""
    if at_ms > now_ms + AHEAD_MS:
        return Age.FUTURE
    if at_ms < now_ms - max(window_s, ALWAYS_TAKEN_S) * 1000:
        return Age.TOO_OLD
    return Age.GOOD
