"""Kind, unit and help of metrics, told to the receiver now and then.

Receivers keep them in memory or not at all (Prometheus takes them over remote write 1.0 and
forgets them), so they are told again, and it does no harm when a telling is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from collector.frames.dictionary import Dictionary
from collector.series import Family, Kind, Series

INTERVAL_S = 3600.0
"""40 KB each ten minutes would be a fifth of what a site sends over a satellite."""

_Key = TypeVar("_Key")
_MOST = 50_000  # of each that are remembered: the centre meets the families of many sites


class Announcements:
    """What the receiver was told of, and when."""

    def __init__(self) -> None:
        self._families: dict[Family, float] = {}
        self._dictionaries: dict[int, float] = {}

    def due(self, dictionary: Dictionary, now: float) -> list[Family]:
        """Return the families of a dictionary that are to be told; `now` in seconds, any clock.

        They count as told from here on: a telling that fails waits for the next interval.
        """
        if not _is_due(self._dictionaries, dictionary.id, now):
            return []
        return [f for f in families(dictionary.series) if _is_due(self._families, f, now)]


def _is_due(told: dict[_Key, float], key: _Key, now: float) -> bool:
    before = told.get(key)
    if before is not None and now - before < INTERVAL_S:
        return False
    if len(told) >= _MOST:
        told.clear()
    told[key] = now
    return True


def families(series: Iterable[Series]) -> list[Family]:
    """Return each family once, under the name that a receiver looks it up by."""
    return list(dict.fromkeys(map(family_of, series)))


def family_of(series: Series) -> Family:
    """The family of a series, under the name that a receiver looks it up by.

    That is the sample's own name, but for histograms and summaries, whose series share one.
    """
    family = series.family
    if family.kind in {Kind.HISTOGRAM, Kind.SUMMARY}:
        return family
    return family._replace(name=series.name)
