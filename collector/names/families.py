"""Families from names: one kind each, and labels that tell their series apart.

As jmx_exporter 1.x does it: where rules give one name different kinds, the metric is untyped;
where they give two values the same name and labels, all series of that metric get a label
`_objectname` that says where each comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from collector.names.rule import Labels, Named
from collector.names.subject import Subject
from collector.series import Family, Kind


class Placed(NamedTuple):
    """Where a value goes: its family and its labels."""

    family: Family
    labels: Labels


def place(
    named: Sequence[Named], subject: Callable[[int], Subject], *, keeps_suffixes: bool
) -> list[Placed]:
    """Return the place of each value of a rule set; `subject(i)` is what `named[i]` is the name of.

    To be called with all that a target has at a time: a kind depends on the others.
    """
    kinds: dict[str, Kind] = {}
    labels_seen: dict[str, set[Labels]] = {}
    clashing: set[str] = set()
    for each in named:
        if kinds.setdefault(each.name, each.kind) is not each.kind:
            kinds[each.name] = Kind.UNKNOWN
        seen = labels_seen.setdefault(each.name, set())
        key = tuple(sorted(each.labels)) if len(each.labels) > 1 else each.labels
        if key in seen:
            clashing.add(each.name)
        seen.add(key)
    families: dict[str, Family] = {}
    placed: list[Placed] = []
    for i, each in enumerate(named):
        family = families.get(each.name)
        if family is None:
            kind = kinds[each.name]
            suffix = "_total" if kind is Kind.COUNTER and not keeps_suffixes else ""
            text = each.help or subject(i).help
            family = families[each.name] = Family(each.name + suffix, kind, help=text)
        labels = each.labels
        if each.name in clashing:
            about = subject(i)
            labels = (*labels, ("_objectname", f"{about.prefix}{about.attribute}"))
        placed.append(Placed(family, labels))
    return placed
