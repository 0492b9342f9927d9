from __future__ import annotations

import re

import pytest

from collector.names.java_regex import MAX_NESTING, MAX_PATTERN, PatternError, parse
from collector.names.regex_tree import write_python


def compiled(pattern):
    return re.compile(write_python(parse(pattern).branches), re.ASCII)


@pytest.mark.parametrize(
    "pattern,yes,no",
    [
        (r"a.c", ["abc", "a.c"], ["a\nc"]),
        (r"(?s)a.c", ["a\nc"], []),
        (r"\Qa.(b\E+", ["a.(b", "a.(bb"], ["axb"]),
        (r"\p{Alpha}+\P{Digit}", ["ab-"], ["a1"]),
        (r"[\p{Upper}\d_-]+", ["A1_-"], ["a"]),
        (r"[a-d[m-p]]+", ["adm"], ["e"]),
        (r"[a-z&&[^aeiou]]+", ["xyz"], ["xay"]),
        (r"[^a-z&&[^b]]+", ["Ab"], ["a"]),
        (r"[\w&&[^\d]]+", ["ab_"], ["1"]),
        (r"[^\D]", ["1"], ["a"]),
        (r"[\]a-]+", ["]a-"], ["b"]),
        (r"[a-c-]+", ["a-c"], ["d"]),
        (r"[.$^|]", [".", "$"], ["a"]),
        (r"(?i)kafka", ["KAFKA", "kafka"], ["x"]),
        (r"k(?i)afka|x", ["kAFKA", "X"], ["Kafka"]),
        (r"(?:(?i)a)b", ["Ab"], ["AB"]),
        (r"(?i:a)b", ["Ab"], ["AB"]),
        (r"(?x) a b # comment", ["ab"], ["a b"]),
        (r"a++b", ["aab"], []),
        (r"a++ab", [], ["aab"]),
        (r"(?>a+)ab", [], ["aab"]),
        (r"a{2}b{1,}c{0,1}", ["aabc", "aabb"], ["ab"]),
        (r"a{2,3}?", ["aa"], ["a"]),
        (r"(?<x>a)\k<x>", ["aa"], ["ab"]),
        (r"(a)(b)\2\1", ["abba"], ["abab"]),
        (r"(a)\11", ["aa1"], ["a"]),
        (r"\x41\u0042\x{43}\0104", ["ABCD"], []),
        (r"\t\e\cA", ["\t\x1b\x01"], []),
        (r"\h\s\S", ["\u3000 x"], ["  "]),
        (r"\d", ["1"], ["\u0661"]),
        (r"\w", ["a"], ["\u00e9"]),
        (r"a(?=b)b", ["ab"], []),
        (r"(?<=a)b|(?<!a)c", [], ["b"]),
        (r"\R", ["\r\n", "\n"], ["\t"]),
        (r"a\z|b\Z|^c$", ["a", "b", "c"], []),
        (r"}]", ["}]"], []),
        (r"\-\#\<\>", ["-#<>"], []),
        (r"kafka\.(\w+)<type=(.+), name=(.+)><>Count", ["kafka.a<type=b, name=c><>Count"], []),
        (r"a||b", ["", "a", "b"], []),
        (r"é+", ["éé"], []),
    ],
)
def test_patterns_mean_what_they_mean_in_java(pattern, yes, no):
    for text in yes:
        assert compiled(pattern).fullmatch(text), text
    for text in no:
        assert not compiled(pattern).fullmatch(text), text


@pytest.mark.parametrize(
    "pattern,at,says",
    [
        ("a)", 1, "closes nothing"),
        ("a(b", 1, "never closed"),
        ("[a", 0, "never closed"),
        ("[]a]", 1, "empty class"),
        ("*a", 0, "nothing in front"),
        ("a|*", 2, "nothing in front"),
        ("a{", 1, "write \\{"),
        ("a{2,1}", 1, "smaller"),
        ("a\\", 1, "single \\"),
        (r"\p{L}", 0, "no counterpart"),
        (r"\y", 0, "not known"),
        (r"\1", 0, "no group 1"),
        (r"\k<a>", 0, "in front of it"),
        ("(?<a>b)(?<a>c)", 7, "twice"),
        ("(?<1>b)", 0, "letters and digits"),
        ("(?u)a", 0, "flag 'u'"),
        ("(?#a)", 0, "neither"),
        ("[b-a]", 1, "lower to a higher"),
        (r"[\Qa\E]", 1, "write the characters"),
        ("(" * (MAX_NESTING + 1), MAX_NESTING, "deeper"),
        ("[" * (MAX_NESTING + 1), MAX_NESTING - 1, "deeper"),
        ("a" * (MAX_PATTERN + 1), MAX_PATTERN, "longer"),
    ],
)
def test_what_can_not_be_translated_is_refused_with_its_place(pattern, at, says):
    with pytest.raises(PatternError, match=re.escape(says)) as caught:
        parse(pattern)
    assert caught.value.at == at


def test_groups_are_counted_and_named():
    parsed = parse("(a)(?:b)(?<c>d)(?=(e))")
    assert (parsed.groups, parsed.names) == (3, {"c": 2})
