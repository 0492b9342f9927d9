"""A cursor: one reader's way through a chain. The spool's side of the pump's `Log`.

Rounds that the disk refused come from memory, each at its place among those on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple, Protocol

from collector.flow.foresight import Foresight
from collector.flow.gathering import Gathering, Met
from collector.flow.mark import (
    NOTHING,
    Gap,
    GapReason,
    Known,
    Mark,
    Marks,
    Position,
    Withheld,
    mark_before,
    mark_of,
    withhold,
)
from collector.flow.pump import Appetite, Batch
from collector.flow.verdict import Taken, take
from collector.frames.frame import Frame
from collector.spool.chain import Chain
from collector.spool.lookout import Lookout
from collector.spool.position import load_position, save_position
from collector.spool.search import first_segment, place_behind
from collector.spool.walk import Found, Obstacles, Walk


class Notices(Obstacles, Protocol):
    """Who is told of what a reader meets on its way."""

    def met(self, gaps: Sequence[Gap], closed: int, repeated: int) -> None:
        """Gaps were uncovered, missing rounds came after all, rounds came again."""
        ...

    def unsaved(self, why: OSError) -> None:
        """The position could not be written."""
        ...

    def waits(self, why: str) -> None:
        """The next round lies in the future."""
        ...


class _End(NamedTuple):
    """Where a batch ends: what `commit` makes durable and tells."""

    position: Position
    held: int
    met: Met


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
        self._gathering: Gathering | None = None
        self._ahead: Found | None = None  # read, but not gathered yet
        self._lost = False  # by the far side, and no longer here
        self._told: tuple[Gap, ...] = ()  # before we went back
        self._waited = 0.0
        position = load_position(file) or Position(0, 0, Marks({}))
        self._walk = Walk(chain, position.segment, position.offset, notices)
        self._known: Known = position.marks.of.get(self._stream, ())
        self._committed = position
        self._note: Callable[[], bytes] = lambda: position.note
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
        self._walk.let_go(end.held)
        self._chain.is_at(self, position.segment)
        gaps = (*end.met.gaps, *(gap for _, gap in withheld))
        self._notices.met(gaps, end.met.closed, end.met.repeated)

    def known(self) -> Known:
        """What is delivered, by whichever way."""
        return self._committed.marks.of.get(self._stream, ())

    def follow(self, known: Known) -> None:
        """Remember durably what another way has delivered. Nothing is read from here meanwhile."""
        self._known = known
        self._walk.leave()
        self._chain.left(self)
        self._save(self._position())

    def go_behind(self, known: Known) -> None:
        """Read on from here behind what another way has delivered."""
        on_disk = [mark for mark in known if not mark.volatile]
        place = place_behind(self._chain, on_disk[-1].line, on_disk[-1].seq) if on_disk else None
        self._go_to(place or (first_segment(self._chain), 0))
        self._walk.skipped = place is None  # what is missing has gone before this way was taken
        self._known = known
        self._save(self._position())

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
        self._lost = place is None
        self._go_to(place or (first_segment(self._chain), 0))
        self._known = (*self._in_memory(delivered), *self._known)
        self._save(self._position())

    def _in_memory(self, delivered: Known) -> Known:
        """The marks of lines that aren't on disk, each before what is still in memory of it."""
        first = self._chain.ring.after(self._walk.held)
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
        self._walk.leave()
        self._chain.left(self)
        self._walk.close()

    def _go_to(self, place: tuple[int, int]) -> None:
        """Read on from another place: what was read on the way to the next batch is forgotten."""
        self._walk.go_to(*place)
        self._chain.is_at(self, self._walk.segment)
        self._gathering = self._ahead = None
        self._waited = 0.0

    def _gather(self) -> Batch | None:
        """Collect frames of one dictionary, as many as are there and fit."""
        got, is_complete = self._gathering, False
        while (got is None or not got.is_full) and (found := self._next()) is not None:
            # One of another dictionary is for the next batch.
            is_complete = not (got is None or got.is_empty or got.dictionary is found.dictionary)
            if is_complete or not self._may_pass(found.frame):
                self._ahead = found
                break
            got = got or Gathering(found.dictionary)
            got.turn_to(found.dictionary)
            if not found.frame.lineage.volatile and all(mark.volatile for mark in self._known):
                self._begin(found.frame, got)
            taken = take(self._known, found.frame, self._reason())
            self._known = taken.known
            self._walk.take(found)
            if not found.frame.lineage.volatile:
                self._lost = False
            got.add(found.frame, self._untold(taken))
        self._gathering = got
        if got is None or got.is_empty:
            return None
        is_enough = is_complete or got.is_full or got.rounds >= self._appetite.least
        if not (is_enough or got.aside or self._waited >= self._appetite.patience_s):
            return None
        self._gathering = None
        return got.batch(_End(self._position(), self._walk.held, got.met))

    def _next(self) -> Found | None:
        if self._ahead:
            ahead, self._ahead = self._ahead, None
            return ahead
        return self._walk.next()

    def _may_pass(self, frame: Frame) -> bool:
        """Whether a sink may get the frame now, for all that its clock and ours are worth."""
        if self._lookout is None:
            return True
        why = self._lookout.holds(frame, self._walk.segment, self._walk.offset)
        if why:
            self._notices.waits(why)
        return not why

    def _position(self) -> Position:
        of = {self._stream: self._known} if self._known else {}
        return Position(self._walk.segment, self._walk.offset, Marks(of))

    def _begin(self, frame: Frame, got: Gathering) -> None:
        """Take the first frame of a reader without a mark: what came before isn't its own.

        Written down at once: of what is dropped before it is delivered, each round is missed. But
        damage is only told with the batch, and has to be met again if that is never delivered.
        """
        begin = mark_before(frame)
        self._known = (*self._known, begin)
        if self._walk.damaged:
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
        if self._walk.damaged:
            return GapReason.SPOOL_DAMAGED
        return GapReason.SPOOL_FULL if self._walk.skipped else GapReason.NOT_WRITTEN
