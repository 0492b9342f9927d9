"""What a reader knows of one partition: frames in hand, marks, dictionaries. No I/O.

A partition carries several streams. Each is gathered and delivered by itself, so that its rounds
can be merged; what is committed is the offset of the oldest record that any stream still needs,
and the marks say by round what behind that offset is done with already.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from collector.dictionary import Dictionary, Stream
from collector.errors import FormatError, TooNew
from collector.frame import Frame, decode, part
from collector.mark import Gap, GapReason, Mark, Marks, take
from collector.pump import Appetite, Batch, most_rounds
from collector.topic.record import Labelled

MAX_ORPHANS = 1000
MAX_DICTIONARIES = 4096


class Record(NamedTuple):
    """A record as the consumer gives it."""

    offset: int
    labels: Labelled
    value: bytes


class Met(NamedTuple):
    """What was met on the way to a batch: told once the batch is delivered."""

    gaps: tuple[Gap, ...]
    closed: int
    repeated: int


class TopicEnd(NamedTuple):
    """Where a batch ends."""

    partition: int
    stream: int
    mark: Mark
    offset: int  # of its last record
    met: Met


class _InHand(NamedTuple):
    offset: int
    frame: Frame
    dictionary: Dictionary


class _Lane:
    """One stream's frames that are read and not yet delivered."""

    def __init__(self, mark: Mark | None, now: float) -> None:
        self.mark = mark
        self.frames: deque[_InHand] = deque()
        self.rounds = 0
        self.since = now
        self.held_at: int | None = None
        self.dictionary: int | None = None


