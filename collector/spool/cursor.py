"""A cursor: one reader's way through a chain. The spool's side of the pump's `Log`.

Rounds that the disk refused come from memory, each at its place among those on disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple, Protocol

from collector.dictionary import Dictionary
from collector.errors import FormatError, TooNew
from collector.foresight import Foresight
from collector.frame import Body, Frame, decode, encode_position, part
from collector.mark import (
    NOTHING,
    Gap,
    GapReason,
    Known,
    Mark,
    Marks,
    Position,
    Withheld,
    decode_position,
    mark_before,
    mark_of,
    withhold,
)
from collector.mark import encode_position as position_body
from collector.pump import MOST_ROUNDS, Appetite, Batch, Part, most_rounds
from collector.spool.chain import Chain
from collector.spool.lookout import Lookout
from collector.spool.ring import Held
from collector.spool.search import first_segment, place_behind
from collector.spool.segment import Entry, SegmentReader, pack
from collector.verdict import Taken, conflict, take

_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES})
"""Why a file can't be opened now, and may be later."""


class Notices(Protocol):
    """Who is told of what a reader meets on its way."""

    def met(self, gaps: Sequence[Gap], closed: int, repeated: int) -> None:
        """Gaps were uncovered, missing rounds came after all, rounds came again."""
        ...

    def held(self, why: TooNew) -> None:
        """The next record needs a newer version: the stream waits."""
        ...

    def unsaved(self, why: OSError) -> None:
        """The position could not be written."""
        ...

    def unread(self, why: OSError) -> None:
        """A segment could not be opened, for want of something that may come back: it waits."""
        ...

    def waits(self, why: str) -> None:
        """The next round lies in the future."""
        ...


class _End(NamedTuple):
    """Where a batch ends: what `commit` makes durable and tells."""

    position: Position
    held: int
    gaps: tuple[Gap, ...]
    closed: int
    repeated: int


class _Found(NamedTuple):
    """A frame, and where the reader is once it has it: an offset, the newest held round."""

    frame: Frame
    dictionary: Dictionary
    offset: int
    held: int


class _Gathered:
    """What was read for the next batch."""

    def __init__(self) -> None:
        self.dictionary: Dictionary | None = None
        self.frames: list[Frame] = []
        self.rounds = 0
        self.most = MOST_ROUNDS
        self.aside: list[Part] = []
        self._gaps: list[Gap] = []
        self._closed = 0
        self._repeated = 0

    def note(self, gap: Gap) -> None:
        """Add a gap in front of all frames."""
        self._gaps.append(gap)

    def add(self, frame: Frame, taken: Taken) -> None:
        """Add what is new of a frame of this batch's dictionary."""
        if self.dictionary is None:
            raise AssertionError("a frame before its dictionary")
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

    def batch(self, position: Position, held: int) -> Batch:
        if self.dictionary is None:
            raise AssertionError("a batch without a dictionary")
        end = _End(position, held, tuple(self._gaps), self._closed, self._repeated)
        return Batch(self.dictionary, tuple(self.frames), end, tuple(self.aside))


