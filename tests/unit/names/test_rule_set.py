"""What a rule makes of a value: each case is one of jmx_exporter 1.0.1's."""

from __future__ import annotations

import pytest

from collector.names.subject import subject_of
from collector.series import Kind
from tests.unit.names.inventory import ask, bean, rule_set

CATCH_ALL = 'rules: [{pattern: ".*"}]'
TOPIC = "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=a.b"


def test_default_naming():
    named = ask("{}", TOPIC, "Count").named
    assert named.name == "kafka_server_BrokerTopicMetrics_Count"
    assert dict(named.labels) == {"name": "BytesInPerSec", "topic": "a.b"}
    assert (named.kind, named.factor, named.constant) == (Kind.UNKNOWN, 1.0, None)


def test_default_naming_in_lower_case_and_snake_case():
    rules = "lowercaseOutputName: true\nlowercaseOutputLabelNames: true\n"
    named = ask(rules, "d:type=A,someKey=X", "AnAttr").named
    assert (named.name, named.labels) == ("d_a_anattr", (("somekey", "X"),))
    named = ask("rules: [{attrNameSnakeCase: true}]", "d:type=A", "anAttr").named
    assert named.name == "d_A_an_attr"


def test_default_naming_of_composite_and_tabular_values():
    gc = "java.lang:name=G1 Old,type=GarbageCollector"
    row = (("key", "G1 Eden Space"),)
    path = ("memoryUsageAfterGc", row, "value", "used")
    subject = subject_of(bean(gc), "LastGcInfo", path, "long")
    text = f"{subject.prefix}{subject.attribute}"
    assert text == (
        "java.lang<name=G1 Old, type=GarbageCollector, key=G1 Eden Space>"
        "<LastGcInfo, memoryUsageAfterGc>used"
    )
    named = rule_set("{}").resolve(subject, 5).named
    assert named is not None
    assert named.name == "java_lang_G1_Old_LastGcInfo_memoryUsageAfterGc_used"
    assert dict(named.labels) == {"type": "GarbageCollector", "key": "G1 Eden Space"}


def test_a_table_whose_index_is_called_like_a_key_of_the_bean_gets_an_underscore():
    subject = subject_of(bean("d:type=A,key=b"), "T", ((("key", "r"),), "count"), "int")
    assert f"{subject.prefix}{subject.attribute}" == "d<type=A, key=b, key_=r><T>count"


def test_the_first_rule_that_matches_decides():
    rules = 'rules: [{pattern: Bytes, name: a}, {pattern: ".*", name: b}]'
    assert ask(rules, TOPIC, "Count").named.name == "a"
    assert ask(rules, "x:type=y", "Count").named.name == "b"


def test_patterns_are_not_anchored_and_the_last_place_wins():
    rules = r'rules: [{pattern: "type=(\\w)", name: "x_$1"}]'
    assert ask(rules, "d:type=A,subtype=B", "c").named.name == "x_B"
    assert ask('rules: [{pattern: "^type", name: x}]', "d:type=A", "c").named is None


def test_groups_in_names_labels_help_and_label_names():
    rules = r"""
rules:
- pattern: 'kafka.(\w+)<type=(.+), name=(.+)PerSec, (.+)=(.+)><>Count'
  name: kafka_$1_$2_$3_total
  type: COUNTER
  help: "Of $5"
  labels: {"$4": "$5", "z-$1": x, "$1$9": "", empty: "$6"}
"""
    with pytest.raises(Exception, match="captures 5"):
        rule_set(rules)
    rules = rules.replace(', "$1$9": "", empty: "$6"', ', "$1": "", "": y')
    named = ask(rules, TOPIC, "Count").named
    assert named.name == "kafka_server_BrokerTopicMetrics_BytesIn"  # _total comes with the kind
    assert named.kind is Kind.COUNTER
    assert named.help == "Of a.b"
    assert dict(named.labels) == {"topic": "a.b", "z_server": "x"}


def test_an_empty_name_leaves_the_value_out():
    rules = 'rules: [{pattern: Bytes, name: ""}, {pattern: ".*"}]'
    assert ask(rules, TOPIC, "Count").named is None


def test_reserved_suffixes_go_unless_the_file_keeps_them():
    rules = "rules: [{pattern: a, name: b_total, type: GAUGE}]"
    assert ask(rules, "a:b=c", "d").named.name == "b"
    assert ask(f"keepSuffixes: true\n{rules}", "a:b=c", "d").named.name == "b_total"


def test_infer_counter_type_from_name():
    rules = "inferCounterTypeFromName: true\nrules: [{pattern: '(.+)><>(.+):', name: 'x_$2'}]"
    assert ask(rules, "a:b=c", "d-total").named.kind is Kind.COUNTER
    assert ask(rules, "a:b=c", "d-rate").named.kind is Kind.UNKNOWN


