from __future__ import annotations

import re

import pytest

from collector.names.template import Template, TemplateError

FOUND = re.compile("(a)(b)?(c)").fullmatch("ac")


@pytest.mark.parametrize(
    "text,result",
    [
        ("x_$1_$3", "x_a_c"),
        ("$0", "ac"),
        ("[$2]", "[]"),
        ("$11", "a1"),
        ("$10", "a0"),
        (r"\$1\\", "$1\\"),
        ("${n}x", "ax"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_templates_expand_as_in_java(text, result):
    assert Template(text, 3, {"n": 1}).expand(FOUND) == result


@pytest.mark.parametrize("text", ["$4", "$", "$x", "${m}", "a\\"])
def test_a_template_that_java_would_throw_at_is_refused(text):
    with pytest.raises(TemplateError):
        Template(text, 3, {"n": 1})


def test_two_digits_are_one_group_where_there_are_so_many():
    found = re.compile("(.)" * 12).fullmatch("abcdefghijkl")
    assert Template("$12$1", 12, {}).expand(found) == "la"


def test_without_a_match_only_constants_are_left():
    assert Template("a", 0, {}).is_constant
    assert Template("a", 0, {}).expand(None) == "a"
    assert not Template("$0", 0, {}).is_constant
