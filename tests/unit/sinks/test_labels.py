from __future__ import annotations

import pytest

from collector.series import Series
from collector.sinks.labels import LabelCache, encode_labels
from tests.lab.protos import write_request_class
from tests.unit.sinks.batches import series, words


def labelled(*labels: tuple[str, str]) -> Series:
    return series("a")._replace(labels=labels)


def decoded(labels: bytes) -> list[tuple[str, str]]:
    one = write_request_class()().timeseries.add()
    one.MergeFromString(labels)
    return [(label.name, label.value) for label in one.labels]


def test_the_name_of_a_metric_stands_behind_labels_in_upper_case():
    made = encode_labels([series("up", a="1", Zone="2", _z="3", __x="4", B="5")])
    names = [name for name, _ in decoded(made.encoded[0])]
    assert names == sorted(names) == ["B", "Zone", "__name__", "__x", "_z", "a"]


def test_values_are_text_of_any_kind_and_length_up_to_the_limit():
    value = 'ä"\\\n' + "x" * 4000
    made = encode_labels([series("up", topic=value)])
    assert decoded(made.encoded[0]) == [("__name__", "up"), ("topic", value)]
    assert not made.unsendable


def test_an_empty_value_is_left_out_since_it_means_no_label():
    made = encode_labels([series("up", a="", b="1")])
    assert decoded(made.encoded[0]) == [("__name__", "up"), ("b", "1")]


@pytest.mark.parametrize(
    "bad, reason",
    [
        (series(""), "metric_name"),
        (series("a-b"), "metric_name"),
        (series("0a"), "metric_name"),
        (series("a\n"), "metric_name"),
        (series("ä"), "metric_name"),
        (labelled(("b-c", "1")), "label_name"),
        (labelled(("b:c", "1")), "label_name"),
        (labelled(("", "1")), "label_name"),
        (series("a", b="\ud800"), "label_value"),
        (series("a", b="x" * 4097), "label_size"),
        (series("a", b="ä" * 2049), "label_size"),
        (labelled(("b" * 1025, "x")), "label_size"),
        (series("a", __name__="b"), "duplicate_label"),
        (labelled(("b", "1"), ("b", "2")), "duplicate_label"),
        (labelled(("b", ""), ("b", "2")), "duplicate_label"),
    ],
)
def test_what_a_receiver_would_drop_in_silence_gets_a_reason_and_no_bytes(bad, reason):
    made = encode_labels([series("before"), bad, series("behind")])
    assert made.unsendable == {1: reason}
    assert [bool(labels) for labels in made.encoded] == [True, False, True]


def test_the_same_series_twice_is_sent_once():
    made = encode_labels([series("a", b="1"), series("a", b="2"), series("a", b="1", c="")])
    assert made.unsendable == {2: "duplicate_series"}
    assert made.encoded[2] == b""


def test_labels_of_a_dictionary_are_encoded_once_while_there_is_room():
    cache = LabelCache(encode_labels, max_bytes=150)  # two of the three
    one, two, three = words("a"), words("b"), words("c")
    first = cache.of(one)
    assert cache.of(one) is first
    cache.of(two)
    assert cache.of(one) is first
    cache.of(three)
    cache.of(two)
    assert cache.of(one) is not first
    assert cache.of(one) == first
