from __future__ import annotations

import pytest

from collector.errors import ConfigError
from collector.names.rule_file import ProblemsFound, parse_rule_file
from collector.names.rules import PROFILES, load_rules
from tests.unit.names.inventory import rule_set


@pytest.mark.parametrize(
    "text,says",
    [
        ("rule: []", "1:1: unknown key 'rule': did you mean 'rules'?"),
        ("lowercaseoutputname: true", "did you mean 'lowercaseOutputName'?"),
        ("lowercaseOutputName: 1", "1:22: lowercaseOutputName is true or false, this is a number"),
        ("- a", "1:1: a rule file is a mapping, this is a list"),
        ("rules: {}", "1:8: rules is a list, this is a mapping"),
        ("rules:", "1:1: rules is empty"),
        ("rules: [a]", "1:9: a rule is a mapping, this is text"),
        ("rules:\n- patern: x", "2:3: unknown key 'patern': did you mean 'pattern'?"),
        ("rules:\n- pattern: 'a('", "2:12: pattern: this bracket is never closed"),
        ("rules:\n- pattern: 'a+)'", "2:12: pattern: this ')' closes nothing"),
        ("rules:\n- pattern: '(?<=a+)b'", "2:12: pattern: Python can't match this"),
        ("rules:\n- pattern: [a]", "2:12: pattern is text, this is a list"),
        ("rules:\n- name: a", "2:3: 'name' needs a 'pattern'"),
        ("rules:\n- pattern: a\n  help: b", "3:3: 'help' needs a 'name'"),
        ("rules:\n- pattern: a\n  labels: {b: c}", "3:3: 'labels' needs a 'name'"),
        (
            "rules:\n- {pattern: '(a)', name: $2}",
            "name: $2 is asked for, but the pattern captures 1",
        ),
        (
            "rules:\n- {pattern: 'a', name: $1}",
            "2:24: name: $1 is asked for, but the pattern captures n",
        ),
        ("rules:\n- {pattern: a, name: b, labels: {c: $1}}", "label c: $1 is asked for"),
        ("rules:\n- {pattern: a, name: b, labels: [c]}", "labels is a mapping"),
        ("rules:\n- {pattern: a, name: b, labels: {c: [d]}}", "label c is text, this is a list"),
        ("rules:\n- {pattern: a, name: b, valueFactor: x}", "valueFactor is a number, like 0.001"),
        ("rules:\n- {pattern: a, name: b, value: x}", "value: 'x' is no number"),
        ("rules:\n- {pattern: a, name: b, limit: 0}", "limit is a number of series, 1 or more"),
        ("rules:\n- {pattern: a, cache: 1}", "cache is true or false"),
        ("includeObjectNames: kafka", "includeObjectNames is a list, this is text"),
        ("includeObjectNames: [kafka]", "1:22: 'kafka' is no ObjectName"),
        ("excludeObjectNames: [1]", "an ObjectName is text, this is a number"),
        (
            "excludeObjectNameAttributes: [a]",
            "excludeObjectNameAttributes is a mapping, this is a list",
        ),
        ("excludeObjectNameAttributes: {a: b}", "'a' is no ObjectName"),
        ("metricCustomizers: [{attributesAsLabels: [a]}]", "1:21: mbeanFilter needs a domain"),
        ("metricCustomizers: [{mbeanFilter: {domain: a}}]", "needs attributesAsLabels or extra"),
        (
            "metricCustomizers: [{mbeanFilter: {domain: a}, extraMetrics: [{name: b, value: c}]}]",
            "1:63: an extra metric has a name, and a value that is a number, true or false",
        ),
    ],
)
def test_every_mistake_has_a_line_a_column_and_what_to_do(text, says):
    with pytest.raises(ProblemsFound) as caught:
        parse_rule_file(text, "f.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("f.yaml:")


def test_all_problems_of_a_file_are_told_at_once():
    with pytest.raises(ProblemsFound) as caught:
        parse_rule_file("rule: 1\nrules:\n- {pattern: '(', name: a}\n- {nam: b}\n", "f")
    assert len(caught.value.problems) == 3


def test_keys_of_the_exporters_own_connection_are_noted_and_not_used():
    rules = rule_set(
        "hostPort: localhost:1\nssl: true\nhttpServer: {ssl: {}}\nstartDelaySeconds: 5\n"
    )
    assert [note.split(": ", 1)[1].split(" ")[0] for note in rules.notes] == [
        "hostPort", "ssl", "httpServer", "startDelaySeconds",
    ]  # fmt: skip
    assert rules.notes[1].startswith("rules.yaml:2:1: ")


def test_keys_that_nobody_knows_are_noted_as_the_exporter_passes_over_them():
    rules = rule_set("cacheRules: true\nvendor: x\nrules: [{pattern: a, comment: b}]\n")
    assert len(rules.notes) == 3
    assert rules.notes[1] == "rules.yaml:2:1: vendor is not used: it is no key of jmx_exporter"


def test_the_names_of_the_jvm_come_with_every_list_unless_all_files_leave_the_jvm_out(tmp_path):
    (tmp_path / "no.yaml").write_text("excludeJvmMetrics: true\n")
    (tmp_path / "all.yaml").write_text("{}\n")
    assert [each.file for each in load_rules(["cfk"]).sets] == ["cfk", "jvm"]
    assert len(load_rules(["no.yaml"], tmp_path).sets) == 1
    assert len(load_rules(["no.yaml", "all.yaml"], tmp_path).sets) == 3


def test_a_type_that_is_none_is_untyped_as_in_the_exporter_and_noted():
    rules = rule_set("rules:\n- {pattern: a, name: b, type: counter}\n")
    assert rules.notes[0] == (
        "rules.yaml:2:31: type 'counter' is taken as UNTYPED, as jmx_exporter 1.x does"
        ": did you mean 'COUNTER'?"
    )


def test_the_old_names_of_the_lists_are_known_and_the_new_ones_win():
    rules = rule_set("whitelistObjectNames: ['a:*']\nblacklistObjectNames: ['b:*']\n")
    assert rules.patterns == ("a:*",)
    assert [each.text for each in rules.exclude] == ["b:*"]
    rules = rule_set("whitelistObjectNames: ['a:*']\nincludeObjectNames: ['c:*']\n")
    assert rules.patterns == ("c:*",)


@pytest.mark.parametrize("text", ["", "{}", "---\n", "# nothing\n"])
def test_an_empty_file_names_everything_by_default(text):
    rules = rule_set(text)
    assert rules.patterns == ("*:*",)
    assert len(rules.rules) == 1


def test_rules_are_loaded_from_profiles_and_files(tmp_path):
    (tmp_path / "own.yml").write_text("includeObjectNames: ['a:*']\nrules: []\n")
    (tmp_path / "all.yaml").write_text("{}")
    rules = load_rules(["default", "own.yml"], tmp_path)
    assert [each.file for each in rules.sets] == ["default", str(tmp_path / "own.yml"), "jvm"]
    assert "a:*" in rules.patterns
    assert load_rules([str(tmp_path / "all.yaml"), "default"]).patterns == ("*:*",)


def test_what_can_not_be_loaded_is_said_in_sentences(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "big.yaml").write_bytes(b"#" * (1 << 21))
    names = ["strimsi", "gone.yaml", "bytes.yaml", "big.yaml", "."]
    with pytest.raises(ConfigError) as caught:
        load_rules(names, tmp_path)
    lines = caught.value.message.splitlines()
    assert "no profile is called 'strimsi': did you mean 'strimzi'?" in lines
    assert any("gone.yaml: No such file" in line for line in lines)
    assert any("bytes.yaml: byte 0 is not UTF-8" in line for line in lines)
    assert any("big.yaml:1:1: larger than" in line for line in lines)
    with pytest.raises(ConfigError, match="empty list"):
        load_rules([])


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_a_rule_file_without_notes(profile):
    assert load_rules([profile]).notes == ()
