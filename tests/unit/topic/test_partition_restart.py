"""What comes again, what is missing, and what a commit tells the next reader."""

from __future__ import annotations

import pytest

from collector.flow.mark import GapReason, Mark, Marks
from collector.flow.pump import MOST_ROUNDS
from collector.topic.backlog import KEPT_DICTIONARIES
from collector.topic.partition import LOOK_BACK, WHOLE, PartitionState
from tests.unit.examples import wall_of
from tests.unit.topic.partition_log import A, B, C, PartitionLog, rounds_of, seqs, words
from tests.unit.topic.readers import (
    EAGER,
    deliver,
    delivered,
    drained,
    ends,
    opened,
    reopened,
)


@pytest.fixture
def log() -> PartitionLog:
    return PartitionLog()


# Repeats and gaps: marks judge by round


def test_rounds_that_come_again_are_dropped_and_counted(log):
    log.dictionary(words(A))
    for seq in (1, 2, 3):
        log.frame(words(A), seq)
    state = opened(log)
    drained(state)
    for record in log.records[1:]:
        state.add(log.raw(record.value, record.labels))
    state.add(log.frame(words(A), 4))
    batch = state.batch(EAGER)
    assert (seqs(batch), ends(batch).met.repeated) == ([4], 3)
    assert ends(batch).met.gaps == ()


def test_repeats_are_known_in_frames_of_other_sizes(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, 5)
    state = opened(log)
    drained(state)
    log.dictionary(words(A))
    for seq, rounds in ((1, 2), (3, 6), (2, 9)):
        log.frame(words(A), seq, rounds)
    for record in log.records[2:]:
        state.add(record)
    batch = state.batch(EAGER)
    assert (seqs(batch), ends(batch).met.repeated) == ([6, 7, 8, 9, 10], 12)


def test_a_batch_may_hold_nothing_but_repeats(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, 3)
    state = opened(log)
    drained(state)
    state.add(log.frame(words(A), 2))
    batch = state.batch(EAGER)
    assert batch is not None
    assert batch.frames == ()
    state.delivered(ends(batch))
    assert state.commit_point()[0] == log.end


def test_missing_rounds_are_a_gap_with_exact_numbers_and_close_it_when_they_come(log):
    log.dictionary(words(A))
    log.frame(words(A), 1)
    log.frame(words(A), 6, 2)
    state = opened(log)
    batch = state.batch(EAGER)
    (gap,) = ends(batch).met.gaps
    assert (gap.first_seq, gap.last_seq, gap.rounds) == (2, 5, 4)
    assert gap.reason is GapReason.UNKNOWN, "the topic has what was before it, and behind"
    assert deliver(state, batch) == [1, 6, 7]
    again = reopened(log, state)
    again.add(log.frame(words(A), 1, 4))
    late = again.batch(EAGER)
    assert (seqs(late), ends(late).met.closed, ends(late).met.repeated) == ([2, 3, 4], 3, 1)
    assert [(g.first_seq, g.last_seq) for g in ends(late).known[-1].gaps] == [(5, 5)]


def test_a_new_line_of_a_stream_is_delivered_from_its_start(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, 5)
    log.frame(words(A), 1, 2, line=2)
    state = opened(log)
    batch = state.batch(EAGER)
    assert [(one.line, one.seq) for one in rounds_of(batch)] == [  # type: ignore[arg-type]
        *((1, seq) for seq in range(1, 6)),
        (2, 1),
        (2, 2),
    ]
    (gap,) = ends(batch).met.gaps
    assert (gap.rounds, gap.reason) == (0, GapReason.NEW_LINE)


# After a restart there is the commit, and nothing else


def test_a_restart_reads_from_the_dictionary_and_delivers_from_the_commit(log):
    log.dictionary(words(A))
    for seq in range(1, 6):
        log.frame(words(A), seq)
    state = opened(log)
    drained(state)
    offset, marks = state.commit_point()
    assert (offset, marks.dictionary_offset) == (6, 0)
    log.frame(words(A), 6)
    again = reopened(log, state)
    assert again.missing == set()
    batches = drained(again)
    assert delivered(batches, A) == [6]
    assert ends(batches[0]).met.repeated == 0, "frames before the commit are not even judged"


def test_the_newest_copy_of_a_dictionary_is_enough(log):
    log.dictionary(words(A))
    log.frame(words(A), 1)
    log.dictionary(words(A))
    log.frame(words(A), 2)
    state = opened(log)
    assert deliver(state, state.batch(EAGER)) == [1, 2]
    assert state.commit_point()[1].dictionary_offset == 2


