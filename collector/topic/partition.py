"""What a reader knows of one partition: what is in hand, and what is delivered. No I/O.

A partition carries several streams. Each is gathered and delivered by itself, so that its rounds
can be merged; what is committed is the offset of the oldest record that any stream still needs,
and the marks say by round what behind that offset is done with already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from collector.errors import FormatError, TooNew
from collector.flow.foresight import Foresight
from collector.flow.gathering import Gathering, Met
from collector.flow.mark import (
    GapReason,
    Known,
    Mark,
    Marks,
    Withheld,
    mark_before,
    mark_of,
    withhold,
)
from collector.flow.pump import Appetite, Batch
from collector.flow.verdict import take
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, decode
from collector.topic.backlog import Backlog, InHand
from collector.topic.dictionaries import Dictionaries, Orphan
from collector.topic.future import Waiting
from collector.topic.names import wrong_site
from collector.topic.record import Record

FRAME_BYTES = 500  # of a frame in memory, beside its columns
LOOK_BACK = 5000
"""Records. Of segments of 64 MiB about one, at six rounds a record: what a power cut can take."""

WHOLE = 1 << 62
"""`looked_to` of a reader that begins at the log's start."""


class TopicEnd(NamedTuple):
    """Where a batch ends."""

    partition: int
    stream: int
    known: Known
    offset: int  # of its last record
    met: Met


