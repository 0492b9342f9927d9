"""Which dialect is spoken, and when the next one is."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.errors import Retry
from collector.flow.pump import Batch
from collector.frames import dictionary
from collector.frames.columns import row
from collector.frames.frame import Instant, frame
from collector.series import Family, Kind, Series
from collector.sinks.cells import Piece, decoded
from collector.sinks.delivery import Delivery
from collector.sinks.dialect import SNAPPY, ZSTD, Dialect, Packing
from collector.sinks.post import Post
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import WRITTEN, RemoteWrite2
from collector.sinks.reply import Unsupported
from tests.lab.protos import request_2_class
from tests.unit import examples
from tests.unit.sinks.batches import LINEAGE, NOW_MS, STREAM, batch, rounds, series, words
from tests.unit.sinks.peer import Judged, Peer, Seen, answer, reset
from tests.unit.sinks.requests import series_of

PLAIN = Packing("snappy", bytes)
AB = words("a", "b")
OLD = answer(204)


def said(count: int) -> bytes:
    return answer(204, b"", f"X-Prometheus-Remote-Write-Samples-Written: {count}")


def two_of(seq: int) -> Batch:
    return batch(AB, rounds(AB, seq, [[1, 2], [3, 4]]))


def sending(peer: Peer, *dialects: Dialect) -> Delivery:
    return Delivery("centre", Post(peer.url, {}), dialects, float("inf"))


def protocols(peer: Peer) -> list[str]:
    return ["2" if "v2" in seen.headers["content-type"] else "1" for seen in peer.seen]


def test_a_receiver_of_2_says_what_it_wrote_and_that_is_all_there_is_to_it():
    with Peer(said(4)) as peer, closing(sending(peer, RemoteWrite2(), RemoteWrite1())) as sink:
        sink.send(two_of(1))
        sink.send(two_of(3))
    assert protocols(peer) == ["2", "2"]
    headers = peer.seen[0].headers
    assert headers["content-type"] == "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    assert headers["x-prometheus-remote-write-version"] == "2.0.0"
    assert headers["content-encoding"] == "snappy"
    assert (sink.stats.protocol, sink.stats.samples_delivered) == ("remote_write_2", 8)


@pytest.mark.parametrize("reply", [OLD, said(1), said(0)])
def test_what_a_receiver_does_not_say_it_wrote_is_not_stored_and_the_third_time_it_gets_1(reply):
    def answers(seen: Seen) -> bytes:
        return reply if "v2" in seen.headers["content-type"] else OLD

    with (
        Peer(Judged(answers)) as peer,
        closing(sending(peer, RemoteWrite2(), RemoteWrite1())) as it,
    ):
        it.send(two_of(1))
        it.send(two_of(3))
    # Once it may have been stored in part, each round goes by itself; then metadata, and the next.
    assert protocols(peer)[:5] == ["2", "2", "2", "1", "1"]
    assert set(protocols(peer)[5:]) == {"1"}
    assert it.stats.samples_delivered == 8
    assert (it.stats.protocol, it.stats.fallbacks) == ("remote_write_1", 1)


def test_an_unconfirmed_request_alone_falls_back_to_nothing():
    with Peer(OLD, OLD, said(2), OLD, said(2)) as peer:  # the first end each in one-round slices
        it = sending(peer, RemoteWrite2(), RemoteWrite1())
        with closing(it):
            it.send(two_of(1))
    assert it.stats.protocol == "remote_write_2"


def test_without_another_dialect_what_is_not_confirmed_is_kept_and_retried():
    with Peer(OLD) as peer, closing(sending(peer, RemoteWrite2())) as it:
        for _ in range(4):
            with pytest.raises(Retry, match="samples of remote"):
                it.send(two_of(1))
    assert it.stats.samples_delivered == 0


def test_415_goes_to_the_next_dialect_at_once_and_holds_at_the_last():
    def answers(seen: Seen) -> bytes:
        good = seen.headers["content-encoding"] == "snappy"
        return OLD if good and "v2" not in seen.headers["content-type"] else answer(415)

    dialects: list[Dialect] = [
        RemoteWrite2(ZSTD),
        RemoteWrite2(SNAPPY),
        RemoteWrite1(ZSTD),
        RemoteWrite1(SNAPPY),
    ]
    with Peer(Judged(answers)) as peer, closing(sending(peer, *dialects)) as it:
        it.send(two_of(1))
    assert protocols(peer)[:4] == ["2", "2", "1", "1"]
    assert len(peer.seen) == 5, "and the metadata"
    with Peer(answer(415)) as peer, closing(sending(peer, RemoteWrite1())) as it:
        with pytest.raises(Unsupported) as caught:
            it.send(two_of(1))
        assert caught.value.hold


def test_metadata_of_2_travels_inside_until_it_arrived_and_again_after_an_hour():
    now = [0.0]
    of = dictionary.build(STREAM, [series("a_total", Kind.COUNTER, "how often"), series("up")])
    told = []
    with Peer(reset, said(2)) as peer:
        it = sending(peer, RemoteWrite2(clock=lambda: now[0]))
        with closing(it):
            with pytest.raises(Retry):
                it.send(batch(of, rounds(of, 1, [[1, 2]])))
            for seq, at in enumerate((0.0, 600.0, 3700.0), 1):
                now[0] = at
                it.send(batch(of, rounds(of, seq, [[1, 2]])))
    for seen in peer.seen:
        request = request_2_class().FromString(seen.plain)
        one = request.timeseries[0].metadata
        told.append((one.type, request.symbols[one.help_ref]))
    assert told == [(1, "how often"), (1, "how often"), (0, ""), (1, "how often")]


class Sent(NamedTuple):
    """What is sent of a batch: a value for each round and series, and the piece."""

    series: list[Series]
    rows: list[list[float]]
    piece: Piece
    without: set[int]


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    found = draw(st.lists(examples.series, min_size=1, max_size=8, unique=True))
    cells = st.lists(st.floats(allow_nan=False), min_size=len(found), max_size=len(found))
    rows = draw(st.lists(cells, min_size=1, max_size=4))
    start = draw(st.integers(0, len(found) - 1))
    piece = Piece(0, len(rows), start, draw(st.integers(start + 1, len(found))))
    without = st.sets(st.integers(start, piece.series_end - 1), max_size=2)
    return Sent(found, rows, piece, draw(without))


TWICE = [  # another program's dictionary: our table would have kept the first family
    Series("up", (), Family("up", Kind.GAUGE, "", "whether it answers")),
    *examples.numbered(14),
    Series("up", (), Family("up", Kind.GAUGE, "", "1 if it is up")),
]


@given(sent())
@example(Sent(TWICE, [[float(i) for i in range(16)]], Piece(0, 1, 15, 16), set()))
@example(Sent(TWICE, [[float(i) for i in range(16)]], Piece(0, 1, 14, 16), set()))
@example(Sent(TWICE, [[float(i) for i in range(16)]], Piece(0, 1, 0, 16), set()))
def test_a_body_of_2_says_the_same_as_one_of_1(it):
    """Also of a series that a dictionary has twice: the first is sent, whatever the piece."""
    of = dictionary.build(STREAM, it.series)
    at = [Instant(NOW_MS + t, t) for t in range(len(it.rows))]
    whole, _ = decoded(batch(of, frame(of.id, LINEAGE, 1, at, list(map(row, it.rows)))))
    requests = [
        d.request(whole, it.piece, it.without) for d in (RemoteWrite1(PLAIN), RemoteWrite2(PLAIN))
    ]
    if requests[0] is None or requests[1] is None:
        assert requests == [None, None]
        return
    first, second = (series_of(one.body, one.headers) for one in requests if one)
    assert first == second
    assert requests[0].samples == requests[1].samples == sum(len(points) for _, points in first)


def test_what_is_used_most_has_the_shortest_references():
    many = [
        Series("m", (("n", str(i)), ("site", "store-1")), Family("m", Kind.GAUGE))
        for i in range(300)
    ]
    of = dictionary.build(STREAM, many)
    whole, _ = decoded(batch(of, rounds(of, 1, [[0] * 300])))
    request = RemoteWrite2(PLAIN).request(whole, Piece(0, 1, 0, 300), set())
    assert request is not None
    decoded_request = request_2_class().FromString(request.body)
    assert set(decoded_request.symbols[1:6]) >= {"m", "n", "site", "store-1", "__name__"}
    assert WRITTEN.lower() == WRITTEN
