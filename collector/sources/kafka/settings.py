"""A view's settings as values: those that matter as labels, and a number that changes with them.

The number is made of the settings alone, so it is the same after a restart of ours and from
another collector: `changes()` of it counts changes of Kafka's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

from collector.catalog.settings import BROKER_KEYS, TOPIC_KEYS, label_of
from collector.cluster.view import View
from collector.series import Family, TargetSeries
from collector.sources.kafka import names

UNSET = "unset"
LONGEST = 256
"""Characters of a setting that is shown; what is longer is cut."""


class Settings:
    """Remembers what it made of settings: they are the same at nearly every read."""

    def __init__(self, series: TargetSeries, is_topic: Callable[[str], bool]) -> None:
        self._series = series
        self._is_topic = is_topic
        self._known: dict[tuple[str, str], tuple[Mapping[str, str], dict[int, float]]] = {}

    def values(self, view: View) -> dict[int, float]:
        values: dict[int, float] = {}
        for topic in view.topics:
            settings = view.settings.get(topic.name)
            if settings is not None and self._is_topic(topic.name):
                families = names.TOPIC_SETTINGS, names.TOPIC_SETTINGS_HASH
                values |= self._of("topic", topic.name, settings, TOPIC_KEYS, *families)
        for broker, settings in view.broker_settings.items():
            families = names.BROKER_SETTINGS, names.BROKER_SETTINGS_HASH
            values |= self._of("broker", str(broker), settings, BROKER_KEYS, *families)
        return values

    def _of(
        self,
        what: str,
        name: str,
        settings: Mapping[str, str],
        keys: Sequence[str],
        info: Family,
        number: Family,
    ) -> dict[int, float]:
        known = self._known.get((what, name))
        if known is None or known[0] is not settings:
            labels = {label_of(key): settings.get(key, "")[:LONGEST] or UNSET for key in keys}
            values = {
                self._series.intern(info, {what: name, **labels}): 1.0,
                self._series.intern(number, {what: name}): float(number_of(settings)),
            }
            known = self._known[what, name] = (settings, values)
        return known[1]


def number_of(settings: Mapping[str, str]) -> int:
    """Return 32 bits of the names and values, in whatever order they come."""
    number = 0
    for key, value in sorted(settings.items()):
        number = zlib.crc32(f"{key}={value}\n".encode("utf-8", "surrogatepass"), number)
    return number
