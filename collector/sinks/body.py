"""Bodies of remote write: the samples of some rounds, merged by series.

    1.0  WriteRequest   repeated TimeSeries = 1 | repeated MetricMetadata = 3
         TimeSeries     repeated Label = 1 | repeated Sample = 2
    2.0  Request        repeated string symbols = 4 | repeated TimeSeries = 5
         TimeSeries     repeated uint32 labels_refs = 1 | repeated Sample = 2 | Metadata = 5
    both Sample         double value = 1 | int64 timestamp = 2      (ms since 1970)

A series is what stands before its samples (labels, or references to them) and the samples, which
are the same in both.

https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from collector.frames.columns import Row
from collector.protobuf import bytes_field, message_field, string_field, tag, uint_field, varint
from collector.series import Family, Kind
from collector.sinks.blocks import Blank, absent_cells

_VALUE_OFFSET = 3  # of the value in a sample field: tag, length, tag

METADATA_TYPE = {
    Kind.UNKNOWN: 0,
    Kind.COUNTER: 1,
    Kind.GAUGE: 2,
    Kind.HISTOGRAM: 3,
    Kind.SUMMARY: 5,
    Kind.INFO: 6,
}


class Body(NamedTuple):
    """An uncompressed request, and how many samples it has."""

    plain: bytearray
    samples: int


def write_request(
    labels: Sequence[bytes],
    at_ms: Sequence[int],
    rows: Sequence[Row[float]],
    *,
    series_field: int = 1,
    symbols: bytes = b"",
) -> Body:
    """Encode rounds (times rising) of these series; a series without labels is left out.

    `rows[t][i]` is the value of series i at `at_ms[t]`. Cells without a sample are left out;
    stale markers and other NaNs keep their bits. `symbols` begin the request.
    """
    blank = Blank([_blank_sample(ms) for ms in at_ms], _VALUE_OFFSET)
    absent = absent_cells(rows)
    views: list[memoryview[Any]] = [memoryview(row) for row in rows]
    head = tag(series_field, 2)
    plain = bytearray(symbols)
    left_out = 0
    for first in range(0, len(labels), blank.at_once):
        these = labels[first : first + blank.at_once]
        behind = first + len(these)
        parts = [b""] * (3 * len(these))
        parts[0::3] = [_head(head, blank.stride + len(one)) for one in these]
        parts[1::3] = these
        block = blank.filled([view[first:behind] for view in views])
        parts[2::3] = chain.from_iterable(blank.whole(block))
        if absent:
            for i in absent.keys() & range(first, behind):
                at = 3 * (i - first)
                samples = blank.without(parts[at + 2], absent[i])
                parts[at] = _head(head, len(parts[at + 1]) + len(samples))
                parts[at + 2] = samples
                left_out += len(absent[i])
                if not samples:
                    parts[at : at + 3] = b"", b"", b""
        if not all(these):
            for i in [i for i, one in enumerate(these) if not one]:
                left_out += len(rows) - len(absent.get(first + i, ()))
                parts[3 * i : 3 * i + 3] = b"", b"", b""
        plain += b"".join(parts)
    return Body(plain, len(labels) * len(rows) - left_out)


def metadata_request(families: Iterable[Family]) -> bytes:
    """Encode what is known of metrics as a WriteRequest of its own, uncompressed."""
    return b"".join(
        message_field(
            3,
            uint_field(1, METADATA_TYPE[family.kind])
            + string_field(2, family.name)
            + string_field(4, family.help)
            + string_field(5, family.unit),
        )
        for family in families
    )


def _blank_sample(at_ms: int) -> bytes:
    """A TimeSeries.samples field whose value is yet to come; 18 bytes from 1971 to 2109."""
    return bytes_field(2, tag(1, 1) + bytes(8) + tag(2, 0) + varint(at_ms))


@lru_cache(maxsize=8192)
def _head(field: bytes, size: int) -> bytes:
    return field + varint(size)
