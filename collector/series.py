"""Series: a metric name and its labels, interned once to an integer.

A round holds numbers by series id and nothing else; names and labels are met again only when a
dictionary is written or a body is sent.
"""

from __future__ import annotations

from enum import IntEnum
from threading import Lock
from typing import NamedTuple

from collector.errors import SourceError

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name, without `__name__`."""

MAX_SERIES = 200_000
"""Of one process over its life. 10,000 partitions make about 60,000."""


class Kind(IntEnum):
    """What a metric's numbers mean. The values are written to disk: never change one."""

    UNKNOWN = 0
    COUNTER = 1
    GAUGE = 2
    HISTOGRAM = 3
    SUMMARY = 4
    INFO = 5


class Family(NamedTuple):
    """What is known of a metric: `name` without `_bucket`, `_sum` or `_count` for histograms."""

    name: str
    kind: Kind = Kind.UNKNOWN
    unit: str = ""
    help: str = ""


class Series(NamedTuple):
    """One line of a page: the sample's full name, its labels, and the family it belongs to."""

    name: str
    labels: Labels
    family: Family


class SeriesTable:
    """All series that this process has met, each under one id for the life of the process.

    An id is never given to another series: a source may keep one for as long as it likes.
    """

    def __init__(self, limit: int = MAX_SERIES) -> None:
        self._ids: dict[tuple[str, Labels], int] = {}
        self._series: list[Series] = []
        self._limit = limit
        self._new_series = Lock()  # targets are read in threads of their own

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, series_id: int) -> Series:
        return self._series[series_id]

    def intern(self, name: str, labels: Labels, family: Family) -> int:
        """Return the id of a series, a new one at its first sight.

        The first family wins: a metric doesn't change its kind while the process lives.
        Raises SourceError when the table is full: a source that makes up names without end
        must not take the memory of the others.
        """
        key = (name, labels)
        known = self._ids.get(key)
        if known is not None:
            return known
        with self._new_series:
            if len(self._series) >= self._limit:
                raise SourceError(
                    f"more than {self._limit} different series since the start",
                    "exclude topics, groups or object names that this site does not need",
                )
            series = _clean(Series(name, labels, family))
            known = self._ids.setdefault((series.name, series.labels), len(self._series))
            if known == len(self._series):
                self._series.append(series)
            self._ids[key] = known
            return known


def _clean(series: Series) -> Series:
    """Make sure that everything can be written as UTF-8.

    A file name that isn't UTF-8 and half a character in a Java string both become lone surrogates,
    which no encoder takes: a single one would keep every round from the disk.
    """
    labels = tuple(sorted((_text(name), _text(value)) for name, value in series.labels))
    of = series.family
    family = Family(_text(of.name), of.kind, _text(of.unit), _text(of.help))
    return Series(_text(series.name), labels, family)


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TargetSeries:
    """The series of one target: its `job`, `instance` and site labels are on all of them.

    A label of the source's own that clashes with one of those becomes `exported_<label>`, as
    Prometheus does it (honor_labels: false).
    """

    def __init__(self, table: SeriesTable, target_labels: dict[str, str]) -> None:
        self._table = table
        self._target_labels = {k: v for k, v in target_labels.items() if v}

    def intern(self, family: Family, labels: dict[str, str], suffix: str = "") -> int:
        """Return the id of `family.name + suffix` with these labels and the target's.

        Empty label values are left out: in Prometheus they are the same as no label.
        """
        merged = dict(self._target_labels)
        for name, value in labels.items():
            if not value:
                continue
            own = name
            while own in self._target_labels:
                own = f"exported_{own}"
            merged[own] = value
        return self._table.intern(family.name + suffix, tuple(sorted(merged.items())), family)
