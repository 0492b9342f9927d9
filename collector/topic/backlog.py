"""The backlog of a stream: its frames that are read from a partition and not yet delivered. No I/O.

A stream waits for enough rounds, so that they can be merged into one batch, and no longer than the
sink's patience.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from collector.flow.mark import Known, Mark
from collector.flow.pump import Appetite, most_rounds
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame

KEPT_DICTIONARIES = 2
"""Of a stream, and those that its frames in hand need: each may take some MiB, and a stream gets a
new one with each new series."""


class InHand(NamedTuple):
    """A frame that can be read, and the offset of its record."""

    offset: int
    frame: Frame
    dictionary: Dictionary


class Backlog:
    """One stream's frames in hand, in the order of the log."""

    def __init__(self, known: Known, clock: Callable[[], float]) -> None:
        """`known` is what is delivered of the stream or on its way."""
        self.known = known
        self.frames: deque[InHand] = deque()
        self.reached = (0, 0)  # line and seq of the last frame that was judged
        self.held_at: int | None = None  # the offset of a record that needs a newer version
        self._clock = clock
        self._rounds = 0
        self._since = clock()
        self._dictionary: int | None = None  # of the last batch
        self._dictionaries: list[int] = []  # those that are kept, the one seen last at the end

    def put(self, it: InHand) -> None:
        """Take in a frame. One that waited for its dictionary goes before what came meanwhile."""
        if not self.frames:
            self._since = self._clock()
        self.frames.insert(bisect(self.frames, it.offset, key=lambda one: one.offset), it)
        self._rounds += len(it.frame.at)

    def pop(self) -> InHand:
        """Give out the first frame."""
        it = self.frames.popleft()
        self._rounds -= len(it.frame.at)
        return it

    def hold(self, offset: int) -> None:
        """Take in nothing behind a record that a newer version must read."""
        if self.held_at is None:
            self.held_at = offset

    def is_held_before(self, offset: int) -> bool:
        return self.held_at is not None and offset > self.held_at

    def has_enough(self, appetite: Appetite) -> bool:
        """Whether it is time for a batch. One is of a single dictionary."""
        dictionary = self.frames[0].dictionary
        return (
            self._rounds >= min(appetite.least, most_rounds(dictionary))
            or any(it.dictionary.id != dictionary.id for it in self.frames)
            or self._clock() - self._since >= appetite.patience_s
        )

    def gave(self, known: Known, dictionary: Dictionary) -> None:
        """A batch is on its way, and with it so much is known."""
        self.known, self._dictionary, self._since = known, dictionary.id, self._clock()

    def has_passed(self, mark: Mark) -> bool:
        """Whether the round of a mark was judged, or one behind it."""
        line, seq = self.reached
        return line == mark.line and seq >= mark.seq

    def in_use(self) -> set[int]:
        """The dictionaries that a reader in our place would need."""
        used = {it.dictionary.id for it in self.frames}
        return used if self._dictionary is None else used | {self._dictionary}

    def outlived(self, newest: int) -> list[int]:
        """The dictionaries that nobody needs any more, now that there is a newer one."""
        kept = [*(one for one in self._dictionaries if one != newest), newest]
        in_use = self.in_use()
        gone = [old for old in kept[:-KEPT_DICTIONARIES] if old not in in_use]
        self._dictionaries = [one for one in kept if one not in gone]
        return gone
