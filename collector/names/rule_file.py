"""A rule file of the Prometheus jmx_exporter, read and checked.

Keys and their meaning are those of jmx_exporter 1.0.1 and of the later options that its
documentation names (https://prometheus.github.io/jmx_exporter/). Two keys are ours:
`keepSuffixes: true` takes metric names as they are written; the exporter takes `_total` and
`_info` away from what is no counter, and adds `_total` to what is one. `limit: 500` in a rule
keeps that many series of a name, the first in the order of their labels, and leaves out others.
"""

from __future__ import annotations

import re

from collector.names.document import DocumentError, Entry, Place, did_you_mean, is_near, load
from collector.names.java_regex import Parsed, PatternError, parse
from collector.names.java_text import parse_double
from collector.names.object_names import ObjectNameError, ObjectNamePattern
from collector.names.rule import Pattern, Rule
from collector.names.rule_set import RuleSet
from collector.names.template import Template, TemplateError
from collector.series import Kind

MAX_RULES = 5000

_NOT_OURS = {
    "startDelaySeconds": "the collector waits for the JVM by itself",
    "hostPort": "the address stands in the collector's own config",
    "jmxUrl": "the address stands in the collector's own config",
    "username": "the user stands in the collector's own config",
    "password": "the password stands in a file that the collector's own config names",
    "ssl": "TLS is set in the collector's own config",
    "httpServer": "the collector's own config says where it listens",
    "openTelemetry": "the collector's own config says where it sends",
    "autoExcludeObjectNameAttributes": "what can't be a number is never read",
    "cacheRules": "what a rule said of an attribute is always remembered",
}
"""Keys of the exporter's own connection and server, and why they change nothing here."""

_TOP_KEYS = (
    "rules",
    "lowercaseOutputName",
    "lowercaseOutputLabelNames",
    "inferCounterTypeFromName",
    "includeObjectNames",
    "excludeObjectNames",
    "whitelistObjectNames",
    "blacklistObjectNames",
    "includeObjectNameAttributes",
    "excludeObjectNameAttributes",
    "excludeJvmMetrics",
    "metricCustomizers",
    "keepSuffixes",
    *_NOT_OURS,
)

_RULE_KEYS = (
    "pattern", "name", "value", "valueFactor", "labels", "help", "type", "attrNameSnakeCase",
    "cache", "limit",
)  # fmt: skip

_KINDS = {
    "COUNTER": Kind.COUNTER,
    "GAUGE": Kind.GAUGE,
    "UNTYPED": Kind.UNKNOWN,
    "UNKNOWN": Kind.UNKNOWN,
}

_JVM_DOMAINS = (
    "com.sun.management:*", "com.sun.management.jmxremote:*", "java.lang:*",
    "java.nio:*", "java.util.logging:*", "javax.management:*", "javax.management.remote:*",
    "jdk.internal:*", "jdk.management:*", "jdk.management.jfr:*", "sun.management:*",
)  # fmt: skip
"""What excludeJvmMetrics leaves out."""


def parse_rule_file(text: str, file: str) -> RuleSet:
    """Read the text of a rule file. Raises ProblemsFound with a line for each problem."""
    problems: list[str] = []
    try:
        root = load(text, file)
    except DocumentError as error:
        raise ProblemsFound([str(error)]) from error
    result = _File(root, file, problems).rule_set()
    if problems:
        raise ProblemsFound(problems)
    return result


