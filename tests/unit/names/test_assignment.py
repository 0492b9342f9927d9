from __future__ import annotations

import math

from collector.names.assignment import Assignment
from collector.names.rules import Rules
from collector.series import SeriesTable, TargetSeries
from tests.unit.names.inventory import Slot, bean, rule_set


class Target:
    """What a target's rounds would be."""

    def __init__(self, *texts):
        self.table = SeriesTable()
        series = TargetSeries(self.table, {"job": "j"})
        self.assignment = Assignment(Rules(tuple(map(rule_set, texts))), series)
        self.plans = []
        self.program = None

    def add(self, name, values, java_type="double"):
        slots = tuple(Slot(attribute, (), java_type) for attribute in values)
        self.plans.append(self.assignment.plan(bean(name), slots, tuple(values.values())))
        return self.plans[-1]

    def read(self, *answers):
        changed = [
            self.assignment.look_again(plan, answer)
            for plan, answer in zip(self.plans, answers, strict=True)
        ]
        if self.program is None or any(changed):
            self.program = self.assignment.program(self.plans)
        values = self.program.values(answers)
        assert len(values) == len(self.program.series)
        assert len(set(self.program.series)) == len(self.program.series)
        return {
            (
                self.table[i].name,
                *(pair for pair in self.table[i].labels if pair[0] != "job"),
            ): value
            for i, value in zip(self.program.series, values, strict=True)
        }


def test_values_lie_beside_their_series():
    target = Target("{}")
    target.add("a:type=T", {"x": 1, "y": 2.5, "z": True})
    target.add("b:type=U", {"x": math.nan})
    first = target.read((1, 2.5, True), (math.nan,))
    assert math.isnan(first.pop(("b_U_x",)))
    assert first == {("a_T_x",): 1.0, ("a_T_y",): 2.5, ("a_T_z",): 1.0}
    program = target.program
    assert target.read((2, 3.5, False), (7.0,))[("a_T_z",)] == 0.0
    assert target.program is program


def test_pairs_of_labels_that_are_the_same_are_one_object():
    target = Target("{}")
    plans = [target.add(f"d:type=T,topic=orders,partition={n}", {"x": 1}) for n in (0, 1)]
    pairs = [use.named.labels[0] for plan in plans for use in plan.uses]
    assert pairs[0] == ("topic", "orders")
    assert pairs[0] is pairs[1]


def test_factors_and_constants():
    target = Target(
        "rules:\n- {pattern: ms, name: s, valueFactor: 0.001}\n"
        "- {pattern: 'version: (.+)', name: v, value: 2, valueFactor: 3, labels: {version: $1}}\n"
    )
    target.add("a:type=T", {"ms": 1500, "version": "4.3", "other": 1})
    read = target.read((1500, "4.3", 1))
    assert read == {("s",): 1.5, ("v", ("version", "4.3")): 6.0}


def test_a_boolean_is_not_multiplied_and_a_date_is_in_seconds():
    target = Target("rules: [{valueFactor: 10}]")
    target.add("a:type=T", {"on": True}, "boolean")
    target.add("b:type=T", {"at": 1500}, "date")
    assert target.read((True,), (1500,)) == {("a_T_on",): 1.0, ("b_T_at",): 15.0}


def test_a_number_too_big_for_a_double_is_infinite():
    target = Target("{}")
    target.add("a:type=T", {"x": 1, "y": 10**400, "z": 3})
    assert list(target.read((1, -(10**400), 3)).values()) == [1.0, -math.inf, 3.0]


def test_a_text_that_changes_is_another_series():
    target = Target("rules: [{pattern: 'state: (.+)', name: state, value: 1, labels: {s: $1}}]")
    target.add("a:type=T", {"state": "leader"})
    assert target.read(("leader",)) == {("state", ("s", "leader")): 1.0}
    assert target.read(("voter",)) == {("state", ("s", "voter")): 1.0}
    program = target.program
    assert target.read(("voter",)) == {("state", ("s", "voter")): 1.0}
    assert target.program is program


