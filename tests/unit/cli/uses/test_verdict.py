"""What files ask for against what is given: answers, nearest names, labels, and the page."""

from __future__ import annotations

import json
import re

import pytest

from collector.cli.uses import page
from collector.cli.uses.given import Given, TargetState
from collector.cli.uses.parts import Part, Text, Uses
from collector.cli.uses.promql import Answer, read
from collector.cli.uses.rule_names import Possible
from collector.cli.uses.verdict import judge

POSSIBLE = Possible(frozenset({"jmx_listed_total"}), (re.compile("jmx_open_.*"),))


def target(is_up, possible=POSSIBLE):
    error = "" if is_up is not False else "no connection"
    return TargetState("kafka a:1", is_up, error, possible)


SERIES = {
    "jmx_bytes_total": [{"topic": "a", "job": "kafka"}, {"topic": "b", "job": "kafka"}],
    "jmx_time": [{"quantile": "0.99", "job": "kafka"}],
}
LIVE = Given([target(True)], SERIES)
DOWN = Given([target(False)], {})
OFFLINE = Given([target(None)], None)


SOME = "the rules name some, no target has them now"


def answer(given, text):
    (selector,) = read(text).selectors
    found = given.judge(selector)
    return found.answer, found.why or found.nearest


@pytest.mark.parametrize(
    "given,text,expected",
    [
        (LIVE, "jmx_bytes_total", (Answer.YES, "")),
        (LIVE, 'jmx_bytes_total{topic="b"}', (Answer.YES, "")),
        (LIVE, 'jmx_bytes_total{topic=~"$topic"}', (Answer.YES, "")),
        (LIVE, 'jmx_time{quantile="1"}', (Answer.NOT_NOW, 'there, but not with quantile="1" now')),
        (LIVE, "jmx_listed_total", (Answer.NOT_NOW, "the rules name it, no target has it now")),
        (LIVE, "jmx_byte_total", (Answer.NO, "jmx_bytes_total")),
        (LIVE, "jmx_open_x", (Answer.NO, "")),
        (LIVE, "something_else", (Answer.NO, "")),
        (LIVE, '{__name__=~"jmx_.*"}', (Answer.YES, "")),
        (LIVE, '{__name__=~"a|jmx_time"}', (Answer.YES, "")),
        (LIVE, '{__name__=~"a.*"}', (Answer.NO, "")),
        (LIVE, '{__name__=~"jmx_l.*"}', (Answer.NOT_NOW, SOME)),
        (LIVE, "$metric", (Answer.PERHAPS, "a variable is its name")),
        (LIVE, "edgevitals_round_seq", (Answer.YES, "the collector's own")),
        (LIVE, "edgevitals_pulse_eta_seconds", (Answer.YES, "the collector's own")),
        (LIVE, "ALERTS", (Answer.YES, "Prometheus makes it")),
        (DOWN, "jmx_listed_total", (Answer.UNKNOWN, "kafka a:1 is down")),
        (DOWN, "jmx_open_x", (Answer.UNKNOWN, "kafka a:1 is down")),
        (DOWN, '{__name__=~"jmx_.*"}', (Answer.UNKNOWN, "kafka a:1 is down")),
        (DOWN, "node_load1", (Answer.NO, "")),
        (OFFLINE, "jmx_listed_total", (Answer.YES, "")),
        (OFFLINE, 'jmx_listed_total{a="b"}', (Answer.YES, "")),
        (OFFLINE, "jmx_open_x", (Answer.PERHAPS, "a rule's pattern fits")),
        (OFFLINE, '{__name__=~"jmx_l.*"}', (Answer.YES, "")),
        (OFFLINE, '{__name__=~"jmx_o.*"}', (Answer.PERHAPS, "a rule's pattern may fit")),
        (OFFLINE, "jmx_listd_total", (Answer.NO, "jmx_listed_total")),
    ],
)  # fmt: skip
def test_answers(given, text, expected):
    assert answer(given, text) == expected


def rule(title, text, record=""):
    return Part("r.yaml", "record" if record else "alert", title, (Text(text, {}),), record)


def panel(title, *texts):
    made = tuple(text if isinstance(text, Text) else Text(text, {}) for text in texts)
    return Part("a.json", "panel", title, made)


def verdict(*parts, given=LIVE):
    return judge([Uses("x", parts)], given)


def test_a_panel_has_data_when_one_of_its_queries_has():
    found = verdict(panel("P", "jmx_time", "nope"), panel("Q", "jmx_time / nope"))
    assert [(one.used_by.title, one.answer) for one in found.parts] == [
        ("P", Answer.YES),
        ("Q", Answer.NO),
    ]
    assert [(one.name, [by.title for by in one.used_by]) for one in found.metrics] == [
        ("nope", ["P", "Q"]),
        ("jmx_time", ["P", "Q"]),
    ]
    assert found.least is Answer.NO


