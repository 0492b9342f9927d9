"""The rules of one file, in order: the first that matches names the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.names.customizer import Customizer
from collector.names.java_text import (
    Value,
    safe_name,
    snake_case,
    value_text,
    without_reserved_suffix,
)
from collector.names.object_names import ObjectNamePattern, may_share
from collector.names.rule import Labels, Named, Rule, label_name
from collector.names.subject import Bean, Subject
from collector.series import Kind


class Resolution(NamedTuple):
    """What became of one value: a name or none, and whether another value may change that."""

    named: Named | None
    looks_at_value: bool


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What one rule file says."""

    file: str
    rules: tuple[Rule, ...]
    include: tuple[ObjectNamePattern, ...] = ()
    """Empty: all beans."""
    exclude: tuple[ObjectNamePattern, ...] = ()
    exclude_jvm: tuple[ObjectNamePattern, ...] = ()
    """Left out unless `include` names them."""
    excluded_attributes: tuple[tuple[ObjectNamePattern, frozenset[str]], ...] = ()
    included_attributes: tuple[tuple[ObjectNamePattern, frozenset[str]], ...] = ()
    """Not empty: only these."""
    customizers: tuple[Customizer, ...] = ()
    lowercase_names: bool = False
    lowercase_labels: bool = False
    infer_counters: bool = False
    keeps_suffixes: bool = False
    """Names are taken as the rule writes them: no suffix is taken away, none is added."""
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The ObjectName patterns to ask a server for."""
        return tuple(pattern.text for pattern in self.include) or ("*:*",)

    @property
    def left_out(self) -> tuple[ObjectNamePattern, ...]:
        """Patterns of beans that are not read, whatever else is said of them."""
        return self.exclude if self.include else (*self.exclude, *self.exclude_jvm)

    def never_reads(self, text: str) -> bool:
        """Say whether no bean of an ObjectName pattern is read. May say no in vain."""
        return any(text == one.text for one in self.left_out) or not any(
            may_share(text, pattern) for pattern in self.patterns
        )

    def covers(self, domain: str, properties: Mapping[str, str]) -> bool:
        """Say whether a bean is to be read at all."""
        if any(pattern.matches(domain, properties) for pattern in self.exclude):
            return False
        if self.include:
            return any(pattern.matches(domain, properties) for pattern in self.include)
        return not any(pattern.matches(domain, properties) for pattern in self.exclude_jvm)

    def takes(self, bean: Bean, attribute: str) -> bool:
        """Say whether the lists of attributes let this one through."""
        for pattern, names in self.excluded_attributes:
            if attribute in names and pattern.matches(bean.domain, bean.properties):
                return False
        if not self.included_attributes:
            return True
        return any(
            attribute in names and pattern.matches(bean.domain, bean.properties)
            for pattern, names in self.included_attributes
        )

    def asks_for(
        self, bean: Bean, attribute: str, number: bool, text: bool, composite: bool
    ) -> bool:
        """Say whether some value of an attribute could get a name; asked before it is read.

        May say yes in vain, never no in vain. `number`, `text`, `composite`: what it may hold.
        """
        if not self.takes(bean, attribute):
            return False
        customizer = self.customizer(bean)
        if customizer is not None and attribute in customizer.labels:
            return number or text
        plain = Subject(bean, (), attribute)
        return (
            (number and self._may_name(plain, is_text=False))
            or (text and self._may_name(plain, is_text=True))
            or (composite and self._may_name_inside(bean, attribute))
        )

    def customizer(self, bean: Bean) -> Customizer | None:
        """Return what is added to a bean."""
        return next((each for each in self.customizers if each.is_for(bean)), None)

    def resolve(self, subject: Subject, value: Value, added: Labels = ()) -> Resolution:
        """Find the first rule that matches, and what it makes of this value.

        `added` are labels that a customizer puts in front of the rule's own.
        """
        prefix = subject.prefix
        is_text = isinstance(value, str)
        text = value_text(value, subject.java_type)
        looks = False
        for rule in self._candidates(subject.bean):
            attribute = snake_case(subject.attribute) if rule.is_snake_case else subject.attribute
            found = None
            if rule.pattern is not None:
                start = f"{prefix}{attribute}:"
                if not rule.is_cached and not rule.pattern.may_match(start, is_text=is_text):
                    continue
                looks |= not rule.is_cached and (is_text or not rule.pattern.is_blind)
                found = rule.pattern.match(f"{start} {'<cache>' if rule.is_cached else text}")
                if found is None:
                    continue
            try:
                constant = rule.constant(found)
            except ValueError:
                return Resolution(None, looks)
            if is_text and constant is None:
                return Resolution(None, looks)
            if rule.name is None:
                named = self._by_default(rule, subject, attribute, constant)
            else:
                name = safe_name(rule.name.expand(found))
                if not name:
                    return Resolution(None, looks)
                labels = rule.label_pairs(found, lowercase=self.lowercase_labels)
                help_text = "" if rule.help is None else rule.help.expand(found)
                named = self._named(rule, name, labels, help_text, constant)
            if added:
                own = dict(named.labels)
                labels = (*((k, v) for k, v in added if k not in own), *named.labels)
                named = named._replace(labels=labels)
            return Resolution(named, looks)
        return Resolution(None, looks)

    def _by_default(
        self, rule: Rule, subject: Subject, attribute: str, constant: float | None
    ) -> Named:
        properties = list(subject.bean.properties.items())
        first = [properties[0][1]] if properties else []
        name = safe_name("_".join([subject.bean.domain, *first, *subject.keys, attribute]))
        labels: dict[str, str] = {}
        for key, value in properties[1:]:
            labels.setdefault(label_name(key, lowercase=self.lowercase_labels), value)
        return self._named(rule, name, tuple(labels.items()), "", constant)

    def _named(
        self, rule: Rule, name: str, labels: Labels, help_text: str, constant: float | None
    ) -> Named:
        if self.lowercase_names:
            name = name.lower()
        kind = rule.kind
        if self.infer_counters and name.endswith("_total"):
            kind = Kind.COUNTER
        if not self.keeps_suffixes:
            name = without_reserved_suffix(name)
        return Named(name, labels, kind, help_text, rule.factor, constant, rule.limit)

    def _may_name(self, subject: Subject, *, is_text: bool) -> bool:
        for rule in self._candidates(subject.bean):
            if rule.pattern is None:
                return not is_text or rule.value is not None
            attribute = snake_case(subject.attribute) if rule.is_snake_case else subject.attribute
            start = f"{subject.prefix}{attribute}:"
            if rule.is_cached:
                if rule.pattern.match(f"{start} <cache>") is None:
                    continue
            elif not rule.pattern.may_match(start, is_text=is_text):
                continue
            elif is_text:
                if rule.value is not None:
                    return True
                continue
            elif not rule.pattern.is_blind:
                return True
            elif rule.pattern.match(f"{start} 0") is None:
                continue
            # this rule decides; a text gives nothing without a number of the rule's own, and a
            # rule with an empty name is how a file says "leave this out"
            return rule.has_name and (not is_text or rule.value is not None)
        return False

    def _may_name_inside(self, bean: Bean, attribute: str) -> bool:
        return any(
            rule.has_name
            and (rule.pattern is None or rule.pattern.may_match_inside(bean.text, attribute))
            for rule in self.rules
        )

    def _candidates(self, bean: Bean) -> tuple[Rule, ...]:
        """Return the rules that could match some value of a bean: a few of many."""
        asked, candidates = bean.candidates
        if asked is not self:
            candidates = tuple(
                rule
                for rule in self.rules
                if rule.pattern is None or rule.pattern.may_match_bean(bean.text)
            )
            bean.candidates = (self, candidates)
        return candidates
