"""A request in protobuf.

    ExportMetricsServiceRequest  ResourceMetrics = 1
    ResourceMetrics              Resource = 1 { KeyValue = 1 } | ScopeMetrics = 2
    ScopeMetrics                 Scope = 1 { name = 1 | version = 2 } | Metric = 2
    Metric                       name = 1 | description = 2 | unit = 3 | Gauge = 5 | Sum = 7
                                 | Histogram = 9 | ExponentialHistogram = 10 | Summary = 11
    each of these                points = 1 | temporality = 2 | monotonic = 3
    NumberDataPoint              start = 2 | time = 3 | double = 4 | sfixed64 = 6 | KeyValue = 7
                                 | flags = 8
    HistogramDataPoint           start = 2 | time = 3 | count = 4 | sum = 5 | fixed64 counts = 6
                                 | double bounds = 7 | KeyValue = 9 | flags = 10
    SummaryDataPoint             start = 2 | time = 3 | count = 4 | sum = 5 | flags = 8
                                 | quantiles = 6 { quantile = 1 | value = 2 } | KeyValue = 7

https://github.com/open-telemetry/opentelemetry-proto
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from collector.errors import FormatError
from collector.protobuf import as_bytes, as_int, as_text, fields, signed
from collector.sources.otlp.points import (
    MOST_ATTRIBUTES,
    MOST_BUCKETS,
    Group,
    Metric,
    Point,
    TooMany,
    What,
    scope_attributes,
)

_WHAT: dict[int, What] = {5: "gauge", 7: "sum", 9: "histogram", 10: "exponential", 11: "summary"}
_DEEPEST = 8


def decode_protobuf(body: bytes, most_points: int) -> list[Group]:
    """Read a request. Raises FormatError for what is none, TooMany."""
    return _Body(most_points).groups(body)


class _Body:
    def __init__(self, most_points: int) -> None:
        self._left = most_points

    def groups(self, body: bytes) -> list[Group]:
        return [
            group
            for field, value in fields(body)
            if field == 1
            for group in self._of_resource(as_bytes(value))
        ]

    def _of_resource(self, data: bytes) -> Iterator[Group]:
        resource: list[tuple[str, str]] = []
        scopes = []
        for field, value in fields(data):
            if field == 1:
                for inner, pair in fields(as_bytes(value)):
                    if inner == 1:
                        _add(resource, as_bytes(pair))
            elif field == 2:
                self._take_one()  # an empty one takes memory too
                scopes.append(as_bytes(value))
        for one in scopes:
            name = version = ""
            metrics = []
            for field, value in fields(one):
                if field == 1:
                    for inner, text in fields(as_bytes(value)):
                        name = as_text(text) if inner == 1 else name
                        version = as_text(text) if inner == 2 else version
                elif field == 2:
                    self._take_one()
                    metrics.append(self._metric(as_bytes(value)))
            yield Group(tuple(resource), scope_attributes(name, version), tuple(metrics))

    def _metric(self, data: bytes) -> Metric:
        texts = {1: "", 2: "", 3: ""}
        what: What = "nothing"
        kind = temporality = monotonic = refused = 0
        points: list[Point] = []
        for field, value in fields(data):
            if field in texts:
                texts[field] = as_text(value)
            if field not in _WHAT:
                continue
            if kind not in {0, field}:
                raise FormatError("a metric is of two kinds at once")
            kind, what = field, _WHAT[field]
            for inner, part in fields(as_bytes(value)):
                if inner == 1:
                    self._take_one()
                    if what == "exponential":
                        refused += 1
                    else:
                        points.append(_READ[what](as_bytes(part)))
                elif inner == 2:
                    temporality = as_int(part)
                elif inner == 3:
                    monotonic = as_int(part)
        name, text, unit = texts.values()
        return Metric(name, unit, text, what, temporality, bool(monotonic), tuple(points), refused)

    def _take_one(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMany("the request has more points than series_limit")


def _number(data: bytes) -> Point:
    start = time = flags = 0
    number = 0.0
    has_value = False
    attributes: list[tuple[str, str]] = []
    for field, value in fields(data):
        if field == 7:
            _add(attributes, as_bytes(value))
        elif field == 3:
            time = as_int(value)
        elif field == 4:
            number, has_value = _double(value), True
        elif field == 2:
            start = as_int(value)
        elif field == 6:
            number, has_value = float(signed(as_int(value))), True
        elif field == 8:
            flags = as_int(value)
    return Point(tuple(attributes), start, time, (number,) if has_value else (), flags=flags)


def _histogram(data: bytes) -> Point:
    start = time = flags = count = 0
    total: float | None = None
    counts: list[float] = []
    bounds: list[float] = []
    attributes: list[tuple[str, str]] = []
    for field, value in fields(data):
        if field == 9:
            _add(attributes, as_bytes(value))
        elif field == 2:
            start = as_int(value)
        elif field == 3:
            time = as_int(value)
        elif field == 4:
            count = as_int(value)
        elif field == 5:
            total = _double(value)
        elif field == 6:
            counts += map(float, _eights("Q", value))
        elif field == 7:
            bounds += _eights("d", value)
        elif field == 10:
            flags = as_int(value)
        if len(counts) > MOST_BUCKETS or len(bounds) > MOST_BUCKETS:
            raise FormatError(f"a histogram has more than {MOST_BUCKETS} buckets")
    return Point(
        tuple(attributes), start, time, tuple(counts), tuple(bounds), float(count), total, flags
    )


def _summary(data: bytes) -> Point:
    start = time = flags = count = 0
    total = 0.0
    values: list[float] = []
    quantiles: list[float] = []
    attributes: list[tuple[str, str]] = []
    for field, value in fields(data):
        if field == 7:
            _add(attributes, as_bytes(value))
        elif field == 2:
            start = as_int(value)
        elif field == 3:
            time = as_int(value)
        elif field == 4:
            count = as_int(value)
        elif field == 5:
            total = _double(value)
        elif field == 6:
            pair = {number: _double(one) for number, one in fields(as_bytes(value))}
            quantiles.append(pair.get(1, 0.0))
            values.append(pair.get(2, 0.0))
            if len(values) > MOST_BUCKETS:
                raise FormatError(f"a summary has more than {MOST_BUCKETS} quantiles")
        elif field == 8:
            flags = as_int(value)
    return Point(
        tuple(attributes), start, time, tuple(values), tuple(quantiles), float(count), total, flags
    )


_READ = {"gauge": _number, "sum": _number, "histogram": _histogram, "summary": _summary}


def _double(value: int | bytes) -> float:
    number = as_int(value)
    if number >> 64:
        raise FormatError("a number has more than 64 bits")
    (double,) = struct.unpack("<d", number.to_bytes(8, "little"))
    return float(double)


def _eights(kind: str, value: int | bytes) -> tuple[Any, ...]:
    """A packed field of 8 bytes each; one that isn't packed comes as a number."""
    data = value.to_bytes(8, "little") if isinstance(value, int) else value
    if len(data) % 8 or len(data) > 8 * (MOST_BUCKETS + 1):
        raise FormatError(f"{len(data)} bytes are no buckets")
    return struct.unpack(f"<{len(data) // 8}{kind}", data)


