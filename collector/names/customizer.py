"""Labels and metrics that a rule file adds to a bean (`metricCustomizers`, jmx_exporter 1.1).

For the beans of a filter, the values of some attributes become labels of all its metrics, and
metrics with a fixed value are added. They get their names from the rules, as attributes do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.names.java_text import Value, value_text
from collector.names.rule import Labels, label_name
from collector.names.subject import Bean


class ExtraMetric(NamedTuple):
    """An attribute that the bean doesn't have, with its one value."""

    name: str
    value: float | bool


class Customizer(NamedTuple):
    """What is added to the beans that `domain` and `properties` (some of theirs) describe."""

    domain: str
    properties: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]
    extra: tuple[ExtraMetric, ...]

    def is_for(self, bean: Bean) -> bool:
        """Say whether a bean is meant."""
        return bean.domain == self.domain and all(
            bean.properties.get(key) == value for key, value in self.properties
        )

    def label_pairs(self, found: Sequence[tuple[str, Value, str]], *, lowercase: bool) -> Labels:
        """Return the labels from attributes: their names, values and Java types."""
        pairs = {}
        for attribute, value, java_type in found:
            text = value_text(value, java_type)
            name = label_name(attribute, lowercase=lowercase)
            if name and text:
                pairs[name] = text
        return tuple(pairs.items())
