"""Readers of a partition log, driven by hand."""

from __future__ import annotations

from collector.flow.mark import Marks, from_metadata, to_metadata
from collector.flow.pump import Appetite, Batch
from collector.frames.dictionary import Stream
from collector.topic.partition import WHOLE, PartitionState, TopicEnd
from tests.unit.topic.partition_log import PartitionLog, rounds_of, seqs

EAGER = Appetite(1, 0.0)
PATIENT = Appetite(6, 60.0)


def opened(log: PartitionLog, committed: int = 0, marks: Marks | None = None) -> PartitionState:
    """A reader that has read the whole log, from where a commit sends it."""
    state = PartitionState(3, committed, marks or Marks({}), looked_to=WHOLE)
    oldest = marks.dictionary_offset if marks else None
    for record in log.since(committed if oldest is None else min(oldest, committed)):
        state.add(record)
    return state


def reopened(log: PartitionLog, state: PartitionState) -> PartitionState:
    """A reader on another machine, which has only what was committed."""
    offset, marks = state.commit_point()
    return opened(log, offset, from_metadata(to_metadata(marks)))


def deliver(state: PartitionState, batch: Batch | None) -> list[int]:
    assert batch is not None
    state.delivered(batch.end)
    return seqs(batch)


def drained(state: PartitionState) -> list[Batch]:
    batches = []
    while (batch := state.batch(EAGER)) is not None:
        state.delivered(batch.end)
        batches.append(batch)
    return batches


def delivered(batches: list[Batch], stream: Stream) -> list[int]:
    return [one.seq for batch in batches for one in rounds_of(batch) if one.stream == stream.key]


def ends(batch: Batch | None) -> TopicEnd:
    assert batch is not None
    end: TopicEnd = batch.end
    return end
