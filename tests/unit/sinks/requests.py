"""What a body says, by protobuf's own classes, whatever the dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.lab.protos import request_2_class, write_request_class


def samples_of(plain: bytes, headers: Mapping[str, str]) -> dict[str, list[tuple[int, float]]]:
    """The (ms, value) pairs of each series, by metric name, of an uncompressed body."""
    return {dict(labels)["__name__"]: points for labels, points in series_of(plain, headers)}


def series_of(
    plain: bytes, headers: Mapping[str, str]
) -> Sequence[tuple[tuple[tuple[str, str], ...], list[tuple[int, float]]]]:
    if "X-Prometheus-Remote-Write-Version" not in headers:
        return _points_of(ExportMetricsServiceRequest.FromString(plain))
    if "v2" not in headers["Content-Type"]:
        request = write_request_class().FromString(plain)
        return [
            (tuple((label.name, label.value) for label in one.labels), _points(one))
            for one in request.timeseries
        ]
    request = request_2_class().FromString(plain)
    assert request.symbols[0] == ""
    return [(_labels(request.symbols, one), _points(one)) for one in request.timeseries]


def _points_of(
    request: Any,
) -> Sequence[tuple[tuple[tuple[str, str], ...], list[tuple[int, float]]]]:
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
    for resource in request.resource_metrics:
        for metric in resource.scope_metrics[0].metrics:
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                labels = [(one.key, one.value.string_value) for one in point.attributes]
                key = tuple(sorted([*labels, ("__name__", metric.name)]))
                at_ms = point.time_unix_nano // 1_000_000
                found.setdefault(key, []).append((at_ms, point.as_double))
    return list(found.items())


def _labels(symbols: Sequence[str], one: Any) -> tuple[tuple[str, str], ...]:
    texts = [symbols[place] for place in one.labels_refs]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _points(one: Any) -> list[tuple[int, float]]:
    return [(sample.timestamp, sample.value) for sample in one.samples]
