"""When records were written, learnt by asking: bounded, and in one read."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from collector.cluster.times import MOST_CALLS, MOST_PARTITIONS, Question, Times
from collector.cluster.view import Log

NOW = 2_000_000.0
WRITTEN = [NOW - 7_200 + 10 * number for number in range(720)]
LOG = Log(0, len(WRITTEN))


class Broker:
    """Answers as Kafka does."""

    def __init__(self) -> None:
        self.calls: list[Sequence[Question]] = []

    def ask(self, questions: Sequence[Question]) -> list[tuple[str, int, int, int]]:
        self.calls.append(questions)
        return [(topic, partition, at, self._first(at)) for topic, partition, at in questions]

    def _first(self, at_ms: int) -> int:
        first = bisect.bisect_left(WRITTEN, at_ms / 1000)
        return first if first < len(WRITTEN) else -1


def test_one_read_is_enough_to_know():
    times, broker = Times(), Broker()
    assert times.learn([("orders", 0, 100)], {("orders", 0): LOG}, NOW, broker.ask) == 0
    found = times.written("orders", 0, 100)
    assert found is not None
    assert abs(found.at - WRITTEN[100]) <= max(5.0, 0.05 * (NOW - WRITTEN[100]))
    assert found.after <= WRITTEN[100], "not one record is older than that"
    assert len(broker.calls) <= MOST_CALLS
    again = len(broker.calls)
    times.learn([("orders", 0, 100)], {("orders", 0): LOG}, NOW + 15, broker.ask)
    assert len(broker.calls) == again, "what is known is not asked for again"


def test_a_miss_is_asked_for_at_the_next_read():
    times, broker = Times(), Broker()
    assert times.written("orders", 0, 50) is None
    times.learn([], {("orders", 0): LOG}, NOW, broker.ask)
    assert times.written("orders", 0, 50) is not None


def test_nobody_answers():
    times = Times()
    assert times.learn([("orders", 0, 100)], {("orders", 0): LOG}, NOW, lambda _: None) == 1
    assert times.written("orders", 0, 100) is None


def test_there_is_a_bound_on_partitions():
    times, broker = Times(), Broker()
    places = [("orders", number, 100) for number in range(MOST_PARTITIONS + 10)]
    logs = {("orders", number): LOG for number in range(MOST_PARTITIONS + 10)}
    unknown = times.learn(places, logs, NOW, broker.ask)
    assert unknown >= 10, "those that are not followed, and those that the questions left open"
    assert not times.follow(("orders", MOST_PARTITIONS + 5))
    times.learn([], {("orders", 0): LOG}, NOW, broker.ask)
    assert times.follow(("orders", MOST_PARTITIONS + 5)), "topics that went make room"


def test_of_a_minute_and_five_the_faster_one_counts():
    times = Times()
    quiet, busy = range(0, 240, 15), range(240, 300, 15)
    end = 0
    for second in (*quiet, *busy):
        end += 15 if second in quiet else 1_500
        times.learn([("orders", 0, 0)], {("orders", 0): Log(0, end)}, NOW + second, lambda _: None)
    assert times.rate("orders", 0) == 100.0
    for second in range(300, 420, 15):
        times.learn([("orders", 0, 0)], {("orders", 0): Log(0, end)}, NOW + second, lambda _: None)
    rate = times.rate("orders", 0)
    assert rate is not None
    assert 10.0 < rate < 30.0, "it has stopped, and may go on"
    assert times.rate("other", 0) is None
