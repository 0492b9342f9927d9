"""When the records of one partition were written: a few points, and straight lines between them.

A point says: at this time, this was the end offset. It comes from reading end offsets each round,
or from Kafka's answer to "which is the first offset from this time on", which says the same of the
records' own timestamps. So a collector that has just started knows in a few questions what one
that has watched for days knows, and both tell the same seconds.

The seconds are as true as the timestamps: with CreateTime, a producer's clock that is off by an
hour is off by an hour here too, for records that were written before we looked.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple

MOST_POINTS = 48
_DAY_S = 86_400.0
FIRST_AGES_S = (
    *(60.0, 600.0, 3_600.0, 6 * 3_600.0),
    *(_DAY_S, 7 * _DAY_S, 30 * _DAY_S, 365 * _DAY_S, 20 * 365 * _DAY_S),
)
"""Ages that are asked for first, of a partition of which nothing is known."""

PRECISE_S = 5.0
PRECISE_PART = 0.05
"""A record's time is known well enough within this, or within this part of its age."""


class Bracket(NamedTuple):
    """A record was written after `after` (None: nobody knows) and not after `by`."""

    after: float | None
    by: float | None

    def is_precise(self, now: float) -> bool:
        if self.after is None or self.by is None:
            return False
        return self.by - self.after <= max(PRECISE_S, PRECISE_PART * (now - self.by))


class Written(NamedTuple):
    """When a record was written: `at` most likely, and not before `after`. Seconds since 1970."""

    at: float
    after: float


class OffsetTimes:
    """The points of one partition, rising in both directions. Times are seconds since 1970.

    Of each offset the first and the last time at which it was the end are kept: what lies before it
    was written by the first, it itself after the last.
    """

    def __init__(self) -> None:
        # Arrays: a list of numbers takes five times as much, and there may be 2,000 partitions.
        self._offsets = array("q")
        self._firsts = array("d")
        self._lasts = array("d")

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def end(self) -> int | None:
        """The highest end offset that was seen."""
        return self._offsets[-1] if self._offsets else None

    def note(self, end: int, at: float) -> None:
        """At this time, `end` was the end offset. What contradicts the other points is dropped."""
        index = bisect_left(self._offsets, end)
        is_known = index < len(self._offsets) and self._offsets[index] == end
        after = index + 1 if is_known else index
        if index and self._lasts[index - 1] >= at:
            return
        if after < len(self._offsets) and self._firsts[after] <= at:
            return
        if is_known:
            self._firsts[index] = min(at, self._firsts[index])
            self._lasts[index] = max(at, self._lasts[index])
            return
        self._offsets.insert(index, end)
        self._firsts.insert(index, at)
        self._lasts.insert(index, at)
        if len(self._offsets) > MOST_POINTS:
            self._thin()

    def trim(self, oldest: int, end: int) -> None:
        """Forget what the log no longer has; all of it when the log is shorter than was seen."""
        gone = bisect_right(self._offsets, oldest) - 1
        if self._offsets and self._offsets[-1] > end:
            gone = len(self._offsets)
        if gone > 0:
            del self._offsets[:gone], self._firsts[:gone], self._lasts[:gone]

    def bracket(self, offset: int) -> Bracket:
        """Return between which times the record at `offset` was written."""
        index = bisect_right(self._offsets, offset)
        after = self._lasts[index - 1] if index else None
        by = self._firsts[index] if index < len(self._offsets) else None
        return Bracket(after, by)

    def written(self, offset: int) -> Written | None:
        """Return when the record at `offset` was written, None when that can't be told.

        Most likely as of a steady writer between two points; of one that writes in bursts it may
        be as old as the first of them.
        """
        start, stop = self.bracket(offset)
        if start is None or stop is None:
            return None
        index = bisect_right(self._offsets, offset)
        first, last = self._offsets[index - 1], self._offsets[index]
        return Written(start + (stop - start) * (offset - first) / (last - first), start)

    def rate(self, window_s: float) -> float | None:
        """Return the records a second of the last `window_s`, by the newest points."""
        if len(self._offsets) < 2:
            return None
        newest = self._lasts[-1]
        start = max(0, min(bisect_left(self._lasts, newest - window_s), len(self._lasts) - 2))
        seconds = newest - self._lasts[start]
        return (self._offsets[-1] - self._offsets[start]) / seconds if seconds >= 1 else None

    def wanted(self, offset: int, now: float) -> tuple[float, ...]:
        """Return the times worth asking for, to know when the record at `offset` was written."""
        found = self.bracket(offset)
        if found.is_precise(now):
            return ()
        by = now if found.by is None else found.by
        if found.after is None:
            return tuple(now - age for age in FIRST_AGES_S if now - age < by)
        # Half way by age, not by time: what is days old need not be known to the second.
        youngest, oldest = max(1.0, now - by), max(1.0, now - found.after)
        return (now - (youngest * oldest) ** 0.5,)

    def _thin(self) -> None:
        """Drop the point whose loss costs least, measured by the age of what is around it."""
        newest = self._lasts[-1]

        def cost(index: int) -> float:
            before, after = self._lasts[index - 1], self._firsts[index + 1]
            return (after - before) / (newest - before + 1.0)

        at = min(range(1, len(self._offsets) - 1), key=cost)
        del self._offsets[at], self._firsts[at], self._lasts[at]
