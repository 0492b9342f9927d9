from __future__ import annotations

import pytest

from collector.dictionary import Stream
from collector.errors import FormatError, TooNew
from collector.frame import SegmentHeader, encode_segment_header
from collector.mark import GapReason, Marks, from_metadata, to_metadata
from collector.pump import MOST_ROUNDS, Appetite, Batch
from collector.topic import partition as partition_module
from collector.topic.partition import KEPT_DICTIONARIES, PartitionState, TopicEnd
from tests.unit.topic.partition_log import A, B, C, PartitionLog, rounds_of, seqs, words

EAGER = Appetite(1, 0.0)
PATIENT = Appetite(6, 60.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(log: PartitionLog, committed: int = 0, marks: Marks | None = None) -> PartitionState:
    """A reader that has read the whole log, from where a commit sends it."""
    state = PartitionState(3, committed, marks or Marks({}))
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


@pytest.fixture
def log() -> PartitionLog:
    return PartitionLog()


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
    assert state.commit_point()[1].of == {A.key: ends(batch).mark}
    mark = state.mark(A.key)
    assert mark is not None
    assert mark.seq == 1
    assert state.mark(B.key) is None


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
    monkeypatch.setattr(partition_module, "MAX_ORPHANS", 3)
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
    assert gap.reason is GapReason.TOPIC_LOST
    assert deliver(state, batch) == [1, 6, 7]
    again = reopened(log, state)
    again.add(log.frame(words(A), 1, 4))
    late = again.batch(EAGER)
    assert (seqs(late), ends(late).met.closed, ends(late).met.repeated) == ([2, 3, 4], 3, 1)
    assert [(g.first_seq, g.last_seq) for g in ends(late).mark.gaps] == [(5, 5)]


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
    state = PartitionState(0, 0, Marks({}))
    for stream in (A, B, C):
        for size in (1, 2, 3, 1, 2, 3):
            state.add(log.dictionary(words(stream, size)))
            state.add(log.frame(words(stream, size), log.end))
            drained(state)
    assert len(state._dictionaries) == 3 * KEPT_DICTIONARIES
    assert state._copies.keys() == state._dictionaries.keys()


def test_no_dictionary_is_let_go_that_a_frame_in_hand_needs(log):
    state = PartitionState(0, 0, Marks({}))
    for size in (1, 2, 3):
        state.add(log.dictionary(words(A, size)))
        state.add(log.frame(words(A, size), size))
    assert delivered(drained(state), A) == [1, 2, 3]


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
