"""One entry of `rules:`, read and checked."""

from __future__ import annotations

import re

from collector.names.document import Entry, Place, did_you_mean
from collector.names.fields import Fields, Findings
from collector.names.java_regex import Parsed, PatternError, parse
from collector.names.java_text import parse_double
from collector.names.rule import Pattern, Rule
from collector.names.template import Template, TemplateError
from collector.series import Kind

_KEYS = (
    "pattern", "name", "value", "valueFactor", "labels", "help", "type", "attrNameSnakeCase",
    "cache", "limit",
)  # fmt: skip

_KINDS = {
    "COUNTER": Kind.COUNTER,
    "GAUGE": Kind.GAUGE,
    "UNTYPED": Kind.UNKNOWN,
    "UNKNOWN": Kind.UNKNOWN,
}


def read_rule(entry: Entry, findings: Findings) -> Rule | None:
    """Return the rule, None when something is wrong with it."""
    before = len(findings.problems)
    fields = Fields("a rule", entry, _KEYS, findings)
    rule = _RuleEntry(fields).rule() if fields.values else None
    return rule if len(findings.problems) == before else None


class _RuleEntry:
    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._wrong = fields.findings.wrong

    def rule(self) -> Rule | None:
        fields = self._fields
        for key in ("labels", "help"):
            if key in fields and "name" not in fields:
                self._wrong(fields.key_place(key), f"'{key}' needs a 'name' beside it")
        if "name" in fields and "pattern" not in fields:
            self._wrong(fields.key_place("name"), "'name' needs a 'pattern' beside it")
        parsed = self._parsed()
        if parsed is None and "pattern" in fields:
            return None  # its groups are not known: what else is wrong can't be told
        groups = parsed or Parsed((), 0, {})
        name, value = self._template("name", groups), self._value(groups)
        help_text, labels = self._template("help", groups), self._labels(groups)
        texts = [text for text in (name, value, help_text) if text is not None]
        texts += [text for pair in labels for text in pair]
        return Rule(
            fields.place,
            self._pattern(parsed, frozenset[int]().union(*(text.groups for text in texts))),
            name=name,
            value=value,
            factor=self._factor(),
            labels=labels,
            help_text=help_text,
            kind=self._kind(),
            is_snake_case=fields.boolean("attrNameSnakeCase"),
            is_cached=fields.boolean("cache"),
            limit=self._limit(),
        )

    def _parsed(self) -> Parsed | None:
        text = self._fields.text("pattern")
        if text is None:
            return None
        try:
            return parse(text)
        except PatternError as error:
            near = text[max(error.at - 20, 0) : error.at]
            message = f"{error} (after '{near}')" if near else str(error)
            self._wrong(self._fields.value_place("pattern"), f"pattern: {message}")
            return None

    def _pattern(self, parsed: Parsed | None, used: frozenset[int]) -> Pattern | None:
        if parsed is None:
            return None
        try:
            return Pattern(parsed, used)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"pattern: Python can't match this ({error}): write it simpler"
            self._wrong(self._fields.value_place("pattern"), message)
            return None

    def _template(self, key: str, parsed: Parsed) -> Template | None:
        text = self._fields.text(key)
        if text is None:
            return None
        return self._read_template(key, text, self._fields.value_place(key), parsed)

    def _read_template(self, key: str, text: str, place: Place, parsed: Parsed) -> Template | None:
        try:
            return Template(text, parsed.groups, parsed.names)
        except TemplateError as error:
            self._wrong(place, f"{key}: {error}")
            return None

    def _value(self, parsed: Parsed) -> Template | None:
        template = self._template("value", parsed)
        if template is None or not template.parts:
            return None
        if template.is_constant and parse_double(template.expand(None)) is None:
            place = self._fields.value_place("value")
            self._wrong(place, f"value: '{template.expand(None)}' is no number")
        return template

    def _factor(self) -> float:
        text = self._fields.text("valueFactor")
        factor = 1.0 if text is None else parse_double(text)
        if factor is None:
            self._wrong(
                self._fields.value_place("valueFactor"), "valueFactor is a number, like 0.001"
            )
            return 1.0
        return factor

    def _limit(self) -> int | None:
        if "limit" not in self._fields:
            return None
        entry = self._fields.values["limit"][1]
        if type(entry.value) is not int or entry.value < 1:
            self._wrong(entry.place, "limit is a number of series, 1 or more")
            return None
        return entry.value

    def _labels(self, parsed: Parsed) -> tuple[tuple[Template, Template], ...]:
        pairs = []
        for key, (place, value) in sorted(self._fields.mapping("labels").items()):
            text = "" if value.value is None else self._fields.scalar(f"label {key}", value)
            name = self._read_template(f"label {key}", key, place, parsed)
            if text is None or name is None:
                continue
            template = self._read_template(f"label {key}", text, value.place, parsed)
            if template is not None:
                pairs.append((name, template))
        return tuple(pairs)

    def _kind(self) -> Kind:
        text = self._fields.text("type")
        if text is None:
            return Kind.UNKNOWN
        if text not in _KINDS:
            self._fields.findings.note(
                self._fields.value_place("type"),
                f"type '{text}' is taken as UNTYPED, as jmx_exporter 1.x does"
                f"{did_you_mean(text, _KINDS)}",
            )
        return _KINDS.get(text, Kind.UNKNOWN)
