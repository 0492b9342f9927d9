"""Numbers, ages and tables as a person reads them, on any terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isinf
from typing import Any

_STEPS = ((604800, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_MOST_OF_A_UNIT = 1024


def span(seconds: float) -> str:
    """A duration with two units at most: `12d 4h`, `41s`, `120ms`."""
    if isinf(seconds):
        return "unlimited"
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    rest = max(0, round(seconds))
    parts = []
    for size, unit in _STEPS[1:]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def size(count: int) -> str:
    """Bytes: `41.2 MiB`."""
    if count < _MOST_OF_A_UNIT:
        return f"{count} B"
    number = float(count)
    unit = "B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):  # noqa: B007 - the last one reached is used
        number /= _MOST_OF_A_UNIT
        if number < _MOST_OF_A_UNIT:
            break
    return f"{number:.1f}".removesuffix(".0") + f" {unit}"


def utc(ms: int | None) -> str:
    """A time as people and scripts read it: `2026-11-22T12:46:10Z`, with ms where there are any."""
    if ms is None:
        return "-"
    try:
        at = datetime.fromtimestamp(ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a clock that was far off
        return f"{ms} ms"
    rest = f".{ms % 1000:03d}" if ms % 1000 else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{rest}Z"


def seqs(first: int, last: int) -> str:
    """Rounds by their numbers: `7` or `7..12`."""
    return str(first) if first == last else f"{first}..{last}"


def as_json(found: Any) -> str:
    """What `-o json` prints."""
    return json.dumps(found, indent=2, ensure_ascii=False)


def harmless(text: str) -> str:
    """One line without anything that a terminal would obey: others wrote some of it."""
    return "".join(c if c.isprintable() else " " for c in text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the columns of `rows` below one another; the first row is the head."""
    clean = [[harmless(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*clean, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in clean
    ]
