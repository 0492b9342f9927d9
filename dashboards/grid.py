"""Where panels stand: rows of Grafana's grid, 24 wide, filled from the left.

The SDK's own layout puts panels over the edge and beside rows, so nothing is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.models.dashboard import GridPos

WIDTH = 24
FOLD = 23
"""What a screen of 1080 lines shows without scrolling, in rows."""


class Size(NamedTuple):
    width: int
    height: int


STRIP = Size(6, 4)
WIDE = Size(24, 4)
HALF = Size(12, 7)
THIRD = Size(8, 7)
QUARTER = Size(6, 7)
TALL_HALF = Size(12, 9)
TALL_THIRD = Size(8, 10)


def places(sizes: Sequence[Size], top: int) -> tuple[list[GridPos], int]:
    """Return a place for each, row by row from `top`, and where the next row begins."""
    found: list[GridPos] = []
    x, y, bottom = 0, top, top
    for size in sizes:
        if x + size.width > WIDTH:
            x, y = 0, bottom
        found.append(GridPos(h=size.height, w=size.width, x=x, y=y))
        x += size.width
        bottom = max(bottom, y + size.height)
    return found, bottom
