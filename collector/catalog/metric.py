"""What the catalogue says of a metric."""

from __future__ import annotations

from typing import Literal, NamedTuple

from collector.series import Family, Kind

Tier = Literal["vital", "standard", "detail", "every"]
"""Where a metric travels. `every` is in each round of each tier, with that round's own value."""


class Metric(NamedTuple):
    """One metric: its full name, as PromQL asks for it, and what is known of it."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    tier: Tier
    help: str

    @property
    def family(self) -> Family:
        """The same, as `SeriesTable.intern` and dictionaries want it."""
        return Family(self.name, self.kind, self.unit, self.help)
