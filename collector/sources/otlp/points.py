"""What a request holds, however it was encoded. Times are Unix ns, 0 where the sender has none."""

from __future__ import annotations

from typing import Literal, NamedTuple

from collector.errors import FormatError

Attributes = tuple[tuple[str, str], ...]
"""Pairs as they came; values as text."""

What = Literal["gauge", "sum", "histogram", "summary", "exponential", "nothing"]

DELTA, CUMULATIVE = 1, 2
NO_VALUE = 1
"""The flag of a point that says: there is no value any more."""

MOST_ATTRIBUTES = 1000
MOST_BUCKETS = 1000


class TooMany(FormatError):  # noqa: N818 - of points
    """A request has more points than may be kept."""


class Point(NamedTuple):
    """One data point.

    `values` of a number are that number; of a histogram the counts of its buckets, not summed up;
    of a summary the values of its quantiles. `bounds` are the buckets' and the quantiles';
    `observed` is how many observations there were.
    """

    attributes: Attributes = ()
    start: int = 0
    time: int = 0
    values: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()
    observed: float = 0.0
    sum: float | None = None
    flags: int = 0


class Metric(NamedTuple):
    """One metric. `refused` is the number of points of a kind that is not taken."""

    name: str
    unit: str
    help: str
    what: What
    temporality: int
    is_monotonic: bool
    points: tuple[Point, ...]
    refused: int = 0


class Group(NamedTuple):
    """The metrics of one scope of one resource; `scope` are its name and version as attributes."""

    resource: Attributes
    scope: Attributes
    metrics: tuple[Metric, ...]


def scope_attributes(name: str, version: str) -> Attributes:
    return tuple(
        (f"otel_scope_{key}", value)
        for key, value in (("name", name), ("version", version))
        if value
    )
