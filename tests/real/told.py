"""What a source told at one read, by name and labels."""

from __future__ import annotations

import time
from collections.abc import Collection

from collector.series import SeriesTable
from collector.target import Source

Told = dict[str, dict[tuple[str, ...], float]]
"""{name: {label values in the order of their names: value}}."""


def read(
    source: Source, table: SeriesTable, seconds: float = 20.0, without: Collection[str] = ()
) -> Told:
    """Read a source once; labels `without` are left out."""
    reading = source.read(time.monotonic() + seconds)
    told: Told = {}
    for series_id, value in zip(reading.series, reading.values, strict=True):
        name, labels, _ = table[series_id]
        own = tuple(text for label, text in labels if label not in without)
        told.setdefault(name, {})[own] = value
    return told
