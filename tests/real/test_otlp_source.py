"""Applications that send by OTLP: the real SDK of OpenTelemetry, and a collector of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, sink

KINDS = (Counter, UpDownCounter, Histogram)
TEMPORALITIES = {
    "cumulative": dict.fromkeys(KINDS, AggregationTemporality.CUMULATIVE),
    "delta": dict.fromkeys(KINDS, AggregationTemporality.DELTA),
}
EXPECTED = {
    "orders_total": 5.0,
    "queue_size": 2.0,
    "temperature_celsius": 21.5,
    "request_duration_milliseconds_bucket 10": 1.0,
    "request_duration_milliseconds_bucket 100": 2.0,
    "request_duration_milliseconds_bucket +Inf": 3.0,
    "request_duration_milliseconds_count": 3.0,
    "request_duration_milliseconds_sum": 555.0,
    "target_info": 1.0,
}


@contextmanager
def application(name: str, url: str, temporality: Any) -> Iterator[MeterProvider]:
    """An application that exports only when it is flushed."""
    exporter = OTLPMetricExporter(
        url, preferred_temporality=temporality, compression=Compression.Gzip
    )
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)],
        Resource(
            {
                "service.name": name,
                "service.namespace": "shop",
                "service.instance.id": "1",
                "host.name": "till",
            }
        ),
        views=[
            View(
                instrument_name="exponential",
                aggregation=ExponentialBucketHistogramAggregation(),
            )
        ],
    )
    try:
        yield provider
    finally:
        provider.shutdown()


def at_centre(centre: Prometheus, name: str) -> dict[str, float]:
    """What the centre has of an application at last, by name and bucket."""
    found = {}
    for track in centre.samples(f'{{job="shop/{name}",instance="1"}}', "10m"):
        labels = track.labels
        if not any(labels["__name__"] == key.partition(" ")[0] for key in EXPECTED):
            continue
        le = labels.get("le", "")
        if le in {"", "10", "100", "+Inf"}:
            found[f"{labels['__name__']} {le}".strip()] = track.points[-1][1]
    return found


def test_what_the_sdk_sends_comes_to_the_centre(tmp_path: Path, prometheus: Prometheus):
    """Twice two exports: in both temporalities the centre has the sums."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/metrics"
    with Edge(
        tmp_path / "edge",
        sources={"otlp": {"listen": f"127.0.0.1:{port}"}},
        sinks=[sink(prometheus.write_url)],
    ) as edge:
        wait_for(lambda: edge.target("otlp").get("up"), SOON, "the receiver")
        for name, temporality in TEMPORALITIES.items():
            with application(name, url, temporality) as provider:
                meter = provider.get_meter("till", "1.0")
                orders = meter.create_counter("orders")
                queue = meter.create_up_down_counter("queue.size")
                temperature = meter.create_gauge("temperature", "Cel")
                took = meter.create_histogram("request.duration", "ms")
                odd = meter.create_histogram("exponential")
                for orders_more, queue_more, degrees, durations in (
                    (2, 3, 20.0, (5, 50)),
                    (3, -1, 21.5, (500,)),
                ):
                    orders.add(orders_more, {"kind": "web"})
                    queue.add(queue_more)
                    temperature.set(degrees)
                    odd.record(1)
                    for one in durations:
                        took.record(one)
                    assert provider.force_flush()
        for name in TEMPORALITIES:
            wait_for(
                lambda name=name: at_centre(prometheus, name) == EXPECTED,  # type: ignore[misc]
                SOON,
                f"what {name} sent, not {at_centre(prometheus, name)}",
            )
        told = edge.metrics()
    lines = [line for line in told.splitlines() if not line.startswith("#")]
    refused = [line for line in lines if "edgevitals_otlp_refused_points_total{" in line]
    assert [line.rpartition(" ")[2].partition(".")[0] for line in refused] == [
        "5"  # two exports each, and the last one of the cumulative application as it ends
    ]
    assert 'reason="exponential"' in refused[0]
    (info,) = (one for one in prometheus.samples('target_info{job="shop/delta"}', "10m"))
    assert info.labels["host_name"] == "till"


def test_what_our_own_sink_sends_our_source_takes_under_the_same_names(tmp_path: Path):
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/metrics"
    with (
        Edge(
            tmp_path / "b", node="edge-2", sources={"otlp": {"listen": f"127.0.0.1:{port}"}}
        ) as taking,
        Edge(
            tmp_path / "a",
            sources={"host": True},
            sinks=[{**sink(url), "protocol": "otlp"}],
        ) as sending,
    ):

        def has_come() -> bool:
            sent = series(sending.metrics())
            came = {one for one in series(taking.metrics()) if ("exported_node", "edge-1") in one}
            sent_names = {dict(one)["__name__"] for one in sent}
            return sent_names <= {dict(one)["__name__"] for one in came} and len(sent) <= len(came)

        wait_for(has_come, SOON, "all that the other one tells of itself")
        assert "edgevitals_otlp_refused_points_total{" not in taking.metrics()


def series(page: str) -> set[frozenset[tuple[str, str]]]:
    """The series of a page of text; a label's value with a comma in it would do no harm."""
    found = set()
    for line in page.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition("{")
            pairs = [pair.partition("=") for pair in rest.rpartition("}")[0].split(",")]
            labels = {(key, value.strip('"')) for key, _, value in pairs}
            found.add(frozenset({("__name__", name), *labels}))
    return found
