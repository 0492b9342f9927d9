"""What a reader knows of one partition: frames in hand, marks, dictionaries. No I/O.

A partition carries several streams. Each is gathered and delivered by itself, so that its rounds
can be merged; what is committed is the offset of the oldest record that any stream still needs,
and the marks say by round what behind that offset is done with already.
"""

from __future__ import annotations

import time
from bisect import bisect, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from collector.dictionary import Dictionary, Stream
from collector.errors import FormatError, TooNew, WrongSite
from collector.foresight import Foresight
from collector.frame import Frame, decode
from collector.gathering import Gathering, Met
from collector.mark import (
    GapReason,
    Known,
    Mark,
    Marks,
    Withheld,
    mark_before,
    mark_of,
    withhold,
)
from collector.pump import Appetite, Batch, most_rounds
from collector.topic.record import Labelled
from collector.verdict import take

MAX_ORPHANS = 1000
MAX_REFUSED = 1000
FRAME_BYTES = 500  # of a frame in memory, beside its columns
MAX_FUTURE_BYTES = 1 << 20
"""Of a stream's frames that are held back since they lie in the future."""

LOOK_BACK = 5000
"""Records. Of segments of 64 MiB about one, at six rounds a record: what a power cut can take."""

WHOLE = 1 << 62
"""`looked_to` of a reader that begins at the log's start."""

KEPT_DICTIONARIES = 2
"""Of a stream, and those that its frames in hand need: each may take some MiB, and a stream gets a
new one with each new series."""


class Record(NamedTuple):
    """A record as the consumer gives it."""

    offset: int
    labels: Labelled
    value: bytes


class TopicEnd(NamedTuple):
    """Where a batch ends."""

    partition: int
    stream: int
    known: Known
    offset: int  # of its last record
    met: Met


class _InHand(NamedTuple):
    offset: int
    frame: Frame
    dictionary: Dictionary


class _Orphan(NamedTuple):
    """A frame whose dictionary we don't have; `stream` is what its headers say."""

    offset: int
    frame: Frame
    stream: Stream | None


class _Waiting(NamedTuple):
    """Frames in hand that wait for what comes behind them: their bytes, and why they wait."""

    bytes: int
    why: str


