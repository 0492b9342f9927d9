from __future__ import annotations

from itertools import count

import pytest

from collector.errors import Rejected
from collector.frames.dictionary import Stream
from collector.sinks.cells import runs
from collector.sinks.order import Order
from tests.unit.sinks.batches import LINEAGE, NOW_MS, STREAM, batch, rounds, times, words

A = words("a")
OTHER_EPOCH = LINEAGE._replace(epoch=8, previous=(7, 9))
OTHER_LINE = LINEAGE._replace(epoch=8, line=8)


def taken(order: Order, *frames) -> None:
    order.check(batch(A, *frames))
    order.delivered(batch(A, *frames))


def test_rounds_go_on_over_batches_and_epochs():
    order = Order()
    taken(order, rounds(A, 8, [[1], [2]]))
    taken(order, rounds(A, 10, [[3]], lineage=OTHER_EPOCH), rounds(A, 11, [[4]]))
    assert order.newest_ms(STREAM) == times(11, 11)[0]


def test_a_new_round_that_is_older_is_rejected_within_a_batch():
    frames = rounds(A, 1, [[1]]), rounds(A, 2, [[2]], at_ms=[NOW_MS - 1])
    with pytest.raises(Rejected) as caught:
        Order().check(batch(A, *frames))
    assert caught.value.reason == "order"
    assert "round 2 of store-1/n1/standard" in caught.value.message


@pytest.mark.parametrize("at_ms", [NOW_MS, NOW_MS - 3_600_000])
def test_f16_a_new_round_that_is_not_newer_than_what_was_delivered_is_rejected(at_ms):
    order = Order()
    taken(order, rounds(A, 1, [[1]]))
    for late in (rounds(A, 2, [[2]], at_ms=[at_ms], lineage=OTHER_EPOCH),):
        with pytest.raises(Rejected):
            order.check(batch(A, late))
    with pytest.raises(Rejected):
        order.check(batch(A, rounds(A, 1, [[2]], at_ms=[at_ms], lineage=OTHER_LINE)))


def test_a_rejected_batch_changes_nothing():
    order = Order()
    taken(order, rounds(A, 1, [[1]]))
    with pytest.raises(Rejected):
        order.check(batch(A, rounds(A, 2, [[2]]), rounds(A, 3, [[3]], at_ms=[0])))
    taken(order, rounds(A, 2, [[2]]))


def test_a_repeat_and_a_round_that_closes_a_gap_may_come_late():
    order = Order()
    taken(order, rounds(A, 1, [[1], [2]]), rounds(A, 6, [[6]]))
    taken(order, rounds(A, 1, [[1], [2]]))
    taken(order, rounds(A, 3, [[3]]), rounds(A, 7, [[7]]))
    assert order.newest_ms(STREAM) == times(7, 7)[0]


def test_a_line_that_was_left_is_remembered():
    order = Order()
    taken(order, rounds(A, 5, [[1]]))
    taken(order, rounds(A, 1, [[1]], lineage=OTHER_LINE, at_ms=times(6, 6)))
    taken(order, rounds(A, 5, [[1]]))
    with pytest.raises(Rejected):
        order.check(batch(A, rounds(A, 6, [[1]])))


def test_lines_are_forgotten_when_there_are_many():
    order = Order()
    lines = count(100)
    for i in range(9):
        line = next(lines)
        lineage = LINEAGE._replace(epoch=line, line=line)
        taken(order, rounds(A, 1, [[1]], lineage=lineage, at_ms=[NOW_MS + i]))
    with pytest.raises(Rejected):
        order.check(batch(A, rounds(A, 1, [[1]], lineage=LINEAGE._replace(line=100))))


def test_streams_have_an_order_each():
    order = Order()
    taken(order, rounds(A, 1, [[1]]))
    other = words("a", stream=Stream("store-2", "n1", "standard"))
    order.check(batch(other, rounds(other, 1, [[1]], at_ms=[NOW_MS - 1])))


def test_a_round_without_wall_time_is_a_bug_of_whoever_sends_it():
    with pytest.raises(ValueError, match="no wall time"):
        Order().check(batch(A, rounds(A, 1, [[1]], at_ms=[None])))


@pytest.mark.parametrize(
    "at_ms, ends", [([5], [1]), ([1, 2, 3], [3]), ([1, 5, 2, 3], [2, 4]), ([2, 2, 1], [1, 2, 3])]
)
def test_runs_are_the_stretches_of_rising_times(at_ms, ends):
    assert runs(at_ms) == ends
