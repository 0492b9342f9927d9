"""What the source jmx asks a JVM for. Reading one is in tests/real/test_names.py."""

from __future__ import annotations

from typing import Any

from collector.jmx import AttributeInfo, BeanInfo, ObjectName, Slot, Value
from collector.names.rules import Rules, load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx import FAILURES, Form, Naming, Wanted
from tests.unit.names.inventory import rule_set

COMPOSITE = "javax.management.openmbean.CompositeData"


class Answer:
    """What one bean answers, as `collector.sources.jmx.Form`."""

    def __init__(self, name: str, *attributes: str) -> None:
        self.bean = self
        self.name = ObjectName.parse(name)
        self.slots = tuple(Slot(attribute, (), "long") for attribute in attributes)
        self.tag: Any = None


def own_numbers(failures: float, clashes: float, left_out: float) -> dict[str, float]:
    return {
        "edgevitals_jmx_failures": failures,
        "edgevitals_jmx_clashes": clashes,
        "edgevitals_jmx_left_out": left_out,
    }


def info(**attributes: str) -> BeanInfo:
    return BeanInfo(
        class_name="C",
        description="",
        attributes=tuple(
            AttributeInfo(
                name=name,
                java_type=java_type,
                description="",
                may_be_number=java_type != "java.lang.String",
                may_be_text=java_type in {"java.lang.String", "java.lang.Object"},
            )
            for name, java_type in attributes.items()
        ),
        is_of_class=False,
    )


def asked(wanted: Wanted, name: str, **attributes: str) -> list[str]:
    return list(wanted.attributes(ObjectName.parse(name), info(**attributes)))


def wanted(*texts: str) -> Wanted:
    return Wanted(Rules(tuple(map(rule_set, texts))))


def test_only_attributes_that_a_rule_can_name_are_read():
    rules = wanted("rules: [{pattern: 'a<b=c><>x', name: n}]")
    assert asked(rules, "a:b=c", x="long", y="long", z="java.lang.String") == ["x"]
    assert asked(rules, "a:b=d", x="long") == []


def test_texts_are_read_only_when_a_rule_makes_a_number_of_its_own_from_them():
    types = {"state": "java.lang.String", "x": "java.lang.Object"}
    assert asked(wanted("{}"), "a:b=c", **types) == ["x"]
    rules = wanted("rules: [{pattern: 'state: (.+)', name: n, value: 1, labels: {s: $1}}]")
    assert asked(rules, "a:b=c", **types) == ["state"]


def test_composite_attributes_are_read_when_a_rule_looks_inside():
    rules = wanted("rules: [{pattern: 'a<b=c><Usage>used', name: n}]")
    assert asked(rules, "a:b=c", Usage=COMPOSITE, PeakUsage=COMPOSITE) == ["Usage"]


def test_each_rule_set_has_its_own_beans_and_attributes():
    rules = wanted(
        "includeObjectNames: ['a:*']\nrules: [{pattern: '>x', name: n}]",
        "includeObjectNames: ['*:b=d']\nrules: [{pattern: '>y', name: n}]",
    )
    assert rules.patterns == ("a:*", "*:b=d")
    assert rules.wants(ObjectName.parse("a:b=c"), "C")
    assert not rules.wants(ObjectName.parse("b:b=c"), "C")
    assert asked(rules, "a:b=c", x="long", y="long") == ["x"]
    assert asked(rules, "a:b=d", x="long", y="long") == ["x", "y"]
    assert asked(rules, "e:b=d", x="long", y="long") == ["y"]


def test_long_texts_of_the_runtime_are_never_read():
    rules = wanted("rules: [{pattern: '.*', value: 1}]")
    types = {"VmVersion": "java.lang.String", "ClassPath": "java.lang.String"}
    assert asked(rules, "java.lang:type=Runtime", **types) == ["VmVersion"]


def test_the_profile_asks_the_server_for_kafka_and_the_jvm_only():
    patterns = load_rules(["default"]).patterns
    assert "kafka*:*" in patterns
    assert "*:*" not in patterns
    assert all(pattern.split(":")[0] not in {"com.sun.management", "*"} for pattern in patterns)


def test_a_round_says_how_many_values_it_lacks():
    table = SeriesTable()
    rules = (
        "rules: [{pattern: '>x', name: n}]",
        "rules: [{pattern: '>y', name: n}]",
        "rules: [{pattern: '<b=(.)><>z', name: z, labels: {of: $1}, limit: 1}]",
    )
    naming = Naming(TargetSeries(table, {}), Rules(tuple(map(rule_set, rules))), FAILURES)

    def told(answers: list[tuple[Form, tuple[Value, ...]]], failures: int) -> dict[str, float]:
        reading = naming.reading(answers, failures)
        return {table[i].name: v for i, v in zip(reading.series, reading.values, strict=True)}

    assert told([], 0) == own_numbers(0, 0, 0)
    one, two = Answer("a:b=c", "x", "y", "z"), Answer("a:b=d", "z")
    assert told([(one, (1, 2, 3)), (two, (4,))], 7) == {"n": 1, "z": 3, **own_numbers(7, 1, 1)}
    assert told([(two, (4,))], 0) == {"z": 4, **own_numbers(0, 0, 0)}


def test_series_are_the_same_object_while_no_name_changes():
    naming = Naming(TargetSeries(SeriesTable(), {}), load_rules(["default"]), FAILURES)
    one = Answer("kafka.server:type=a", "Value")
    first, second = naming.reading([(one, (1,))], 0), naming.reading([(one, (2,))], 3)
    assert first.series is second.series
    assert list(second.values) == [2.0, 3.0, 0.0, 0.0]