def test_values_in_patterns_and_values_of_rules():
    rules = r"""
rules:
- {pattern: 'state: (.+)', name: state, labels: {state: $1}, value: 1}
- {pattern: 'size: (\d+)k', name: size, value: $1, valueFactor: 1024}
- {pattern: 'bad: (.+)', name: bad, value: $1}
- {pattern: '.*', name: all}
"""
    leader = ask(rules, "a:b=c", "state", "leader")
    assert (leader.named.labels, leader.named.constant) == ((("state", "leader"),), 1.0)
    assert leader.looks_at_value
    size = ask(rules, "a:b=c", "size", "12k").named
    assert (size.constant, size.factor) == (12.0, 1024.0)
    assert ask(rules, "a:b=c", "bad", "x").named is None
    assert ask(rules, "a:b=c", "other", "a text").named is None  # no number, and none given
    assert ask(rules, "a:b=c", "other", 5).named.name == "all"


def test_a_rule_of_a_number_looks_only_where_it_can_match():
    rules = r"rules: [{pattern: 'Value: 3', name: three, value: 1}, {pattern: '.*'}]"
    assert ask(rules, "a:b=c", "Value", 3).named.name == "three"
    assert ask(rules, "a:b=c", "Value", 3).looks_at_value
    assert ask(rules, "a:b=c", "Value", 2).looks_at_value
    assert not ask(rules, "a:b=c", "Count", 3).looks_at_value


def test_cache_puts_a_word_in_the_place_of_the_value():
    rules = r"rules: [{pattern: 'c><>(.+)', name: 'x_$1', cache: true}]"
    resolution = ask(rules, "a:b=c", "d", 5)
    assert resolution.named.name == "x_d:_cache_"
    assert not resolution.looks_at_value


def test_booleans_are_written_as_java_does():
    rules = "rules: [{pattern: 'On: true', name: yes_, value: 1}]"
    assert ask(rules, "a:b=c", "On", value=True).named.name == "yes_"
    assert ask(rules, "a:b=c", "On", value=False).named is None


def test_objects_and_attributes_that_are_left_out():
    rules = rule_set(
        "includeObjectNames: ['a:*', 'b:type=x,*']\n"
        "excludeObjectNames: ['a:type=no,*']\n"
        "excludeObjectNameAttributes: {'a:type=y': [Secret]}\n"
    )
    assert rules.covers("a", {"type": "yes"})
    assert not rules.covers("a", {"type": "no", "name": "b"})
    assert not rules.covers("b", {"type": "y"})
    assert not rules.takes(bean("a:type=y"), "Secret")
    assert rules.takes(bean("a:type=y"), "Open")
    only = rule_set("includeObjectNameAttributes: {'a:type=y': [Open]}")
    assert only.takes(bean("a:type=y"), "Open")
    assert not only.takes(bean("a:type=z"), "Open")


def test_exclude_jvm_metrics_leaves_what_is_included_by_name():
    assert not rule_set("excludeJvmMetrics: true").covers("java.lang", {"type": "Memory"})
    assert rule_set("excludeJvmMetrics: true").covers("kafka.server", {"type": "x"})
    both = rule_set("excludeJvmMetrics: true\nincludeObjectNames: ['java.lang:*']")
    assert both.covers("java.lang", {"type": "Memory"})


def test_only_what_a_rule_can_name_is_asked_for():
    rules = rule_set(r"""
rules:
- {pattern: 'java.lang<type=Memory><HeapMemoryUsage>(\w+)', name: heap_$1}
- {pattern: 'kafka<type=a><>text: (.+)', name: text, value: 1, labels: {t: $1}}
- {pattern: 'kafka<type=a><>drop', name: ''}
- {pattern: 'kafka<type=a><>\w+', name: rest}
""")

    def asked(name, attribute, *, number=False, text=False, composite=False):
        return rules.asks_for(bean(name), attribute, number, text, composite)

    assert asked("java.lang:type=Memory", "HeapMemoryUsage", composite=True)
    assert not asked("java.lang:type=Memory", "NonHeapMemoryUsage", composite=True)
    assert not asked("java.lang:type=Memory", "Verbose", number=True)
    assert asked("kafka:type=a", "text", text=True)
    assert not asked("kafka:type=a", "other", text=True)
    assert asked("kafka:type=a", "other", number=True)
    assert not asked("kafka:type=a", "drop", number=True)
    assert not asked("kafka:type=b", "other", number=True, text=True, composite=True)


def test_everything_is_asked_for_by_a_catch_all_except_texts():
    rules = rule_set(CATCH_ALL)
    assert rules.asks_for(bean("a:b=c"), "d", True, False, False)
    assert rules.asks_for(bean("a:b=c"), "d", False, False, True)
    assert not rules.asks_for(bean("a:b=c"), "d", False, True, False)
    with_value = rule_set('rules: [{pattern: ".*", name: x, value: 1}]')
    assert with_value.asks_for(bean("a:b=c"), "d", False, True, False)


def test_a_pattern_that_begins_inside_of_the_keys_gets_what_is_in_a_composite():
    rules = rule_set(
        """
        rules:
          - pattern: ".*type=Memory><HeapMemoryUsage>used"
            name: heap
        """
    )
    memory = bean("java.lang:type=Memory")
    assert rules.asks_for(memory, "HeapMemoryUsage", False, False, True)