def test_hidden_queries_are_listed_and_not_counted():
    found = verdict(panel("P", "jmx_time", Text("nope", {}, is_shown=False)))
    assert found.least is Answer.YES
    assert [one.name for one in found.metrics] == ["nope", "jmx_time"]


def test_an_alternative_that_is_missing_is_no_problem():
    found = verdict(panel("P", "nope or jmx_time"))
    assert found.least is Answer.YES
    assert found.metrics[0].judgement.answer is Answer.NO


def test_what_rules_record_is_given_when_their_query_is():
    found = verdict(
        rule("a:good", "sum(jmx_time)", "a:good"),
        rule("a:bad", "sum(nope)", "a:bad"),
        rule("a:twice", "a:good + 1", "a:twice"),
        rule("a:circle", "a:circle", "a:circle"),
        panel("P", "a:twice"),
        panel("Q", "a:bad"),
    )
    answers = {one.name: one.judgement for one in found.metrics}
    assert answers["a:good"] == (Answer.YES, "recorded by a rule", "")
    assert answers["a:twice"].answer is Answer.YES
    assert answers["a:bad"].answer is Answer.NO
    assert answers["a:circle"].answer is Answer.NO
    assert {one.used_by.title: one.answer for one in found.parts}["Q"] is Answer.NO


def test_labels_that_no_series_has_are_told():
    found = verdict(
        panel("P", 'jmx_time{namespace="$ns", job="kafka"}', 'jmx_bytes_total{namespace=~"x|y"}'),
        panel("Q", 'jmx_time{other=""}', 'jmx_time{other=~".*"}', 'jmx_time{other!="x"}'),
    )
    assert found.labels == (("namespace", ("jmx_time", "jmx_bytes_total")),)


def test_what_can_not_be_read_can_not_be_told():
    found = verdict(panel("P", "foo{"), Part("a.json", "variable", "v", (Text("foo{", {}),)))
    assert [one.used_by.title for one in found.unreadable] == ["P"]
    assert [one.answer for one in found.parts] == [Answer.UNKNOWN]
    assert found.least is Answer.UNKNOWN


def test_the_page_begins_with_what_is_missing_and_ends_with_counts():
    files = [
        Uses(
            "a.json",
            (
                panel("Bytes", "jmx_bytes_total", "jmx_bytes_total{topic='$t'}"),
                panel("Byte", "jmx_byte_total"),
                panel("Time", 'jmx_time{quantile="0.5", namespace="$n"}'),
                panel("Odd\x1b[2J", "foo{"),
            ),
            ("a note",),
        )
    ]
    text = page.page(files, LIVE, judge(files, LIVE), "what is there")
    assert "\x1b" not in text
    assert text.splitlines() == [
        "judged by what is there",
        "  kafka a:1: up",
        "",
        "METRIC           GIVEN                                            USED BY",
        "jmx_byte_total   no, nearest: jmx_bytes_total                     Byte",
        'jmx_time         not now: there, but not with quantile="0.5" now  Time',
        "jmx_bytes_total  yes                                              Bytes",
        "",
        "Labels that are asked for and that no series of these metrics has:",
        "  namespace: jmx_time",
        "The config can set those that tell places apart: labels: {namespace: ...}",
        "",
        "a.json, Odd [2J can't be read: unexpected end of input inside braces: foo{",
        "a.json: a note",
        (
            "a.json: panels that can have data: 1 of 4; 1 more when what they ask for is there; "
            "1 can't be told"
        ),
        "  no: Byte",
        "  unknown: Odd [2J",
        "  not now: Time",
    ]


def test_many_panels_are_counted_and_json_has_them_all():
    files = [Uses("a.json", tuple(panel(f"P{n}", "jmx_time") for n in range(5)))]
    found = judge(files, LIVE)
    assert "jmx_time  yes    P0, P1, P2 and 2 more" in page.page(files, LIVE, found, "")
    said = json.loads(page.page_json(files, LIVE, found, "all of it"))
    assert said["basis"] == "all of it"
    assert said["targets"] == [{"target": "kafka a:1", "up": True, "error": ""}]
    (metric,) = said["metrics"]
    assert (metric["metric"], metric["given"]) == ("jmx_time", "yes")
    assert metric["used_by"][4] == {"file": "a.json", "kind": "panel", "title": "P4"}
    assert {one["can_have_data"] for one in said["parts"]} == {"yes"}