class ProblemsFound(Exception):  # noqa: N818 - it is what came of the reading
    """Everything that is wrong with a file, each with its place and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _File:
    def __init__(self, root: Entry, file: str, problems: list[str]) -> None:
        self._file = file
        self._problems = problems
        self._notes: list[str] = []
        self._top: dict[str, tuple[Place, Entry]] = {}
        if isinstance(root.value, dict):
            self._top = root.value
        elif root.value is not None:
            self._wrong(root.place, f"a rule file is a mapping, this is {root.kind}")
        for key, (place, _) in self._top.items():
            if key in _NOT_OURS:
                self._notes.append(f"{place}: {key} is not used: {_NOT_OURS[key]}")
            elif key not in _TOP_KEYS and is_near(key, _TOP_KEYS):
                self._wrong(place, f"unknown key '{key}'{did_you_mean(key, _TOP_KEYS)}")
            elif key not in _TOP_KEYS:  # the exporter passes over such keys in silence
                self._notes.append(f"{place}: {key} is not used: it is no key of jmx_exporter")

    def rule_set(self) -> RuleSet:
        include = self._object_names("includeObjectNames", "whitelistObjectNames")
        exclude = self._object_names("excludeObjectNames", "blacklistObjectNames")
        jvm = _JVM_DOMAINS if self._switch("excludeJvmMetrics") else ()
        if "metricCustomizers" in self._top:
            place, _ = self._top["metricCustomizers"]
            self._wrong(
                place,
                "metricCustomizers are not supported: use a rule with 'value: 1' and a label "
                "that takes the attribute's text, like pattern: '...><>Text: (.*)'",
            )
        return RuleSet(
            file=self._file,
            rules=self._rules(),
            include=include,
            exclude=exclude,
            exclude_jvm=tuple(ObjectNamePattern(each) for each in jvm),
            excluded_attributes=self._attribute_lists("excludeObjectNameAttributes"),
            included_attributes=self._attribute_lists("includeObjectNameAttributes"),
            lowercase_names=self._switch("lowercaseOutputName"),
            lowercase_labels=self._switch("lowercaseOutputLabelNames"),
            infer_counters=self._switch("inferCounterTypeFromName"),
            keeps_suffixes=self._switch("keepSuffixes"),
            notes=tuple(self._notes),
        )

    def _wrong(self, place: Place, message: str) -> None:
        self._problems.append(f"{place}: {message}")

    def _switch(self, key: str) -> bool:
        if key not in self._top:
            return False
        return self._boolean(key, self._top[key][1])

    def _boolean(self, key: str, entry: Entry) -> bool:
        if not isinstance(entry.value, bool):
            self._wrong(entry.place, f"{key} is true or false, this is {entry.kind}")
            return False
        return entry.value

    def _list(self, key: str, entry: Entry) -> list[Entry]:
        if not isinstance(entry.value, list):
            self._wrong(entry.place, f"{key} is a list, this is {entry.kind}")
            return []
        return entry.value

    def _object_names(self, key: str, old_key: str) -> tuple[ObjectNamePattern, ...]:
        for each in (key, old_key):
            if each in self._top:
                entries = self._list(each, self._top[each][1])
                patterns = (self._object_name(entry) for entry in entries)
                return tuple(pattern for pattern in patterns if pattern is not None)
        return ()

    def _object_name(self, entry: Entry) -> ObjectNamePattern | None:
        if not isinstance(entry.value, str):
            self._wrong(entry.place, f"an ObjectName is text, this is {entry.kind}")
            return None
        try:
            return ObjectNamePattern(entry.value)
        except ObjectNameError as error:
            self._wrong(entry.place, str(error))
            return None

    def _attribute_lists(self, key: str) -> tuple[tuple[ObjectNamePattern, frozenset[str]], ...]:
        if key not in self._top:
            return ()
        entry = self._top[key][1]
        if not isinstance(entry.value, dict):
            message = f"{key} is a mapping of ObjectNames to lists, this is {entry.kind}"
            self._wrong(entry.place, message)
            return ()
        found = []
        for text, (place, names) in entry.value.items():
            pattern = self._object_name(Entry(place, text))
            words = self._list(f"{key}['{text}']", names)
            if pattern is not None:
                found.append((pattern, frozenset(str(word.value) for word in words)))
        return tuple(found)

    def _rules(self) -> tuple[Rule, ...]:
        if "rules" not in self._top:
            return (Rule(Place(self._file, 1, 1), None),)
        place, entry = self._top["rules"]
        if entry.value is None:
            self._wrong(place, "rules is empty: leave it out to name everything by default")
            return ()
        entries = self._list("rules", entry)
        if len(entries) > MAX_RULES:
            self._wrong(place, f"more than {MAX_RULES} rules")
            return ()
        rules = (_RuleEntry(each, self._problems, self._notes).rule() for each in entries)
        return tuple(rule for rule in rules if rule is not None)


class _RuleEntry:
    def __init__(self, entry: Entry, problems: list[str], notes: list[str]) -> None:
        self._entry = entry
        self._problems = problems
        self._notes = notes
        self._keys: dict[str, tuple[Place, Entry]] = {}

    def rule(self) -> Rule | None:
        before = len(self._problems)
        if not isinstance(self._entry.value, dict):
            message = f"a rule is a mapping with a pattern, this is {self._entry.kind}"
            self._wrong(self._entry.place, message)
            return None
        self._keys = self._entry.value
        for key, (place, _) in self._keys.items():
            if key not in _RULE_KEYS and is_near(key, _RULE_KEYS):
                self._wrong(place, f"unknown key '{key}'{did_you_mean(key, _RULE_KEYS)}")
            elif key not in _RULE_KEYS:
                self._notes.append(f"{place}: {key} is not used: it is no key of jmx_exporter")
        self._check_together()
        parsed = self._parsed()
        if parsed is None and "pattern" in self._keys:
            return None  # its groups are not known: what else is wrong can't be told
        groups = parsed or Parsed((), 0, {})
        name, value = self._template("name", groups), self._value(groups)
        help_text, labels = self._template("help", groups), self._labels(groups)
        texts = [text for text in (name, value, help_text) if text is not None]
        texts += [text for pair in labels for text in pair]
        rule = Rule(
            self._entry.place,
            self._pattern(parsed, frozenset[int]().union(*(text.groups for text in texts))),
            name=name,
            value=value,
            factor=self._factor(),
            labels=labels,
            help_text=help_text,
            kind=self._kind(),
            is_snake_case=self._boolean("attrNameSnakeCase"),
            is_cached=self._boolean("cache"),
            limit=self._limit(),
        )
        return rule if len(self._problems) == before else None

    def _wrong(self, place: Place, message: str) -> None:
        self._problems.append(f"{place}: {message}")

    def _check_together(self) -> None:
        for key in ("labels", "help"):
            if key in self._keys and "name" not in self._keys:
                self._wrong(self._keys[key][0], f"'{key}' needs a 'name' beside it")
        if "name" in self._keys and "pattern" not in self._keys:
            self._wrong(self._keys["name"][0], "'name' needs a 'pattern' beside it")

    def _parsed(self) -> Parsed | None:
        text = self._text("pattern")
        if text is None:
            return None
        try:
            return parse(text)
        except PatternError as error:
            near = text[max(error.at - 20, 0) : error.at]
            message = f"{error} (after '{near}')" if near else str(error)
            self._wrong(self._keys["pattern"][1].place, f"pattern: {message}")
            return None

    def _pattern(self, parsed: Parsed | None, used: frozenset[int]) -> Pattern | None:
        if parsed is None:
            return None
        try:
            return Pattern(parsed, used)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"pattern: Python can't match this ({error}): write it simpler"
            self._wrong(self._keys["pattern"][1].place, message)
            return None

    def _text(self, key: str) -> str | None:
        if key not in self._keys:
            return None
        entry = self._keys[key][1]
        return self._scalar(key, entry)

    def _scalar(self, key: str, entry: Entry) -> str | None:
        if isinstance(entry.value, bool):
            return "true" if entry.value else "false"
        if isinstance(entry.value, str | int | float):
            return str(entry.value)
        self._wrong(entry.place, f"{key} is text, this is {entry.kind}")
        return None

    def _template(self, key: str, parsed: Parsed) -> Template | None:
        text = self._text(key)
        if text is None:
            return None
        return self._read_template(key, text, self._keys[key][1].place, parsed)

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
            place = self._keys["value"][1].place
            self._wrong(place, f"value: '{template.expand(None)}' is no number")
        return template

    def _factor(self) -> float:
        if "valueFactor" not in self._keys:
            return 1.0
        entry = self._keys["valueFactor"][1]
        text = self._scalar("valueFactor", entry)
        factor = None if text is None else parse_double(text)
        if factor is None:
            self._wrong(entry.place, "valueFactor is a number, like 0.001")
            return 1.0
        return factor

    def _limit(self) -> int | None:
        if "limit" not in self._keys:
            return None
        entry = self._keys["limit"][1]
        if type(entry.value) is not int or entry.value < 1:
            self._wrong(entry.place, "limit is a number of series, 1 or more")
            return None
        return entry.value

    def _labels(self, parsed: Parsed) -> tuple[tuple[Template, Template], ...]:
        if "labels" not in self._keys:
            return ()
        entry = self._keys["labels"][1]
        if not isinstance(entry.value, dict):
            self._wrong(entry.place, f"labels is a mapping, this is {entry.kind}")
            return ()
        pairs = []
        for key, (place, value) in sorted(entry.value.items()):
            text = "" if value.value is None else self._scalar(f"label {key}", value)
            name = self._read_template(f"label {key}", key, place, parsed)
            if text is None or name is None:
                continue
            template = self._read_template(f"label {key}", text, value.place, parsed)
            if template is not None:
                pairs.append((name, template))
        return tuple(pairs)

    def _kind(self) -> Kind:
        text = self._text("type")
        if text is None:
            return Kind.UNKNOWN
        if text not in _KINDS:
            place = self._keys["type"][1].place
            self._notes.append(
                f"{place}: type '{text}' is taken as UNTYPED, as jmx_exporter 1.x does"
                f"{did_you_mean(text, _KINDS)}"
            )
        return _KINDS.get(text, Kind.UNKNOWN)

    def _boolean(self, key: str) -> bool:
        if key not in self._keys:
            return False
        entry = self._keys[key][1]
        if not isinstance(entry.value, bool):
            self._wrong(entry.place, f"{key} is true or false, this is {entry.kind}")
            return False
        return entry.value
