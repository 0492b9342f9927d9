"""Batches to a real Prometheus: what it stores, refuses and shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from collector.errors import Rejected, Retry
from collector.flow.pump import Batch
from collector.frames import dictionary, frame
from collector.frames.columns import NO_SAMPLE, STALE, bits_of, row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, Instant, Lineage
from collector.http.access import Access
from collector.security.credentials import Secret
from collector.series import Family, Kind, Series
from collector.sinks.reply import Ambiguous
from tests.lab.conversation import Conversation, Exchange
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Cut, Proxy, Tap
from tests.lab.remote_write import RemoteWrite
from tests.lab.witness import RemoteWriteWitness

STEP_MS = 15_000
STREAM = Stream("store-1", "n1", "standard")
LINEAGE = Lineage(7, 7, None, bytes(16))
SIZE = 200  # series


@pytest.fixture
def start_ms() -> int:
    """Ten minutes ago: the rounds of a test end before now."""
    return int(time.time() - 600) * 1000


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Prometheus]:
    """A receiver that takes nothing out of order."""
    with Prometheus(tmp_path / "strict", out_of_order=None) as receiver:
        yield receiver


@contextmanager
def sink_to(url: str, token=None) -> Iterator[RemoteWrite]:
    with closing(RemoteWrite("centre", url, Access(token=token))) as sink:
        yield sink


@contextmanager
def sink_through(tap: Callable[[], Tap], receiver: Prometheus, token=None) -> Iterator[RemoteWrite]:
    with (
        Proxy(receiver.port, tap) as link,
        sink_to(f"http://{link.address}/api/v1/write", token) as one,
    ):
        yield one


def words(names: Sequence[str], kind: Kind = Kind.GAUGE) -> Dictionary:
    labels = (("Zone", "b"), ("instance", "n1:9999"), ("site", "store-1"))
    return dictionary.build(STREAM, [Series(n, labels, Family(n, kind, "", "help")) for n in names])


NUMBERS = words([f"number_{i}" for i in range(SIZE)])


def numbers(seq: int) -> list[float]:
    """The values of a round: some whole, some not, some not even a number."""
    values = [seq * 1000.0 + i / (1 + i % 3) for i in range(SIZE)]
    values[7] = float("nan")
    values[8] = float("-inf")
    return values


def rounds(first_seq: int, count: int, start_ms: int) -> Frame:
    seqs = range(first_seq, first_seq + count)
    at = [Instant(start_ms + seq * STEP_MS, seq * STEP_MS) for seq in seqs]
    return frame.frame(NUMBERS.id, LINEAGE, first_seq, at, [row(numbers(seq)) for seq in seqs])


def batch(*frames: Frame) -> Batch:
    return Batch(NUMBERS, frames, None)


def must_hold(
    receiver: Prometheus, first_seq: int, last_seq: int, start_ms: int, window: str = "20m"
) -> None:
    """Every sample of these rounds is stored, under its time and with its value, and no other."""
    tracks = receiver.samples('{site="store-1"}', window)
    assert len(tracks) == SIZE
    for track in tracks:
        assert (track.labels["Zone"], track.labels["instance"]) == ("b", "n1:9999")
        i = int(track.labels["__name__"].removeprefix("number_"))
        wanted = [
            ((start_ms + seq * STEP_MS) / 1000, numbers(seq)[i])
            for seq in range(first_seq, last_seq + 1)
        ]
        # As text: a NaN is equal to nothing, not even to itself.
        assert repr(track.points) == repr(wanted), track.labels


def test_live_rounds_arrive_one_by_one(prometheus, start_ms):
    with RemoteWriteWitness() as witness, sink_through(witness.tap, prometheus) as sink:
        for seq in range(1, 7):
            sink.send(batch(rounds(seq, 1, start_ms)))
        report = witness.report()
    must_hold(prometheus, 1, 6, start_ms)
    assert report.samples == 6 * SIZE
    assert (report.repeats, report.out_of_order, report.conflicts) == (0, 0, 0)
    assert sink.stats.samples_delivered == 6 * SIZE


def test_a_backlog_arrives_merged(prometheus, start_ms):
    with sink_to(prometheus.write_url) as sink:
        sink.send(batch(rounds(1, 6, start_ms), rounds(7, 6, start_ms), rounds(13, 8, start_ms)))
        sink.send(batch(rounds(21, 20, start_ms)))
    must_hold(prometheus, 1, 40, start_ms)
    assert sink.stats.requests == {"204": 3}  # two batches, and the metadata


def test_a_receiver_that_takes_nothing_late_takes_merged_rounds_too(strict, start_ms):
    with sink_to(strict.write_url) as sink:
        sink.send(batch(rounds(1, 20, start_ms)))
        sink.send(batch(rounds(21, 1, start_ms)))
    must_hold(strict, 1, 21, start_ms)


def test_a_stale_marker_ends_a_series_and_an_empty_cell_does_not(prometheus, start_ms):
    of = words(["ends", "pauses", "goes_on"])
    rows = [row([1.0, 1.0, 1.0]), row([0.0, 0.0, 2.0])]
    bits_of(rows[1])[0] = STALE
    bits_of(rows[1])[1] = NO_SAMPLE
    at = [Instant(start_ms + seq * STEP_MS, seq) for seq in range(2)]
    with sink_to(prometheus.write_url) as sink:
        sink.send(Batch(of, (frame.frame(of.id, LINEAGE, 1, at, rows),), None))
    assert sink.stats.samples_delivered == 5

    def seen_at(ms: int) -> dict[str, float]:
        found = prometheus.query('{__name__=~"ends|pauses|goes_on"}', ms / 1000)
        return {sample.labels["__name__"]: sample.value for sample in found}

    assert seen_at(start_ms + STEP_MS - 1) == {"ends": 1.0, "pauses": 1.0, "goes_on": 1.0}
    assert seen_at(start_ms + STEP_MS) == {"pauses": 1.0, "goes_on": 2.0}


def test_a_batch_that_is_sent_again_changes_nothing(prometheus, start_ms):
    with sink_to(prometheus.write_url) as first, sink_to(prometheus.write_url) as second:
        first.send(batch(rounds(1, 20, start_ms)))
        first.send(batch(rounds(1, 20, start_ms)))
        second.send(batch(rounds(11, 5, start_ms), rounds(16, 10, start_ms)))  # a new process
    must_hold(prometheus, 1, 25, start_ms)


class LostAnswer(Conversation):
    """Breaks a connection when the first answer comes back: the request has been taken."""

    is_lost = False

    def received(self, data: bytes) -> None:
        if not LostAnswer.is_lost:
            LostAnswer.is_lost = True
            raise ConnectionError("the answer is lost")
        super().received(data)


def test_f25_a_lost_answer_is_made_good_also_where_repeats_are_refused(strict, start_ms):
    """Prometheus has all 20 rounds, we know of none: a merged repeat would be refused whole."""
    LostAnswer.is_lost = False
    exchanges: list[Exchange] = []
    with sink_through(partial(LostAnswer, exchanges.append), strict) as sink:
        with pytest.raises(Ambiguous):
            sink.send(batch(rounds(1, 20, start_ms)))
        sink.send(batch(rounds(1, 20, start_ms)))
        sink.send(batch(rounds(21, 1, start_ms)))
    must_hold(strict, 1, 21, start_ms)
    assert sink.stats.already_stored == 19 * SIZE
    assert [one.status for one in exchanges[:20]] == [400] * 19 + [204]


@pytest.mark.parametrize("how", list(Cut))
def test_a_cut_link_is_a_retry_and_nothing_is_lost(prometheus, start_ms, how, monkeypatch):
    with Proxy(prometheus.port) as link:
        url = f"http://{link.address}/api/v1/write"
        with sink_to(url) as sink:
            sink.send(batch(rounds(1, 5, start_ms)))
            link.cut(how)
            with monkeypatch.context() as while_it_is_cut:
                while_it_is_cut.setattr(sink._receiver._post, "_deadline_s", 0.5)
                for _ in range(2):
                    with pytest.raises(Retry):
                        sink.send(batch(rounds(6, 5, start_ms)))
            link.restore()
            sink.send(batch(rounds(6, 5, start_ms)))
    must_hold(prometheus, 1, 10, start_ms)


def test_what_prometheus_refuses_is_rejected_in_its_words(strict, start_ms):
    with sink_to(strict.write_url) as sink:
        sink.send(batch(rounds(5, 1, start_ms)))
    for wrong, words_of_it in (
        (rounds(1, 1, start_ms), "out of order sample"),
        (rounds(5, 1, start_ms)._replace(columns=rounds(9, 1, 0).columns), "duplicate sample"),
        (rounds(1, 1, start_ms - 7_200_000), "out of bounds"),
    ):
        with sink_to(strict.write_url) as other, pytest.raises(Rejected) as caught:
            other.send(batch(wrong))
        assert caught.value.reason == "http_400"
        assert words_of_it in caught.value.message
    must_hold(strict, 5, 5, start_ms)


def test_an_address_that_takes_no_remote_write_is_a_hold(prometheus, start_ms):
    for path, status in (("/api/v1/nothing", "404"), ("/api/v1/status/config", "405")):
        with sink_to(f"{prometheus.url}{path}") as sink, pytest.raises(Retry) as caught:
            sink.send(batch(rounds(1, 1, start_ms)))
        assert caught.value.hold
        assert status in caught.value.message
        assert "url of this sink" in caught.value.hint


def test_the_token_comes_from_a_file_and_a_new_one_is_taken_up(prometheus, start_ms, tmp_path):
    file = tmp_path / "token"
    exchanges: list[Exchange] = []
    tap = partial(Conversation, exchanges.append)
    with sink_through(tap, prometheus, Secret(file).read) as sink:
        with pytest.raises(Retry) as caught:
            sink.send(batch(rounds(1, 1, start_ms)))
        assert caught.value.hold
        assert "no such file" in str(caught.value)
        for seq, token in enumerate(["first", "second-one"], 1):
            file.write_text(f"{token}\n")
            sink.send(batch(rounds(seq, 1, start_ms)))
    sent = [one.request.headers["authorization"] for one in exchanges]
    assert list(dict.fromkeys(sent)) == ["Bearer first", "Bearer second-one"]
    must_hold(prometheus, 1, 2, start_ms)
