"""Blocks: the samples of many series, written many at a time.

All samples of a round have the same bytes but for the value, and a series is the same samples of
other values. So a block of series is one blank repeated, into which a round's values are copied
with one strided assignment; then it is cut into series and joined with their labels.

What was tried, at 20 rounds a request (this way costs 25 to 40 ns a sample): protobuf's own
classes take 3,000 ns, struct with a format for all samples of a series 70. One block for all
series costs 40 more than blocks of 96 KiB: fresh megabytes are page faults, and a block of that
size stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from struct import Struct
from typing import Any

from collector.frames.columns import NO_SAMPLE, STALE, Row

_BLOCK_BYTES = 96 << 10


class Blank:
    """What a series looks like before its values: a field a round, one behind the other.

    The value stands `value_offset` bytes behind the start of each field.
    """

    def __init__(self, fields: Sequence[bytes], value_offset: int) -> None:
        self._ends = list(accumulate(map(len, fields)))
        self._starts = [0, *self._ends[:-1]]
        self._offset = value_offset
        self.stride = self._ends[-1]
        # Values are copied as doubles: series must lie a whole number of doubles apart.
        padding = -self.stride % 8
        self._slot = self.stride + padding
        self._blank = bytearray(b"".join(fields) + bytes(padding))
        self._whole = Struct(f"{self.stride}s{padding}x").iter_unpack
        self._cut = Struct("".join(f"{len(one)}s" for one in fields) + f"{padding}x").iter_unpack
        self.at_once = max(1, _BLOCK_BYTES // self._slot)

    def filled(self, rows: Sequence[memoryview[Any]]) -> bytearray:
        """The fields of some series; `rows[t]` are their values in round t."""
        block = self._blank * len(rows[0])
        window = memoryview(block)
        for start, row in zip(self._starts, rows, strict=True):
            cells = window[start + self._offset :]
            cells[: len(cells) // 8 * 8].cast("d")[:: self._slot // 8] = row
        return block

    def whole(self, block: bytearray) -> Iterator[tuple[bytes]]:
        """Cut a block into series."""
        return self._whole(block)

    def cut(self, block: bytearray) -> Iterator[tuple[bytes, ...]]:
        """Cut a block into series and rounds."""
        return self._cut(block)

    def without(self, samples: bytes, rounds: set[int]) -> bytes:
        """Return one series' fields without those of some rounds."""
        places = enumerate(zip(self._starts, self._ends, strict=True))
        return b"".join(samples[start:end] for t, (start, end) in places if t not in rounds)


def absent_cells(rows: Sequence[Row[float]]) -> dict[int, set[int]]:
    """Series that have no sample in some rounds, with the indices of those rounds."""
    return _cells_of(rows, NO_SAMPLE)


def stale_cells(rows: Sequence[Row[float]]) -> dict[int, set[int]]:
    """Series that end in some rounds, with the indices of those rounds."""
    return _cells_of(rows, STALE)


def _cells_of(rows: Sequence[Row[float]], marker: int) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    wanted = marker.to_bytes(8, "little")
    for t, row in enumerate(rows):
        for i in _find(row.tobytes(), wanted):
            found.setdefault(i, set()).add(t)
    return found


def _find(raw: bytes, wanted: bytes) -> Iterator[int]:
    high = raw[7::8]  # one byte a cell, seldom this one: looking at all eight would cost 8 times
    i = high.find(wanted[7:])
    while i >= 0:
        if raw[8 * i : 8 * i + 8] == wanted:
            yield i
        i = high.find(wanted[7:], i + 1)
