"""Rounds in a partition that a wrong clock has stamped."""

from __future__ import annotations

from collector import BUILT_MS
from collector.flow.foresight import Foresight
from collector.flow.mark import Marks
from collector.flow.pump import Appetite
from collector.frames.columns import row
from collector.frames.dictionary import Stream
from collector.frames.frame import (
    ClockStep,
    Instant,
    Lineage,
    encode_dictionary,
    encode_frame,
    frame,
)
from collector.horizon import Horizon
from collector.topic.future import MAX_FUTURE_BYTES
from collector.topic.partition import PartitionState
from collector.topic.record import Labelled, Record
from tests.unit.examples import BOOT, STREAM, small_dictionary

EAGER = Appetite(1, 0.0)
HOUR = 3_600_000
START_MS = BUILT_MS + 10**9
ONE, OTHER = small_dictionary(), small_dictionary(Stream("store-2", "n1", "standard"))
RIGHT = Lineage(5, 5, None, BOOT)
STEPPED = Lineage(6, 5, (5, 3), BOOT, ClockStep(BOOT, 40_000, -HOUR))


class Partition:
    """A partition that is written and read; `now` is both clocks' time since the boot, in ms."""

    def __init__(self, marks: Marks | None = None, columns: bytes | None = None) -> None:
        self.now = 100_000
        self.foresight = Foresight(Horizon(lambda: Instant(START_MS + self.now, self.now)))
        self.state = PartitionState(0, 0, marks or Marks({}), foresight=self.foresight)
        self._columns = columns
        self._offset = 0

    def put(self, known, seq=0, ms=0, ahead_ms=0, lineage=RIGHT):
        value = encode_dictionary(known)
        if seq:
            one = frame(
                known.id, lineage, seq, [Instant(START_MS + ms + ahead_ms, ms)], [row([seq, 0.5])]
            )
            value = encode_frame(one._replace(columns=self._columns or one.columns))
        self.state.add(Record(self._offset, Labelled(known.stream, 1), value))
        self._offset += 1

    def seqs(self):
        """What may pass, delivered."""
        found = []
        while (batch := self.state.batch(EAGER)) is not None:
            found += [(batch.dictionary.stream.site, it.first_seq) for it in batch.frames]
            self.state.delivered(batch.end)
        return found


def test_a_stream_from_the_future_waits_alone_until_a_step_says_what_its_times_are():
    log = Partition()
    log.put(ONE)
    log.put(OTHER)
    log.put(ONE, 1, 10_000)
    log.put(ONE, 2, 20_000, HOUR)
    log.put(ONE, 3, 30_000, HOUR)
    log.put(OTHER, 1, 20_000)
    assert log.seqs() == [(STREAM.site, 1), ("store-2", 1)]
    assert "in the future" in str(log.state.waits)
    assert log.state.waiting_bytes > 0
    assert log.state.commit_point()[0] == 3, "a stand-by reads them again"
    log.put(ONE, 4, 40_000, 0, STEPPED)
    assert log.seqs() == [(STREAM.site, seq) for seq in (2, 3, 4)]
    assert (log.state.waits, log.state.waiting_bytes) == (None, 0)


def test_of_too_many_the_oldest_go_on_to_be_set_aside():
    log = Partition(columns=bytes(MAX_FUTURE_BYTES // 4))
    log.put(ONE)
    for seq in range(1, 8):
        log.put(ONE, seq, seq * 1000, HOUR)
    assert [seq for _, seq in log.seqs()] == [1, 2, 3]
    assert log.state.waits
    assert log.state.waiting_bytes == MAX_FUTURE_BYTES


def test_the_commit_says_what_was_sent_where_the_stamps_do_not():
    log = Partition()
    log.put(ONE)
    log.put(ONE, 1, 10_000)
    assert len(log.seqs()) == 1
    (mark,) = log.state.commit_point()[1].of[STREAM.key]
    assert mark.sent_ms == 0