def test_a_number_that_a_rule_takes_from_the_text_changes_without_a_new_program():
    target = Target(r"rules: [{pattern: 'size: (\d+)', name: size, value: $1}]")
    target.add("a:type=T", {"size": 5})
    assert target.read((5,)) == {("size",): 5.0}
    program = target.program
    assert target.read((6,)) == {("size",): 6.0}
    assert target.program is program


def test_a_rule_for_some_values_comes_and_goes():
    target = Target("rules: [{pattern: 'State: 3', name: running, value: 1}]")
    target.add("a:type=T", {"State": 1})
    assert target.read((1,)) == {}
    assert target.read((3,)) == {("running",): 1.0}
    assert target.read((4,)) == {}


def test_two_rule_sets_give_both_names_from_one_read():
    target = Target("{}", "lowercaseOutputName: true")
    target.add("a:type=T", {"x": 1})
    target.add("b:type=t", {"x": 2})
    assert target.read((1,), (2,)) == {("a_T_x",): 1.0, ("a_t_x",): 1.0, ("b_t_x",): 2.0}
    assert target.assignment.clashes == 0


def test_the_first_value_keeps_a_series_that_two_rule_sets_give_to_different_values():
    target = Target("rules: [{pattern: '>x', name: n}]", "rules: [{pattern: '>y', name: n}]")
    target.add("a:type=T", {"x": 1, "y": 2})
    assert target.read((1, 2)) == {("n",): 1.0}
    assert target.assignment.clashes == 1


def test_a_limit_keeps_the_first_in_the_order_of_labels_whatever_the_order_of_reading():
    target = Target("rules: [{pattern: 't=(.+)><>x', name: n, limit: 2, labels: {t: $1}}]")
    for topic in "dbca":
        target.add(f"a:t={topic}", {"x": 1})
    assert set(target.read(*[(1,)] * 4)) == {("n", ("t", "a")), ("n", ("t", "b"))}
    assert target.assignment.left_out == 2


def test_a_clash_that_ends_gives_the_plain_labels_back():
    target = Target("rules: [{pattern: 'x: [12]', name: n}]")
    target.add("a:t=b", {"x": 1})
    target.add("a:t=c", {"x": 2})
    assert all(len(key) == 2 for key in target.read((1,), (2,)))
    assert target.read((1,), (3,)) == {("n",): 1.0}


CUSTOMIZERS = """
lowercaseOutputLabelNames: true
metricCustomizers:
- mbeanFilter: {domain: a, properties: {type: T}}
  attributesAsLabels: [Text, Size]
  extraMetrics:
  - {name: isActive, value: true, description: It is there.}
  - {name: weight, value: 2.5}
- mbeanFilter: {domain: a}
  extraMetrics: [{name: other, value: 1}]
rules:
- pattern: '(weight)'
  name: $1
  valueFactor: 2
  labels: {own: x}
- pattern: ".*"
  valueFactor: 3
"""


def test_metric_customizers_add_labels_and_metrics():
    target = Target(CUSTOMIZERS)
    target.add("a:type=T,name=n", {"Text": "t", "Size": 4})
    target.add("a:type=U", {"x": 1})
    added = (("size", "4"), ("text", "t"))
    assert target.read(("t", 4), (1,)) == {
        ("a_T_Size", ("name", "n"), *added): 12.0,
        ("a_T_isActive", ("name", "n"), *added): 1.0,
        ("weight", ("own", "x"), *added): 5.0,
        ("a_U_x",): 3.0,
        ("a_U_other",): 3.0,
    }
    program = target.program
    target.read(("t", 4), (2,))
    assert target.program is program
    assert ("weight", ("own", "x"), ("size", "5"), ("text", "t")) in target.read(("t", 5), (1,))


def test_attributes_for_labels_are_asked_for_though_no_rule_names_them():
    rules = rule_set(CUSTOMIZERS.replace('pattern: ".*"', "pattern: nothing"))
    assert rules.asks_for(bean("a:type=T"), "Text", number=False, text=True, composite=False)
    assert not rules.asks_for(bean("a:type=U"), "Text", number=False, text=True, composite=False)
