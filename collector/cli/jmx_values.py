"""What MBeans hold, as rows for people and as JSON, and what changed between two looks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from collector.jmx import Row, Scrape, Slot, Value


class Key(NamedTuple):
    """One value of one MBean."""

    bean: str
    slot: Slot

    @property
    def shown(self) -> str:
        """Where the value stands in its MBean: `HeapMemoryUsage.used`, `Table[key=a].value`."""
        text = self.slot.attribute
        for step in self.slot.path:
            if isinstance(step, Row):
                text += f"[{', '.join(f'{column}={value}' for column, value in step)}]"
            else:
                text += f".{step}"
        return text


Values = Mapping[Key, Value]


def values_of(scrape: Scrape) -> dict[Key, Value]:
    """Return what was read, sorted by MBean; an MBean's values keep their order."""
    readings = sorted(scrape.readings, key=lambda reading: reading[0].bean.name.text)
    return {
        Key(layout.bean.name.text, slot): value
        for layout, values in readings
        for slot, value in zip(layout.slots, values, strict=True)
    }


def shown(value: Value) -> str:
    """Write a value as Java's tools do: `true`, whole numbers in full."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def for_json(value: Value) -> Value:
    """JSON has no NaN and no infinity: those become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return value


def entry(key: Key, value: Value) -> dict[str, Any]:
    """One value as JSON; a table's row in the path is an object of its index columns."""
    path = [dict(step) if isinstance(step, Row) else step for step in key.slot.path]
    return {
        "bean": key.bean,
        "attribute": key.slot.attribute,
        "path": path,
        "type": key.slot.java_type,
        "value": for_json(value),
    }


class Change(NamedTuple):
    """How a value differs from the look before. `amount` and `per_second` are None for texts."""

    before: Value | None
    amount: float | None
    per_second: float | None

    @property
    def shown(self) -> tuple[str, str]:
        """The columns CHANGE and PER SECOND."""
        if self.amount is None or self.per_second is None:
            return ("new" if self.before is None else f"was {shown(self.before)}"), ""
        return f"{self.amount:+.12g}", f"{self.per_second:.6g}"


def changes(before: Values, now: Values, elapsed_s: float) -> dict[Key, Change]:
    """Return what is new or has another value, in the order of `now`."""
    found = {}
    for key, value in now.items():
        old = before.get(key)
        if old is None:
            found[key] = Change(None, None, None)
        elif _differ(old, value):
            found[key] = _change(old, value, elapsed_s)
    return found


def gone(before: Values, now: Values) -> Iterable[Key]:
    return (key for key in before if key not in now)


def _differ(old: Value, new: Value) -> bool:
    return old != new and not (old != old and new != new)  # noqa: PLR0124 - NaN


def _change(old: Value, new: Value, elapsed_s: float) -> Change:
    if isinstance(old, bool | str) or isinstance(new, bool | str):
        return Change(old, None, None)
    amount = new - old
    if not math.isfinite(amount) or elapsed_s <= 0:
        return Change(old, None, None)
    return Change(old, amount, amount / elapsed_s)