def _add(attributes: list[tuple[str, str]], pair: bytes) -> None:
    if len(attributes) >= MOST_ATTRIBUTES:
        raise FormatError(f"more than {MOST_ATTRIBUTES} attributes")
    attributes.append(_pair(pair) if len(pair) <= 200 else _read_pair(pair))


def _read_pair(data: bytes) -> tuple[str, str]:
    key = text = ""
    for field, value in fields(data):
        if field == 1:
            key = as_text(value)
        elif field == 2:
            text = shown(_any(as_bytes(value), 0))
    return key, text


_pair = lru_cache(maxsize=4096)(_read_pair)
"""Most pairs come again, a minute later."""


def _any(data: bytes, depth: int) -> Any:
    """An AnyValue: text, bool, int, double, list = 5, pairs = 6, bytes."""
    if depth > _DEEPEST:
        raise FormatError("an attribute's value is nested too deep")
    found: Any = None
    for field, value in fields(data):
        if field == 1:
            found = as_text(value)
        elif field == 2:
            found = bool(as_int(value))
        elif field == 3:
            found = signed(as_int(value))
        elif field == 4:
            found = _double(value)
        elif field == 5:
            inner = fields(as_bytes(value))
            found = [_any(as_bytes(one), depth + 1) for number, one in inner if number == 1]
        elif field == 6:
            found = {}
            for number, one in fields(as_bytes(value)):
                if number == 1:
                    pair = dict(fields(as_bytes(one)))
                    found[as_text(pair.get(1, b""))] = _any(as_bytes(pair.get(2, b"")), depth + 1)
        elif field == 7:
            found = base64.b64encode(as_bytes(value)).decode()
    return found


def shown(value: Any) -> str:
    """An attribute's value as a label: lists and pairs as JSON, as the specification says."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
