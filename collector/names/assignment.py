"""Series ids for a bean's values: rules are asked once, and then only numbers are moved.

assignment = Assignment(rules, series)
plan = assignment.plan(bean, slots)             once per form of a bean's answer
program = assignment.program(plans)             when the set of plans changed
reading = program.read(values of each plan)     every round: no pattern is matched
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, Protocol

from collector.names.customizer import ExtraMetric
from collector.names.families import place
from collector.names.java_text import Value
from collector.names.rule import Labels, Named
from collector.names.rules import Rules
from collector.names.subject import NO_CANDIDATES, Bean, Subject, subject_of
from collector.series import Family, TargetSeries

Values = Sequence[Value]

_NO_SLOTS: Final[Mapping[int, list[int]]] = MappingProxyType({})


class Slot(Protocol):
    """One value of a bean's answer, as `collector.jmx.Slot`."""

    @property
    def attribute(self) -> str: ...
    @property
    def path(self) -> tuple[Any, ...]: ...
    @property
    def java_type(self) -> str: ...


class Use:
    """What one rule set makes of one slot."""

    __slots__ = (
        "family", "index", "is_out", "labels", "last", "looks", "named", "series_id", "set_number",
    )  # fmt: skip

    def __init__(self, index: int, set_number: int) -> None:
        self.index = index
        self.set_number = set_number
        self.looks = False
        self.last: object = None
        self.named: Named | None = None
        self.family: Family | None = None
        self.labels: Labels = ()
        self.series_id = -1
        self.is_out = False
        """Another value was there first."""


class Plan:
    """What becomes of each value of one bean's answer."""

    __slots__ = ("_slots", "bean", "extra", "label_slots", "looking", "uses")

    def __init__(self, bean: Bean, slots: Sequence[Slot]) -> None:
        self.bean = bean
        self._slots = slots
        self.uses: list[Use] = []
        self.looking: Sequence[Use] = ()
        self.extra: Sequence[ExtraMetric] = ()
        """What customizers add: use.index counts down from -1 into it."""
        self.label_slots: Mapping[int, list[int]] = _NO_SLOTS
        """By rule set: the values that customizers make labels of."""

    @property
    def slots(self) -> Sequence[Slot]:
        """Where each value of an answer lies."""
        return self._slots

    def subject(self, index: int) -> Subject:
        """Return what the value at `index` is, as rules see it."""
        if index < 0:
            extra = self.extra[-1 - index]
            return Subject(self.bean, (), extra.name, _java_type(extra.value))
        slot = self._slots[index]
        return subject_of(self.bean, slot.attribute, slot.path, slot.java_type)

    def value(self, index: int, values: Values) -> Value:
        """Return a value of an answer, or one that a customizer adds."""
        return self.extra[-1 - index].value if index < 0 else values[index]

    def java_type(self, index: int) -> str:
        """Return a value's type, as `collector.jmx.Slot` names it."""
        return (
            _java_type(self.extra[-1 - index].value) if index < 0 else self._slots[index].java_type
        )


class Program:
    """How a round is put together: which values, times what, beside which series."""

    __slots__ = ("_fixed", "_picks", "_scaled", "series")

    def __init__(self, plans: Sequence[Plan]) -> None:
        """Compile; each use that holds a series becomes one value of a round."""
        self.series: list[int] = []
        self._picks: list[Callable[[Values], Any] | None] = []
        self._scaled: list[tuple[int, float]] = []
        self._fixed: list[Use] = []
        for plan in plans:
            indexes: list[int] = []
            for use in plan.uses:
                if use.named is None or use.is_out:
                    continue
                if use.named.constant is not None:
                    self._fixed.append(use)
                    continue
                java_type = plan.java_type(use.index)
                unit = 0.001 if java_type == "date" else 1.0
                factor = 1.0 if java_type == "boolean" else use.named.factor * unit
                if factor != 1.0:
                    self._scaled.append((len(self.series), factor))
                self.series.append(use.series_id)
                indexes.append(use.index)
            self._picks.append(_picker(indexes))
        self.series += [use.series_id for use in self._fixed]

    def values(self, answers: Iterable[Values]) -> array[float]:
        """Return a round's values, in the order of `series`, from the answers of all plans."""
        values = array("d")
        for pick, answer in zip(self._picks, answers, strict=True):
            if pick is None:
                continue
            before = len(values)
            try:
                values.extend(pick(answer))
            except OverflowError:  # a BigInteger beyond all doubles
                del values[before:]
                values.extend(_as_double(each) for each in pick(answer))
        for at, factor in self._scaled:
            values[at] *= factor
        for use in self._fixed:
            assert use.named is not None
            assert use.named.constant is not None
            values.append(use.named.constant * use.named.factor)
        return values


