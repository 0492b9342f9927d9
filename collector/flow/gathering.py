"""Gathering: frames become a batch, once it is known what of them is new.

Both readers do it, the spool's and the topic's; what ends a batch is for each of them to say.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from collector.flow.mark import Gap
from collector.flow.pump import MOST_ROUNDS, Batch, Part, most_rounds
from collector.flow.verdict import Taken, conflict
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, part


class Met(NamedTuple):
    """What a reader met on the way to the end of a batch."""

    gaps: tuple[Gap, ...] = ()
    closed: int = 0
    repeated: int = 0


class Gathering:
    """What was read for the next batch, of one dictionary."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.frames: list[Frame] = []
        self.rounds = 0
        self.aside: list[Part] = []
        self._most = most_rounds(dictionary)
        self._gaps: list[Gap] = []
        self._closed = 0
        self._repeated = 0

    @property
    def is_full(self) -> bool:
        return self.rounds >= self._most or len(self.aside) >= MOST_ROUNDS

    @property
    def met(self) -> Met:
        return Met(tuple(self._gaps), self._closed, self._repeated)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be delivered; what was met on the way is told all the same."""
        return not self.frames and not self.aside

    def turn_to(self, dictionary: Dictionary) -> None:
        """Go on with another dictionary, as long as it is empty."""
        self.dictionary = dictionary
        self._most = most_rounds(dictionary)

    def note(self, gap: Gap) -> None:
        """Add a gap in front of all frames."""
        self._gaps.append(gap)

    def add(self, frame: Frame, taken: Taken) -> None:
        """Add what is new of a frame of this dictionary; one that clashes is set aside."""
        if taken.rival is not None:
            why = conflict(self.dictionary.stream, frame, taken.rival)
            self.aside.append(Part(Batch(self.dictionary, (frame,), None), why))
            return
        new = [part(frame, self.dictionary, *span) for span in taken.spans]
        rounds = sum(len(one.at) for one in new)
        self.frames += new
        self.rounds += rounds
        self._gaps += taken.opened
        self._closed += taken.closed
        self._repeated += len(frame.at) - rounds

    def batch(self, end: Any) -> Batch:
        return Batch(self.dictionary, tuple(self.frames), end, tuple(self.aside))
