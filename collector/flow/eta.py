"""How long a backlog still takes: by how fast it shrank in the last minutes, new rounds counted."""

from __future__ import annotations

from collections import deque

_POINTS = 40  # that a pace is taken from: ten minutes at 15 s


class Eta:
    """Of one pump. Belongs to one thread."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, int]] = deque(maxlen=_POINTS)

    def note(self, backlog: int | None, at_ms: int) -> float | None:
        """Take in a backlog of rounds; return the seconds until it is gone.

        None where it can't be said: it is not known, or it doesn't shrink. `at_ms` is monotonic.
        """
        if backlog is None:
            return None
        if not backlog:
            self._points.clear()
            return 0.0
        self._points.append((at_ms, backlog))
        first_ms, first = self._points[0]
        drained = first - backlog
        return backlog * (at_ms - first_ms) / 1000 / drained if drained > 0 else None
