"""House style: colours, words for states, units.

The colours are those of Okabe and Ito, which people with any colour vision tell apart. A colour
never stands alone: beside it is a word, a number or another pattern of the line.
"""

from __future__ import annotations

from typing import NamedTuple

from grafana_foundation_sdk.models import units

OK, INFO, WARN, CRITICAL, LATE = "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#999999"

NOTHING = "transparent"

LINES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Of the queries of a panel, in their order."""

PATTERNS: tuple[tuple[float, ...] | None, ...] = (None, (10, 6), (2, 6), (16, 6, 2, 6))
"""Line and pause in pixels, of the queries of a panel, in their order."""

UNITS = {
    "bytes": units.BytesIEC,
    "bytes/s": units.BytesPerSecondIEC,
    "seconds": units.Seconds,
    "milliseconds": units.Milliseconds,
    "share": units.PercentUnit,
    "count": units.Short,
    "per second": units.CountsPerSecond,
    "state": units.NoUnit,
    "id": units.NoUnit,
}
"""What a panel may be told in, and what Grafana calls it."""


class Word(NamedTuple):
    """What is shown instead of a number."""

    text: str
    color: str


LINK_STATES = ("connected", "disconnected", "paused", "broken", "unknown")
LINK_WORDS = {
    1: Word("connected", OK),
    2: Word("disconnected", WARN),
    3: Word("paused", INFO),
    4: Word("broken", CRITICAL),
    5: Word("unknown", LATE),
}
PUMP_WORDS = {
    1: Word("idle", OK),
    2: Word("sending", INFO),
    3: Word("waiting", WARN),
    4: Word("holding", CRITICAL),
}
UP_WORDS = {1: Word("up", OK), 0: Word("down", CRITICAL)}
LEADER_WORDS = {-1: Word("none", CRITICAL)}

NO_DATA = "no data: see its age above"
"""A number that isn't there is never shown as 0."""
