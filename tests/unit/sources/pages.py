"""Pages of metrics: what prometheus_client reads in them, and what we do."""

from __future__ import annotations

import math
import struct

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from collector.series import SeriesTable, TargetSeries
from collector.sources.exposition import Exposition, Limits, Taken

LIMITS = Limits(samples=50_000, labels=64, name_bytes=256, value_bytes=4096)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], bytes]


def bits(value: float) -> bytes:
    """The bytes of a value; any NaN is the same as any other."""
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


class Ours:
    """The pages of one target, and the table that their series are in."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.table = SeriesTable()
        self.exposition = Exposition(TargetSeries(self.table, {}).intern, limits)

    def take(self, page: str | bytes, *, is_openmetrics: bool = False) -> Taken:
        body = page.encode() if isinstance(page, str) else page
        return self.exposition.take(body, is_openmetrics=is_openmetrics)

    def samples(self, page: str | bytes, *, is_openmetrics: bool = False) -> Samples:
        taken = self.take(page, is_openmetrics=is_openmetrics)
        pairs = zip(taken.series, taken.values, strict=True)
        return {(self.table[one].name, self.table[one].labels): bits(value) for one, value in pairs}


def theirs(page: str, *, is_openmetrics: bool = False) -> Samples:
    """The first value of each series, as prometheus_client reads it."""
    found: Samples = {}
    for family in (openmetrics if is_openmetrics else plain)(page):
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if v))
            found.setdefault((sample.name, labels), bits(sample.value))
    return found
