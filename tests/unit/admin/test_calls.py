"""Offsets are asked for twice, and what that costs while a broker is away."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from collector.admin.calls import FIRST_TRY, LONGEST_CALL, OutOfTime
from collector.admin.cycle import LONGEST_TIMES_CALL
from collector.admin.ownership import OFFSETS_TOPIC
from collector.admin.snapshot import END, OLDEST
from collector.admin.wire import Answer, Failure
from tests.unit.admin.paper import Paper, calls_on, snapshot

LED = {"orders": [1, 2]}
FIRST, SECOND = ("orders", 0), ("orders", 1)
BOTH = {FIRST, SECOND}


def test_a_call_that_never_learns_the_leaders_is_made_once_more():
    paper, told = Paper({}, LED, lost_calls=[0]), list[Answer]()
    calls = calls_on(paper, told)
    (found,) = calls.take_offsets(("read end offsets", dict.fromkeys(BOTH, END)))
    assert found.keys() == BOTH
    assert [places for places, _ in paper.offset_calls] == [BOTH, BOTH]
    assert paper.offset_calls[0][1] == FIRST_TRY
    calls.tell_failures()
    assert not told, "it is answered: nothing failed"


def test_all_questions_are_asked_before_one_is_waited_for():
    paper = Paper({}, LED, lost_calls=[1])
    oldest, ends = calls_on(paper, []).take_offsets(
        ("read oldest offsets", dict.fromkeys(BOTH, OLDEST)),
        ("read end offsets", dict.fromkeys(BOTH, END)),
    )
    assert oldest.keys() == ends.keys() == BOTH
    assert len(paper.offset_calls) == 3, "what has its answer is not asked for again"


def test_a_broker_that_is_away_costs_one_short_try_a_request():
    paper, told = Paper({}, LED, away=2), list[Answer]()
    calls = calls_on(paper, told)
    for _ in range(3):
        (found,) = calls.take_offsets(("read end offsets", dict.fromkeys(BOTH, END)))
        assert found.keys() == {FIRST}, "the others' answers count"
    asked = [(places, seconds <= FIRST_TRY) for places, seconds in paper.offset_calls]
    assert asked == [(BOTH, True), ({SECOND}, False), (BOTH, False), (BOTH, False)]
    calls.tell_failures()
    (failure,) = told
    assert isinstance(failure, Failure)
    assert (failure.code, failure.about, failure.count) == ("_TIMED_OUT", "orders/1", 3)


def test_no_try_takes_more_than_half_of_what_is_left():
    paper = Paper({}, LED, away=2)
    calls_on(paper, [], seconds=0.4).take_offsets(("read end offsets", dict.fromkeys(BOTH, END)))
    assert all(seconds <= 0.2 for _, seconds in paper.offset_calls)
    with pytest.raises(OutOfTime):
        calls_on(paper, [], seconds=0.0).take_offsets(("read end offsets", {FIRST: END}))


def test_a_call_may_have_a_bound_of_its_own():
    paper = Paper({}, LED, away=2)
    calls_on(paper, [], seconds=60.0).take_offsets(
        ("read offsets by time", {SECOND: END}), longest=LONGEST_TIMES_CALL
    )
    assert [seconds for _, seconds in paper.offset_calls] == [FIRST_TRY, LONGEST_TIMES_CALL]
    calls_on(paper, [], seconds=60.0).take_offsets(("read end offsets", {SECOND: END}))
    assert [seconds for _, seconds in paper.offset_calls[2:]] == [FIRST_TRY, LONGEST_CALL]


def test_what_is_refused_is_not_asked_for_again():
    paper, told = Paper({}, LED, refuses=KafkaError.TOPIC_AUTHORIZATION_FAILED), list[Answer]()
    calls = calls_on(paper, told)
    (found,) = calls.take_offsets(("read end offsets", {FIRST: END}))
    calls.tell_failures()
    assert not found
    assert len(paper.offset_calls) == 1
    assert [(one.code, one.count) for one in told if isinstance(one, Failure)] == [
        ("TOPIC_AUTHORIZATION_FAILED", 1)
    ]


@pytest.mark.parametrize("lost", range(4))
def test_a_snapshot_is_whole_whichever_of_its_calls_learns_no_leaders(lost):
    paper = Paper({"billing": 1}, {"orders": [1], OFFSETS_TOPIC: [1]}, lost_calls=[lost])
    found = snapshot(paper, 1, topics=["orders"])
    assert not found.failures
    ((committed, oldest, end),) = found.commits.values()
    assert end > committed
    assert min(oldest, *found.offsets["orders", 0]) > 0