def test_a_copy_behind_the_commit_is_no_help(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, MOST_ROUNDS)
    log.frame(words(A), MOST_ROUNDS + 1)
    log.dictionary(words(A))
    state = opened(log)
    deliver(state, state.batch(EAGER))
    offset, marks = state.commit_point()
    assert (offset, marks.dictionary_offset) == (2, 0)


def test_a_restart_that_read_nothing_forgets_no_dictionary(log):
    log.dictionary(words(A))
    log.frame(words(A), 1)
    state = opened(log)
    drained(state)
    again = reopened(log, reopened(log, state))
    again.add(log.frame(words(A), 2))
    assert again.missing == set()
    assert delivered(drained(again), A) == [2]


def test_a_commit_for_one_stream_keeps_the_dictionaries_of_frames_in_hand(log):
    log.dictionary(words(B))
    log.dictionary(words(A))
    log.frame(words(A), 1)
    log.frame(words(B), 1)
    state = opened(log)
    assert deliver(state, state.batch(EAGER)) == [1]
    assert state.commit_point()[1].dictionary_offset == 0
    again = reopened(log, state)
    assert again.missing == set()
    assert delivered(drained(again), B) == [1]


def test_old_dictionaries_are_let_go(log):
    state = PartitionState(0, 0, Marks({}), looked_to=WHOLE)
    for stream in (A, B, C):
        for size in (1, 2, 3, 1, 2, 3):
            state.add(log.dictionary(words(stream, size)))
            state.add(log.frame(words(stream, size), log.end))
            drained(state)
    assert len(state._dictionaries.known) == 3 * KEPT_DICTIONARIES
    assert state._dictionaries._copies.keys() == state._dictionaries.known.keys()


def test_no_dictionary_is_let_go_that_a_frame_in_hand_needs(log):
    state = PartitionState(0, 0, Marks({}))
    for size in (1, 2, 3):
        state.add(log.dictionary(words(A, size)))
        state.add(log.frame(words(A, size), size))
    assert delivered(drained(state), A) == [1, 2, 3]


# Before a gap is opened: a look back


def _cut_and_grown(log: PartitionLog) -> tuple[PartitionLog, PartitionState]:
    """A log that was cut while it was read, and written again in one large frame."""
    log.dictionary(words(A))
    for seq in range(1, 8):
        log.frame(words(A), seq)
    state = opened(log)
    drained(state)
    offset, marks = state.commit_point()
    again = PartitionLog()
    again.dictionary(words(A))
    again.frame(words(A), 1, 2)
    again.frame(words(A), 3, 20)
    for seq in range(23, 29):
        again.frame(words(A), seq)
    reader = PartitionState(0, offset, marks)
    reader.add(log.records[0])
    for record in again.since(offset):
        reader.add(record)
    return again, reader


def test_rounds_that_lie_further_back_are_found_and_no_gap_is_opened(log):
    again, state = _cut_and_grown(log)
    assert state.batch(EAGER) is None
    assert state.is_in_doubt
    offset, marks, looked_to = state.look_back()
    assert (offset, looked_to) == (0, again.end)
    reader = PartitionState(0, offset, marks, looked_to=looked_to)
    for record in again.records:
        reader.add(record)
    batches = drained(reader)
    assert delivered(batches, A) == list(range(8, 29))
    assert all(ends(batch).met.gaps == () for batch in batches)
    assert not reader.is_in_doubt


def test_what_is_not_found_further_back_is_a_gap(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, 3)
    state = opened(log)
    drained(state)
    offset, marks = state.commit_point()
    log.frame(words(A), 9)
    state = PartitionState(0, offset, marks)
    for record in log.records:
        state.add(record)
    assert state.batch(EAGER) is None
    state = PartitionState(0, 0, marks, looked_to=state.look_back()[2])
    for record in log.records:
        state.add(record)
    batch = state.batch(EAGER)
    (gap,) = ends(batch).met.gaps
    assert (gap.first_seq, gap.last_seq, gap.reason) == (4, 8, GapReason.UNKNOWN)
    state.delivered(ends(batch))
    state.add(log.frame(words(A), 20))
    assert state.batch(EAGER) is None, "a later hole is looked for once more"


def test_a_look_back_is_bounded_and_old_frames_without_their_dictionary_do_not_wait(log):
    state = PartitionState(0, 3 * LOOK_BACK, Marks({}))
    assert state.look_back()[0] == 2 * LOOK_BACK
    log.dictionary(words(A))
    log.frame(words(A), 1, 3)
    marks = Marks({A.key: (Mark(1, 1, 3, wall_of(1, 3)),)})
    state = PartitionState(0, 0, marks, looked_to=2)
    state.add(log.records[1])
    assert state.missing == set(), "it brings nothing"
    state.add(log.frame(words(A), 4))
    assert state.missing == {words(A).id}
