"""What a bench found, beside what it should have found."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class Target(NamedTuple):
    """A limit that a figure must keep: at most so much, or at least."""

    limit: float
    at_least: bool = False

    def is_kept_by(self, measured: float) -> bool:
        return measured >= self.limit if self.at_least else measured <= self.limit


class Unit(Enum):
    """How a figure is written; `digits` behind the point."""

    BYTES_A_SAMPLE = "B", 3
    SAMPLES_A_SECOND = "M/s", 2
    MILLISECONDS = "ms", 1
    SECONDS_A_MINUTE = "s/min", 1
    MEBIBYTES = "MiB", 1
    BYTES = "B", 0
    COUNT = "", 1
    RATIO = "x", 2
    PERCENT = "%", 1
    SECONDS = "s", 1

    def write(self, figure: float) -> str:
        name, digits = self.value
        return f"{figure:,.{digits}f} {name}"


class Row(NamedTuple):
    """One figure. `note` says what it is made of."""

    what: str
    measured: float
    unit: Unit
    target: Target | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "ok" if self.target.is_kept_by(self.measured) else "short"


class Table(NamedTuple):
    title: str
    rows: list[Row]


def lines(table: Table) -> Iterable[str]:
    """Write a table: what, measured, target, verdict, note."""
    yield table.title
    for row in table.rows:
        measured, target = row.unit.write(row.measured), _target(row.target)
        line = f"  {row.what:<32}{measured:>10}  {target:<9}{row.verdict:<7}{row.note}"
        yield line.rstrip()
    yield ""


def _target(target: Target | None) -> str:
    if target is None:
        return ""
    return f"{'>=' if target.at_least else '<='} {target.limit:g}"
