"""When records were written, for the partitions that somebody asks about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from collector.cluster.view import Log, Place
from collector.derive.offset_times import OffsetTimes, Written

MOST_PARTITIONS = 2_000
"""That are followed: 1 KiB each. Of others nothing is told in seconds."""

MOST_QUESTIONS = 1_000
"""Of one call: each is a look into an index of the broker's."""

MOST_CALLS = 8
"""Of one read. What is not known precisely after them is asked for at the next."""

RATE_WINDOWS_S = 60.0, 300.0
"""Of both the higher rate counts: a stream that has just begun fills a log as fast as it runs now.
"""

Question = tuple[str, int, int]
"""Topic, partition, time in ms."""

Ask = Callable[[Sequence[Question]], Iterable[tuple[str, int, int, int]] | None]
"""Answers questions with (topic, partition, time in ms, first offset from then on or -1); None
when there is no time left, or nobody answered."""


class Times:
    """The `OffsetTimes` of a cluster. Belongs to whoever reads the cluster."""

    def __init__(self) -> None:
        self._of: dict[Place, OffsetTimes] = {}
        self._missed: set[tuple[str, int, int]] = set()
        self._met: set[Place] = set()

    def follow(self, place: Place) -> bool:
        """Keep what is learnt of this partition; False when too many are followed already."""
        self._met.add(place)
        if place in self._of:
            return True
        if len(self._of) >= MOST_PARTITIONS:
            return False
        self._of[place] = OffsetTimes()
        return True

    def written(self, topic: str, partition: int, offset: int) -> Written | None:
        """Return when a record was written; None while that isn't known."""
        known = self._of.get((topic, partition))
        found = known.written(offset) if known is not None else None
        if found is None and len(self._missed) < MOST_QUESTIONS:
            self._missed.add((topic, partition, offset))
        return found

    def rate(self, topic: str, partition: int) -> float | None:
        """Return the records a second that come into a partition; None while that isn't known."""
        known = self._of.get((topic, partition))
        if known is None:
            return None
        rates = [rate for window in RATE_WINDOWS_S if (rate := known.rate(window)) is not None]
        return max(rates, default=None)

    def learn(
        self,
        wanted: Iterable[tuple[str, int, int]],
        logs: Mapping[Place, Log],
        now: float,
        ask: Ask,
    ) -> int:
        """Ask until the records at these (topic, partition, offset) are known well enough.

        `logs` are the ends as of now. A partition that is neither there nor asked for is
        forgotten: its topic went. Return of how many of them nothing is known yet.
        """
        asked_for = dict.fromkeys((*wanted, *self._missed))
        open_ = {
            (topic, partition, offset): None
            for topic, partition, offset in asked_for
            if self.follow((topic, partition))
        }
        self._missed.clear()
        kept = self._met | logs.keys()
        self._of = {place: known for place, known in self._of.items() if place in kept}
        self._met = set()
        for place, known in self._of.items():
            if (log := logs.get(place)) is not None and log.end is not None:
                known.trim(log.oldest or 0, log.end)
                known.note(log.end, now)
        self._ask(open_, now, ask)
        return sum(not self._is_known(*one) for one in asked_for)

    def _is_known(self, topic: str, partition: int, offset: int) -> bool:
        known = self._of.get((topic, partition))
        return known is not None and known.written(offset) is not None

    def _ask(self, open_: dict[tuple[str, int, int], None], now: float, ask: Ask) -> None:
        for _ in range(MOST_CALLS):
            questions: list[Question] = []
            for topic, partition, offset in list(open_):
                times = self._of[topic, partition].wanted(offset, now)
                if not times:
                    del open_[topic, partition, offset]
                questions += ((topic, partition, int(at * 1000)) for at in times)
            answers = ask(questions[:MOST_QUESTIONS]) if questions else None
            if not answers:
                return
            for topic, partition, at_ms, offset in answers:
                self._answered((topic, partition), at_ms / 1000, offset)

    def _answered(self, place: Place, at: float, offset: int) -> None:
        known = self._of.get(place)
        if known is None:
            return
        if offset >= 0:
            known.note(offset, at)
        elif (end := known.end) is not None:
            known.note(end, at)  # no record is that young: this was the end already then
