"""A rule file of the Prometheus jmx_exporter, read and checked.

Keys and their meaning are those of jmx_exporter 1.0.1 and of the later options that its
documentation names (https://prometheus.github.io/jmx_exporter/). Two keys are ours:
`keepSuffixes: true` takes metric names as they are written; the exporter takes `_total` and
`_info` away from what is no counter, and adds `_total` to what is one. `limit: 500` in a rule
keeps that many series of a name, the first in the order of their labels, and leaves out others.
"""

from __future__ import annotations

from collector.names.customizer import Customizer, ExtraMetric
from collector.names.document import DocumentError, Entry, Place, load
from collector.names.fields import Fields, Findings
from collector.names.object_names import ObjectNameError, ObjectNamePattern
from collector.names.rule import Rule
from collector.names.rule_entry import read_rule
from collector.names.rule_set import RuleSet

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

_KEYS = (
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

_JVM_DOMAINS = (
    "com.sun.management:*", "com.sun.management.jmxremote:*", "java.lang:*", "java.nio:*",
    "java.util.logging:*", "javax.management:*", "javax.management.remote:*", "jdk.internal:*",
    "jdk.management:*", "jdk.management.jfr:*", "sun.management:*",
)  # fmt: skip
"""What excludeJvmMetrics leaves out."""

AttributeLists = tuple[tuple[ObjectNamePattern, frozenset[str]], ...]


class ProblemsFound(Exception):  # noqa: N818 - it is what came of the reading
    """Everything that is wrong with a file, each with its place and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_rule_file(text: str, file: str) -> RuleSet:
    """Read the text of a rule file. Raises ProblemsFound with a line for each problem."""
    findings = Findings()
    try:
        root = load(text, file)
    except DocumentError as error:
        raise ProblemsFound([str(error)]) from error
    if root.value is None:
        root = Entry(root.place, {})
    result = _RuleFile(Fields("a rule file", root, _KEYS, findings), file).rule_set()
    if findings.problems:
        raise ProblemsFound(findings.problems)
    return result


class _RuleFile:
    def __init__(self, fields: Fields, file: str) -> None:
        self._file = file
        self._fields = fields
        self._findings = fields.findings
        for key in fields.values.keys() & _NOT_OURS.keys():
            self._findings.note(fields.key_place(key), f"{key} is not used: {_NOT_OURS[key]}")

    def rule_set(self) -> RuleSet:
        fields = self._fields
        jvm = _JVM_DOMAINS if fields.boolean("excludeJvmMetrics") else ()
        return RuleSet(
            file=self._file,
            rules=self._rules(),
            include=self._object_names("includeObjectNames", "whitelistObjectNames"),
            exclude=self._object_names("excludeObjectNames", "blacklistObjectNames"),
            exclude_jvm=tuple(ObjectNamePattern(each) for each in jvm),
            excluded_attributes=self._attribute_lists("excludeObjectNameAttributes"),
            included_attributes=self._attribute_lists("includeObjectNameAttributes"),
            customizers=tuple(map(self._customizer, fields.entries("metricCustomizers"))),
            lowercase_names=fields.boolean("lowercaseOutputName"),
            lowercase_labels=fields.boolean("lowercaseOutputLabelNames"),
            infer_counters=fields.boolean("inferCounterTypeFromName"),
            keeps_suffixes=fields.boolean("keepSuffixes"),
            notes=tuple(self._findings.notes),
        )

    def _rules(self) -> tuple[Rule, ...]:
        if "rules" not in self._fields:
            return (Rule(Place(self._file, 1, 1), None),)
        place, entry = self._fields.values["rules"]
        if entry.value is None:
            message = "rules is empty: leave it out to name everything by default"
            self._findings.wrong(place, message)
            return ()
        entries = self._fields.entries("rules")
        if len(entries) > MAX_RULES:
            self._findings.wrong(place, f"more than {MAX_RULES} rules")
            return ()
        rules = (read_rule(each, self._findings) for each in entries)
        return tuple(rule for rule in rules if rule is not None)

    def _object_names(self, key: str, old_key: str) -> tuple[ObjectNamePattern, ...]:
        entries = self._fields.entries(key if key in self._fields else old_key)
        patterns = (self._object_name(entry) for entry in entries)
        return tuple(pattern for pattern in patterns if pattern is not None)

    def _object_name(self, entry: Entry) -> ObjectNamePattern | None:
        if not isinstance(entry.value, str):
            self._findings.wrong(entry.place, f"an ObjectName is text, this is {entry.kind}")
            return None
        try:
            return ObjectNamePattern(entry.value)
        except ObjectNameError as error:
            self._findings.wrong(entry.place, str(error))
            return None

    def _attribute_lists(self, key: str) -> AttributeLists:
        found = []
        for text, (place, names) in self._fields.mapping(key).items():
            pattern = self._object_name(Entry(place, text))
            words = self._fields.listed(f"{key}['{text}']", names)
            if pattern is not None:
                found.append((pattern, frozenset(str(word.value) for word in words)))
        return tuple(found)

    def _customizer(self, entry: Entry) -> Customizer:
        keys = ("mbeanFilter", "attributesAsLabels", "extraMetrics")
        fields = Fields("a metric customizer", entry, keys, self._findings)
        if "attributesAsLabels" not in fields and "extraMetrics" not in fields:
            message = "a metric customizer needs attributesAsLabels or extraMetrics"
            self._findings.wrong(entry.place, message)
        empty = Entry(entry.place, {})
        beans = fields.values["mbeanFilter"][1] if "mbeanFilter" in fields else empty
        about = Fields("mbeanFilter", beans, ("domain", "properties"), self._findings)
        domain = about.text("domain")
        if domain is None:
            self._findings.wrong(beans.place, "mbeanFilter needs a domain")
        properties = (
            (key, about.scalar(key, value))
            for key, (_, value) in about.mapping("properties").items()
        )
        return Customizer(
            domain or "",
            tuple((key, value) for key, value in properties if value is not None),
            tuple(str(each.value) for each in fields.entries("attributesAsLabels")),
            tuple(map(self._extra_metric, fields.entries("extraMetrics"))),
        )

    def _extra_metric(self, entry: Entry) -> ExtraMetric:
        keys = ("name", "value", "description")
        fields = Fields("an extra metric", entry, keys, self._findings)
        name = fields.text("name")
        value = fields.values["value"][1].value if "value" in fields else None
        if name is None or not isinstance(value, bool | int | float):
            message = "an extra metric has a name, and a value that is a number, true or false"
            self._findings.wrong(entry.place, message)
            return ExtraMetric("", 0.0)
        return ExtraMetric(name, value)
