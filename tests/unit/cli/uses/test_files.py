"""Dashboards in all forms of Grafana, and rule files: which queries are theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.cli.uses.files import read_uses
from collector.cli.uses.parts import Text
from collector.errors import ConfigError

DATA = Path(__file__).parents[3] / "data" / "uses"
PROMETHEUS = {"type": "prometheus", "uid": "p"}


def parts(document, tmp_path, name="a.json"):
    text = document if isinstance(document, str) else json.dumps(document)
    (tmp_path / name).write_text(text)
    uses = read_uses(tmp_path / name)
    assert uses is not None
    return [(one.kind, one.title, [text.text for text in one.texts]) for one in uses.parts]


def panel(title, *exprs, **more):
    targets = [{"expr": expr} if isinstance(expr, str) else expr for expr in exprs]
    return {"title": title, "datasource": PROMETHEUS, "targets": targets, **more}


def test_our_small_boards():
    uses = read_uses(DATA / "strimzi-like.json")
    assert uses is not None
    titles = [one.title for one in uses.parts]
    assert titles[:4] == ["variable cluster", "variable topic", "annotation Elections", "Bytes in"]
    assert "Produce, slowest" in titles  # inside of a row
    assert "Request handlers idle" in titles  # a library panel that the file brings along
    assert "Log lines" not in titles
    assert "What this is" not in titles
    assert uses.notes == ('library panel "Quotas" is kept in Grafana, not in this file',)
    heap = next(one for one in uses.parts if one.title == "Heap")
    assert [text.is_shown for text in heap.texts] == [True, False]
    assert heap.texts[0].values == {"percentile": "0.99"}

    uses = read_uses(DATA / "confluent-like.json")
    assert uses is not None
    assert len([one for one in uses.parts if one.kind == "panel"]) == 6


@pytest.mark.parametrize("wrap", ["", "dashboard", "spec"])
def test_what_the_api_and_kubernetes_put_around_a_board_is_taken_off(tmp_path, wrap):
    board = {"panels": [panel("P", "foo")]}
    found = parts({"meta": {}, wrap: board} if wrap else board, tmp_path)
    assert found == [("panel", "P", ["foo"])]


def test_rows_of_all_times(tmp_path):
    board = {
        "panels": [{"type": "row", "title": "R", "panels": [panel("A", "a")]}, panel("B", "b")],
        "rows": [{"panels": [panel("C", "c")]}],
    }
    assert [title for _, title, _ in parts(board, tmp_path)] == ["A", "B", "C"]


@pytest.mark.parametrize(
    "source,is_ours",
    [
        (None, True),
        ("Prometheus", True),
        ("My SQL-like Prometheus", True),
        ("${DS_P}", True),
        ("${DS_L}", False),
        ({"uid": "${DS_L}"}, False),
        ({"type": "prometheus", "uid": "${DS_L}"}, True),
        ({"type": "loki", "uid": "x"}, False),
        ({"type": "__expr__", "uid": "__expr__"}, False),
        ({"uid": "$logs"}, False),
        ({"uid": "${unheard}"}, True),
    ],
)
def test_other_data_sources_are_passed_over(tmp_path, source, is_ours):
    board = {
        "__inputs": [
            {"name": "DS_P", "pluginId": "prometheus"},
            {"name": "DS_L", "pluginId": "loki"},
        ],
        "templating": {"list": [{"name": "logs", "type": "datasource", "query": "loki"}]},
        "panels": [panel("P", "foo", datasource=source)],
    }
    assert bool(parts(board, tmp_path)) is is_ours


def test_a_mixed_panel_is_judged_by_its_queries(tmp_path):
    mixed = panel(
        "P",
        {"expr": "foo", "datasource": PROMETHEUS},
        {"expr": '{a="b"}', "datasource": {"type": "loki"}},
        datasource={"type": "datasource", "uid": "-- Mixed --"},
    )
    assert parts({"panels": [mixed]}, tmp_path) == [("panel", "P", ["foo"])]


@pytest.mark.parametrize(
    "query,text",
    [
        ("label_values(foo, topic)", "foo"),
        ('label_values(foo{a=~"$b,c"}, topic)', 'foo{a=~"$b,c"}'),
        ("label_values(topic)", None),
        ("label_names()", None),
        ("query_result(sum by (a) (foo))", "sum by (a) (foo)"),
        ("metrics(kafka_.*)", '{__name__=~".*(?:kafka_.*).*"}'),
        ({"query": "label_values(foo, a)", "refId": "x"}, "foo"),
    ],
)
def test_queries_of_variables(tmp_path, query, text):
    variable = {"name": "v", "type": "query", "query": query, "datasource": PROMETHEUS}
    found = parts({"templating": {"list": [variable]}, "panels": []}, tmp_path)
    assert found == ([("variable", "variable v", [text])] if text else [])


@pytest.mark.parametrize(
    "variable,value",
    [
        ({"type": "constant", "query": "x"}, "x"),
        ({"type": "custom", "query": "a,b", "current": {"value": "b"}}, "b"),
        ({"type": "custom", "query": "a,b", "current": {"value": ["b"]}}, "b"),
        ({"type": "custom", "query": "one : a,two : b"}, "a"),
        ({"type": "custom", "query": "a,b", "current": {"value": ["a", "b"]}}, "a"),
        ({"type": "custom", "query": "a", "current": {"value": "$__all"}}, None),
        ({"type": "query", "query": "label_values(a)", "current": {"value": "b"}}, None),
    ],
)
def test_values_of_variables(tmp_path, variable, value):
    board = {"templating": {"list": [{"name": "v"} | variable]}, "panels": [panel("P", "foo")]}
    (tmp_path / "a.json").write_text(json.dumps(board))
    uses = read_uses(tmp_path / "a.json")
    assert uses is not None
    assert uses.parts[-1].texts == (Text("foo", {"v": value} if value else {}),)


def test_a_dashboard_of_the_second_schema(tmp_path):
    def query(text, group="prometheus", **more):
        inside = {"kind": "DataQuery", "group": group, "spec": {"expr": text}}
        return {"kind": "PanelQuery", "spec": {"query": inside, **more}}

    def element(title, *queries):
        data = {"kind": "QueryGroup", "spec": {"queries": list(queries)}}
        return {"kind": "Panel", "spec": {"id": 1, "title": title, "data": data}}

    board = {
        "kind": "Dashboard",
        "spec": {
            "elements": {
                "panel-1": element("P", query("foo"), query("old", hidden=True)),
                "panel-2": element("L", query("{}", "loki")),
                "panel-3": {"kind": "LibraryPanel", "spec": {"title": "Elsewhere"}},
            },
            "variables": [
                {
                    "kind": "QueryVariable",
                    "spec": {
                        "name": "v",
                        "query": {"group": "prometheus", "spec": {"query": "label_values(bar, a)"}},
                    },
                }
            ],
            "annotations": [
                {
                    "kind": "AnnotationQuery",
                    "spec": {"name": "A", "query": query("changes(baz[1m])")["spec"]["query"]},
                }
            ],
        },
    }
    assert parts(board, tmp_path) == [
        ("variable", "variable v", ["bar"]),
        ("annotation", "annotation A", ["changes(baz[1m])"]),
        ("panel", "P", ["foo", "old"]),
    ]


RULES = """\
groups:
  - name: g
    rules:
      - {record: "a:b", expr: sum(foo)}
      - {alert: Bad, expr: "a:b > 1"}
