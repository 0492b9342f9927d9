"""Requests as the classes of opentelemetry-proto make them, and what a state tells of them."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collector.series import SeriesTable, TargetSeries
from collector.sources.otlp.points import Group
from collector.sources.otlp.protobuf_body import decode_protobuf
from collector.sources.otlp.state import Limits, State, Taken

DELTA, CUMULATIVE = 1, 2
LABELS = {"site": "a", "job": "otlp", "instance": "n"}
LIMITS = Limits(100, 10, 200, 300.0)


def request(*metrics: dict[str, Any], **resource: str) -> ExportMetricsServiceRequest:
    """A request of one resource; keywords are its attributes, `__` for a dot."""
    named = {"service__name": "pay", "service__instance__id": "1", **resource}
    attributes = [
        {"key": key.replace("__", "."), "value": {"string_value": value}}
        for key, value in named.items()
        if value
    ]
    one: Any = {
        "resource": {"attributes": attributes},
        "scope_metrics": [{"metrics": list(metrics)}],
    }
    return ExportMetricsServiceRequest(resource_metrics=[one])


def as_sum(name: str, value: float, time: int, start: int = 0, **keys: Any) -> dict[str, Any]:
    point = {"as_double": value, "time_unix_nano": time, "start_time_unix_nano": start}
    data = {"aggregation_temporality": CUMULATIVE, "is_monotonic": True, **keys}
    return {"name": name, "sum": {"data_points": [point], **data}}


def gauge(name: str, value: float, time: int = 1, **attributes: Any) -> dict[str, Any]:
    pairs = [{"key": key, "value": {"string_value": text}} for key, text in attributes.items()]
    point = {"as_double": value, "time_unix_nano": time, "attributes": pairs}
    return {"name": name, "gauge": {"data_points": [point]}}


def histogram(
    name: str, counts: list[int], time: int, start: int = 0, temporality: int = CUMULATIVE, **keys
) -> dict[str, Any]:
    point = {
        "bucket_counts": counts,
        "explicit_bounds": [0.5, 10.0][: len(counts) - 1],
        "count": sum(counts),
        "sum": 3.5,
        "time_unix_nano": time,
        "start_time_unix_nano": start,
        **keys,
    }
    return {
        "name": name,
        "histogram": {"data_points": [point], "aggregation_temporality": temporality},
    }


def groups(message: ExportMetricsServiceRequest) -> list[Group]:
    return decode_protobuf(message.SerializeToString(), 1000)


def as_json(message: ExportMetricsServiceRequest) -> dict[str, Any]:
    said: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    return said


class Kept:
    """A state with a clock of its own."""

    def __init__(self, limits: Limits = LIMITS, **keys: Any) -> None:
        self.now = 0.0
        self.table = SeriesTable()
        self.series = TargetSeries(self.table, LABELS)
        self.state = State(self.series, limits, clock=lambda: self.now, **keys)

    def take(self, *metrics: dict[str, Any], **resource: str) -> Taken:
        return self.state.take(groups(request(*metrics, **resource)))

    def told(self) -> dict[str, float]:
        """Values by the series' text, without its site."""
        series, values = self.state.last()
        assert len(set(series)) == len(series) == len(values)
        return {self._text(i): v for i, v in zip(series, values, strict=True)}

    def _text(self, series: int) -> str:
        one = self.table[series]
        labels = {k: v for k, v in one.labels if k != "site"}
        if (labels.get("job"), labels.get("instance")) == ("pay", "1"):
            del labels["job"], labels["instance"]
        return one.name + "".join(f" {k}={v}" for k, v in labels.items())
