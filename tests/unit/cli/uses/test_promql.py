"""Queries of dashboards and rules: what they select, and what they need to have data."""

from __future__ import annotations

import pytest

from collector.cli.uses.promql import Answer, Matcher, Unreadable, read


def names(text, **values):
    return [name for selector in read(text, values).selectors for name in selector.shown]


@pytest.mark.parametrize(
    "text,expected",
    [
        ("foo", ["foo"]),
        ("rate(foo[5m])", ["foo"]),
        (
            "sum by (a) (rate(foo[5m:1m] offset 1h)) / on(a) group_left() bar > bool 3",
            ["foo", "bar"],
        ),
        ("histogram_quantile(0.9, sum by (le) (rate(foo_bucket[5m])))", ["foo_bucket"]),
        ('{__name__="foo", a="b"}', ["foo"]),
        ('{__name__=~"foo|bar"}', ["foo", "bar"]),
        ('{__name__=~"^(foo|bar)$"}', ["foo", "bar"]),
        ('{__name__=~"foo_(a|b)_.*"}', ['{__name__=~"foo_(a|b)_.*"}']),
        ('count({job="x"})', ['{__name__=~".+"}']),
        ("absent(foo) or vector(0)", ["foo"]),
        ("foo # and $bar\n + baz", ["foo", "baz"]),
        ("time() - 3", []),
        # what Grafana puts into queries
        ("rate(foo[$__rate_interval])", ["foo"]),
        ("rate(foo[${__interval}:$step])", ["foo"]),
        ("rate(foo[${n}m]) * $__interval_ms", ["foo"]),
        ("rate(foo[[[interval]]])", ["foo"]),
        ("foo offset $shift", ["foo"]),
        ('foo{a="$x", b=~"[[y]]", c=~"${z:regex}"}', ["foo"]),
        ("topk($n, foo) > $limit", ["foo"]),
        ("$agg(rate(foo[5m]))", ["foo"]),
        ("$agg by ($label) (foo)", ["foo"]),
        ("foo $op bar", ["foo", "bar"]),
        ('label_replace(foo, "a", "$1-${2}", "b", "(.*)")', ["foo"]),
        ("rate(kafka_${type}_total[5m])", ["kafka_${type}_total"]),
        ("sum($metric)", ["${metric}"]),
        ("$metric", ["${metric}"]),
        ('{__name__=~"$metric"}', ["${metric}"]),
    ],
)
def test_metrics_are_found(text, expected):
    assert names(text) == expected


def test_variables_with_a_value_of_their_own_are_that():
    assert names("rate(foo_${unit}[5m])", unit="bytes") == ["foo_bytes"]
    assert names("rate(foo[$unit])", unit="bytes") == ["foo"]
    (selector,) = read('foo{quantile="$q"}', {"q": "0.99"}).selectors
    assert selector.matchers == (Matcher("quantile", "=", "0.99"),)
    assert not selector.matchers[0].is_open


def test_a_variable_leaves_a_condition_open():
    (selector,) = read('foo{a="$x", b=~"${y}.*", c="z"}').selectors
    assert [str(each) for each in selector.matchers] == ['a="${x}"', 'b=~"${y}.*"', 'c="z"']
    assert [each.is_open for each in selector.matchers] == [True, True, False]


def test_a_name_with_a_variable_is_a_pattern():
    (selector,) = read("kafka_${type}_total").selectors
    assert selector.matches("kafka_bytes_total")
    assert not selector.matches("kafka_bytes")
    assert not selector.is_any
    assert read("$metric").selectors[0].is_any


@pytest.mark.parametrize(
    "matcher,takes,refuses",
    [
        (Matcher("a", "=", "x"), ["x"], ["", "xy"]),
        (Matcher("a", "!=", ""), ["x"], [""]),
        (Matcher("a", "=~", "x|y.*"), ["x", "yes"], ["", "xx"]),
        (Matcher("a", "=~", ".*"), ["x", ""], []),
        (Matcher("a", "!~", "x.*"), ["", "y"], ["x"]),
        (Matcher("a", "=~", r"\C[[:alpha:]"), ["anything that Go may match"], []),
    ],
)
def test_conditions_are_prometheuss(matcher, takes, refuses):
    assert all(map(matcher.takes, takes))
    assert not any(map(matcher.takes, refuses))


@pytest.mark.parametrize(
    "text,answer",
    [
        ("yes", Answer.YES),
        ("no", Answer.NO),
        ("yes + no", Answer.NO),
        ("yes / on() unknown", Answer.UNKNOWN),
        ("no or yes", Answer.YES),
        ("no or vector(0)", Answer.YES),
        ("(no or unknown) * yes", Answer.UNKNOWN),
        ("yes unless no", Answer.YES),
        ("yes and no", Answer.NO),
        ("absent(no)", Answer.YES),
        ("sum(rate(no[5m]))", Answer.NO),
        ("vector(1)", Answer.YES),
        ("yes > bool 3", Answer.YES),
    ],
)
def test_what_a_query_needs(text, answer):
    answers = {"yes": Answer.YES, "no": Answer.NO, "unknown": Answer.UNKNOWN}
    assert read(text).answer(lambda selector: answers[selector.names[0]]) is answer


@pytest.mark.parametrize("text", ["foo{", "rate(foo)", "SELECT 1 FROM x", "", "$a $b $c $d $e $f"])
def test_what_can_not_be_read_says_why(text):
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert str(caught.value)
    assert "EVVAR" not in str(caught.value)
