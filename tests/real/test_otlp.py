"""OTLP to a real Prometheus 3: it stores what remote write brings it, under the same names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from collector.flow.pump import Batch
from collector.frames import dictionary, frame
from collector.frames.columns import NO_SAMPLE, STALE, bits_of, row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Instant, Lineage
from collector.series import Family, Kind, Series
from collector.sinks.delivery import Delivery
from collector.sinks.dialect import GZIP, ZSTD, Dialect
from collector.sinks.otlp import Otlp
from collector.sinks.post import Post
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import RemoteWrite2
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SITE, SOON, Edge, seqs_at, sink

STREAM = Stream("store-1", "n1", "standard")
LINEAGE = Lineage(7, 7, None, bytes(16))
STEP_MS = 15_000
NAMED = ("first", "second")
LATENCY = Family("latency_seconds", Kind.HISTOGRAM, "seconds", "How long")
SIZES = Family("size_bytes", Kind.SUMMARY, "bytes", "How much")
NAMES = [
    ("messages_total", Family("messages_total", Kind.COUNTER, "", "Messages"), {"topic": "a"}),
    ("messages_total", Family("messages_total", Kind.COUNTER, "", "Messages"), {"topic": "stöck"}),
    ("kafka_server_total_time_total", Family("kafka_server_total_time_total", Kind.COUNTER), {}),
    ("requests_count", Family("requests_count", Kind.COUNTER), {}),
    ("free_bytes", Family("free_bytes", Kind.GAUGE, "bytes"), {}),
    ("share_ratio", Family("share_ratio", Kind.GAUGE, "ratio"), {"Zone": "b"}),
    ("site:lag:max", Family("site:lag:max", Kind.GAUGE), {}),
    ("build_info", Family("build_info", Kind.INFO), {"version": "1"}),
    ("latency_seconds_bucket", LATENCY, {"le": "0.5"}),
    ("latency_seconds_bucket", LATENCY, {"le": "+Inf"}),
    ("latency_seconds_sum", LATENCY, {}),
    ("latency_seconds_count", LATENCY, {}),
    ("size_bytes", SIZES, {"quantile": "0.99"}),
    ("untyped", Family("untyped"), {"exported_job": "else"}),
    ("ends", Family("ends", Kind.GAUGE), {}),
]


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with Prometheus(tmp_path_factory.mktemp("prometheus3"), release=3) as receiver:
        yield receiver


def words(via: str) -> Dictionary:
    common = {"job": "kafka", "instance": "n1:9999", "site": "store-1", "via": via}
    return dictionary.build(
        STREAM,
        [Series(n, tuple(sorted({**common, **own}.items())), f) for n, f, own in NAMES],
    )


def three_rounds(of: Dictionary, start_ms: int) -> Batch:
    rows = [row([1000.0 * seq + i / 4 for i in range(len(NAMES))]) for seq in range(3)]
    bits_of(rows[1])[0] = NO_SAMPLE
    bits_of(rows[2])[-1] = STALE
    at = [Instant(start_ms + seq * STEP_MS, seq) for seq in range(3)]
    return Batch(of, (frame.frame(of.id, LINEAGE, 1, at, rows),), None)


def stored(receiver: Prometheus, via: str) -> dict[tuple[tuple[str, str], ...], str]:
    return {
        tuple(sorted((k, v) for k, v in track.labels.items() if k != "via")): repr(track.points)
        for track in receiver.samples(f'{{via="{via}"}}', "20m")
    }


@pytest.mark.parametrize(
    "dialects, url",
    [
        ([RemoteWrite2()], "write"),
        ([RemoteWrite2(ZSTD), RemoteWrite2()], "write"),
        ([Otlp(ZSTD), Otlp(GZIP)], "otlp"),  # it answers 400 to zstd
    ],
    ids=["remote-write-2", "remote-write-2-zstd", "otlp"],
)
def test_names_labels_times_and_values_are_those_of_remote_write(newest, dialects, url, request):
    start_ms = int(time.time() - 600) * 1000
    via = request.node.callspec.id
    reference = f"reference-{via}"

    def send(what: str, where: str, *how: Dialect) -> Delivery:
        sink = Delivery("centre", Post(where, {}), how, float("inf"))
        with closing(sink):
            assert sink.send(three_rounds(words(what), start_ms)) == []
        return sink

    send(reference, newest.write_url, RemoteWrite1())
    sink = send(via, newest.write_url if url == "write" else newest.otlp_url, *dialects)
    found = stored(newest, via)
    assert len(found) == len(NAMES)
    assert found == stored(newest, reference)
    assert sink.stats.samples_delivered == 3 * len(NAMES) - 1
    # The stale marker ended its series at once, and no other.
    now = newest.query(f'{{via="{via}"}}', (start_ms + 2 * STEP_MS + 1) / 1000)
    assert {one.labels["__name__"] for one in now} == {name for name, _, _ in NAMES} - {"ends"}
    assert not newest.query('target_info{job="kafka"}', start_ms / 1000 + 60)


def test_a_site_sends_by_remote_write_2_and_by_otlp_the_same_to_the_same_place(tmp_path):
    """Both bring each round: what comes second is an exact repeat, and no new series."""
    with Prometheus(tmp_path / "centre", release=3) as centre:
        sinks = [
            {**sink(centre.write_url), "name": "first"},
            {**sink(centre.otlp_url, protocol="otlp", compression="zstd"), "name": "second"},
        ]
        with Edge(tmp_path / "edge", sinks=sinks) as edge:
            wait_for(lambda: len(seqs_at(centre)) >= 5, SOON, "five rounds at the centre")
            wait_for(
                lambda: all(
                    edge.pump(f"forward-{name}")["delivered_rounds"] >= 5 for name in NAMED
                ),
                SOON,
                "five rounds by each",
            )
            spoken = edge.metrics()
            assert edge.terminate() == 0
        seqs = seqs_at(centre)
        assert seqs == list(range(1, len(seqs) + 1))
        tracks = centre.samples(f'edgevitals_round_seq{{site="{SITE}"}}', "1h")
        assert len(tracks) == 1, "by both ways it has the same labels"
    for name, protocol in zip(NAMED, ("remote_write_2", "otlp"), strict=True):
        assert f'protocol="{protocol}",sink="{name}"' in spoken
    assert "edgevitals_sink_rejected_samples_total{" not in spoken
    assert "edgevitals_sink_unsendable_samples_total{" not in spoken
