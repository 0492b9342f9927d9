from __future__ import annotations

from typing import Any

import pytest

from collector.names import document
from collector.names.document import MAX_BYTES, DocumentError, did_you_mean


def load(text: str, file: str) -> Any:
    return document.load(text, file).value


def test_values_know_their_places():
    root = load("a: 1\nb:\n  - x\n  - {c: true}\n", "f.yaml")
    (place, _), (_, b) = root["a"], root["b"]
    assert str(place) == "f.yaml:1:1"
    assert [str(each.place) for each in b.value] == ["f.yaml:3:5", "f.yaml:4:5"]
    assert b.value[1].value["c"][1].value is True


def test_aliases_and_merge_keys_are_followed():
    root = load("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\nc: *x\n", "f")
    assert {k: v[1].value for k, v in root["b"][1].value.items()} == {"k": 3, "l": 2}
    assert root["c"][1].value["l"][1].value == 2


def test_the_first_of_several_merged_mappings_wins():
    root = load("b: {<<: [{k: 1}, {k: 2, l: 3}]}", "f")
    assert {k: v[1].value for k, v in root["b"][1].value.items()} == {"k": 1, "l": 3}


@pytest.mark.parametrize(
    "text,says",
    [
        ("a: [", "f:1:5: not YAML"),
        ("a: b: c", "f:1:5: not YAML: mapping values are not allowed here: put the text in front"),
        ("a: *x", "f:1:4: not YAML: found undefined alias"),
        ("\x00", "f:1:1: not YAML"),
        ("a: 1\n---\nb: 2", "f:2:1: not YAML"),
        ("[" * 600, "nested too deeply"),
        ("? [a]\n: b", "f:1:3: a key must be text"),
        ("<<: 1", "f:1:5: '<<' takes mappings"),
        ("a: !!python/name:os.system x", "f:1:4"),
        ("&a [*a]", "nested too deeply"),
        ("x" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_rule_file_is_refused_with_its_place(text, says):
    with pytest.raises(DocumentError) as caught:
        load(text, "f")
    assert says in str(caught.value)


def test_a_bomb_of_aliases_is_refused():
    lines = ["a0: &a0 [x]"] + [
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)
    ]
    with pytest.raises(DocumentError, match="too many aliases"):
        load("\n".join(lines), "f")


def test_a_bomb_of_merge_keys_is_refused():
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 9)]
    with pytest.raises(DocumentError, match="too many aliases"):
        load("\n".join(lines), "f")


def test_dates_and_big_documents_stay_text():
    root = load("a: 2026-11-22\nb: 1e3\nc: ~\n", "f")
    assert {k: v[1].value for k, v in root.items()} == {
        "a": "2026-11-22",
        "b": "1e3",
        "c": None,
    }


def test_suggestions():
    assert did_you_mean("patern", ["pattern", "name"]) == ": did you mean 'pattern'?"
    assert did_you_mean("NAME", ["pattern", "name"]) == ": did you mean 'name'?"
    assert did_you_mean("zzz", ["pattern", "name"]) == "; known are pattern, name"
