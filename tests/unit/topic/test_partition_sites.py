"""A partition of a topic that belongs to one site, and batches of several streams at once."""

from __future__ import annotations

import pytest

from collector.errors import WrongSite
from collector.flow.mark import Marks
from collector.frames.frame import encode_dictionary, encode_frame
from collector.topic.names import TopicNames
from collector.topic.partition import FRAME_BYTES, PartitionState
from collector.topic.record import Labelled
from tests.unit.examples import line_frame
from tests.unit.topic.partition_log import A, B, C, PartitionLog, seqs, words
from tests.unit.topic.readers import EAGER, opened


def of_site(topic: str) -> PartitionState:
    names = TopicNames("edgevitals.{site}")
    return PartitionState(0, 0, Marks({}), belongs=lambda stream: names.belongs(stream, topic))


def refused(state: PartitionState, log: PartitionLog) -> int:
    count = 0
    for record in log.records:
        try:
            state.add(record)
        except WrongSite:
            count += 1
    return count


def test_a_record_says_by_its_headers_that_it_is_in_the_wrong_topic():
    log = PartitionLog()
    log.dictionary(words(C))
    log.frame(words(C), 1, 3)
    log.dictionary(words(A))
    log.frame(words(A), 1, 2)
    state = of_site("edgevitals.store-1")
    assert refused(state, log) == 2
    assert seqs(state.batch(EAGER)) == [1, 2]
    assert state.batch(EAGER) is None


@pytest.mark.parametrize("labels", [Labelled(A, 1), Labelled(None, 1)])
def test_headers_that_lie_do_not_help(labels):
    """What a frame says is under the labels of its dictionary, and that one's site is looked at."""
    log = PartitionLog()
    log.raw(encode_frame(line_frame(1, 2, id_=words(C).id)), labels)
    log.raw(encode_dictionary(words(C)), labels)
    log.raw(encode_frame(line_frame(3, 1, id_=words(C).id)), labels)
    state = of_site("edgevitals.store-1")
    assert refused(state, log) == 2
    assert state.batch(EAGER) is None
    assert not state.missing
    assert state.commit_point()[0] == 3, "nothing of it holds up the partition"


def test_any_site_may_be_in_a_topic_of_all():
    log = PartitionLog()
    for stream in (A, C):
        log.dictionary(words(stream))
        log.frame(words(stream), 1)
    state = PartitionState(0, 0, Marks({}), belongs=lambda it: TopicNames("t").belongs(it, "t"))
    assert refused(state, log) == 0
    assert state.batch(EAGER) is not None
    assert state.batch(EAGER) is not None


def test_a_stream_that_is_out_elsewhere_gets_no_batch_and_others_do():
    log = PartitionLog()
    for stream in (A, B):
        log.dictionary(words(stream))
        log.frame(words(stream), 1)
    state = opened(log)
    (batch,) = filter(None, [state.batch(EAGER, {A.key})])
    assert batch.dictionary.stream == B
    was_out = state.has_out
    assert state.batch(EAGER, {A.key}) is None
    state.delivered(batch.end)
    assert (was_out, state.has_out) == (True, False)
    assert seqs(state.batch(EAGER)) == [1]


def test_it_knows_how_much_it_has_in_hand():
    log = PartitionLog()
    log.dictionary(words(A))
    state = opened(log)
    assert state.bytes == 0
    for seq in range(1, 4):
        log.frame(words(A), seq)
        state.add(log.records[-1])
    frames = [line_frame(seq, id_=words(A).id) for seq in (1, 2, 3)]
    assert state.bytes == sum(FRAME_BYTES + len(one.columns) for one in frames)
    assert seqs(state.batch(EAGER)) == [1, 2, 3]
    assert state.bytes == 0
