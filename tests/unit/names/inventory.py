"""What a real broker has: its beans with their values, from `tests/data/names`."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from collector.names.assignment import Assignment
from collector.names.java_text import Value
from collector.names.rule_file import parse_rule_file
from collector.names.rule_set import RuleSet
from collector.names.rules import load_rules
from collector.names.subject import Bean, Subject, subject_of
from collector.series import Kind, Labels, SeriesTable, TargetSeries

DATA = Path(__file__).parents[2] / "data" / "names"

_PAIR = re.compile(r'([^,=]+)=("(?:[^"\\]|\\.)*"|[^,]*)')


class Slot(NamedTuple):
    attribute: str
    path: tuple[str | tuple[tuple[str, str], ...], ...]
    java_type: str


class Known(NamedTuple):
    """One bean and what it answers."""

    bean: Bean
    slots: tuple[Slot, ...]
    values: tuple[Value, ...]
    texts: tuple[str, ...]


def bean(name: str) -> Bean:
    domain, _, properties = name.partition(":")
    return Bean(domain, dict(_PAIR.findall(properties)))


@cache
def inventory(file: str) -> tuple[Known, ...]:
    beans: dict[str, list[tuple[Slot, Value, str]]] = {}
    with gzip.open(DATA / file, "rt", encoding="utf-8") as lines:
        for line in lines:
            name, attribute, path, java_type, text = line.rstrip("\n").split("\t")
            slot = Slot(attribute, tuple(map(_step, path.split("/")[1:])), java_type)
            beans.setdefault(name, []).append((slot, _value(text, java_type), text))
    known = []
    for name, rows in beans.items():
        slots, values, texts = zip(*rows, strict=True)
        known.append(Known(bean(name), slots, values, texts))
    return tuple(known)


def kafka() -> tuple[Known, ...]:
    return inventory("kafka-4.3.1.tsv.gz")


def mirrormaker() -> tuple[Known, ...]:
    return inventory("mirrormaker-4.3.1.tsv.gz")


class Given:
    """All series that a profile gives to a list of beans."""

    def __init__(self, profile: str, beans: Sequence[Known]) -> None:
        rules = load_rules([profile])
        table = SeriesTable()
        self.assignment = Assignment(rules, TargetSeries(table, {}))
        covered = [
            k
            for k in beans
            if any(each.covers(k.bean.domain, k.bean.properties) for each in rules.sets)
        ]
        plans = [self.assignment.plan(k.bean, k.slots, k.values) for k in covered]
        program = self.assignment.program(plans)
        values = program.values([k.values for k in covered])
        self.values: dict[tuple[str, Labels], float] = {}
        self.kinds: dict[str, Kind] = {}
        for i, value in zip(program.series, values, strict=True):
            series = table[i]
            self.values[series.name, series.labels] = value
            self.kinds[series.name] = series.family.kind

    def one(self, name: str, /, **labels: str) -> float:
        return self.values[name, tuple(sorted(labels.items()))]


def _step(step: str) -> str | tuple[tuple[str, str], ...]:
    if not step.startswith("["):
        return step
    pairs = (pair.partition("=") for pair in step[1:-1].split(";") if pair)
    return tuple((key, value) for key, _, value in pairs)


def _value(text: str, java_type: str) -> Value:
    if java_type == "boolean":
        return text == "true"
    if java_type in {"double", "float"}:
        return float(text)
    return text if java_type in {"string", "enum"} else int(text)


@cache
def profile(name: str) -> RuleSet:
    return load_rules([name]).sets[0]


def rule_set(text: str) -> RuleSet:
    return parse_rule_file(text, "rules.yaml")


def ask(rules: str | RuleSet, name: str, attribute: str, value: Value = 1.0, *path: str) -> Any:
    """Resolve one value of one bean."""
    rules = rule_set(rules) if isinstance(rules, str) else rules
    java_type = "string" if isinstance(value, str) else "double"
    subject: Subject = subject_of(bean(name), attribute, path, java_type)
    return rules.resolve(subject, value)
