"""OTLP: what the official classes read from a body, and what an answer means."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from collector.errors import Rejected, Retry
from collector.flow.pump import Batch
from collector.frames import dictionary
from collector.frames.columns import NO_SAMPLE, STALE
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Instant, frame
from collector.series import Family, Kind, Series
from collector.sinks.cells import Piece, decoded
from collector.sinks.dialect import Packing, Request
from collector.sinks.otlp import Otlp
from collector.sinks.reply import Reply, TooLarge
from tests.unit import examples
from tests.unit.examples import row_of_bits
from tests.unit.sinks.batches import LINEAGE, NOW_MS, STREAM, batch, rounds, times

PLAIN = Packing("identity", bytes)
NS = 1_000_000


def of(name: str, kind: Kind = Kind.GAUGE, family: str = "", **labels: str) -> Series:
    named = {"job": "kafka", "instance": "n1:9999", **labels}
    return Series(
        name, tuple(sorted(named.items())), Family(family or name, kind, "seconds", "about")
    )


def request_of(words: Dictionary, what: Batch, dialect: Otlp | None = None) -> Any:
    cells, _ = decoded(what)
    made = (dialect or Otlp(PLAIN)).request(
        cells, Piece(0, len(cells.at_ms), 0, len(words.series)), set()
    )
    return made and ExportMetricsServiceRequest.FromString(made.body)


def metrics_of(request: Any) -> list[Any]:
    return [m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics]


def points_of(metric: Any) -> Any:
    return getattr(metric, metric.WhichOneof("data")).data_points


def test_kinds_targets_and_times_are_what_they_should_be():
    words = dictionary.build(
        STREAM,
        [
            of("messages_total", Kind.COUNTER, topic="a"),
            of("messages_total", Kind.COUNTER, topic="b"),
            of("count", Kind.COUNTER),
            of("lat_bucket", Kind.HISTOGRAM, "lat", le="+Inf"),
            of("up", instance="other"),
            of("process_start_time_seconds"),
        ],
    )
    values = [1.0, 2.0, 3.0, 4.0, 5.0, NOW_MS / 1000 - 99]
    request = request_of(words, batch(words, rounds(words, 1, [values, values])))
    resources = [
        {a.key: a.value.string_value for a in one.resource.attributes}
        for one in request.resource_metrics
    ]
    assert resources == [
        {"service.name": "kafka", "service.instance.id": "n1:9999"},
        {"service.name": "kafka", "service.instance.id": "other"},
        {"service.name": "kafka", "service.instance.id": "n1:9999"},
    ]
    found = {metric.name: metric for metric in metrics_of(request)}
    assert list(found) == [
        "messages_total",
        "count",
        "lat_bucket",
        "up",
        "process_start_time_seconds",
    ]
    counter = found["messages_total"].sum
    assert (counter.is_monotonic, counter.aggregation_temporality) == (True, 2)
    assert [p.start_time_unix_nano for p in counter.data_points] == [(NOW_MS - 99_000) * NS] * 4
    assert [p.time_unix_nano for p in counter.data_points] == [ms * NS for ms in times(1, 2)] * 2
    assert [p.as_double for p in counter.data_points] == [1.0, 1.0, 2.0, 2.0]
    attributes = [
        [(a.key, a.value.string_value) for a in p.attributes] for p in counter.data_points
    ]
    assert attributes == [[("topic", "a")]] * 2 + [[("topic", "b")]] * 2
    for name in ("count", "lat_bucket", "up"):
        assert found[name].WhichOneof("data") == "gauge", name
        assert all(not p.start_time_unix_nano for p in points_of(found[name]))
    assert all(metric.unit == "" and metric.description == "about" for metric in found.values())


@pytest.mark.parametrize(
    "name, is_sum",
    [
        ("a_total", True),
        ("a_count", False),
        ("a_total_b_total", False),  # Prometheus would make it a_b_total
        ("total_a_total", False),
        ("_total", False),
        ("a_subtotal_total", True),
    ],
)
def test_a_counter_is_a_sum_where_its_name_stays_as_it_is(name, is_sum):
    words = dictionary.build(STREAM, [of(name, Kind.COUNTER)])
    [metric] = metrics_of(request_of(words, batch(words, rounds(words, 1, [[1]]))))
    assert (metric.WhichOneof("data") == "sum") is is_sum


def test_what_is_told_of_metrics_is_told_on_change_and_once_an_hour():
    now = [0.0]
    dialect = Otlp(PLAIN, clock=lambda: now[0])
    words = dictionary.build(STREAM, [of("up")])
    told = []
    for seq, (at, is_taken) in enumerate(
        [(0.0, False), (1.0, True), (600.0, True), (3700.0, True)], 1
    ):
        now[0] = at
        request = request_of(words, batch(words, rounds(words, seq, [[1]])), dialect)
        told.append(metrics_of(request)[0].description)
        if is_taken:
            dialect.judge(Reply(200, {}, b""), Request(b"", {}, 1), 0.0)
    assert told == ["about", "about", "", "about"]


@given(st.lists(examples.series, min_size=1, max_size=8, unique=True), st.data())
def test_the_official_classes_read_every_sample_as_it_was(found, data):
    words = dictionary.build(STREAM, found)
    size = len(found)
    lines = data.draw(
        st.lists(st.lists(examples.cell_bits, min_size=size, max_size=size), min_size=1, max_size=4)
    )
    at = [Instant(NOW_MS + t, t) for t in range(len(lines))]
    one = frame(words.id, LINEAGE, 1, at, list(map(row_of_bits, lines)))
    cells, _ = decoded(batch(words, one))
    start = data.draw(st.integers(0, size - 1))
    piece = Piece(0, len(lines), start, data.draw(st.integers(start + 1, size)))
    without = data.draw(st.sets(st.integers(start, piece.series_end - 1), max_size=2))
    dialect = Otlp(PLAIN)
    made = dialect.request(cells, piece, without)
    wanted = []
    for i in range(start, piece.series_end):
        if i in dialect.unsendable(words) or i in without:
            continue
        labels = dict(found[i].labels) | {"__name__": found[i].name}
        for t, bits in enumerate(line[i] for line in lines):
            if bits != NO_SAMPLE:
                value = None if bits == STALE else bits
                own = {k: v for k, v in labels.items() if v}
                wanted.append((sorted(own.items()), (NOW_MS + t) * NS, value))
    got = []
    request = ExportMetricsServiceRequest.FromString(made.body) if made else None
    for resource in request.resource_metrics if request else ():
        target = {a.key: a.value.string_value for a in resource.resource.attributes}
        for metric in resource.scope_metrics[0].metrics:
            for point in points_of(metric):
                labels = {a.key: a.value.string_value for a in point.attributes}
                labels["__name__"] = metric.name
                for label, key in (("job", "service.name"), ("instance", "service.instance.id")):
                    if key in target:
                        labels[label] = target[key]
                bits = struct.unpack("<Q", struct.pack("<d", point.as_double))[0]
                value = None if point.flags == 1 else bits
                got.append((sorted(labels.items()), point.time_unix_nano, value))
    assert repr(got) == repr(wanted)
    assert (made.samples if made else 0) == len(wanted)


def judged(status: int, body: bytes = b"", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Otlp().judge(Reply(status, named, body), Request(b"", {}, 100), 0.0)


def test_what_is_refused_of_a_request_that_is_taken_is_counted():
    for refused in (0, 1, 60, 100, 10**12):
        partial = ExportMetricsPartialSuccess(rejected_data_points=refused, error_message="x" * 56)
        body = ExportMetricsServiceResponse(partial_success=partial).SerializeToString()
        assert judged(200, body, content_type="application/x-protobuf") == min(refused, 100)
    assert judged(200, b"\x0a\xff\xff", content_type="application/x-protobuf") == 0
    assert judged(200, b"{}", content_type="application/json") == 0


@pytest.mark.parametrize("status", [500, 501, 505, 507, 599])
def test_an_error_that_otlp_forbids_to_retry_is_held(status):
    with pytest.raises(Retry) as caught:
        judged(status)
    assert caught.value.hold


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_an_error_that_passes_is_retried(status):
    with pytest.raises(Retry) as caught:
        judged(status, retry_after="7")
    assert (caught.value.hold, caught.value.after) == (False, 7.0)


def test_the_rest_is_as_for_remote_write():
    for status, kind in ((400, Rejected), (413, TooLarge), (401, Retry), (200, Retry)):
        with pytest.raises(kind):
            judged(status, b"<html>" if status == 200 else b"")
