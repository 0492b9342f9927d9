"""YAML to nodes with places, and what a file can't do to us."""

from __future__ import annotations

import pytest

from collector.config.document import MAX_DEPTH, MAX_NODES, Listing, Mapping, Scalar, parse
from collector.config.problems import Place, Problems


def parsed(text):
    problems = Problems("f", text)
    return parse(text, problems), problems


def refused(text):
    """The first line of what is said about a text that can't be read at all."""
    root, problems = parsed(text)
    assert root is None
    return problems.render().splitlines()[0]


def test_every_value_knows_its_place():
    root, problems = parsed('a: 1\nb:\n  - x\n  - {c: "d e"}\n')
    assert not problems.has_errors
    assert root.entries["a"].key == Place(1, 1, 1, 2)
    assert root.entries["a"].value.place == Place(1, 4, 1, 5)
    items = root.entries["b"].value
    assert isinstance(items, Listing)
    assert items.items[0].place == Place(3, 5, 3, 6)
    inner = items.items[1]
    assert isinstance(inner, Mapping)
    assert inner.entries["c"].value.place == Place(4, 9, 4, 14)


def test_columns_count_characters_not_bytes():
    root, _ = parsed("é: {ü: ß}")
    assert root.entries["é"].value.entries["ü"].value.place == Place(1, 8, 1, 9)


@pytest.mark.parametrize("word", ["0412", "on", "1e3", "0x1f", "2026-11-22", "12:30:00", "NaN"])
def test_words_stay_as_they_are_written(word):
    root, _ = parsed(f"site: {word}")
    assert root.entries["site"].value.text == word


@pytest.mark.parametrize("text,empty", [("", True), ("~", True), ("null", True), ("''", False)])
def test_nothing_is_not_an_empty_text(text, empty):
    root, _ = parsed(f"a: {text}")
    assert root.entries["a"].value.is_empty is empty


def test_an_alias_stands_for_its_anchor():
    root, problems = parsed("a: &x [1, 2]\nb: *x\n")
    assert not problems.has_errors
    assert root.entries["b"].value is root.entries["a"].value


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "~"])
def test_an_empty_file(text):
    assert refused(text) == 'f: error: the file is empty: the least is one line: "site: NAME"'


@pytest.mark.parametrize("text", ["hello world", "- a\n- b\n", "<html><body/></html>", "42"])
def test_text_that_is_no_configuration(text):
    assert refused(text) == (
        'f:1:1: error: not a configuration: expected lines "key: value"; '
        'the least is one line: "site: NAME"'
    )


@pytest.mark.parametrize(
    "text,says",
    [
        ("a:\n\tb: 1\n", "f:2:1: error: not YAML: a tab: indent with spaces"),
        ("a: @x\n", 'f:1:4: error: not YAML: a value can\'t begin with "@": quote it'),
        (
            "a: b: c\n",
            (
                'f:1:5: error: not YAML: a second ": " where only a value may stand: '
                "check the indentation, or quote the value"
            ),
        ),
        ("a: [1, 2", 'f:1:9: error: not YAML: a list that "[" opened is not closed with "]"'),
        ("a: {b: 1\n", 'f:2:1: error: not YAML: a section that "{" opened is not closed with "}"'),
        ("a: 'x\n", "f:2:1: error: not YAML: a quote is not closed"),
        (
            "a: 1\nb\n",
            'f:3:1: error: not YAML: a ":" is missing after this key, or an indentation is wrong',
        ),
        ("a: *x\n", "f:1:4: error: no anchor &x stands above this alias"),
        ("a: &x [*x]\n", "f:1:8: error: &x contains itself"),
        ("a: 1\n---\nb: 2\n", "f:2:1: error: a second document: one file is one configuration"),
        ("a: \x01\n", "f:1:4: error: a control character (U+0001): this is not YAML text"),
        ("\x7fELF\x02\x01", "f:1:1: error: a control character (U+007F): this is not YAML text"),
    ],
)
def test_text_that_is_not_yaml(text, says):
    assert refused(text) == says


def test_keys_that_are_set_twice_and_tags_are_errors_beside_others():
    _, problems = parsed("a: 1\nb: !!python/object:os.system x\na: 2\n[1]: 2\n")
    heads = [line for line in problems.render().splitlines() if line.startswith("f:")]
    assert heads == [
        (
            'f:2:4: error: the tag "tag:yaml.org,2002:python/object:os.system" is not used here: '
            "remove it"
        ),
        'f:3:1: error: "a" is already set in line 1',
        "f:4:1: error: a key must be one word",
    ]


def test_f36_deep_nesting_ends_where_it_begins_to_be_deep():
    assert refused("a: " + "[" * 100_000).endswith(f"nested more than {MAX_DEPTH} levels deep")
    assert refused("- " * 5_000).endswith(f"nested more than {MAX_DEPTH} levels deep")


def test_f36_a_billion_laughs_are_counted_not_laughed():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    says = refused("\n".join(lines))
    assert says.startswith("f:5:")
    assert says.endswith(f"more than {MAX_NODES} values: this is not a configuration")


def test_f36_a_file_of_many_values_is_given_up_early():
    assert "more than 20000 values" in refused("".join(f"k{n}: v\n" for n in range(80_000)))


def test_a_scalar_is_found_in_block_style_too():
    root, _ = parsed("a: |\n  one\n  two\nb: 1\n")
    value = root.entries["a"].value
    assert isinstance(value, Scalar)
    assert value.text == "one\ntwo\n"
    assert value.place == Place(1, 4, 4, 1)
