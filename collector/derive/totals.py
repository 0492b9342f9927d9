"""Sums that may not be too low."""

from __future__ import annotations

from collections.abc import Iterable


def whole_sum(values: Iterable[int | None]) -> int | None:
    """Return the sum, None when one of the values is not known."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
