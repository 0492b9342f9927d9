from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from collector.errors import Rejected, Retry
from collector.flow.pump import PartlyRejected
from collector.frames import dictionary
from collector.frames.columns import NO_SAMPLE, bits_of, row
from collector.frames.dictionary import Stream
from collector.frames.frame import frame
from collector.series import Kind
from collector.sinks.pace import Pace
from collector.sinks.post import Exchange
from collector.sinks.reply import Ambiguous
from tests.lab.remote_write import RemoteWrite
from tests.unit.sinks.batches import (
    LINEAGE,
    NOW_MS,
    STREAM,
    batch,
    rounds,
    series,
    times,
    words,
)
from tests.unit.sinks.peer import Action, Judged, Peer, Seen, answer, reset, then_close

OK = answer(204)
BUSY = answer(503)
STALE_REFUSAL = answer(400, b"out of order sample")
AB = words("a", "b")


@contextmanager
def sending(*script: bytes | Action | Judged, **options: Any) -> Iterator[tuple[Peer, RemoteWrite]]:
    """A peer with this script, and a sink that sends to it and no metadata."""
    with Peer(*script) as peer, closing(RemoteWrite("centre", peer.url, **options)) as sink:
        sink._receiver.dialect.metadata = lambda *_: None  # type: ignore[method-assign]
        yield peer, sink


def sent(peer: Peer) -> list[dict[str, list[tuple[int, float]]]]:
    return [seen.samples() for seen in peer.seen]


def five() -> Any:
    return batch(AB, rounds(AB, 1, [[1, 10], [2, 20], [3, 30]]), rounds(AB, 4, [[4, 40], [5, 50]]))


def test_the_rounds_of_a_batch_are_merged_by_series_into_one_request():
    with sending(OK) as (peer, sink):
        sink.send(five())
    [request] = sent(peer)
    at = times(1, 5)
    assert request == {
        "a": list(zip(at, [1, 2, 3, 4, 5], strict=True)),
        "b": list(zip(at, [10, 20, 30, 40, 50], strict=True)),
    }
    headers = peer.seen[0].headers
    assert headers["content-encoding"] == "snappy"
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["x-prometheus-remote-write-version"] == "0.1.0"


def test_what_was_done_is_counted():
    ended: list[Exchange] = []
    with sending(BUSY, OK, on_request=ended.append) as (peer, sink):
        with pytest.raises(Retry):
            sink.send(five())
        sink.send(five())
    stats = sink.stats
    assert stats.requests == {"503": 1, "204": 1}
    assert stats.bytes_sent == sum(len(seen.body) for seen in peer.seen)
    assert stats.samples_delivered == 10
    assert stats.newest_ms == {STREAM: times(5, 5)[0]}
    assert stats.last_success_s is not None
    assert [one.code for one in ended] == ["503", "204"]


def test_a_batch_that_was_answered_with_a_clear_no_is_sent_again_as_it_was():
    with sending(BUSY, answer(429), answer(200, b"<html>"), OK) as (peer, sink):
        for _ in range(3):
            with pytest.raises(Retry):
                sink.send(five())
        sink.send(five())
    assert len({seen.body for seen in peer.seen}) == 1


@pytest.mark.parametrize("broken", [reset, answer(504), then_close(b"HTTP/1.1 2")])
def test_after_an_unclear_end_each_round_goes_by_itself(broken):
    with sending(broken, OK) as (peer, sink):
        with pytest.raises(Ambiguous):
            sink.send(five())
        sink.send(five())
        sink.send(batch(AB, rounds(AB, 6, [[6, 60], [7, 70]])))
    assert [list(one["a"]) for one in sent(peer)[1:]] == [
        *([(ms, i)] for i, ms in enumerate(times(1, 5), 1)),
        list(zip(times(6, 7), [6, 7], strict=True)),
    ]


def test_f25_rounds_that_an_unclear_attempt_had_brought_count_as_stored():
    with sending(reset, *[STALE_REFUSAL] * 4, OK) as (peer, sink):
        with pytest.raises(Ambiguous):
            sink.send(five())
        sink.send(five())
    assert sink.stats.already_stored == 8
    assert sink.stats.samples_delivered == 2
    assert len(peer.seen) == 6


