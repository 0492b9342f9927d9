"""The clock of this machine, by itself; a receiver's word on it comes with the sink."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from collector import BUILT_MS
from collector.doctor.finding import Finding, Layer, ok, problem

FAR_S = 30.0
"""Seconds that two clocks may differ before it is said: boards show it, and rates suffer."""

SET_IT = "set the clock and keep it so: timedatectl set-ntp true, or look at chronyc tracking"


def look() -> Iterator[Finding]:
    """Say whether the clock is later than this program."""
    now = time.time()
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if now * 1000 < BUILT_MS:
        says = f"it is {shown}, before this program was made: rounds wait for a right clock"
        yield problem(Layer.CLOCK, "this machine", says, SET_IT)
    else:
        yield ok(Layer.CLOCK, "this machine", shown)


def against(subject: str, ahead_ms: int | None) -> Finding | None:
    """Judge our clock by another's; `ahead_ms` is None where that one told no time. Pure."""
    if ahead_ms is None:
        return None
    seconds = ahead_ms / 1000
    way = "ahead of" if seconds > 0 else "behind"
    if abs(seconds) < FAR_S:
        return ok(Layer.CLOCK, subject, f"our clock agrees with its Date within {FAR_S:g} s")
    says = f"our clock is {abs(seconds):.0f} s {way} its Date"
    return problem(Layer.CLOCK, subject, says, SET_IT, "or the receiver's clock is the wrong one")