"""


def test_rule_files_also_as_kubernetes_has_them(tmp_path):
    expected = [("record", "a:b", ["sum(foo)"]), ("alert", "Bad", ["a:b > 1"])]
    assert parts(RULES, tmp_path, "a.yaml") == expected
    inside = "".join(f"  {line}\n" for line in RULES.splitlines())
    wrapped = f"kind: ConfigMap\n---\nkind: PrometheusRule\nspec:\n{inside}"
    assert parts(wrapped, tmp_path, "a.yaml") == expected


def test_alert_rules_of_grafanas_own(tmp_path):
    rule = {"title": "Bad", "data": [{"model": {"expr": "foo"}}, {"model": {"type": "threshold"}}]}
    found = parts({"apiVersion": 1, "groups": [{"rules": [rule]}]}, tmp_path)
    assert found == [("alert", "Bad", ["foo"])]


@pytest.mark.parametrize("text", ["site: a\n", "{site: a}\n", "[]", "", "- 1\n"])
def test_what_is_neither_is_left_to_others(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    assert read_uses(tmp_path / "c.yaml") is None


@pytest.mark.parametrize(
    "name,data,says",
    [
        ("a.json", b'{"panels": [}', "a.json:1:13: not JSON: "),
        ("a.yaml", b"groups: [\n", "a.yaml:2:1: not YAML: "),
        ("a.yaml", b"a: \xff", "a.yaml: neither JSON nor YAML"),
        ("a.json", b"[" * 100_000, "a.json: neither JSON nor YAML"),
        ("missing.json", None, "missing.json: No such file"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path, name, data, says):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_uses(tmp_path / name)
    assert says in caught.value.message


@pytest.mark.parametrize(
    "board",
    [
        {"panels": ["a", None, {"targets": "x"}, {"targets": [1, {"expr": 2}]}]},
        {"panels": [], "templating": {"list": [1, {"query": 3, "type": "query"}]}},
        {"panels": [], "templating": [], "annotations": [], "__inputs": 1, "__elements": []},
        {"rows": [1, {"panels": 3}], "annotations": {"list": {"a": 1}}},
        {"elements": {"a": 1, "b": {"spec": {"data": []}}}, "variables": 1},
        {"groups": [1, {"rules": 2}, {"rules": [1, {}]}]},
    ],
)
def test_odd_forms_are_no_bugs(tmp_path, board):
    assert [texts for _, _, texts in parts(board, tmp_path) if texts] == []
