"""The history of a stream since the start: which of its rounds came behind which, over its lines.

A stream writes one line on disk, and another one in memory while the disk refuses. A mark names a
round of one of them; how many came behind it takes the order of both.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from collector.flow.mark import Mark

MAX_STRETCHES = 64


class Stretch(NamedTuple):
    """Rounds first..last of a line, one after the other."""

    line: int
    first: int
    last: int


class History:
    """Written by the round room, read by any thread."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque(maxlen=MAX_STRETCHES)

    def add(self, line: int, seq: int) -> None:
        """A round came. What a line had before the start counts with its first stretch."""
        newest = self._stretches[-1] if self._stretches else None
        if newest and newest.line == line:
            self._stretches[-1] = newest._replace(last=seq)
            return
        before = (one.last for one in reversed(self._stretches) if one.line == line)
        self._stretches.append(Stretch(line, next(before, 0) + 1, seq))

    def behind(self, mark: Mark) -> int | None:
        """How many rounds came behind a mark; None when it is of another life's line."""
        rounds = 0
        for one in reversed(list(self._stretches)):
            if one.line == mark.line and (mark.seq >= one.first or one.first == 1):
                return rounds + max(0, one.last - mark.seq)
            rounds += one.last - one.first + 1
        return None
