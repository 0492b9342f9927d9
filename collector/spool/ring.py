"""The ring: the newest rounds that the disk refused, in memory until all readers have them.

Bounded: where there is no room, the oldest are pushed out, and each reader that did not have them
finds the gap by their seqs. What is in here when the process ends is lost.
"""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock
from typing import NamedTuple

from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, encode_frame

RING_BYTES = 8 << 20

_POINTER_BYTES = 8


class Held(NamedTuple):
    """A round in memory. `number` counts all that were ever held, from 1.

    `behind` is its place among the rounds on disk: the segment, and the offset there, that were
    the end when it came.
    """

    number: int
    behind: tuple[int, int]
    dictionary: Dictionary
    frame: Frame


class Ring:
    """Rounds in the order they came. One thread adds, each reader goes its own way."""

    def __init__(self, most_bytes: int = RING_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: deque[Held] = deque()
        self._bytes = 0
        self._users: Counter[int] = Counter()  # how many rounds need each dictionary
        self._newest = 0
        self._pushed_out = 0
        self._readers: dict[int, int] = {}
        self._changing = Lock()

    @property
    def newest(self) -> int:
        """The number of the newest round ever held."""
        return self._newest

    @property
    def pushed_out(self) -> int:
        """The number of the newest round that went before all readers had it."""
        return self._pushed_out

    @property
    def is_full(self) -> bool:
        """Whether the oldest may have to go for the next round."""
        return self._bytes > self._most_bytes // 8 * 7

    @property
    def rounds(self) -> int:
        return len(self._held)

    @property
    def bytes(self) -> int:
        return self._bytes

    def join(self, reader: object) -> int:
        """Count with a reader from now on; return the number that it is to go on behind."""
        with self._changing:
            oldest = self._held[0].number if self._held else self._newest + 1
            self._readers[id(reader)] = oldest - 1
            return oldest - 1

    def leave(self, reader: object) -> None:
        with self._changing:
            self._readers.pop(id(reader), None)

    def done(self, reader: object, number: int) -> None:
        """Let go of what all readers have now."""
        with self._changing:
            self._readers[id(reader)] = number
            self._let_go()

    def add(self, behind: tuple[int, int], dictionary: Dictionary, frame: Frame) -> Held:
        with self._changing:
            self._newest += 1
            one = Held(self._newest, behind, dictionary, frame)
            self._held.append(one)
            self._bytes += len(encode_frame(frame))
            if not self._users[id(dictionary)]:
                self._bytes += _size(dictionary)
            self._users[id(dictionary)] += 1
            self._let_go()
            while self._bytes > self._most_bytes and len(self._held) > 1:
                self._pushed_out = self._held[0].number
                self._remove_oldest()
            return one

    def after(self, number: int) -> Held | None:
        """The oldest round behind a number; it is not the next one where some were pushed out."""
        if number >= self._newest:
            return None  # nearly always: without the lock, since it is asked for each record
        with self._changing:
            return next((one for one in self._held if one.number > number), None)

    def _let_go(self) -> None:
        had = min(self._readers.values(), default=self._newest)
        while self._held and self._held[0].number <= had:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        one = self._held.popleft()
        self._bytes -= len(encode_frame(one.frame))
        self._users[id(one.dictionary)] -= 1
        if not self._users[id(one.dictionary)]:
            del self._users[id(one.dictionary)]
            self._bytes -= _size(one.dictionary)


def _size(dictionary: Dictionary) -> int:
    """Bytes that it adds: the series themselves are shared by all dictionaries of the process."""
    return len(dictionary.packed) + _POINTER_BYTES * len(dictionary.series)
