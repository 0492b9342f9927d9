from __future__ import annotations

import pytest

from collector.errors import FormatError
from collector.flow.mark import Gap, GapReason, Marks, Withheld
from collector.flow.pump import MOST_ROUNDS, Appetite
from collector.frames.frame import SegmentHeader, encode_segment_header
from collector.topic.partition import PartitionState
from tests.unit.topic.partition_log import A, B, PartitionLog, seqs, words
from tests.unit.topic.readers import (
    EAGER,
    PATIENT,
    deliver,
    drained,
    ends,
    opened,
    reopened,
)


@pytest.fixture
def log() -> PartitionLog:
    return PartitionLog()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_streams_of_a_partition_are_gathered_each_by_itself(log):
    log.dictionary(words(A))
    log.dictionary(words(B))
    for seq in (1, 2, 3):
        log.frame(words(A), seq)
        log.frame(words(B), seq + 100)
    state = opened(log)
    first = state.batch(Appetite(3, 60.0))
    second = state.batch(Appetite(3, 60.0))
    assert (seqs(first), seqs(second)) == ([1, 2, 3], [101, 102, 103])
    assert (ends(first).stream, ends(second).stream) == (A.key, B.key)
    assert (ends(first).offset, ends(second).offset) == (6, 7)
    assert ends(first).partition == 3


def test_the_stream_that_waited_longest_is_next(log):
    log.dictionary(words(B))
    log.dictionary(words(A))
    log.frame(words(B), 1)
    log.frame(words(A), 1)
    log.frame(words(B), 2)
    state = opened(log)
    assert [ends(batch).stream for batch in drained(state)] == [B.key, A.key]


def test_a_stream_has_one_batch_under_way(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, MOST_ROUNDS)
    log.frame(words(A), MOST_ROUNDS + 1)
    state = opened(log)
    first = state.batch(EAGER)
    assert state.batch(EAGER) is None
    deliver(state, first)
    assert seqs(state.batch(EAGER)) == [MOST_ROUNDS + 1]


def test_a_live_reader_waits_for_enough_rounds_but_not_for_ever(log):
    clock = Clock()
    state = PartitionState(0, 0, Marks({}), clock)
    state.add(log.dictionary(words(A)))
    for seq in range(1, 6):
        clock.now += 15
        state.add(log.frame(words(A), seq))
    assert state.batch(Appetite(6, 90.0)) is None
    state.add(log.frame(words(A), 6))
    assert deliver(state, state.batch(Appetite(6, 90.0))) == [1, 2, 3, 4, 5, 6]

    clock.now += 300  # nothing for a while: patience counts from the first round in hand
    state.add(log.frame(words(A), 7))
    assert state.batch(Appetite(6, 90.0)) is None
    clock.now += 90
    assert seqs(state.batch(Appetite(6, 90.0))) == [7]


def test_what_is_there_is_merged_up_to_a_bound_and_never_over_a_change_of_dictionary(log):
    log.dictionary(words(A, 1))
    for seq in range(1, 31):
        log.frame(words(A, 1), seq)
    log.dictionary(words(A, 2))
    log.frame(words(A, 2), 31)
    state = opened(log)
    assert [seqs(batch) for batch in drained(state)] == [
        [*range(1, 21)],
        [*range(21, 31)],
        [31],
    ]


def test_a_change_of_dictionary_ends_the_wait_for_more(log):
    log.dictionary(words(A, 1))
    log.frame(words(A, 1), 1)
    log.dictionary(words(A, 2))
    log.frame(words(A, 2), 2)
    state = opened(log)
    assert deliver(state, state.batch(PATIENT)) == [1]
    assert state.batch(PATIENT) is None