class Cursor:
    """Reads one chain in order, from where its position file says."""

    def __init__(
        self,
        chain: Chain,
        file: Path,
        appetite: Appetite,
        notices: Notices,
        foresight: Foresight | None = None,
    ) -> None:
        self._chain = chain
        self._file = file
        self._appetite = appetite
        self._notices = notices
        self._stream = chain.stream.key
        self._reader: SegmentReader | None = None
        self._dictionaries: dict[int, Dictionary] = {}
        self._in_use: Dictionary | None = None
        self._gathered = _Gathered()
        self._ahead: _Found | None = None  # read, but not gathered yet
        self._damaged = False
        self._skipped = False
        self._lost = False  # by the far side, and no longer here
        self._told: tuple[Gap, ...] = ()  # before we went back
        self._waited = 0.0
        position = load_position(file) or Position(0, 0, Marks({}))
        self._segment, self._offset = position.segment, position.offset
        self._known: Known = position.marks.of.get(self._stream, ())
        self._committed = position
        self._note: Callable[[], bytes] = lambda: position.note
        self._held = chain.ring.join(self)
        chain.is_at(self, position.segment)
        self._foresight = foresight
        self._lookout = Lookout(chain, foresight) if foresight else None
        if foresight:
            foresight.begin(self._stream, self._known)

    def mark(self, stream: int) -> Mark | None:
        """What is delivered of a stream, of the line that moved last."""
        return self._committed.marks.of.get(stream, (NOTHING,))[-1]

    def keep(self, note: Callable[[], bytes]) -> bytes:
        """From now on keep this with each position; return what was kept with the last one."""
        self._note = note
        return self._committed.note

    def read(self, wait: float) -> Batch | None:
        """Return the next batch; None when there is too little for one after `wait` seconds."""
        seen = self._chain.end()
        batch = self._gather()
        if batch is None:
            self._chain.wait(seen, wait)
            self._waited += wait
            return None
        self._waited = 0.0
        return batch

    def commit(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        """Remember durably that the batch is delivered, but for what was withheld."""
        end: _End = batch.end
        position = end.position
        if withheld:
            # Nothing is taken between a batch and its commit: these are the marks of its end.
            self._known = withhold(self._known, withheld)
            position = position._replace(marks=Marks({self._stream: self._known}))
        if self._foresight:
            known = self._foresight.noted(self._stream, position.marks.of.get(self._stream, ()))
            position = position._replace(marks=Marks({self._stream: known}))
        self._save(position)
        self._chain.ring.done(self, end.held)
        self._chain.is_at(self, position.segment)
        gaps = (*end.gaps, *(gap for _, gap in withheld))
        self._notices.met(gaps, end.closed, end.repeated)

    def known(self) -> Known:
        """What is delivered, by whichever way."""
        return self._committed.marks.of.get(self._stream, ())

    def follow(self, known: Known) -> None:
        """Remember durably what another way has delivered. Nothing is read from here meanwhile."""
        self._known = known
        self._save(self._position())

    def go_behind(self, known: Known) -> None:
        """Read on from here behind what another way has delivered."""
        place = place_behind(self._chain, known[-1].line, known[-1].seq) if known else None
        self._segment, self._offset = place or (first_segment(self._chain), 0)
        self._forget()
        self._skipped = place is None  # what is missing has gone before this way was taken
        self.follow(known)

    def rewind(self, to: tuple[int, int, int, int] | None) -> None:
        """Go back behind a round that is certain: (line, epoch, seq, Unix ms); None: to the start.

        Gaps that were told on the way here are not told again.
        """
        delivered = self._committed.marks.of.get(self._stream, ())
        self._told = tuple(gap for mark in delivered for gap in mark.gaps)
        self._known = ()
        place = None
        if to is not None:
            line, epoch, seq, wall_ms = to
            before = mark_of(delivered, line)
            kept = tuple(gap for gap in before.gaps if gap.last_seq < seq) if before else ()
            self._known = (Mark(line, epoch, seq, wall_ms, kept),)
            place = place_behind(self._chain, line, seq)
        self._segment, self._offset = place or (first_segment(self._chain), 0)
        self._lost = place is None
        self._forget()
        self._held = self._chain.ring.join(self)
        self._chain.is_at(self, self._segment)
        self._known = (*self._in_memory(delivered), *self._known)
        self._save(self._position())

    def _in_memory(self, delivered: Known) -> Known:
        """The marks of lines that aren't on disk, each before what is still in memory of it."""
        first = self._chain.ring.after(self._held)
        held = first.frame if first else None
        return tuple(
            mark._replace(seq=min(mark.seq, held.first_seq - 1))
            if held and held.lineage.line == mark.line
            else mark
            for mark in delivered
            if mark.volatile
        )

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait; a chain has one reader of a name, so the batch stays ours."""
        stop.wait(seconds)
        return True

    def hurry(self) -> None:
        """Wait for full batches no longer: the program ends."""
        self._appetite = Appetite(1, 0.0)

    def close(self) -> None:
        self._chain.ring.leave(self)
        self._chain.left(self)
        self._close_reader()

    def _close_reader(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None

    def _forget(self) -> None:
        """What was read on the way to the next batch."""
        self._close_reader()
        self._dictionaries = {}
        self._in_use = None
        self._gathered = _Gathered()
        self._ahead = None
        self._damaged = self._skipped = False
        self._waited = 0.0

    def _gather(self) -> Batch | None:
        """Collect frames of one dictionary, as many as are there and fit."""
        got = self._gathered
        while got.rounds < got.most and (found := self._next_frame()) is not None:
            frame, dictionary = found.frame, found.dictionary
            if (got.frames or got.aside) and got.dictionary is not dictionary:
                self._ahead = found
                got.most = 0  # this batch is complete: the next begins with another dictionary
                break
            if not self._may_pass(frame):
                self._ahead = found
                break
            got.dictionary = dictionary
            got.most = most_rounds(dictionary)
            if not frame.lineage.volatile and all(mark.volatile for mark in self._known):
                self._begin(frame, got)
            taken = take(self._known, frame, self._reason())
            self._known, self._offset, self._held = taken.known, found.offset, found.held
            if not frame.lineage.volatile:
                self._damaged = self._skipped = self._lost = False
            got.add(frame, self._untold(taken))
        live = got.rounds < min(self._appetite.least, got.most)
        if not got.aside and (
            not got.frames or (live and self._waited < self._appetite.patience_s)
        ):
            return None
        self._gathered = _Gathered()
        return got.batch(self._position(), self._held)

    def _may_pass(self, frame: Frame) -> bool:
        """Whether a sink may get the frame now, for all that its clock and ours are worth."""
        if self._lookout is None:
            return True
        why = self._lookout.holds(frame, self._segment, self._offset)
        if why:
            self._notices.waits(why)
        return not why

    def _position(self) -> Position:
        of = {self._stream: self._known} if self._known else {}
        return Position(self._segment, self._offset, Marks(of))

    def _begin(self, frame: Frame, got: _Gathered) -> None:
        """Take the first frame of a reader without a mark: what came before isn't its own.

        Written down at once: of what is dropped before it is delivered, each round is missed. But
        damage is only told with the batch, and has to be met again if that is never delivered.
        """
        begin = mark_before(frame)
        self._known = (*self._known, begin)
        if self._damaged:
            got.note(Gap(0, 0, begin.wall_ms, begin.wall_ms, GapReason.SPOOL_DAMAGED))
        elif self._lost and frame.first_seq > 1:
            got.note(Gap(0, 0, begin.wall_ms, begin.wall_ms, GapReason.TOPIC_LOST))
        else:
            self._save(self._position())

    def _untold(self, taken: Taken) -> Taken:
        """Without the gaps that were told before we went back."""
        told = {(gap.first_seq, gap.last_seq, gap.before_ms) for gap in self._told}
        new = (g for g in taken.opened if (g.first_seq, g.last_seq, g.before_ms) not in told)
        return taken._replace(opened=tuple(new))

    def _save(self, position: Position) -> None:
        self._committed = position = position._replace(note=self._note())
        try:
            save_position(self._file, position)
        except OSError as error:
            # A full disk must not stop the line: after a restart some rounds are sent twice.
            self._notices.unsaved(error)

    def _reason(self) -> GapReason:
        if self._lost:
            return GapReason.TOPIC_LOST
        if self._damaged:
            return GapReason.SPOOL_DAMAGED
        return GapReason.SPOOL_FULL if self._skipped else GapReason.NOT_WRITTEN

    def _next_frame(self) -> _Found | None:
        """The next frame that can be read."""
        if self._ahead:
            ahead, self._ahead = self._ahead, None
            return ahead
        while True:
            # Asked for before the disk: what was appended before it came is seen there then.
            held = self._chain.ring.after(self._held)
            found = self._next_record(held)
            if found is None:
                if held is None or not self._is_due(held):
                    return None
                return _Found(held.frame, held.dictionary, self._offset, held.number)
            body, end = found
            if isinstance(body, Dictionary):
                self._dictionaries.setdefault(body.id, body)
            elif isinstance(body, Frame):
                dictionary = self._dictionaries.get(body.dictionary_id)
                if dictionary is not None:
                    self._in_use = dictionary
                    return _Found(body, dictionary, end, self._held)
                self._damaged = True  # its dictionary was: the seq will tell what is missing
            self._offset = end

    def _is_due(self, held: Held) -> bool:
        """Whether everything on disk before a held round has been read."""
        return held.behind <= (self._segment, self._offset)

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
                self._damaged = True
            try:
                return decode(entry.payload, self._dictionaries), entry.end
            except TooNew as why:
                self._notices.held(why)
                return None
            except FormatError:
                self._damaged = True
                self._offset = entry.end
        return None

    def _next_entry(self, held: Held | None) -> tuple[Entry | None, bool]:
        if self._reader is None and not self._open(self._segment, held):
            return None, False
        reader = self._reader
        if reader is None:
            return None, False
        end, closed = self._chain.readable_end(self._segment, reader)
        in_the_middle = held is not None and held.behind[0] == self._segment
        if held is not None and in_the_middle:
            end, closed = min(end, held.behind[1]), False
        entry: Entry | None = None
        try:
            entry = reader.read(self._offset, end)
        except OSError:  # the disk can't give it back: what is missing will be a gap
            self._damaged = True
        if held is not None and in_the_middle and entry is None:
            self._damaged |= self._offset < end
            self._offset = held.behind[1]
        return entry, closed

    def _open_next(self, held: Held | None) -> bool:
        """Go on to the segment behind this one; False when there is none yet."""
        reader = self._reader
        if reader and self._offset < self._chain.readable_end(self._segment, reader)[0]:
            self._damaged = True
        return self._open(self._segment + 1, held)

    def _open(self, number: int, held: Held | None) -> bool:
        """Open the first segment at or behind a number; False when there is none to be read now."""
        while (found := self._chain.after(number)) is not None:
            there, path = found
            if held is not None and there > held.behind[0]:
                break
            self._close_reader()
            try:
                self._reader = SegmentReader(path)
            except FileNotFoundError:  # dropped just now, or removed by somebody
                self._chain.vanished(there)
                self._passed_over(there)
                number = there + 1
                continue
            except OSError as error:
                if error.errno in _PASSING:
                    self._notices.unread(error)
                    return False
                self._damaged = True
                number = there + 1
                continue
            if there != self._segment:
                if there != number and self._known:
                    self._passed_over(number)
                self._segment, self._offset = there, 0
                # Most often it begins with the same one: then a damaged copy does no harm.
                self._dictionaries = {self._in_use.id: self._in_use} if self._in_use else {}
            if self._offset:
                try:
                    self._learn_dictionaries(self._reader)
                except OSError:  # the disk can't give it back: what can't be read will be a gap
                    self._damaged = True
            return True
        if held is not None and not self._is_due(held):
            # All that lay between was dropped.
            self._close_reader()
            if self._known:
                self._passed_over(number)
            self._segment, self._offset = held.behind
        return False

    def _passed_over(self, number: int) -> None:
        """A segment is not there: what is missing will be a gap."""
        if self._chain.has_vanished(number):
            self._damaged = True
        else:
            self._skipped = True

    def _learn_dictionaries(self, reader: SegmentReader) -> None:
        """Read the dictionaries before our position: a segment has all that it needs."""
        at = 0
        while at < self._offset and (entry := reader.read(at, self._offset)) is not None:
            at = entry.end
            try:
                body = decode(entry.payload, self._dictionaries)
            except FormatError:
                continue
            if isinstance(body, Dictionary):
                self._dictionaries[body.id] = body


def load_position(file: Path) -> Position | None:
    """Read a position file; None when there is none, or none that passes its check.

    A reader without a position begins at the oldest segment: everything there is sent again,
    which is harmless, and nothing is skipped.
    """
    try:
        reader = SegmentReader(file)
    except FileNotFoundError:
        return None
    try:
        entry = reader.read(0, reader.size)
        body = decode(entry.payload) if entry else None
        return decode_position(body) if isinstance(body, bytes) else None
    except (OSError, FormatError):
        return None
    finally:
        reader.close()


def save_position(file: Path, position: Position) -> None:
    """Replace a position file in one step. Raises OSError."""
    new = file.with_suffix(".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = pack(encode_position(position_body(position)))
        if os.write(fd, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # it took a part: it is full
        os.fdatasync(fd)
    finally:
        os.close(fd)
    new.replace(file)
