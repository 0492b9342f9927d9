"""Taking in what an application exports by OTLP: ours beside the classes of opentelemetry-proto.

The bodies are a real SDK's: a web service of 25 routes, a histogram of requests for each method and
status, counters and gauges. Only CPU time is counted, from the body's bytes to values beside
series, on one core. protobuf's decoder is C; what it gives is still to be read point by point.
"""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from bench.cpu import best_prepared_s
from bench.table import Row, Table, Unit
from collector.series import SeriesTable, TargetSeries
from collector.sources.otlp.protobuf_body import decode_protobuf
from collector.sources.otlp.state import Limits, State

ROUTES = 25
OUTCOMES = [(method, status) for method in ("GET", "POST") for status in (200, 404, 500, 503)]
MOST_POINTS = 50_000
_LIMITS = Limits(series=MOST_POINTS, labels=64, value_bytes=4096, stale_after_s=3600.0)


def run() -> list[Table]:
    bodies = _bodies()
    body = next(bodies)
    points = sum(1 for _ in _walked(body))
    state = State(TargetSeries(SeriesTable(), {}), _LIMITS)
    first = state.take(decode_protobuf(body, MOST_POINTS))
    assert (first.points, first.rejected) == (points, 0), first
    series = len(state.last()[1])

    def rate(seconds: float) -> float:
        return points / seconds / 1e6

    def take(one: bytes) -> None:
        state.take(decode_protobuf(one, MOST_POINTS))

    both = best_prepared_s(lambda: next(bodies), take)
    ours = best_prepared_s(lambda: next(bodies), lambda one: decode_protobuf(one, MOST_POINTS))
    theirs = best_prepared_s(lambda: next(bodies), ExportMetricsServiceRequest.FromString)
    walked = best_prepared_s(lambda: next(bodies), lambda one: list(_walked(one)))
    return [
        Table(
            f"an export by OTLP: {points} points of {series} series, {len(body) >> 10} KiB",
            [
                Row("ours, taken in", rate(both), Unit.SAMPLES_A_SECOND, note=_told(both)),
                Row("ours, decoded", rate(ours), Unit.SAMPLES_A_SECOND, note=_told(ours)),
                Row("protobuf, decoded", rate(theirs), Unit.SAMPLES_A_SECOND, note=_told(theirs)),
                Row("protobuf, and each point read", rate(walked), Unit.SAMPLES_A_SECOND,
                    note=_told(walked)),
            ],
        )
    ]  # fmt: skip


def _told(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms an export"


def _bodies() -> Iterator[bytes]:
    """One export after the other; between them the service has worked."""
    reader = InMemoryMetricReader()
    resource = {"service.name": "till", "service.namespace": "shop", "service.instance.id": "1"}
    provider = MeterProvider([reader], Resource({**resource, "host.name": "till-1"}))
    meter = provider.get_meter("shop.http", "1.4.0")
    took = meter.create_histogram("http.server.request.duration", "s", "Duration of requests.")
    sent = meter.create_counter("http.server.response.bytes", "By", "Bytes that were sent.")
    asked = meter.create_counter("http.server.requests", "{request}", "Requests that came.")
    active = meter.create_up_down_counter("http.server.active_requests", "{request}", "Under way.")
    pooled = meter.create_gauge("db.client.connections.usage", "{connection}", "In use.")
    turn = 0
    while True:
        turn += 1
        for route in range(ROUTES):
            where: dict[str, str | int] = {
                "http.route": f"/api/v1/things/{route}/{{id}}",
                "server.port": 8080,
            }
            active.add(turn % 3 - 1, where)
            for method, status in OUTCOMES:
                what = {**where, "http.request.method": method, "http.response.status_code": status}
                took.record(0.001 * (route + turn % 50), what)
                sent.add(512 + route, what)
                asked.add(1, what)
                pooled.set((route + turn) % 20, {**what, "pool.name": "main"})
        found = reader.get_metrics_data()
        assert found is not None
        yield encode_metrics(found).SerializeToString()


def _walked(body: bytes) -> Iterator[tuple[object, ...]]:
    """Each point's attributes, time and values, as whoever goes on with them must read them."""
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data") or "gauge").data_points:
                    labels = [
                        (pair.key, getattr(pair.value, pair.value.WhichOneof("value") or ""))
                        for pair in point.attributes
                    ]
                    if metric.HasField("histogram"):
                        counts = list(point.bucket_counts)
                        values = (*counts, *point.explicit_bounds, point.count, point.sum)
                    else:
                        values = (getattr(point, point.WhichOneof("value") or ""),)
                    yield (labels, point.time_unix_nano, *values)
