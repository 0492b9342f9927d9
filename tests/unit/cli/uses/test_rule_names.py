"""Which names a rule file can give, told from its text; a real broker's are in tests/real."""

from __future__ import annotations

import pytest

from collector.cli.uses.rule_names import possible_names
from collector.names.assignment import Assignment
from collector.names.rules import PROFILES, load_rules
from collector.series import SeriesTable, TargetSeries
from tests.unit.names import inventory


def possible(tmp_path, text):
    (tmp_path / "r.yaml").write_text(f"excludeJvmMetrics: true\n{text}")
    return possible_names(load_rules([str(tmp_path / "r.yaml")]))


@pytest.mark.parametrize(
    "rules,names",
    [
        ("rules: [{pattern: 'a<b=c><>d', name: a_b}]", {"a_b"}),
        ("rules: [{pattern: 'a<b=c><>d', name: a.b-c}]", {"a_b_c"}),
        ("rules: [{pattern: 'a<b=c><>d', name: a_b, type: COUNTER}]", {"a_b_total"}),
        ("rules: [{pattern: 'a<b=c><>d', name: a_b_total}]", {"a_b"}),
        ("keepSuffixes: true\nrules: [{pattern: 'a<b=c><>d', name: a_b_total}]", {"a_b_total"}),
        ("rules: [{pattern: 'a<b=c><>d', name: ''}]", set()),
        ("lowercaseOutputName: true\nrules: [{pattern: 'a<b=(X|Yz?)><>d', name: a_$1}]",
         {"a_x", "a_y", "a_yz"}),
        ("rules: [{pattern: 'a<b=(X|Y)(\\d)?><>(Q|R)', name: $1_$3}]",
         {"X_Q", "X_R", "Y_Q", "Y_R"}),
    ],
)  # fmt: skip
def test_names_that_can_be_listed(tmp_path, rules, names):
    found = possible(tmp_path, rules)
    assert found.names == names
    assert found.patterns == ()


@pytest.mark.parametrize(
    "rules,takes,refuses",
    [
        (
            "rules: [{pattern: 'kafka.(\\w+)<b=c><>Count', name: kafka_$1_total, type: COUNTER}]",
            ["kafka_server_total", "kafka__total"],
            ["kafka_server", "node_server_total"],
        ),
        (
            (
                "lowercaseOutputName: true\nrules: [{pattern: '(kafka\\.\\w+)<b=(.+)PerSec><>d', "
                "name: $1_$2}]"
            ),
            ["kafka_server_bytesin"],
            ["Kafka_server_bytesin", "node_server_bytesin"],
        ),
        ("rules: [{pattern: 'a'}]", ["anything_at_all"], []),
        ("includeObjectNames: ['java.lang:*', 'kafka*:type=x']", ["java_lang_x", "kafka_a_b"],
         ["node_x"]),
        ("rules: [{pattern: '((a+b)+)<c=d><>e', name: x_$1}]", ["x_" + "a" * 60], ["y"]),
    ],
)  # fmt: skip
def test_names_that_only_have_a_pattern(tmp_path, rules, takes, refuses):
    found = possible(tmp_path, rules)
    assert found.names == set()
    assert all(map(found.takes, takes))
    assert not any(map(found.takes, refuses))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_name_of_a_broker_is_possible(profile):
    """Never a "no" for what a real broker gives."""
    rules = load_rules([profile])
    found = possible_names(rules)
    table = SeriesTable()
    assignment = Assignment(rules, TargetSeries(table, {}))
    plans = [assignment.plan(known.bean, known.slots, known.values) for known in inventory.kafka()]
    given = {table[i].name for i in assignment.program(plans).series}
    assert len(given) > 50
    assert {name for name in given if name not in found.names and not found.takes(name)} == set()
