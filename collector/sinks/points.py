"""Bodies of OTLP metrics: the samples of some rounds, as data points of their metrics.

    ExportMetricsServiceRequest  repeated ResourceMetrics = 1
    ResourceMetrics              Resource = 1 { repeated KeyValue = 1 } | repeated ScopeMetrics = 2
    ScopeMetrics                 repeated Metric = 2
    Metric                       name = 1 | description = 2 | Gauge = 5 | Sum = 7
    Gauge, Sum                   repeated NumberDataPoint = 1
    Sum                          temporality = 2 (2: cumulative) | monotonic = 3
    NumberDataPoint              fixed64 start = 2 | fixed64 time = 3 | double = 4 | KeyValue = 7
                                 | flags = 8 (1: no recorded value)

https://opentelemetry.io/docs/specs/otlp/

What a Prometheus stores of it must have the names and labels that remote write gives it. So:

- `job` and `instance` are the resource's service.name and service.instance.id, nothing else is;
- no metric has a unit, which would become a part of its name;
- a counter that is named `.._total` is a monotonic sum; others would get that ending, and are
  gauges, as are the series of classic histograms and summaries, each under its own name.

Series of one metric that stand side by side share a Metric; it may come more than once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from collector.frames.columns import Row
from collector.protobuf import bytes_field, message_field, string_field, tag, varint
from collector.series import Kind, Series
from collector.sinks.blocks import Blank, absent_cells, stale_cells
from collector.sinks.labels import METRIC, Pair, sendable_labels

_RESOURCE = {"job": "service.name", "instance": "service.instance.id"}
_VALUE_OFFSET = 10  # of the value in a point's time and value: tag, 8 bytes, tag
_START, _TIME, _VALUE = tag(2, 1), tag(3, 1), tag(4, 1)
_NO_VALUE = tag(8, 0) + b"\x01"
_OF_A_SUM = tag(2, 0) + b"\x02" + tag(3, 0) + b"\x01"
_TOTAL = re.compile(r"(?!.*_total_)(?!total_).+_total")

Target = tuple[str, str]
"""A job and an instance."""


class Run(NamedTuple):
    """Series from and to before, that are side by side and of one metric of one target."""

    series: int
    series_end: int
    target: Target
    name: str
    is_sum: bool
    help: str


class Attributes(NamedTuple):
    """`encoded[i]` are the attributes of a series, None when it is never sent."""

    runs: Sequence[Run]
    encoded: Sequence[bytes | None]
    unsendable: Mapping[int, str]

    @property
    def size(self) -> int:
        return sum(len(one) for one in self.encoded if one) + 40 * len(self.encoded)


class Points(NamedTuple):
    """An uncompressed request, and how many points it has."""

    plain: bytes
    samples: int


def encode_attributes(series: Sequence[Series]) -> Attributes:
    """Encode what each series has beside its metric's name and its target."""
    sendable, unsendable = sendable_labels(series)
    known: dict[Pair, bytes] = {}
    encoded: list[bytes | None] = []
    runs: list[Run] = []
    for i, (labels, one) in enumerate(zip(sendable, series, strict=True)):
        if not labels:
            encoded.append(None)
            continue
        own = dict(labels)
        target = own.pop("job", ""), own.pop("instance", "")
        name = own.pop(METRIC)
        fields = []
        for pair in own.items():
            if pair not in known:
                known[pair] = message_field(7, _attribute(*pair))
            fields.append(known[pair])
        encoded.append(b"".join(fields))
        is_sum = one.family.kind is Kind.COUNTER and _TOTAL.fullmatch(name) is not None
        last = runs[-1] if runs else None
        if last and last[1:5] == (i, target, name, is_sum):
            runs[-1] = last._replace(series_end=i + 1)
        else:
            runs.append(Run(i, i + 1, target, name, is_sum, one.family.help))
    return Attributes(runs, encoded, unsendable)


def points_request(
    attributes: Attributes,
    at_ms: Sequence[int],
    rows: Sequence[Row[float]],
    starts_ms: Mapping[Target, int],
    *,
    first: int = 0,
    without: frozenset[int] | set[int] = frozenset(),
    described: bool = False,
) -> Points:
    """Encode rounds (times rising) of the series from number `first` on.

    `rows[t][i]` is the value of series first + i at `at_ms[t]`. Cells without a sample are left
    out; a stale marker is a point without a value. `starts_ms`: since when a target counts.
    """
    blank = Blank([_blank_point(ms) for ms in at_ms], _VALUE_OFFSET)
    absent, stale = absent_cells(rows), stale_cells(rows)
    views: list[memoryview[Any]] = [memoryview(row) for row in rows]
    behind = first + len(rows[0])
    resources: list[tuple[Target, list[bytes]]] = []
    cut: list[tuple[bytes, ...]] = []
    cut_from = cut_to = first
    samples = 0
    for run in attributes.runs:
        start, end = max(run.series, first), min(run.series_end, behind)
        if start >= end:
            continue
        prefix = b""
        if run.is_sum:
            since_ms = starts_ms.get(run.target, at_ms[0])
            prefix = _START + (min(since_ms, at_ms[0]) * 1_000_000).to_bytes(8, "little")
        points: list[bytes] = []
        for i in range(start, end):
            if i >= cut_to:
                cut_from, cut_to = i, min(behind, i + blank.at_once)
                window = [view[cut_from - first : cut_to - first] for view in views]
                cut = list(blank.cut(blank.filled(window)))
            own = attributes.encoded[i]
            if own is None or i in without:
                continue
            cells = cut[i - cut_from]
            if (gone := absent.get(i - first)) or i - first in stale:
                ended = stale.get(i - first, ())
                for t, cell in enumerate(cells):
                    if not gone or t not in gone:
                        body = cell[:9] + _NO_VALUE if t in ended else cell
                        points.append(_head(len(prefix) + len(body) + len(own)) + prefix)
                        points += (body, own)
                        samples += 1
                continue
            head = _head(len(prefix) + 18 + len(own)) + prefix
            # One join a series: all its points have the same bytes around time and value.
            points += (head, (own + head).join(cells), own)
            samples += len(cells)
        if points:
            if not resources or resources[-1][0] != run.target:
                resources.append((run.target, []))
            resources[-1][1].append(_metric(run, b"".join(points), described=described))
    plain = b"".join(
        message_field(1, _resource(target) + message_field(2, b"".join(metrics)))
        for target, metrics in resources
    )
    return Points(plain, samples)


def _blank_point(at_ms: int) -> bytes:
    """Time and value of a point; 18 bytes."""
    return _TIME + (at_ms * 1_000_000).to_bytes(8, "little") + _VALUE + bytes(8)


@lru_cache(maxsize=8192)
def _head(size: int) -> bytes:
    return tag(1, 2) + varint(size)


def _metric(run: Run, points: bytes, *, described: bool) -> bytes:
    text = string_field(1, run.name)
    if described:
        text += string_field(2, run.help)
    data = message_field(7, points + _OF_A_SUM) if run.is_sum else message_field(5, points)
    return message_field(2, text + data)


def _resource(target: Target) -> bytes:
    named = zip(_RESOURCE.values(), target, strict=True)
    return message_field(
        1, b"".join(message_field(1, _attribute(*pair)) for pair in named if pair[1])
    )


def _attribute(name: str, value: str) -> bytes:
    return string_field(1, name) + message_field(2, bytes_field(1, value.encode()))
