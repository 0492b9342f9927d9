"""A request in JSON: protobuf's names in lowerCamelCase, 64-bit integers as text or numbers."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.errors import FormatError
from collector.sources.otlp.points import (
    MOST_ATTRIBUTES,
    MOST_BUCKETS,
    Attributes,
    Group,
    Metric,
    Point,
    TooMany,
    What,
    scope_attributes,
)
from collector.sources.otlp.protobuf_body import shown

_MOST = (1 << 64) - 1
_DEEPEST = 8
_MOST_OBJECTS, _MOST_COMMAS = 100_000, 400_000
"""Counted before anything is made of them: three bytes of a body can take 300 of memory."""
_TEMPORALITY = {"AGGREGATION_TEMPORALITY_DELTA": 1, "AGGREGATION_TEMPORALITY_CUMULATIVE": 2}
_KINDS: tuple[What, ...] = ("gauge", "sum", "histogram", "summary")

Integer = int | str
Double = float | str


class _Message(msgspec.Struct, rename="camel"):
    pass


class _KeyValue(_Message):
    key: str = ""
    value: dict[str, Any] | None = None


class _Quantile(_Message):
    quantile: Double = 0.0
    value: Double = 0.0


class _Point(_Message):
    attributes: list[_KeyValue] = []
    start_time_unix_nano: Integer = 0
    time_unix_nano: Integer = 0
    as_double: Double | None = None
    as_int: Integer | None = None
    count: Integer = 0
    sum: Double | None = None
    bucket_counts: list[Integer] = []
    explicit_bounds: list[Double] = []
    quantile_values: list[_Quantile] = []
    flags: Integer = 0


class _Data(_Message):
    data_points: list[_Point] = []
    aggregation_temporality: Integer = 0
    is_monotonic: bool = False


class _Others(_Message):
    data_points: list[msgspec.Raw] = []


class _Metric(_Message):
    name: str = ""
    description: str = ""
    unit: str = ""
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    summary: _Data | None = None
    exponential_histogram: _Others | None = None


class _Scope(_Message):
    name: str = ""
    version: str = ""


class _ScopeMetrics(_Message):
    scope: _Scope | None = None
    metrics: list[_Metric] = []


class _Resource(_Message):
    attributes: list[_KeyValue] = []


class _ResourceMetrics(_Message):
    resource: _Resource | None = None
    scope_metrics: list[_ScopeMetrics] = []


class _Request(_Message):
    resource_metrics: list[_ResourceMetrics] = []


_DECODER = msgspec.json.Decoder(_Request)


def decode_json(body: bytes, most_points: int) -> list[Group]:
    """Read a request. Raises FormatError for what is none, TooMany."""
    if body.count(b"{") > _MOST_OBJECTS or body.count(b",") > _MOST_COMMAS:
        raise TooMany(f"the request has more than {_MOST_OBJECTS} objects or {_MOST_COMMAS} commas")
    try:
        request = _DECODER.decode(body)
        groups = [
            Group(
                _attributes(one.resource.attributes if one.resource else []),
                scope_attributes(scope.scope.name, scope.scope.version) if scope.scope else (),
                tuple(map(_metric, scope.metrics)),
            )
            for one in request.resource_metrics
            for scope in one.scope_metrics
        ]
    except RecursionError:
        raise FormatError("nested too deep") from None
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise FormatError(str(error)) from None
    metrics = [metric for group in groups for metric in group.metrics]
    if sum(1 + len(one.points) + one.refused for one in metrics) > most_points:
        raise TooMany("the request has more points than series_limit")
    return groups


def _metric(metric: _Metric) -> Metric:
    what: What = "nothing"
    data = _Data()
    for kind in _KINDS:
        found = getattr(metric, kind)
        if found is not None:
            what, data = kind, found
    refused = len(metric.exponential_histogram.data_points) if metric.exponential_histogram else 0
    if refused and what == "nothing":
        what = "exponential"
    temporality = data.aggregation_temporality
    return Metric(
        metric.name,
        metric.unit,
        metric.description,
        what,
        _TEMPORALITY.get(str(temporality)) or _integer(temporality),
        data.is_monotonic,
        tuple(_point(one, what) for one in data.data_points),
        refused,
    )


def _point(point: _Point, what: What) -> Point:
    values: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()
    if what == "histogram":
        values = tuple(float(_integer(one)) for one in point.bucket_counts)
        bounds = tuple(map(float, point.explicit_bounds))
    elif what == "summary":
        values = tuple(float(one.value) for one in point.quantile_values)
        bounds = tuple(float(one.quantile) for one in point.quantile_values)
    elif point.as_double is not None:
        values = (float(point.as_double),)
    elif point.as_int is not None:
        values = (float(_integer(point.as_int, -(1 << 63))),)
    if max(len(values), len(bounds)) > MOST_BUCKETS:
        raise FormatError(f"a point has more than {MOST_BUCKETS} buckets or quantiles")
    total = None if point.sum is None else float(point.sum)
    if what == "summary":
        total = total or 0.0
    return Point(
        _attributes(point.attributes),
        _integer(point.start_time_unix_nano),
        _integer(point.time_unix_nano),
        values,
        bounds,
        float(_integer(point.count)),
        total,
        _integer(point.flags),
    )


def _integer(value: Integer, least: int = 0) -> int:
    if isinstance(value, str) and len(value) > 20:
        raise FormatError("a number has more than 64 bits")
    number = int(value)
    if not least <= number <= _MOST:
        raise FormatError(f"{number} is not within 64 bits")
    return number


def _attributes(pairs: list[_KeyValue]) -> Attributes:
    if len(pairs) > MOST_ATTRIBUTES:
        raise FormatError(f"more than {MOST_ATTRIBUTES} attributes")
    return tuple((one.key, shown(_any(one.value or {}, 0))) for one in pairs)


def _any(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise FormatError("an attribute's value is nested too deep")
    if not isinstance(value, dict):
        raise FormatError("an attribute's value is not an object")
    for kind, one in value.items():
        if kind in {"stringValue", "bytesValue"}:
            if not isinstance(one, str):
                raise FormatError(f"{kind} is not text")
            return one
        if kind == "boolValue":
            return bool(one)
        if kind == "intValue" and isinstance(one, int | str):
            return _integer(one, -(1 << 63))
        if kind == "doubleValue" and isinstance(one, int | float | str):
            return float(one)
        if kind == "arrayValue":
            return [_any(inner, depth + 1) for inner in _listed(one)]
        if kind == "kvlistValue":
            return {
                str(inner.get("key", "")): _any(inner.get("value") or {}, depth + 1)
                for inner in _listed(one)
                if isinstance(inner, dict)
            }
    return None


def _listed(value: Any) -> list[Any]:
    values = value.get("values", []) if isinstance(value, dict) else None
    if not isinstance(values, list):
        raise FormatError("the values of an attribute are not a list")
    return values
