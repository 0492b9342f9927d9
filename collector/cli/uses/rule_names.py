"""Which metric names a rule file can give, from its text alone.

A rule's name is fixed, or is made from groups of its pattern. A group that is a choice of words
(`(BytesIn|BytesOut)PerSec`) gives names that can be listed; any other one gives a pattern of names.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from collector.names import document
from collector.names.document import Place
from collector.names.java_regex import PatternError, parse
from collector.names.java_text import safe_name, without_reserved_suffix
from collector.names.regex_tree import Anchor, Char, Group, Look, Node, Repeat, Sequence_
from collector.names.rule import Rule
from collector.names.rule_set import RuleSet
from collector.names.rules import PROFILES, Rules, profile_path
from collector.series import Kind

MOST_WORDS: Final = 500
"""Of one rule; more of them are a pattern."""

_OPEN: Final = "zqopen{}zq"
"""What stands for a group while a name is put together: nothing changes it."""

_OPEN_FOUND: Final = re.compile("zqopen([0-9]+)zq")
_ANY: Final = "[a-zA-Z0-9_:]*"


class Possible(NamedTuple):
    """Names that may come, and patterns of names."""

    names: frozenset[str]
    patterns: tuple[re.Pattern[str], ...] = ()

    def takes(self, name: str) -> bool:
        return any(pattern.fullmatch(name) for pattern in self.patterns)


def possible_names(rules: Rules) -> Possible:
    names: set[str] = set()
    patterns: set[str] = set()
    for rule_set in rules.sets:
        texts = _pattern_texts(rule_set.file)
        for rule in rule_set.rules:
            groups = _groups_of(texts.get(rule.place, ""))
            for name in _names(rule_set, rule, groups):
                if _OPEN_FOUND.search(name):
                    patterns.add(_pattern(name, groups, is_lower=rule_set.lowercase_names))
                else:
                    names.add(name)
    return Possible(frozenset(names), tuple(map(re.compile, sorted(patterns))))


def _pattern(name: str, groups: Mapping[int, Group], *, is_lower: bool) -> str:
    def of_group(found: re.Match[str]) -> str:
        group = groups.get(int(found[1]))
        return _any_of(group.branches, is_lower=is_lower) if group else _ANY

    return _OPEN_FOUND.sub(of_group, re.escape(name))


def _pattern_texts(file: str) -> Mapping[Place, str]:
    """Read the patterns again as they are written, by the place of their rule."""
    path = profile_path(file) if file in (*PROFILES, "jvm") else Path(file)
    root = document.load(path.read_text(encoding="utf-8-sig"), file).value
    rules = root["rules"][1].value if isinstance(root, dict) and "rules" in root else None
    return {
        entry.place: str(entry.value["pattern"][1].value)
        for entry in (rules if isinstance(rules, list) else ())
        if isinstance(entry.value, dict) and "pattern" in entry.value
    }


def _names(rule_set: RuleSet, rule: Rule, groups: Mapping[int, Group]) -> Iterator[str]:
    """Return the names of a rule, with a mark for each group that can be anything."""
    if not rule.has_name:
        return
    if rule.name is None:
        yield from (_final(rule_set, rule, name) for name in _default_names(rule_set))
        return
    choices = [
        [part] if isinstance(part, str) else _words(groups.get(part), part)
        for part in rule.name.parts
    ]
    if math.prod(map(len, choices)) > MOST_WORDS:
        choices = [
            [part] if isinstance(part, str) else [_OPEN.format(part)] for part in rule.name.parts
        ]
    for chosen in itertools.product(*choices):
        if name := safe_name("".join(chosen)):
            yield _final(rule_set, rule, name)


def _default_names(rule_set: RuleSet) -> Iterable[str]:
    """Names without a rule begin with the domain."""
    domains = {pattern.text.partition(":")[0] for pattern in rule_set.include} or {"*"}
    mark = _OPEN.format(0)
    return (safe_name(f"{re.split('[*?]', domain)[0]}_{mark}").lstrip("_") for domain in domains)


def _final(rule_set: RuleSet, rule: Rule, name: str) -> str:
    """Do to a name what the rule set does to it."""
    kind = rule.kind
    if rule_set.lowercase_names:
        name = name.lower()
    if rule_set.infer_counters and name.endswith("_total"):
        kind = Kind.COUNTER
    if rule_set.keeps_suffixes:
        return name
    return without_reserved_suffix(name) + ("_total" if kind is Kind.COUNTER else "")


def _words(group: Group | None, number: int) -> list[str]:
    """Return what a group can match where that is a list of words, else its mark."""
    return (_all_of(group.branches) if group else None) or [_OPEN.format(number)]


def _groups_of(pattern: str) -> dict[int, Group]:
    try:
        branches = parse(pattern).branches
    except PatternError:
        return {}
    return {group.number: group for group in _groups(branches)}


def _groups(branches: tuple[Sequence_, ...]) -> Iterator[Group]:
    for node in itertools.chain.from_iterable(branches):
        inner = node.node if isinstance(node, Repeat) else node
        if isinstance(inner, Group):
            if inner.number:
                yield inner
            yield from _groups(inner.branches)


def _all_of(branches: tuple[Sequence_, ...]) -> list[str] | None:
    """Return all texts that match; None when there is no end of them."""
    words: list[str] = []
    for branch in branches:
        texts = [""]
        for node in branch:
            ways = _ways(node)
            if ways is None or len(ways) * len(texts) > MOST_WORDS:
                return None
            texts = [text + way for text in texts for way in ways]
        words += texts
    return words if len(words) <= MOST_WORDS else None


def _ways(node: Node) -> list[str] | None:
    match node:
        case Char(text, ignore_case):
            return None if ignore_case and text.isalpha() else [text]
        case Anchor():
            return [""]
        case Group(_, branches):
            return _all_of(branches)
        case Repeat(inner, 0, 1, _):
            ways = _ways(inner)
            return None if ways is None else ["", *ways]
        case _:
            return None


def _any_of(branches: tuple[Sequence_, ...], *, is_lower: bool) -> str:
    """Return a pattern for the part of a name that a group makes: wider than true, not narrower."""
    texts = ("".join(_part(node, is_lower=is_lower) for node in branch) for branch in branches)
    return f"(?:{'|'.join(texts)})"


def _part(node: Node, *, is_lower: bool) -> str:
    match node:
        case Char(text, ignore_case):
            if not text.isascii() or not text.isalnum():
                return "_*"  # what no name may have becomes one underscore, however many it is
            if ignore_case:
                return f"(?i:{text})"
            return text.lower() if is_lower else text
        case Anchor() | Look():
            return ""
        case Group(_, branches):
            return _any_of(branches, is_lower=is_lower)
        case Repeat(inner, low, _, _):
            part = _part(inner, is_lower=is_lower)
            if "*" in part or "+" in part:  # never a repeat of repeats: that may take for ever
                return _ANY
            return f"(?:{part}){'+' if low else '*'}"
        case _:
            return _ANY