class PartitionState:
    """The reader's side of a partition, from its assignment to its loss."""

    def __init__(
        self,
        partition: int,
        committed: int,
        marks: Marks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.partition = partition
        self._committed = committed  # records before it are delivered: only dictionaries count
        self._next = committed
        self._clock = clock
        self._lanes: dict[int, _Lane] = {
            stream: _Lane(mark, clock()) for stream, mark in marks.of.items()
        }
        self._dictionaries: dict[int, Dictionary] = {}
        self._copies: dict[int, list[int]] = {}  # offsets of each dictionary's copies
        self._orphans: dict[int, list[tuple[int, Frame]]] = {}
        self._delivered: dict[int, Mark] = dict(marks.of)
        self._undelivered: dict[int, int] = {}  # batches handed out: stream -> first offset
        self.missing: set[int] = set()  # dictionaries that frames need and nobody has seen

    def add(self, record: Record) -> None:
        """Take in the next record. Raises FormatError for one that isn't ours."""
        self._next = max(self._next, record.offset + 1)
        try:
            body = decode(record.value)
        except TooNew:
            if record.labels.stream and record.offset >= self._committed:
                self._hold(record.labels.stream, record.offset)
            raise
        if isinstance(body, Dictionary):
            self._learn(body, record.offset)
        elif isinstance(body, Frame) and record.offset >= self._committed:
            dictionary = self._dictionaries.get(body.dictionary_id)
            if dictionary is None:
                self._keep_orphan(record.offset, body)
            else:
                self._put(record.offset, body, dictionary)
        elif not isinstance(body, Frame):
            raise FormatError(f"a record of kind {type(body).__name__} in the topic")

    def batch(self, appetite: Appetite) -> Batch | None:
        """The next batch of the stream that has waited longest, None when all have too little."""
        lanes = sorted(
            (
                (lane.frames[0].offset, stream)
                for stream, lane in self._lanes.items()
                if lane.frames and stream not in self._undelivered
            ),
        )
        for _, stream in lanes:
            batch = self._gather(stream, self._lanes[stream], appetite)
            if batch is not None:
                return batch
        return None

    def delivered(self, end: TopicEnd) -> None:
        """A batch is at the far side."""
        self._undelivered.pop(end.stream, None)
        self._delivered[end.stream] = end.mark

    def commit_point(self) -> tuple[int, Marks]:
        """The offset to commit, and the marks to commit with it."""
        waiting = [lane.frames[0].offset for lane in self._lanes.values() if lane.frames]
        waiting += self._undelivered.values()
        waiting += [lane.held_at for lane in self._lanes.values() if lane.held_at is not None]
        waiting += [orphans[0][0] for orphans in self._orphans.values()]
        offset = min(waiting, default=self._next)
        needed = []
        for lane in self._lanes.values():
            copies = self._copies.get(lane.dictionary or 0)
            if copies and (place := bisect_right(copies, offset)):
                needed.append(copies[place - 1])
        return offset, Marks(self._delivered, min(needed, default=None))

    def mark(self, stream: int) -> Mark | None:
        """What is delivered of a stream."""
        return self._delivered.get(stream)

    def _learn(self, dictionary: Dictionary, offset: int) -> None:
        known = self._dictionaries.setdefault(dictionary.id, dictionary)
        copies = self._copies.setdefault(dictionary.id, [])
        if offset not in copies:
            copies.append(offset)
            copies.sort()
        self.missing.discard(dictionary.id)
        for orphan_offset, frame in self._orphans.pop(dictionary.id, ()):
            self._put(orphan_offset, frame, known)
        if len(self._dictionaries) > MAX_DICTIONARIES:
            self._forget_dictionaries()

    def _forget_dictionaries(self) -> None:
        used = {lane.dictionary for lane in self._lanes.values()}
        used |= {it.dictionary.id for lane in self._lanes.values() for it in lane.frames}
        for unused in [known for known in self._dictionaries if known not in used]:
            del self._dictionaries[unused]
            self._copies.pop(unused, None)

    def _keep_orphan(self, offset: int, frame: Frame) -> None:
        self.missing.add(frame.dictionary_id)
        orphans = self._orphans.setdefault(frame.dictionary_id, [])
        orphans.append((offset, frame))
        if sum(map(len, self._orphans.values())) > MAX_ORPHANS:
            # Their seqs will be missing: a gap, and said so.
            oldest = min(self._orphans, key=lambda known: self._orphans[known][0][0])
            self._orphans[oldest].pop(0)
            if not self._orphans[oldest]:
                del self._orphans[oldest]

    def _put(self, offset: int, frame: Frame, dictionary: Dictionary) -> None:
        lane = self._lanes.setdefault(dictionary.stream.key, _Lane(None, self._clock()))
        if lane.held_at is not None:
            return  # behind a record that a newer version must read: it is read again then
        if not lane.frames:
            lane.since = self._clock()
        lane.frames.append(_InHand(offset, frame, dictionary))
        lane.rounds += len(frame.at)

    def _hold(self, stream: Stream, offset: int) -> None:
        lane = self._lanes.setdefault(stream.key, _Lane(None, self._clock()))
        if lane.held_at is None:
            lane.held_at = offset

    def _gather(self, stream: int, lane: _Lane, appetite: Appetite) -> Batch | None:
        dictionary = lane.frames[0].dictionary
        most = most_rounds(dictionary)
        another = any(it.dictionary.id != dictionary.id for it in lane.frames)
        impatient = self._clock() - lane.since >= appetite.patience_s
        if lane.rounds < min(appetite.least, most) and not another and not impatient:
            return None
        first = lane.frames[0].offset
        last = first
        frames: list[Frame] = []
        gaps: list[Gap] = []
        rounds = closed = repeated = 0
        mark = lane.mark
        while lane.frames and lane.frames[0].dictionary.id == dictionary.id and rounds < most:
            last, frame, _ = lane.frames.popleft()
            lane.rounds -= len(frame.at)
            taken = take(mark, frame, self._reason())
            mark = taken.mark
            new = [part(frame, dictionary, *span) for span in taken.spans]
            frames += new
            rounds += sum(len(one.at) for one in new)
            repeated += len(frame.at) - sum(len(one.at) for one in new)
            gaps += taken.opened
            closed += taken.closed
        if mark is None:
            raise AssertionError("frames, and no mark behind them")
        lane.mark, lane.dictionary, lane.since = mark, dictionary.id, self._clock()
        self._undelivered[stream] = first
        met = Met(tuple(gaps), closed, repeated)
        return Batch(dictionary, tuple(frames), TopicEnd(self.partition, stream, mark, last, met))

    def _reason(self) -> GapReason:
        return GapReason.DICTIONARY if self._orphans else GapReason.TOPIC_LOST