def test_the_same_words_about_a_batch_that_was_never_sent_are_a_refusal():
    with sending(STALE_REFUSAL) as (_, sink), pytest.raises(Rejected) as caught:
        sink.send(five())
    assert caught.value.reason == "http_400"
    assert "out of order sample" in caught.value.message
    assert sink.stats.already_stored == 0
    assert sink.stats.newest_ms == {}


def test_a_round_that_is_refused_holds_up_no_other_and_is_told_at_the_end():
    def answer_to(seen: Seen) -> bytes:
        bad = any(ms == times(2, 2)[0] for points in seen.samples().values() for ms, _ in points)
        return answer(400, b"bad round") if bad else OK

    with sending(reset, Judged(answer_to)) as (peer, sink):
        with pytest.raises(Ambiguous):
            sink.send(five())
        with pytest.raises(PartlyRejected) as caught:
            sink.send(five())
    first = [one["a"][0][0] for one in sent(peer)[1:] if "a" in one]
    assert list(dict.fromkeys(first)) == times(1, 5)
    assert [part.why.message for part in caught.value.parts] == [
        "the receiver answered 400 Bad Request: bad round"
    ]
    assert [frame.first_seq for part in caught.value.parts for frame in part.batch.frames] == [2]
    assert sink.stats.rejected == {"http_400": 2}
    assert sink.stats.samples_delivered == 8


def test_a_batch_of_single_rounds_goes_on_where_it_stopped():
    with sending(reset, OK, OK, BUSY, OK) as (peer, sink):
        for error in (Ambiguous, Retry):
            with pytest.raises(error):
                sink.send(five())
        sink.send(five())
    assert [one["a"][0][0] for one in sent(peer)[1:]] == times(1, 3) + times(3, 5)
    assert sink.stats.samples_delivered == 10


def test_rounds_that_come_in_another_batch_after_an_unclear_end_are_sent_as_carefully():
    with sending(reset, OK) as (peer, sink):
        with pytest.raises(Ambiguous):
            sink.send(five())
        sink.send(batch(AB, rounds(AB, 1, [[1, 10], [2, 20]])))
    assert [one["a"] for one in sent(peer)[1:]] == [
        [(ms, i)] for i, ms in enumerate(times(1, 2), 1)
    ]


def test_an_unclear_end_in_one_stream_says_nothing_of_another():
    other = words("a", stream=Stream("store-2", "n1", "standard"))
    with sending(reset, OK) as (peer, sink):
        with pytest.raises(Ambiguous):
            sink.send(five())
        sink.send(batch(other, rounds(other, 1, [[1], [2]])))
    assert len(sent(peer)[1]["a"]) == 2


def test_413_halves_the_request_and_the_size_is_remembered():
    with sending(then_close(answer(413)), OK) as (peer, sink):
        wide = words(*(f"s{i}" for i in range(100)))
        sink.send(batch(wide, rounds(wide, 1, [[i] * 100 for i in range(4)])))
        sink.send(batch(wide, rounds(wide, 5, [[i] * 100 for i in range(4)])))
    lengths = [[len(points) for points in one.values()] for one in sent(peer)]
    assert lengths == [[4] * 100, *[[2] * 100] * 4]


def test_413_for_a_single_round_splits_its_series():
    wide = words(*(f"s{i:03}" for i in range(250)))
    with sending(answer(413), answer(413), OK) as (peer, sink):
        sink.send(batch(wide, rounds(wide, 1, [range(250), range(250)])))
    halves = [(len(one), one.get("s000")) for one in sent(peer)[2:]]
    first, second = times(1, 2)
    assert halves == [(125, [(first, 0)]), (125, None), (125, [(second, 0)]), (125, None)]
    assert sent(peer)[3]["s249"] == [(first, 249)]


def test_413_for_next_to_nothing_is_a_hold_and_not_a_flood():
    wide = words(*(f"s{i}" for i in range(400)))
    with sending(answer(413)) as (peer, sink), pytest.raises(Retry) as caught:
        sink.send(batch(wide, rounds(wide, 1, [range(400)])))
    assert caught.value.hold
    assert "allow larger requests" in caught.value.hint
    assert len(peer.seen) == 3


def test_a_new_round_that_is_older_is_never_sent():
    with sending(OK) as (peer, sink):
        sink.send(five())
        with pytest.raises(Rejected) as caught:
            sink.send(batch(AB, rounds(AB, 6, [[6, 60]], at_ms=[NOW_MS])))
    assert caught.value.reason == "order"
    assert len(peer.seen) == 1


