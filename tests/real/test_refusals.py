"""What a real Prometheus refuses among what is good: found, set aside, and the rest stored."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from collector.errors import Retry
from collector.flow.mark import GapReason
from collector.flow.pump import Batch, PartlyRejected
from collector.frames import dictionary, frame
from collector.frames.columns import row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, Instant, Lineage
from collector.series import Family, Series
from collector.sinks import delivery
from collector.sinks.delivery import Delivery
from collector.sinks.dialect import Dialect
from collector.sinks.otlp import Otlp
from collector.sinks.post import Post
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import RemoteWrite2
from tests.lab.prometheus import Prometheus

STREAM = Stream("store-1", "n1", "standard")
LINEAGE = Lineage(7, 7, None, bytes(16))
SIZE, ROUNDS, STEP_MS = 2000, 4, 15_000
BAD = {3, 4, 1200, 1999}


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus 3 that takes what is late."""
    with Prometheus(tmp_path_factory.mktemp("prometheus3"), release=3) as receiver:
        yield receiver


def words(size: int = SIZE, name: str = "good") -> Dictionary:
    return dictionary.build(
        STREAM,
        [
            Series(name, (("number", str(i)), ("site", "store-1")), Family(name))
            for i in range(size)
        ],
    )


def rounds(of: Dictionary, first_seq: int, count: int, start_ms: int) -> Frame:
    seqs = range(first_seq, first_seq + count)
    at = [Instant(start_ms + seq * STEP_MS, seq) for seq in seqs]
    rows = [row([seq * 10_000.0 + i for i in range(len(of.series))]) for seq in seqs]
    return frame.frame(of.id, LINEAGE, first_seq, at, rows)


def sink_to(receiver: Prometheus, *dialects: Dialect, window_s: float = math.inf) -> Delivery:
    is_otlp = isinstance(dialects[0], Otlp)
    url = receiver.otlp_url if is_otlp else receiver.write_url
    return Delivery("centre", Post(url, {}), dialects, window_s)


def occupy(receiver: Prometheus, of: Dictionary, at_ms: int) -> None:
    """Give some series another value at a time: what is refused then is a duplicate."""
    taken = dictionary.build(STREAM, [of.series[i] for i in sorted(BAD)])
    other = frame.frame(taken.id, LINEAGE, 1, [Instant(at_ms, 0)], [row([-1.0] * len(BAD))])
    with closing(sink_to(receiver, RemoteWrite1())) as sink:
        sink.send(Batch(taken, (other,), None))


def must_have_split(receiver: Prometheus, sink: Delivery, of: Dictionary, start_ms: int) -> None:
    """Send: the series that are occupied at the last round are set aside there, and only there."""
    with pytest.raises(PartlyRejected) as caught:
        sink.send(Batch(of, (rounds(of, 1, ROUNDS, start_ms),), None))
    aside = {
        (int(dict(series.labels)["number"]), seq)
        for part in caught.value.parts
        for one in part.batch.frames
        for series in part.batch.dictionary.series
        for seq in range(one.first_seq, one.last_seq + 1)
    }
    assert aside == {(i, ROUNDS) for i in BAD}
    assert all("duplicate sample" in part.why.message for part in caught.value.parts)
    name = of.series[0].name
    found = {
        (int(track.labels["number"]), round((at * 1000 - start_ms) / STEP_MS)): value
        for track in receiver.samples(f"{name}{{}}", "20m")
        for at, value in track.points
    }
    for i in range(SIZE):
        for seq in range(1, ROUNDS + 1):
            wanted = -1.0 if (i, seq) in aside else seq * 10_000.0 + i
            assert found[i, seq] == wanted
    assert sink.stats.rejected == {"http_400": len(BAD)}


@pytest.mark.parametrize("dialect", [RemoteWrite1, RemoteWrite2, Otlp])
def test_f23_samples_that_prometheus_3_refuses_are_set_aside_alone(newest, dialect):
    start_ms = int(time.time() - 600) * 1000
    of = words(name=f"good_{dialect.name}")
    occupy(newest, of, start_ms + ROUNDS * STEP_MS)
    with closing(sink_to(newest, dialect())) as sink:
        must_have_split(newest, sink, of, start_ms)
        assert sum(sink.stats.requests.values()) <= 2 * math.log2(SIZE * ROUNDS) * len(BAD)


def test_f23_samples_that_prometheus_2_refuses_are_set_aside_alone(prometheus):
    start_ms = int(time.time() - 600) * 1000
    of = words()
    occupy(prometheus, of, start_ms + ROUNDS * STEP_MS)
    with closing(sink_to(prometheus, RemoteWrite2(), RemoteWrite1())) as sink:
        # It takes a body of 2.0 for an empty one of 1.0, and says 204.
        sink.send(Batch(words(3, "first"), (rounds(words(3, "first"), 1, 1, start_ms),), None))
        assert sink.stats.protocol == "remote_write_1"
        must_have_split(prometheus, sink, of, start_ms)


def test_f24_a_sample_that_is_too_old_is_a_500_of_prometheus_2_and_is_set_aside(tmp_path):
    """It calls it an error of its own, to be tried again: for ever, says everybody else."""
    now_ms = int(time.time()) * 1000
    with (
        Prometheus(tmp_path / "two-hours", out_of_order="2h") as receiver,
        closing(sink_to(receiver, RemoteWrite1())) as sink,
    ):
        of = words(50)
        sink.send(Batch(of, (rounds(of, 1000, 1, now_ms - 1000 * STEP_MS),), None))
        at = [now_ms - 10_000_000, now_ms - 600_000]
        old = frame.frame(
            of.id, LINEAGE, 1001, [Instant(ms, 0) for ms in at], [row([1.0] * 50)] * 2
        )
        other = sink_to(receiver, RemoteWrite1())
        with closing(other):
            for _ in range(delivery.POISON_AFTER):
                with pytest.raises(Retry):
                    other.send(Batch(of, (old,), None))
            with pytest.raises(PartlyRejected) as caught:
                other.send(Batch(of, (old,), None))
        [part] = caught.value.parts
        assert (part.why.reason, part.batch.rounds) == ("http_500", 1)
        assert part.batch.frames[0].first_seq == 1001
        assert "too old" in part.why.message
        assert len(receiver.samples("good", "15m")) == 50
        with closing(sink_to(receiver, RemoteWrite1(), window_s=7200.0)) as right:
            withheld = right.send(Batch(of, (old,), None))
        assert [(gap[:2], gap.reason) for _, gap in withheld] == [
            ((1001, 1001), GapReason.OUT_OF_WINDOW)
        ]
