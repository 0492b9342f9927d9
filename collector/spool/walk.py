"""A walk through a chain: its frames, one after the other, those in memory at their places.

What can't be read is passed over: which rounds that were is told by the seqs of those that follow.
"""

from __future__ import annotations

import errno
from typing import NamedTuple, Protocol

from collector.errors import FormatError, TooNew
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Body, Frame, decode
from collector.spool.chain import Chain
from collector.spool.ring import Held
from collector.spool.segment import Entry, SegmentReader

_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES})
"""Why a file can't be opened now, and may be later."""


class Found(NamedTuple):
    """A frame, and where the walk is once it is taken: an offset, the newest held round."""

    frame: Frame
    dictionary: Dictionary
    offset: int
    held: int


class Obstacles(Protocol):
    """Who is told of what holds a walk up."""

    def held(self, why: TooNew) -> None:
        """The next record needs a newer version: the stream waits."""
        ...

    def unread(self, why: OSError) -> None:
        """A segment could not be opened, for want of something that may come back: it waits."""
        ...


class Walk:
    """Stands at `offset` of `segment`, behind the round in memory with the number `held`.

    `damaged` and `skipped` say of what lies before the next frame whether some of it could not be
    read, or was dropped.
    """

    def __init__(self, chain: Chain, segment: int, offset: int, obstacles: Obstacles) -> None:
        self._chain = chain
        self._obstacles = obstacles
        self._reader: SegmentReader | None = None
        self._dictionaries: dict[int, Dictionary] = {}
        self._in_use: Dictionary | None = None
        self.segment, self.offset = segment, offset
        self.held = chain.ring.join(self)
        self.damaged = self.skipped = False

    def go_to(self, segment: int, offset: int) -> None:
        """Go on from another place, with what is still in memory from the oldest on."""
        self.close()
        self._dictionaries = {}
        self._in_use = None
        self.segment, self.offset = segment, offset
        self.held = self._chain.ring.join(self)
        self.damaged = self.skipped = False

    def take(self, found: Found) -> None:
        """Stand behind a frame now."""
        self.offset, self.held = found.offset, found.held
        if not found.frame.lineage.volatile:
            self.damaged = self.skipped = False

    def let_go(self, held: int) -> None:
        """What is in memory up to this number is delivered."""
        self._chain.ring.done(self, held)

    def leave(self) -> None:
        """Nothing is kept in memory for this walk any more."""
        self._chain.ring.leave(self)

    def close(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None

    def next(self) -> Found | None:
        """The next frame that can be read; None when there is none yet."""
        while True:
            # Asked for before the disk: what was appended before it came is seen there then.
            held = self._chain.ring.after(self.held)
            found = self._next_record(held)
            if found is None:
                if held is None or not self._is_due(held):
                    return None
                return Found(held.frame, held.dictionary, self.offset, held.number)
            body, end = found
            if isinstance(body, Dictionary):
                self._dictionaries.setdefault(body.id, body)
            elif isinstance(body, Frame):
                dictionary = self._dictionaries.get(body.dictionary_id)
                if dictionary is not None:
                    self._in_use = dictionary
                    return Found(body, dictionary, end, self.held)
                self.damaged = True  # its dictionary was: the seq will tell what is missing
            self.offset = end

    def _is_due(self, held: Held) -> bool:
        """Whether everything on disk before a held round has been read."""
        return held.behind <= (self.segment, self.offset)

    def _next_record(self, held: Held | None) -> tuple[Body, int] | None:
        """The next record on disk; None when there is none yet, or none before the held round."""
        while held is None or not self._is_due(held):
            entry, closed = self._next_entry(held)
            if entry is None:
                # Bytes left at the end of a closed segment: torn, or damaged. The seq will tell.
                if not closed or not self._open_next(held):
                    return None
                continue
            if entry.damaged:
                self.damaged = True
            try:
                return decode(entry.payload, self._dictionaries), entry.end
            except TooNew as why:
                self._obstacles.held(why)
                return None
            except FormatError:
                self.damaged = True
                self.offset = entry.end
        return None

    def _next_entry(self, held: Held | None) -> tuple[Entry | None, bool]:
        if self._reader is None and not self._open(self.segment, held):
            return None, False
        reader = self._reader
        if reader is None:
            return None, False
        end, closed = self._chain.readable_end(self.segment, reader)
        in_the_middle = held is not None and held.behind[0] == self.segment
        if held is not None and in_the_middle:
            end, closed = min(end, held.behind[1]), False
        entry: Entry | None = None
        try:
            entry = reader.read(self.offset, end)
        except OSError:  # the disk can't give it back: what is missing will be a gap
            self.damaged = True
        if held is not None and in_the_middle and entry is None:
            self.damaged |= self.offset < end
            self.offset = held.behind[1]
        return entry, closed

    def _open_next(self, held: Held | None) -> bool:
        """Go on to the segment behind this one; False when there is none yet."""
        reader = self._reader
        if reader and self.offset < self._chain.readable_end(self.segment, reader)[0]:
            self.damaged = True
        return self._open(self.segment + 1, held)

    def _open(self, number: int, held: Held | None) -> bool:
        """Open the first segment at or behind a number; False when there is none to be read now."""
        while (found := self._chain.after(number)) is not None:
            there, path = found
            if held is not None and there > held.behind[0]:
                break
            self.close()
            try:
                self._reader = SegmentReader(path)
            except FileNotFoundError:  # dropped just now, or removed by somebody
                self._chain.vanished(there)
                self._passed_over(there)
                number = there + 1
                continue
            except OSError as error:
                if error.errno in _PASSING:
                    self._obstacles.unread(error)
                    return False
                self.damaged = True
                number = there + 1
                continue
            if there != self.segment:
                if there != number:
                    self._passed_over(number)
                self.segment, self.offset = there, 0
                # Most often it begins with the same one: then a damaged copy does no harm.
                self._dictionaries = {self._in_use.id: self._in_use} if self._in_use else {}
            if self.offset:
                try:
                    self._learn_dictionaries(self._reader)
                except OSError:  # the disk can't give it back: what can't be read will be a gap
                    self.damaged = True
            return True
        if held is not None and not self._is_due(held):
            # All that lay between was dropped.
            self.close()
            self._passed_over(number)
            self.segment, self.offset = held.behind
        return False

    def _passed_over(self, number: int) -> None:
        """A segment is not there: what is missing will be a gap."""
        if self._chain.has_vanished(number):
            self.damaged = True
        else:
            self.skipped = True

    def _learn_dictionaries(self, reader: SegmentReader) -> None:
        """Read the dictionaries before our position: a segment has all that it needs."""
        at = 0
        while at < self.offset and (entry := reader.read(at, self.offset)) is not None:
            at = entry.end
            try:
                body = decode(entry.payload, self._dictionaries)
            except FormatError:
                continue
            if isinstance(body, Dictionary):
                self._dictionaries[body.id] = body
