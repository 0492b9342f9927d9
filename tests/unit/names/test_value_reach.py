from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.names.java_regex import parse
from collector.names.rule import Pattern
from collector.names.value_reach import head_of_run, is_blind, literal_runs


@pytest.mark.parametrize(
    "pattern",
    [
        ".*",
        "",
        ".*$",
        r"kafka.server<type=(.+), name=(.+)PerSec\w*><>Count",
        r"kafka.(\w+)<type=(.+), name=(.+)><>(Count|Value)",
        r"kafka.(\w+)<type=(.+), name=(.+)><>(\d+)thPercentile",
        r"kafka.connect<type=connect-worker-metrics>([^:]+):",
        r"kafka.producer<type=producer-metrics, client-id=(.+)><>(.+):",
        r"kafka.producer<type=producer-metrics, client-id=(.+)><>(.+): ",
        r"kafka.producer<type=producer-metrics, client-id=(.+)><>(.+): .*",
        r"java.lang<type=Memory>.*",
        r"(kafka\.\w+)<type=([^,>]+)><>([\w-]+-total)",
        r"foo|Bar.*",
        r"^java.lang<type=Memory><(\w+)>(\w+)$|.*",
        r"Count\b",
        r"(?!foo)Count",
    ],
)
def test_patterns_that_end_at_the_name_are_blind(pattern):
    assert is_blind(parse(pattern).branches)


@pytest.mark.parametrize(
    "pattern",
    [
        "(.*)",
        r"\d+",
        "1",
        "true",
        r"kafka.server<type=raft-metrics><>current-state: (.+)",
        r"kafka.server<type=(.+)><>(.+)",
        r"Value: 3",
        r"<>Value: (\d)",
        r"BrokerState.*3",
        r"(\w+)",
        r"foo<(.*)",
        r"kafka.server<type=([^,]+), (.*)",
        r"(?=.*5)Count",
        r"(a)Count .*\1",
        r"Count|5",
        r"Count [^ ]+",
        r"state:\s*(.+)",
    ],
)
def test_patterns_that_reach_into_the_value_look(pattern):
    assert not is_blind(parse(pattern).branches)


STARTS = [
    "kafka.server<type=BrokerTopicMetrics, name=BytesInPerSec, topic=a><>Count",
    "kafka.server<type=raft-metrics><>current-epoch",
    "java.lang<type=Memory><HeapMemoryUsage>used",
    "d<k=1.5, l=NaN><>a b",
    "d<><>true: 3",
    "1<a=2><>3",
]
PIECES = [
    ".*", "(.*)", "(.+)", r"(\w+)", r"\w*", "1", "true", "Count", ": ", ":", " ", "><>", "<", ">",
    r"\d", "[^:]+", "[^ ]*", "(a|b)", "(?:x|1)?", r"\b", "$", "^", "-", "(?=.)", "(?!1)", "=", ", ",
    "used", "(?i)COUNT", ".", "[a-z]+?", "E", "(?:N)*",
]  # fmt: skip
VALUES = ["0", "1", "-7.5", "1.0E10", "NaN", "-Infinity", "true", "false", "9.9E-4"]


@given(st.lists(st.sampled_from(PIECES), max_size=7), st.sampled_from(STARTS))
def test_a_blind_pattern_gives_the_same_for_every_value(pieces, start):
    parsed = parse("".join(pieces).replace("**", "*").replace("$*", "$"))
    pattern = Pattern(parsed)
    found = [pattern.match(f"{start}: {value}") for value in VALUES]
    outcomes = {None if each is None else each.groups() for each in found}
    if pattern.is_blind:
        assert len(outcomes) == 1
    if any(found):
        assert pattern.may_match(f"{start}:", is_text=False)
        assert pattern.may_match_bean(start.rpartition("><")[0] + ">")


@given(st.lists(st.sampled_from(PIECES), max_size=7), st.sampled_from(STARTS))
def test_the_cheap_test_never_says_no_to_a_match(pieces, start):
    parsed = parse("".join(pieces))
    line = f"{start}: 1.5"
    if Pattern(parsed).match(line) is None:
        return
    assert all(run in line for run in literal_runs(parsed.branches))


def test_runs_of_letters():
    def runs(pattern):
        return literal_runs(parse(pattern).branches)

    assert runs(r"kafka\.server<type=(.+), name=(a)b>") == ("kafka.server<type=", ", name=ab>")
    assert runs("ab?c") == ("a", "c")
    assert runs("a|b") == ()
    assert runs("(?i)ab") == ()
    assert runs("a^b") == ("ab",)
    assert head_of_run("State: 3") == "State:"
    assert head_of_run("1.5") == ""


def test_lines_with_odd_line_ends_are_one_line_for_a_dot_as_in_java():
    pattern = Pattern(parse("a.*b"))
    assert pattern.match("a\x85b") is None
    assert pattern.match("a\rb") is None
    assert pattern.match("axb")
    assert re.search(".", "\x85")  # Python's dot would take it
