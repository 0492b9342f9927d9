"""How fast something grows: its rise over the last minutes."""

from __future__ import annotations

from collections import deque

WINDOW_S = 300.0
LEAST_S = 1.0
MOST_POINTS = 64


class Growth:
    """The rise of one number over a window, for numbers that are read each round."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._points: deque[tuple[float, float]] = deque(maxlen=MOST_POINTS)

    def note(self, value: float, at: float) -> None:
        """Add what was read at this time, in seconds. A fall begins anew: nobody knows why."""
        if self._points and (value < self._points[-1][1] or at <= self._points[-1][0]):
            self._points.clear()
        self._points.append((at, value))
        while len(self._points) > 2 and at - self._points[1][0] >= self._window_s:
            self._points.popleft()

    def per_second(self) -> float | None:
        """Return the rise a second, None before there are two points."""
        if len(self._points) < 2:
            return None
        (start, first), (end, last) = self._points[0], self._points[-1]
        return (last - first) / (end - start) if end - start >= LEAST_S else None
