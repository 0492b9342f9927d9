"""Records that wait: written by a newer version, or before their dictionary."""

from __future__ import annotations

import pytest

from collector.errors import TooNew
from collector.flow.mark import GapReason, Marks
from collector.topic import dictionaries as dictionaries_module
from collector.topic.partition import PartitionState
from tests.unit.topic.partition_log import A, B, PartitionLog, seqs, words
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


# What a newer version wrote


def test_a_newer_record_holds_its_stream_and_lets_the_others_pass(log):
    log.dictionary(words(A))
    log.dictionary(words(B))
    log.frame(words(A), 1)
    newer = log.newer(A)
    log.frame(words(A), 3)
    log.frame(words(B), 1)
    state = PartitionState(0, 0, Marks({}))
    for record in log.records:
        if record is newer:
            with pytest.raises(TooNew):
                state.add(record)
        else:
            state.add(record)
    batches = drained(state)
    assert delivered(batches, A) == [1]
    assert delivered(batches, B) == [1]
    for seq in range(2, 50):
        state.add(log.frame(words(B), seq))
    assert delivered(drained(state), B) == [*range(2, 50)]
    assert state.commit_point()[0] == newer.offset, "what waits is read again after the upgrade"


def test_after_the_upgrade_a_held_stream_goes_on_where_it_stopped(log):
    log.dictionary(words(A))
    log.dictionary(words(B))
    log.frame(words(A), 1)
    with_newer = PartitionLog()
    with_newer.records = [*log.records]
    newer = with_newer.newer(A)
    log.frame(words(A), 2)  # the same record, for one who can read it
    state = PartitionState(0, 0, Marks({}))
    for record in with_newer.records:
        if record is newer:
            with pytest.raises(TooNew):
                state.add(record)
        else:
            state.add(record)
    for seq in (1, 2):
        state.add(with_newer.frame(words(B), seq))
        log.frame(words(B), seq)
    log.frame(words(A), 3)
    drained(state)
    upgraded = reopened(log, state)
    batches = drained(upgraded)
    assert delivered(batches, A) == [2, 3]
    assert delivered(batches, B) == [], "delivered before, said the marks"
    assert upgraded.commit_point()[0] == log.end


def test_a_newer_record_of_nobody_is_told_and_passed(log):
    state = PartitionState(0, 0, Marks({}))
    with pytest.raises(TooNew):
        state.add(log.newer(None))
    assert state.commit_point()[0] == 1


def test_a_newer_record_before_the_commit_holds_nothing(log):
    log.newer(A)
    log.dictionary(words(A))
    log.frame(words(A), 1)
    state = PartitionState(0, 2, Marks({}))
    with pytest.raises(TooNew):
        state.add(log.records[0])
    for record in log.records[1:]:
        state.add(record)
    assert seqs(state.batch(EAGER)) == [1]


# Frames that come before their dictionary


def test_a_frame_without_its_dictionary_waits_for_the_next_copy(log):
    log.frame(words(A), 1)
    log.frame(words(A), 2)
    state = opened(log)
    assert state.batch(EAGER) is None
    assert state.missing == {words(A).id}
    assert state.commit_point()[0] == 0
    state.add(log.dictionary(words(A)))
    assert state.missing == set()
    state.add(log.frame(words(A), 3))
    assert delivered(drained(state), A) == [1, 2, 3]
    assert state.commit_point()[0] == log.end


def test_frames_that_wait_hold_up_no_other_stream(log):
    log.frame(words(A), 1)
    log.dictionary(words(B))
    log.frame(words(B), 1)
    state = opened(log)
    assert delivered(drained(state), B) == [1]
    assert state.commit_point()[0] == 0
    again = reopened(log, state)
    again.add(log.dictionary(words(A)))
    batches = drained(again)
    assert (delivered(batches, A), delivered(batches, B)) == ([1], [])


def test_frames_that_waited_come_before_those_behind_them(log):
    log.frame(words(A, 1), 1)
    log.dictionary(words(A, 2))
    log.frame(words(A, 2), 2)
    state = opened(log)
    state.add(log.dictionary(words(A, 1)))
    assert state.commit_point()[0] == 0
    batches = drained(state)
    assert delivered(batches, A) == [1, 2]
    assert [ends(batch).met.gaps for batch in batches] == [(), ()]


def test_frames_that_waited_too_long_close_the_gap_that_they_left(log):
    log.dictionary(words(A, 2))
    log.frame(words(A, 2), 1)
    log.frame(words(A, 1), 2)
    log.dictionary(words(A, 2))
    log.frame(words(A, 2), 3)
    state = opened(log)
    first = state.batch(EAGER)
    (gap,) = ends(first).met.gaps
    assert (gap.first_seq, gap.last_seq, gap.reason) == (2, 2, GapReason.DICTIONARY)
    assert deliver(state, first) == [1, 3]
    assert state.commit_point()[0] == 2
    state.add(log.dictionary(words(A, 1)))
    late = state.batch(EAGER)
    assert ends(late).met.closed == 1
    assert deliver(state, late) == [2]
    assert state.commit_point()[0] == log.end


def test_waiting_frames_are_bounded_and_what_is_dropped_is_a_gap(log, monkeypatch):
    monkeypatch.setattr(dictionaries_module, "MAX_ORPHANS", 3)
    log.dictionary(words(A, 2))
    log.frame(words(A, 2), 1)
    for seq in range(2, 7):
        log.frame(words(A, 1), seq)
    log.frame(words(B), 1)
    state = opened(log)
    assert deliver(state, state.batch(EAGER)) == [1]
    assert state.commit_point()[0] == 5, "the oldest that is still kept"
    state.add(log.dictionary(words(A, 1)))
    batch = state.batch(EAGER)
    (gap,) = ends(batch).met.gaps
    assert (gap.first_seq, gap.last_seq, gap.reason) == (2, 4, GapReason.DICTIONARY)
    assert deliver(state, batch) == [5, 6]


def test_a_frame_that_waited_before_a_newer_record_is_delivered_all_the_same(log):
    log.frame(words(A, 1), 1)
    newer = log.newer(A)
    state = PartitionState(0, 0, Marks({}))
    state.add(log.records[0])
    with pytest.raises(TooNew):
        state.add(newer)
    state.add(log.dictionary(words(A, 1)))
    assert delivered(drained(state), A) == [1]
    assert state.commit_point()[0] == newer.offset