class PartitionState:
    """The reader's side of a partition, from its assignment to its loss."""

    def __init__(
        self,
        partition: int,
        committed: int,
        marks: Marks,
        clock: Callable[[], float] = time.monotonic,
        belongs: Callable[[Stream], bool] = lambda _: True,
        foresight: Foresight | None = None,
        looked_to: int = 0,
    ) -> None:
        """Records before `looked_to` are read for the second time: what they lack is missing."""
        self.partition = partition
        self._waiting = Waiting(foresight)
        self._foresight = foresight
        self.looked_to = looked_to
        self.is_in_doubt = False  # whether rounds that seem to be missing lie further back
        self._committed = committed  # records before it are delivered: only dictionaries count
        self._next = committed
        self._clock = clock
        self._belongs = belongs
        self.bytes = 0  # of the frames in hand; 0 when there are none
        self._backlogs = {stream: Backlog(known, clock) for stream, known in marks.of.items()}
        self._dictionaries = Dictionaries(marks.dictionary_offset)
        self._delivered: dict[int, Known] = dict(marks.of)
        self._undelivered: dict[int, int] = {}  # batches handed out: stream -> first offset
        if foresight:
            for stream, known in marks.of.items():
                foresight.begin(stream, known)

    def add(self, record: Record) -> None:
        """Take in the next record. Raises FormatError for one that isn't ours.

        Raises WrongSite for one of a stream that doesn't belong into this topic, by what its
        headers say and by its dictionary, which can't lie.
        """
        self._next = max(self._next, record.offset + 1)
        if record.labels.stream and not self._belongs(record.labels.stream):
            raise wrong_site(record.labels.stream)
        try:
            body = decode(record.value, self._dictionaries.known)
        except TooNew:
            if record.labels.stream and record.offset >= self._committed:
                self._backlog(record.labels.stream.key).hold(record.offset)
            raise
        if isinstance(body, Dictionary):
            if not self._belongs(body.stream):
                self._dictionaries.refuse(body.id)
                raise wrong_site(body.stream)
            self._learn(body, record.offset)
        elif isinstance(body, Frame) and self._dictionaries.is_refused(body.dictionary_id):
            raise wrong_site(record.labels.stream)
        elif isinstance(body, Frame) and record.offset >= self._committed:
            dictionary = self._dictionaries.known.get(body.dictionary_id)
            if dictionary is None and self._is_old(body, record):
                return
            if dictionary is None:
                orphan = Orphan(record.offset, body, record.labels.stream)
                self._dictionaries.keep_orphan(orphan)
            else:
                self._put(InHand(record.offset, body, dictionary))
        elif not isinstance(body, Frame):
            raise FormatError(f"a record of kind {type(body).__name__} in the topic")

    def batch(self, appetite: Appetite, out: AbstractSet[int] = frozenset()) -> Batch | None:
        """The next batch of the stream that has waited longest, None when all have too little.

        A stream that has a batch out gets no other, nor do those of `out`.
        """
        ready = sorted(
            (backlog.frames[0].offset, stream)
            for stream, backlog in self._backlogs.items()
            if backlog.frames and stream not in self._undelivered and stream not in out
        )
        for _, stream in ready:
            batch = self._gather(stream, self._backlogs[stream], appetite)
            if batch is not None:
                return batch
        return None

    @property
    def has_out(self) -> bool:
        """Whether a batch is handed out and not delivered."""
        return bool(self._undelivered)

    def delivered(self, end: TopicEnd, withheld: Sequence[Withheld] = ()) -> None:
        """A batch is at the far side, but for what was withheld.

        One that was handed out before the partition was read anew is nobody's: it comes again.
        """
        if self._undelivered.pop(end.stream, None) is None:
            return
        known = withhold(end.known, withheld)
        if self._foresight:
            known = self._foresight.noted(end.stream, known)
        self._delivered[end.stream] = known
        backlog = self._backlogs.get(end.stream)
        if withheld and backlog:  # a stream has one batch under way: it ends where this does
            backlog.known = known

    def commit_point(self) -> tuple[int, Marks]:
        """The offset to commit, and the marks to commit with it."""
        backlogs = self._backlogs.values()
        waiting = [backlog.frames[0].offset for backlog in backlogs if backlog.frames]
        waiting += self._undelivered.values()
        waiting += [backlog.held_at for backlog in backlogs if backlog.held_at is not None]
        waiting += self._dictionaries.orphans_begin()
        offset = min(waiting, default=self._next)
        needed = {dictionary for backlog in backlogs for dictionary in backlog.in_use()}
        return offset, Marks(self._delivered, self._dictionaries.oldest_copy(needed, offset))

    @property
    def missing(self) -> AbstractSet[int]:
        """Dictionaries that frames need and nobody has seen."""
        return self._dictionaries.missing

    @property
    def waiting_bytes(self) -> int:
        """Of the frames in hand that wait for what comes behind them: that has to be read."""
        return self._waiting.bytes

    @property
    def waits(self) -> str | None:
        """Why rounds wait."""
        return self._waiting.why

    def mark(self, stream: int) -> Mark | None:
        """What is delivered of a stream, of the line that moved last."""
        known = self._delivered.get(stream)
        return known[-1] if known else None

    def look_back(self) -> tuple[int, Marks, int]:
        """Where to read again before a gap is opened: the offset, the marks, and `looked_to`.

        A log that was cut and written again, in fewer and larger frames, may have grown past our
        offset meanwhile: then the rounds that seem to be missing lie before it.
        """
        offset, marks = self.commit_point()
        return max(0, offset - LOOK_BACK), marks, self._next

    def known(self, stream: int) -> Known:
        """What is delivered of a stream."""
        return self._delivered.get(stream, ())

    def follow(self, stream: int, known: Known) -> None:
        """Another way has delivered this of a stream; none of its batches is out here."""
        self._delivered[stream] = self._backlog(stream).known = known

    def has_passed(self, stream: int, mark: Mark) -> bool:
        """Whether the round of a mark has come by here, or one behind it."""
        return self._backlog(stream).has_passed(mark)

    def _learn(self, dictionary: Dictionary, offset: int) -> None:
        orphans = self._dictionaries.learn(dictionary, offset)
        known = self._dictionaries.known[dictionary.id]
        for orphan in orphans:
            self._put(InHand(orphan.offset, orphan.frame, known))
        for old in self._backlog(dictionary.stream.key).outlived(dictionary.id):
            self._dictionaries.forget(old)

    def _put(self, it: InHand) -> None:
        stream = it.dictionary.stream.key
        backlog = self._backlog(stream)
        if backlog.is_held_before(it.offset):
            return  # behind a record that a newer version must read: it is read again then
        backlog.put(it)
        if self._foresight:
            self._foresight.observe(stream, it.frame)
        self.bytes += len(it.frame.columns) + FRAME_BYTES

    def _is_old(self, frame: Frame, record: Record) -> bool:
        """Whether a frame that is read for the second time brings nothing."""
        stream = record.labels.stream
        if stream is None or record.offset >= self.looked_to:
            return False
        backlog = self._backlogs.get(stream.key)
        taken = take(backlog.known, frame) if backlog and backlog.known else None
        return taken is not None and not taken.spans and taken.rival is None

    def _backlog(self, stream: int) -> Backlog:
        backlog = self._backlogs.get(stream)
        if backlog is None:
            backlog = self._backlogs[stream] = Backlog((), self._clock)
        return backlog

    def _gather(self, stream: int, backlog: Backlog, appetite: Appetite) -> Batch | None:
        frames = backlog.frames
        dictionary = frames[0].dictionary
        if not backlog.has_enough(appetite):
            return None
        known = backlog.known or self._before_orphans(frames[0])
        self.is_in_doubt |= self._is_doubtful(known, frames[0])
        if self.is_in_doubt or not self._waiting.may_pass(stream, frames):
            return None
        first = frames[0].offset
        last = first
        got = Gathering(dictionary)
        while frames and frames[0].dictionary.id == dictionary.id and not got.is_full:
            if frames[0].offset != first and (
                self._is_doubtful(known, frames[0]) or not self._waiting.may_pass(stream, frames)
            ):
                break
            last, frame, _ = backlog.pop()
            self.bytes -= len(frame.columns) + FRAME_BYTES
            taken = take(known, frame, self._reason(backlog, known, frame))
            known = taken.known
            backlog.reached = frame.lineage.line, frame.last_seq
            got.add(frame, taken)
        backlog.gave(known, dictionary)
        self._undelivered[stream] = first
        return got.batch(TopicEnd(self.partition, stream, known, last, got.met))

    def _before_orphans(self, first: InHand) -> Known:
        """Where a reader without a mark begins when it has met frames that it can't read yet.

        They are missing then, and known when they come after all. Else they would be repeats.
        """
        stream = first.dictionary.stream
        earliest = self._dictionaries.first_orphan_before(first.frame, stream)
        return () if earliest is None else (mark_before(earliest),)

    def _is_doubtful(self, known: Known, it: InHand) -> bool:
        """Whether rounds are missing before a frame, and nobody has looked for them further back.

        Those that wait for their dictionary are here.
        """
        if it.offset < self.looked_to or self._dictionaries.has_orphans or not known:
            return False
        frame = it.frame
        mark = mark_of(known, frame.lineage.line)
        return frame.first_seq > (mark.seq if mark else 0) + 1

    def _reason(self, backlog: Backlog, known: Known, frame: Frame) -> GapReason:
        """Why rounds would be missing just before a frame."""
        if self._dictionaries.has_orphans:
            return GapReason.DICTIONARY
        mark = mark_of(known, frame.lineage.line)
        if mark and backlog.has_passed(mark):
            return GapReason.UNKNOWN  # the log has the rounds on both sides: they never came here
        return GapReason.TOPIC_LOST