class Assignment:
    """Gives names and series to the values of one target."""

    def __init__(self, rules: Rules, series: TargetSeries) -> None:
        self._rules = rules
        self._series = series
        self._labels: dict[Labels, Labels] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self.clashes = 0
        """Values of the last program that found their series taken; the first one wins."""
        self.left_out = 0
        """Values of the last program that were over the limit of a rule."""

    def plan(self, bean: Bean, slots: Sequence[Slot], values: Values) -> Plan:
        """Ask all rule sets for names; `values` are those of the first answer."""
        plan = Plan(bean, slots)
        for set_number, rule_set in enumerate(self._rules.sets):
            if not rule_set.covers(bean.domain, bean.properties):
                continue
            indexes = [i for i, slot in enumerate(slots) if rule_set.takes(bean, slot.attribute)]
            customizer = rule_set.customizer(bean)
            if customizer is not None:
                indexes += range(
                    -1 - len(plan.extra), -1 - len(plan.extra) - len(customizer.extra), -1
                )
                plan.extra = (*plan.extra, *customizer.extra)
                label_slots = [
                    i
                    for i, slot in enumerate(slots)
                    if not slot.path and slot.attribute in customizer.labels
                ]
                plan.label_slots = {**plan.label_slots, set_number: label_slots}
            for index in indexes:
                use = Use(index, set_number)
                self._resolve(plan, use, values)
                if use.looks:
                    plan.looking = (*plan.looking, use)
                if use.looks or use.named is not None:
                    plan.uses.append(use)
        if not plan.looking:
            bean.candidates = NO_CANDIDATES  # nothing is asked about it again
        return plan

    def look_again(self, plan: Plan, values: Values) -> bool:
        """Ask again for values that rules look at and that changed; True if a name changed."""
        has_changed = False
        for use in plan.looking:
            if not self._has_changed(plan, use, values):
                continue
            before = use.named
            self._resolve(plan, use, values)
            has_changed |= _key(before) != _key(use.named)
        return has_changed

    def program(self, plans: Sequence[Plan]) -> Program:
        """Find the series of all values. Raises SourceError when there are too many series."""
        taken: dict[int, tuple[int, int]] = {}
        self.clashes = self.left_out = 0
        for set_number, rule_set in enumerate(self._rules.sets):
            uses: list[tuple[Plan, Use]] = []
            named: list[Named] = []
            for plan in plans:
                for use in plan.uses:
                    if use.set_number == set_number and use.named is not None:
                        uses.append((plan, use))
                        named.append(use.named)

            def subject(i: int, uses: list[tuple[Plan, Use]] = uses) -> Subject:
                return uses[i][0].subject(uses[i][1].index)

            places = place(named, subject, keeps_suffixes=rule_set.keeps_suffixes)
            over = _over_limit(named)
            self.left_out += len(over)
            for i, ((plan, use), (family, labels)) in enumerate(zip(uses, places, strict=True)):
                if i in over:
                    use.is_out = True
                    continue
                if use.family != family or use.labels != labels:
                    use.series_id = self._series.intern(family, dict(labels))
                    use.family, use.labels = family, labels
                origin = (id(plan), use.index)
                first = taken.get(use.series_id)
                use.is_out = first is not None
                if first is None:
                    taken[use.series_id] = origin
                elif first != origin:
                    self.clashes += 1
        self._labels.clear()
        self._pairs.clear()
        return Program(plans)

    def _has_changed(self, plan: Plan, use: Use, values: Values) -> bool:
        value = plan.value(use.index, values)
        if plan.label_slots:
            return use.last != (value, self._added(plan, use.set_number, values))
        return value != use.last and not (_is_nan(value) and _is_nan(use.last))

    def _added(self, plan: Plan, set_number: int, values: Values) -> Labels:
        """Return the labels that a customizer makes of a bean's values."""
        rule_set = self._rules.sets[set_number]
        customizer = rule_set.customizer(plan.bean) if plan.label_slots else None
        if customizer is None:
            return ()
        found = [
            (plan.slots[i].attribute, values[i], plan.slots[i].java_type)
            for i in plan.label_slots.get(set_number, ())
        ]
        return customizer.label_pairs(found, lowercase=rule_set.lowercase_labels)

    def _shared(self, labels: Labels) -> Labels:
        """Keep labels, and each of their pairs, once."""
        pairs = tuple([self._pairs.setdefault(pair, pair) for pair in labels])
        return self._labels.setdefault(pairs, pairs)

    def _resolve(self, plan: Plan, use: Use, values: Values) -> None:
        rule_set = self._rules.sets[use.set_number]
        value = plan.value(use.index, values)
        added = self._added(plan, use.set_number, values)
        named, looks = rule_set.resolve(plan.subject(use.index), value, added)
        if named is not None and use.index < 0 and named.constant is None:
            factor = 1.0 if isinstance(value, bool) else named.factor
            named = named._replace(constant=float(value), factor=factor)
        if named is not None:  # many values of a bean have the same labels: keep them once
            labels = self._labels.get(named.labels) or self._shared(named.labels)
            named = named._replace(name=sys.intern(named.name), labels=labels)
        use.named = named
        use.looks |= looks or bool(added)
        if plan.label_slots:
            use.last = (value, added)
        elif use.looks:
            use.last = value


def _over_limit(named: Sequence[Named]) -> set[int]:
    """Return the indexes of those that are too many of their name.

    The same ones stay whatever the order of reading, as long as there are the same.
    """
    limited: dict[str, list[int]] = {}
    for i, each in enumerate(named):
        if each.limit is not None:
            limited.setdefault(each.name, []).append(i)
    over: set[int] = set()
    for indexes in limited.values():
        limit = min(named[i].limit or 0 for i in indexes)
        if len(indexes) > limit:
            indexes.sort(key=lambda i: named[i].labels)
            over.update(indexes[limit:])
    return over


def _java_type(value: float | bool) -> str:
    return "boolean" if isinstance(value, bool) else "double"


def _key(named: Named | None) -> tuple[object, ...]:
    """Return what a series depends on: all but the number of a rule's own."""
    return () if named is None else (*named[:5], named.constant is None, named.limit)


def _picker(indexes: list[int]) -> Callable[[Values], Any] | None:
    """Return a function that takes these values out of an answer, as fast as C can."""
    if not indexes:
        return None
    if indexes == list(range(indexes[0], indexes[0] + len(indexes))):
        return itemgetter(slice(indexes[0], indexes[0] + len(indexes)))
    return itemgetter(*indexes)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _as_double(value: Value) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if isinstance(value, int) and value > 0 else -math.inf
