"""Rounds as OpenMetrics text with times: what `promtool tsdb create-blocks-from openmetrics` reads.

    # TYPE node_load1 gauge
    # HELP node_load1 1m load average.
    node_load1{site="store-0412"} 0.25 1700000000.000
    ...
    # EOF

All of a family stands together, each series with its samples by rising time, as the format wants
it. The rounds are in the other order, so they are read several times, each time for as many series
as fit into memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase
from math import inf

from collector.cli.progress import Progress
from collector.frames.columns import NO_SAMPLE, STALE, bits_of
from collector.series import Family, Kind, Labels, Series
from collector.sinks.labels import encode_labels
from collector.spool.export import Rounds

MOST_CELLS = 2 << 20
"""In memory at once: 16 bytes each."""

_ABSENT = frozenset({NO_SAMPLE, STALE})
_TYPES = {
    Kind.UNKNOWN: "unknown",
    Kind.COUNTER: "counter",
    Kind.GAUGE: "gauge",
    Kind.HISTOGRAM: "histogram",
    Kind.SUMMARY: "summary",
    Kind.INFO: "info",
}
_SUFFIXES = {Kind.COUNTER: "_total", Kind.INFO: "_info"}

_Key = tuple[str, Labels]
Read = Callable[[], Iterable[Rounds]]


class Written:
    """What a page holds, and what of the rounds can't be on one."""

    def __init__(self) -> None:
        self.rounds = 0
        self.samples = 0
        self.unsendable = 0
        """Series that no receiver would keep (sinks/labels.py)."""


def write(read: Read, out: BufferedIOBase, progress: Progress) -> Written:
    """Write a page. `read` is called several times, and must give the same rounds each time.

    Stale markers are left out: the format knows none. Raises OSError.
    """
    written = Written()
    series = _series(read(), written)
    a_pass = max(1, MOST_CELLS // max(1, written.rounds))
    told = _Families()
    for first in range(0, len(series), a_pass):
        group = series[first : first + a_pass]
        for one, points in zip(group, _points(read(), group), strict=True):
            if points:
                out.write(told.head(one.family))
                out.write(_lines(one, points))
                written.samples += len(points)
        progress.at(min(first + a_pass, len(series)), f"of {len(series):,} series")
    out.write(b"# EOF\n")
    progress.end()
    return written


def _series(rounds: Iterable[Rounds], written: Written) -> list[Series]:
    """All series that have a line on the page, families together."""
    found: dict[_Key, Series] = {}
    families: dict[str, Family] = {}
    known: set[int] = set()
    unsendable: set[_Key] = set()
    for dictionary, frame in rounds:
        written.rounds += len(frame.at)
        if dictionary.id in known:
            continue
        known.add(dictionary.id)
        refused = encode_labels(dictionary.series).unsendable
        for i, one in enumerate(dictionary.series):
            key = one.name, one.labels
            if i in refused:
                unsendable.add(key)
            elif key not in found:
                family = families.setdefault(one.family.name, one.family)
                found[key] = one._replace(family=family)
    written.unsendable = len(unsendable)
    return sorted(found.values(), key=lambda one: (one.family.name, one.name, one.labels))


def _points(rounds: Iterable[Rounds], group: list[Series]) -> list[dict[int, float]]:
    """The samples of some series, by time in ms; rising as the rounds do."""
    place = {(one.name, one.labels): i for i, one in enumerate(group)}
    points: list[dict[int, float]] = [{} for _ in group]
    columns: dict[int, list[tuple[int, dict[int, float]]]] = {}
    for dictionary, frame in rounds:
        mine = columns.get(dictionary.id)
        if mine is None:
            mine = columns[dictionary.id] = [
                (column, points[place[key]])
                for column, one in enumerate(dictionary.series)
                if (key := (one.name, one.labels)) in place
            ]
        for at, row in zip(frame.at, frame.rows(dictionary), strict=True):
            if at.wall_ms is None:
                continue
            bits: memoryview | array[int] = bits_of(row)
            for column, into in mine:
                if bits[column] not in _ABSENT:
                    into[at.wall_ms] = row[column]
    return points


def _lines(series: Series, points: dict[int, float]) -> bytes:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in series.labels if value)
    head = f"{series.name}{{{labels}}}" if labels else series.name
    return "".join(
        f"{head} {_number(points[ms])} {ms // 1000}.{ms % 1000:03d}\n" for ms in sorted(points)
    ).encode()


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if abs(value) == inf:
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class _Families:
    """Says what a metric is before its first line, once."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._names: set[str] = set()

    def head(self, family: Family) -> bytes:
        if family.name in self._told:
            return b""
        self._told.add(family.name)
        name, kind = family.name, _TYPES[family.kind]
        suffix = _SUFFIXES.get(family.kind, "")
        if suffix:
            # A counter's samples end with _total, its family's name doesn't.
            name = name.removesuffix(suffix)
            if name == family.name or name in self._names:
                name, kind = family.name, "unknown"
        self._names.add(name)
        return b"".join(_head(name, kind, family.help))


def _head(name: str, kind: str, says: str) -> Iterator[bytes]:
    yield f"# TYPE {name} {kind}\n".encode()
    if says:
        yield f"# HELP {name} {_escaped(says)}\n".encode()
