"""The dictionaries of a partition: where their copies lie, and which frames wait for one. No I/O.

Copies are equal by content, so any will do: an earlier one that a commit leads back to, or the next
one in the log. Until one is read, the frames that need it are orphans.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame

MAX_ORPHANS = 1000
MAX_REFUSED = 1000


class Orphan(NamedTuple):
    """A frame whose dictionary we don't have; `stream` is what its headers say."""

    offset: int
    frame: Frame
    stream: Stream | None


class Dictionaries:
    """Those that a reader has seen of a partition and may still need."""

    def __init__(self, oldest: int | None) -> None:
        """`oldest` is the offset of the first copy that a commit named."""
        self.known: dict[int, Dictionary] = {}
        self.missing: set[int] = set()  # those that frames need and nobody has seen
        self._copies: dict[int, list[int]] = {}  # offsets of each one's copies
        self._oldest = oldest  # until we know better
        self._orphans: dict[int, list[Orphan]] = {}  # by dictionary
        self._refused: set[int] = set()  # those of streams that don't belong here

    def learn(self, dictionary: Dictionary, offset: int) -> list[Orphan]:
        """Keep a dictionary, or where one more copy of it lies; return those that waited for it."""
        self.known.setdefault(dictionary.id, dictionary)
        copies = self._copies.setdefault(dictionary.id, [])
        if offset not in copies:
            copies.append(offset)
            copies.sort()
        self.missing.discard(dictionary.id)
        return self._orphans.pop(dictionary.id, [])

    def forget(self, dictionary: int) -> None:
        """No frame needs it any more."""
        del self.known[dictionary], self._copies[dictionary]

    def refuse(self, dictionary: int) -> None:
        """It is of a stream that doesn't belong here, and so is each frame that needs it."""
        if len(self._refused) >= MAX_REFUSED:
            self._refused.clear()
        self._refused.add(dictionary)
        self._orphans.pop(dictionary, None)
        self.missing.discard(dictionary)

    def is_refused(self, dictionary: int) -> bool:
        return dictionary in self._refused

    def oldest_copy(self, needed: Iterable[int], offset: int) -> int | None:
        """Where a reader that begins at an offset must look back to, for all that it needs."""
        found = []
        for dictionary in needed:
            copies = self._copies.get(dictionary, [])
            if place := bisect_right(copies, offset):
                found.append(copies[place - 1])
        return min(found, default=self._oldest)

    def keep_orphan(self, orphan: Orphan) -> None:
        """Let a frame wait for its dictionary. Of too many the oldest is let go."""
        dictionary = orphan.frame.dictionary_id
        self.missing.add(dictionary)
        self._orphans.setdefault(dictionary, []).append(orphan)
        if sum(map(len, self._orphans.values())) > MAX_ORPHANS:
            # Their seqs will be missing: a gap, and said so.
            oldest = min(self._orphans, key=lambda known: self._orphans[known][0].offset)
            self._orphans[oldest].pop(0)
            if not self._orphans[oldest]:
                del self._orphans[oldest]

    @property
    def has_orphans(self) -> bool:
        return bool(self._orphans)

    def orphans_begin(self) -> list[int]:
        """The offset of the first orphan of each dictionary."""
        return [orphans[0].offset for orphans in self._orphans.values()]

    def first_orphan_before(self, frame: Frame, stream: Stream) -> Frame | None:
        """The first of the stream's orphans that come before a frame in its line."""
        earlier = [
            orphan.frame
            for orphans in self._orphans.values()
            for orphan in orphans
            if orphan.stream == stream
            and orphan.frame.lineage.line == frame.lineage.line
            and orphan.frame.first_seq < frame.first_seq
        ]
        return min(earlier, key=lambda orphan: orphan.first_seq, default=None)
