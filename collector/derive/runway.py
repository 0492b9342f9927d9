"""How long a disk lasts: its free bytes over how fast they became less."""

from __future__ import annotations

from collections import deque

WINDOW_S = 3600.0
"""Logs grow in steps and fall by whole segments: a shorter look takes each for a trend."""
LEAST_S = 600.0
STEP_S = 60.0
MOST_S = 10 * 365 * 86_400.0


class Runway:
    """The free bytes of one disk over the last hour, a point a minute."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()

    def note(self, free: float, at: float) -> float | None:
        """Take in what is free at this time, in seconds; return the seconds until nothing is.

        None before ten minutes, and while no less is free than an hour ago: then it doesn't end.
        So too when it ends in ten years or later.
        """
        if self._points and at <= self._points[-1][0]:
            self._points.clear()
        while len(self._points) > 1 and at - self._points[1][0] >= WINDOW_S:
            self._points.popleft()
        left = self._left(free, at)
        if not self._points or at - self._points[-1][0] >= STEP_S:
            self._points.append((at, free))
        return left

    def _left(self, free: float, at: float) -> float | None:
        if not self._points:
            return None
        start, first = self._points[0]
        if at - start < LEAST_S or free >= first:
            return None
        left = free * (at - start) / (first - free)
        return left if left < MOST_S else None