def test_the_commit_never_passes_what_is_not_delivered(log):
    log.dictionary(words(A))
    log.dictionary(words(B))
    for seq in (1, 2, 3):
        log.frame(words(A), seq)
        log.frame(words(B), seq)
    state = opened(log)
    assert state.commit_point()[0] == 2
    a = state.batch(EAGER)
    assert state.commit_point()[0] == 2, "handed out is not delivered"
    state.delivered(ends(a))
    assert state.commit_point()[0] == 3, "B's first frame"
    b = state.batch(EAGER)
    state.add(log.frame(words(A), 4))
    assert state.commit_point()[0] == 3
    state.delivered(ends(b))
    assert state.commit_point()[0] == 8
    deliver(state, state.batch(EAGER))
    assert state.commit_point()[0] == log.end


def test_the_marks_of_a_commit_are_of_what_is_delivered(log):
    log.dictionary(words(A))
    log.frame(words(A), 1)
    state = opened(log)
    batch = state.batch(EAGER)
    assert state.commit_point()[1].of == {}
    assert state.mark(A.key) is None
    state.delivered(ends(batch))
    assert state.commit_point()[1].of == {A.key: ends(batch).known}
    mark = state.mark(A.key)
    assert mark is not None
    assert mark.seq == 1
    assert state.mark(B.key) is None


def test_what_was_withheld_is_an_open_gap_in_the_commit_and_behind_the_next_batch(log):
    log.dictionary(words(A))
    log.frame(words(A), 1)
    state = opened(log)
    first = state.batch(EAGER)
    assert first is not None
    line = first.frames[0].lineage.line
    state.delivered(ends(first), [Withheld(line, Gap(1, 1, 0, 0, GapReason.OUT_OF_WINDOW))])
    state.add(log.frame(words(A), 2))
    deliver(state, state.batch(EAGER))
    (mark,) = state.commit_point()[1].of[A.key]
    assert [(gap.first_seq, gap.last_seq) for gap in mark.gaps] == [(1, 1)]
    assert mark.seq == 2


def test_an_empty_partition_commits_where_it_was(log):
    marks = Marks({}, 7)
    assert PartitionState(0, 12, marks).commit_point() == (12, marks)


def test_records_without_a_round_are_done_with_at_once(log):
    log.dictionary(words(A))
    state = opened(log)
    assert state.commit_point()[0] == 1
    with pytest.raises(FormatError):
        state.add(log.raw(b"somebody else's"))
    assert state.commit_point()[0] == 2


def test_other_records_of_ours_do_not_belong_into_a_topic(log):
    state = PartitionState(0, 0, Marks({}))
    with pytest.raises(FormatError, match="SegmentHeader"):
        state.add(log.raw(encode_segment_header(SegmentHeader(A, 1, 0, "edgevitals"))))
    assert state.commit_point()[0] == 1


def test_f39_what_a_clone_wrote_is_set_aside_and_the_line_goes_on(log):
    log.dictionary(words(A))
    log.frame(words(A), 1, 2)
    log.frame(words(A), 2, 2, epoch=9, later_ms=7)
    log.frame(words(A), 3)
    state = opened(log)
    batch = state.batch(EAGER)
    assert batch is not None
    assert seqs(batch) == [1, 2, 3]
    (part,) = batch.aside
    assert (part.why.reason, part.batch.frames[0].first_seq) == ("conflict", 2)
    assert "two collectors have this name" in str(part.why)
    assert "another node: and an empty spool.path" in str(part.why)
    assert (ends(batch).met.gaps, ends(batch).met.repeated) == ((), 0)
    deliver(state, batch)
    log.frame(words(A), 4, epoch=9, later_ms=7)
    again = reopened(log, state)
    late = again.batch(EAGER)
    assert late is not None
    assert (late.frames, len(late.aside)) == ((), 1), "the commit knows the clone"


def test_a_batch_of_another_life_of_the_partition_moves_nothing(log):
    log.dictionary(words(A))
    log.frame(words(A), 1)
    state = opened(log)
    batch = state.batch(EAGER)
    again = reopened(log, state)
    again.delivered(ends(batch))
    assert again.mark(A.key) is None
    assert deliver(again, again.batch(EAGER)) == [1]