def test_a_late_round_among_newer_ones_gets_a_request_of_its_own():
    with sending(OK) as (peer, sink):
        sink.send(batch(AB, rounds(AB, 1, [[1, 1]]), rounds(AB, 3, [[3, 3], [4, 4]])))
        sink.send(batch(AB, rounds(AB, 5, [[5, 5]]), rounds(AB, 2, [[2, 2]])))
    assert [[ms for ms, _ in one["a"]] for one in sent(peer)] == [
        [*times(1, 1), *times(3, 4)],
        times(5, 5),
        times(2, 2),
    ]


def test_series_that_a_receiver_would_drop_are_counted_and_the_others_sent():
    mixed = dictionary.build(STREAM, [series("a"), series("b-c"), series("d")])
    with sending(OK) as (peer, sink):
        sink.send(batch(mixed, rounds(mixed, 1, [[1, 2, 3], [1, 2, 3]])))
    assert set(sent(peer)[0]) == {"a", "d"}
    assert sink.stats.unsendable == {"metric_name": 2}
    assert sink.stats.samples_delivered == 4


def test_a_batch_without_samples_is_done_without_a_request():
    holes = row([0.0, 0.0])
    bits_of(holes)[0] = bits_of(holes)[1] = NO_SAMPLE
    empty = words()
    with sending(OK) as (peer, sink):
        sink.send(batch(AB, frame(AB.id, LINEAGE, 1, rounds(AB, 1, [[0, 0]]).at, [holes])))
        sink.send(batch(empty, rounds(empty, 2, [[], []])))
    assert not peer.seen


def test_a_batch_of_more_series_than_a_request_takes_is_several_requests():
    wide = words(*(f"s{i:03}" for i in range(250)))
    with sending(OK, pace=Pace(100, 100)) as (peer, sink):
        sink.send(batch(wide, rounds(wide, 1, [range(250), range(250)])))
    assert [len(one) for one in sent(peer)] == [100, 100, 50] * 2
    assert sink.stats.samples_delivered == 500


def test_a_frame_that_cannot_be_decoded_is_not_sent():
    broken = rounds(AB, 1, [[1, 2]])._replace(columns=b"nothing")
    with sending(OK) as (peer, sink):
        with pytest.raises(Rejected) as caught:
            sink.send(batch(AB, broken))
        assert caught.value.reason == "format"
        assert not peer.seen
        with pytest.raises(PartlyRejected) as partly:
            sink.send(batch(AB, broken, rounds(AB, 2, [[3, 4]])))
    assert [(len(part.batch.frames), part.why.reason) for part in partly.value.parts] == [
        (1, "format")
    ]
    assert sent(peer) == [{"a": [(times(2, 2)[0], 3)], "b": [(times(2, 2)[0], 4)]}]


@contextmanager
def announcing(*script: bytes | Action) -> Iterator[tuple[Peer, RemoteWrite]]:
    with Peer(*script) as peer, closing(RemoteWrite("centre", peer.url)) as sink:
        yield peer, sink


def test_kind_and_help_follow_the_first_batch_in_a_request_of_their_own():
    told = dictionary.build(STREAM, [series("a_total", Kind.COUNTER, "how often")])
    with announcing(OK) as (peer, sink):
        sink.send(batch(told, rounds(told, 1, [[1]])))
        sink.send(batch(told, rounds(told, 2, [[2]])))
    data, metadata, more = [seen.write_request() for seen in peer.seen]
    assert (len(data.timeseries), len(data.metadata)) == (1, 0)
    assert (len(metadata.timeseries), len(metadata.metadata)) == (0, 1)
    assert metadata.metadata[0].metric_family_name == "a_total"
    assert metadata.metadata[0].help == "how often"
    assert (len(more.timeseries), len(more.metadata)) == (1, 0)


@pytest.mark.parametrize("trouble", [BUSY, answer(400), answer(413), answer(404), reset])
def test_metadata_that_the_receiver_does_not_want_holds_up_nothing(trouble):
    with announcing(OK, trouble, OK) as (peer, sink):
        sink.send(five())
        sink.send(batch(AB, rounds(AB, 6, [[6, 60], [7, 70]])))
    assert len(peer.seen) == 3
    assert len(sent(peer)[2]["a"]) == 2