class _Lane:
    """One stream's frames that are read and not yet delivered."""

    def __init__(self, known: Known, now: float) -> None:
        self.known = known
        self.frames: deque[_InHand] = deque()
        self.rounds = 0
        self.since = now
        self.reached = (0, 0)  # line and seq of the last frame that was judged
        self.held_at: int | None = None
        self.dictionary: int | None = None  # of the last batch
        self.dictionaries: list[int] = []  # those that are kept, the one seen last at the end

    def in_use(self) -> set[int]:
        """The dictionaries that a reader in our place would need."""
        used = {it.dictionary.id for it in self.frames}
        return used if self.dictionary is None else used | {self.dictionary}


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
        self._waiting: dict[int, _Waiting] = {}  # streams whose next round may not pass yet
        self._foresight = foresight
        self.looked_to = looked_to
        self.is_in_doubt = False  # whether rounds that seem to be missing lie further back
        self._committed = committed  # records before it are delivered: only dictionaries count
        self._next = committed
        self._oldest_dictionary = marks.dictionary_offset  # until we know better
        self._clock = clock
        self._belongs = belongs
        self._refused: set[int] = set()  # dictionaries of streams that don't belong here
        self.bytes = 0  # of the frames in hand; 0 when there are none
        self._lanes: dict[int, _Lane] = {
            stream: _Lane(known, clock()) for stream, known in marks.of.items()
        }
        self._dictionaries: dict[int, Dictionary] = {}
        self._copies: dict[int, list[int]] = {}  # offsets of each dictionary's copies
        self._orphans: dict[int, list[_Orphan]] = {}  # by dictionary
        self._delivered: dict[int, Known] = dict(marks.of)
        self._undelivered: dict[int, int] = {}  # batches handed out: stream -> first offset
        self.missing: set[int] = set()  # dictionaries that frames need and nobody has seen
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
            raise _wrong_site(record.labels.stream)
        try:
            body = decode(record.value, self._dictionaries)
        except TooNew:
            if record.labels.stream and record.offset >= self._committed:
                self._hold(record.labels.stream, record.offset)
            raise
        if isinstance(body, Dictionary):
            if not self._belongs(body.stream):
                self._refuse(body.id)
                raise _wrong_site(body.stream)
            self._learn(body, record.offset)
        elif isinstance(body, Frame) and body.dictionary_id in self._refused:
            raise _wrong_site(record.labels.stream)
        elif isinstance(body, Frame) and record.offset >= self._committed:
            dictionary = self._dictionaries.get(body.dictionary_id)
            if dictionary is None and self._is_old(body, record):
                return
            if dictionary is None:
                self._keep_orphan(_Orphan(record.offset, body, record.labels.stream))
            else:
                self._put(record.offset, body, dictionary)
        elif not isinstance(body, Frame):
            raise FormatError(f"a record of kind {type(body).__name__} in the topic")

    def batch(self, appetite: Appetite, out: AbstractSet[int] = frozenset()) -> Batch | None:
        """The next batch of the stream that has waited longest, None when all have too little.

        A stream that has a batch out gets no other, nor do those of `out`.
        """
        lanes = sorted(
            (
                (lane.frames[0].offset, stream)
                for stream, lane in self._lanes.items()
                if lane.frames and stream not in self._undelivered and stream not in out
            ),
        )
        for _, stream in lanes:
            batch = self._gather(stream, self._lanes[stream], appetite)
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
        lane = self._lanes.get(end.stream)
        if withheld and lane:  # a stream has one batch under way: its lane ends where this does
            lane.known = known

    def commit_point(self) -> tuple[int, Marks]:
        """The offset to commit, and the marks to commit with it."""
        waiting = [lane.frames[0].offset for lane in self._lanes.values() if lane.frames]
        waiting += self._undelivered.values()
        waiting += [lane.held_at for lane in self._lanes.values() if lane.held_at is not None]
        waiting += [orphans[0].offset for orphans in self._orphans.values()]
        offset = min(waiting, default=self._next)
        needed = []
        for dictionary in {known for lane in self._lanes.values() for known in lane.in_use()}:
            copies = self._copies.get(dictionary, [])
            if place := bisect_right(copies, offset):
                needed.append(copies[place - 1])
        return offset, Marks(self._delivered, min(needed, default=self._oldest_dictionary))

    @property
    def waiting_bytes(self) -> int:
        """Of the frames in hand that wait for what comes behind them: that has to be read."""
        return sum(one.bytes for one in self._waiting.values())

    @property
    def waits(self) -> str | None:
        """Why rounds wait."""
        return next((one.why for one in self._waiting.values()), None)

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
        self._delivered[stream] = self._lane(stream).known = known

    def has_passed(self, stream: int, mark: Mark) -> bool:
        """Whether the round of a mark has come by here, or one behind it."""
        line, seq = self._lane(stream).reached
        return line == mark.line and seq >= mark.seq

    def _refuse(self, dictionary: int) -> None:
        if len(self._refused) >= MAX_REFUSED:
            self._refused.clear()
        self._refused.add(dictionary)
        self._orphans.pop(dictionary, None)
        self.missing.discard(dictionary)

    def _learn(self, dictionary: Dictionary, offset: int) -> None:
        known = self._dictionaries.setdefault(dictionary.id, dictionary)
        copies = self._copies.setdefault(dictionary.id, [])
        if offset not in copies:
            copies.append(offset)
            copies.sort()
        self.missing.discard(dictionary.id)
        for orphan in self._orphans.pop(dictionary.id, ()):
            self._put(orphan.offset, orphan.frame, known)
        self._forget_dictionaries(self._lane(dictionary.stream.key), dictionary.id)

    def _forget_dictionaries(self, lane: _Lane, newest: int) -> None:
        lane.dictionaries = [*(one for one in lane.dictionaries if one != newest), newest]
        in_use = lane.in_use()
        for old in lane.dictionaries[:-KEPT_DICTIONARIES]:
            if old not in in_use:
                lane.dictionaries.remove(old)
                del self._dictionaries[old], self._copies[old]

    def _keep_orphan(self, orphan: _Orphan) -> None:
        dictionary = orphan.frame.dictionary_id
        self.missing.add(dictionary)
        self._orphans.setdefault(dictionary, []).append(orphan)
        if sum(map(len, self._orphans.values())) > MAX_ORPHANS:
            # Their seqs will be missing: a gap, and said so.
            oldest = min(self._orphans, key=lambda known: self._orphans[known][0].offset)
            self._orphans[oldest].pop(0)
            if not self._orphans[oldest]:
                del self._orphans[oldest]

    def _put(self, offset: int, frame: Frame, dictionary: Dictionary) -> None:
        lane = self._lane(dictionary.stream.key)
        if lane.held_at is not None and offset > lane.held_at:
            return  # behind a record that a newer version must read: it is read again then
        if not lane.frames:
            lane.since = self._clock()
        # A frame that waited for its dictionary goes before those that came meanwhile.
        place = bisect(lane.frames, offset, key=lambda it: it.offset)
        lane.frames.insert(place, _InHand(offset, frame, dictionary))
        if self._foresight:
            self._foresight.observe(dictionary.stream.key, frame)
        lane.rounds += len(frame.at)
        self.bytes += len(frame.columns) + FRAME_BYTES

    def _is_old(self, frame: Frame, record: Record) -> bool:
        """Whether a frame that is read for the second time brings nothing."""
        stream = record.labels.stream
        if stream is None or record.offset >= self.looked_to:
            return False
        lane = self._lanes.get(stream.key)
        taken = take(lane.known, frame) if lane and lane.known else None
        return taken is not None and not taken.spans and taken.rival is None

    def _hold(self, stream: Stream, offset: int) -> None:
        lane = self._lane(stream.key)
        if lane.held_at is None:
            lane.held_at = offset

    def _lane(self, stream: int) -> _Lane:
        lane = self._lanes.get(stream)
        if lane is None:
            lane = self._lanes[stream] = _Lane((), self._clock())
        return lane

    def _gather(self, stream: int, lane: _Lane, appetite: Appetite) -> Batch | None:
        dictionary = lane.frames[0].dictionary
        most = most_rounds(dictionary)
        another = any(it.dictionary.id != dictionary.id for it in lane.frames)
        impatient = self._clock() - lane.since >= appetite.patience_s
        if lane.rounds < min(appetite.least, most) and not another and not impatient:
            return None
        known = lane.known or self._before_orphans(lane.frames[0])
        self.is_in_doubt |= self._is_doubtful(known, lane.frames[0])
        if self.is_in_doubt or not self._may_pass(stream, lane):
            return None
        first = lane.frames[0].offset
        last = first
        got = Gathering(dictionary)
        while lane.frames and lane.frames[0].dictionary.id == dictionary.id and not got.is_full:
            if lane.frames[0].offset != first and (
                self._is_doubtful(known, lane.frames[0]) or not self._may_pass(stream, lane)
            ):
                break
            last, frame, _ = lane.frames.popleft()
            lane.rounds -= len(frame.at)
            self.bytes -= len(frame.columns) + FRAME_BYTES
            taken = take(known, frame, self._reason(lane, known, frame))
            known = taken.known
            lane.reached = frame.lineage.line, frame.last_seq
            got.add(frame, taken)
        lane.known, lane.dictionary, lane.since = known, dictionary.id, self._clock()
        self._undelivered[stream] = first
        return got.batch(TopicEnd(self.partition, stream, known, last, got.met))

    def _may_pass(self, stream: int, lane: _Lane) -> bool:
        """Whether the next frame need wait no longer for what comes behind it.

        Of too many that wait for their time the oldest goes on, and the sink sets it aside.
        """
        frame = lane.frames[0].frame
        if self._foresight is None or self._foresight.may_pass(stream, frame):
            self._waiting.pop(stream, None)
            return True
        held = sum(len(it.frame.columns) for it in lane.frames)
        self._waiting[stream] = _Waiting(held, self._foresight.why(frame))
        return held > MAX_FUTURE_BYTES

    def _before_orphans(self, first: _InHand) -> Known:
        """Where a reader without a mark begins when it has met frames that it can't read yet.

        They are missing then, and known when they come after all. Else they would be repeats.
        """
        line, stream = first.frame.lineage.line, first.dictionary.stream
        earlier = [
            orphan.frame
            for orphans in self._orphans.values()
            for orphan in orphans
            if orphan.stream == stream
            and orphan.frame.lineage.line == line
            and orphan.frame.first_seq < first.frame.first_seq
        ]
        if not earlier:
            return ()
        return (mark_before(min(earlier, key=lambda frame: frame.first_seq)),)

    def _is_doubtful(self, known: Known, it: _InHand) -> bool:
        """Whether rounds are missing before a frame, and nobody has looked for them further back.

        Those that wait for their dictionary are here.
        """
        if it.offset < self.looked_to or self._orphans or not known:
            return False
        frame = it.frame
        mark = mark_of(known, frame.lineage.line)
        return frame.first_seq > (mark.seq if mark else 0) + 1

    def _reason(self, lane: _Lane, known: Known, frame: Frame) -> GapReason:
        """Why rounds would be missing just before a frame."""
        if self._orphans:
            return GapReason.DICTIONARY
        mark = mark_of(known, frame.lineage.line)
        line, seq = lane.reached
        if mark and line == mark.line and seq >= mark.seq:
            return GapReason.UNKNOWN  # the log has the rounds on both sides: they never came here
        return GapReason.TOPIC_LOST


def _wrong_site(stream: Stream | None) -> WrongSite:
    whose = "/".join(stream) if stream else "another site"
    return WrongSite(
        f"a record of {whose} in the topic of another site",
        "does a collector write to the wrong topic? Give it the right site, or its user no right "
        "to write here",
    )
