"""Of many pulses the newest of each node goes on, once, and only while it is of now."""

from __future__ import annotations

import pytest

from collector.frames import dictionary, frame
from collector.frames.columns import row
from collector.frames.dictionary import Stream
from collector.frames.frame import Instant, Lineage, encode_dictionary, encode_frame
from collector.series import Family, Series
from collector.topic.names import TopicNames
from collector.topic.pulse import FURTHEST_MS, OLDEST_MS, Newest

NOW_MS = 1_700_000_000_000
TOPIC = "pulse.store-1"
LINEAGE = Lineage(7, 7, None, bytes(16))


def records(
    at_ms: int, node: str = "n1", site: str = "store-1", tier: str = "pulse"
) -> list[bytes]:
    stream = Stream(site, node, tier)
    series = Series("edgevitals_pulse_degraded", (("node", node), ("site", site)), Family("f"))
    words = dictionary.build(stream, [series])
    one = frame.frame(words.id, LINEAGE, 1, [Instant(at_ms, 1)], [row([0.0])])
    return [encode_dictionary(words), encode_frame(one)]


def newest() -> Newest:
    return Newest(TopicNames("pulse.{site}"), "pulse")


def take(one: Newest, *data: bytes, topic: str = TOPIC) -> None:
    for record in data:
        one.take(record, topic)


def times(one: Newest, now_ms: int = NOW_MS) -> list[tuple[str, int]]:
    return [(heard.dictionary.stream.node, heard.at_ms) for heard in one.due(now_ms)]


def test_of_each_node_the_newest_goes_on_once():
    one = newest()
    for at_ms in (NOW_MS - 30_000, NOW_MS - 15_000, NOW_MS):
        take(one, *records(at_ms), *records(at_ms - 1, "n2"))
    assert sorted(times(one)) == [("n1", NOW_MS), ("n2", NOW_MS - 1)]
    assert one.dropped == 4
    assert times(one) == []


def test_what_comes_again_or_late_is_dropped():
    one = newest()
    take(one, *records(NOW_MS))
    assert len(times(one)) == 1
    take(one, *records(NOW_MS))
    take(one, *records(NOW_MS - 1))
    assert times(one) == []


@pytest.mark.parametrize(
    "away_ms,goes_on",
    [(-OLDEST_MS, True), (-OLDEST_MS - 1, False), (FURTHEST_MS, True), (FURTHEST_MS + 1, False)],
)
def test_what_is_not_of_now_says_nothing(away_ms, goes_on):
    one = newest()
    take(one, *records(NOW_MS + away_ms))
    assert bool(times(one)) is goes_on
    assert one.dropped == (not goes_on)


def test_a_pulse_whose_dictionary_was_not_seen_waits_for_the_next():
    one = newest()
    words, first = records(NOW_MS - 15_000)
    take(one, first)
    assert times(one) == []
    take(one, words, records(NOW_MS)[1])
    assert times(one) == [("n1", NOW_MS)]


@pytest.mark.parametrize(
    "data,topic",
    [
        (records(NOW_MS, site="store-2"), TOPIC),
        (records(NOW_MS, tier="standard"), TOPIC),
        ([b"", b"\x00\xff"], TOPIC),
        (records(NOW_MS), "pulse.store-2"),
    ],
)
def test_what_is_no_pulse_of_a_site_that_belongs_there_is_dropped(data, topic):
    one = newest()
    take(one, *data, topic=topic)
    assert times(one) == []
    assert one.dropped == 2
