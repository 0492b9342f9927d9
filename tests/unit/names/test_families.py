from __future__ import annotations

from collector.names.families import place
from collector.names.rule import Named
from collector.names.subject import Subject
from collector.series import Family, Kind
from tests.unit.names.inventory import bean


def named(name, kind=Kind.UNKNOWN, **labels):
    return Named(name, tuple(labels.items()), kind, "", 1.0, None, None)


def subject(i):
    return Subject(bean(f"d:type=T,name=n{i}"), (), "Count")


def test_counters_get_their_suffix_and_the_help_of_their_bean():
    placed = place([named("a", Kind.COUNTER)], subject, keeps_suffixes=False)
    assert placed[0].family == Family(
        "a_total", Kind.COUNTER, "", "d:name=n0,type=T,attribute=Count"
    )
    placed = place([named("a", Kind.COUNTER)], subject, keeps_suffixes=True)
    assert placed[0].family.name == "a"


def test_kinds_that_differ_make_a_metric_untyped():
    kinds = [Kind.COUNTER, Kind.GAUGE, Kind.COUNTER]
    values = [named("a", kind, x=str(i)) for i, kind in enumerate(kinds)]
    placed = place(values, subject, keeps_suffixes=False)
    assert {each.family for each in placed} == {
        Family("a", Kind.UNKNOWN, "", "d:name=n0,type=T,attribute=Count")
    }


def test_values_with_one_name_and_one_set_of_labels_say_where_they_come_from():
    values = [named("a", x="1"), named("a", x="1"), named("a", x="2"), named("b", x="1")]
    placed = place(values, subject, keeps_suffixes=False)
    assert [dict(each.labels).get("_objectname") for each in placed] == [
        "d<type=T, name=n0><>Count",
        "d<type=T, name=n1><>Count",
        "d<type=T, name=n2><>Count",
        None,
    ]


def test_the_order_of_labels_makes_no_difference():
    placed = place(
        [named("a", x="1", y="2"), named("a", y="2", x="1")], subject, keeps_suffixes=False
    )
    assert all(len(each.labels) == 3 for each in placed)
