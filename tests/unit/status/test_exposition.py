import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from collector.series import Family, Kind, Series
from collector.status.exposition import render, render_json

UP = Family("up", Kind.GAUGE, "", "1 if the target answered.")
SENT = Family("sent_bytes_total", Kind.COUNTER, "bytes", "Bytes sent.")
WAIT = Family("wait_seconds", Kind.HISTOGRAM, "seconds", "Time waited.")


def series(family, suffix="", **labels):
    return Series(family.name + suffix, tuple(sorted(labels.items())), family)


def parsed(page):
    """Every sample as Prometheus's own client library reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_a_page_reads_as_it_should_look():
    page = render(
        [
            (series(UP, job="kafka"), 1.0),
            (series(SENT, sink="centre"), 12345.5),
            (series(UP, job="node"), 0.0),
        ]
    )
    assert page.decode() == (
        "# HELP sent_bytes_total Bytes sent.\n"
        "# TYPE sent_bytes_total counter\n"
        'sent_bytes_total{sink="centre"} 12345.5\n'
        "# HELP up 1 if the target answered.\n"
        "# TYPE up gauge\n"
        'up{job="kafka"} 1\n'
        'up{job="node"} 0\n'
    )


def test_no_samples_make_an_empty_page():
    assert render([]) == b""
    assert json.loads(render_json([])) == []


def test_a_family_is_together_with_one_head_however_its_samples_come():
    samples = [(series(f, n=str(i)), float(i)) for i in range(5) for f in (UP, SENT)]
    lines = render(samples).decode().splitlines()
    assert [line.split("{")[0] for line in lines] == (
        ["# HELP sent_bytes_total Bytes sent.", "# TYPE sent_bytes_total counter"]
        + ["sent_bytes_total"] * 5
        + ["# HELP up 1 if the target answered.", "# TYPE up gauge"]
        + ["up"] * 5
    )


def test_a_histogram_has_one_head_and_its_buckets_in_order():
    samples = [
        (series(WAIT, "_bucket", le="0.1"), 3.0),
        (series(WAIT, "_bucket", le="+Inf"), 4.0),
        (series(WAIT, "_sum"), 0.5),
        (series(WAIT, "_count"), 4.0),
    ]
    page = render(samples)
    (family,) = text_string_to_metric_families(page.decode())
    assert (family.name, family.type) == ("wait_seconds", "histogram")
    assert [s.labels.get("le") for s in family.samples] == ["0.1", "+Inf", None, None]
    assert page.count(b"# TYPE") == 1


@pytest.mark.parametrize(
    "kind, word",
    [
        (Kind.UNKNOWN, "untyped"),
        (Kind.COUNTER, "counter"),
        (Kind.GAUGE, "gauge"),
        (Kind.HISTOGRAM, "histogram"),
        (Kind.SUMMARY, "summary"),
        (Kind.INFO, "gauge"),
    ],
)
def test_each_kind_has_its_word(kind, word):
    assert f"# TYPE m {word}\n".encode() in render([(series(Family("m", kind)), 1.0)])


def test_a_metric_without_help_has_no_help_line():
    assert b"HELP" not in render([(series(Family("m", Kind.GAUGE)), 1.0)])


def test_help_with_a_line_break_stays_one_line():
    page = render([(series(Family("m", Kind.GAUGE, "", "one\ntwo\\")), 1.0)])
    assert page.splitlines()[0] == rb"# HELP m one\ntwo\\"


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (5e-324, "5e-324"),
        (float(2**53), "9007199254740992"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_a_number_is_written_so_that_go_reads_it(value, text):
    assert render([(series(UP), value)]).splitlines()[-1] == f"up {text}".encode()


def test_half_a_surrogate_costs_its_character_not_the_page():
    page = render([(series(UP, path="/data/\udce9"), 1.0), (series(UP, path="/"), 1.0)])
    assert b'up{path="/data/?"} 1\nup{path="/"} 1\n' in page


def test_two_sources_that_disagree_on_a_family_share_the_first_head():
    other = Family("up", Kind.UNKNOWN, "", "Another text.")
    page = render([(series(UP, job="a"), 1.0), (series(other, job="b"), 0.0)])
    assert page.count(b"# TYPE") == 1
    assert b"Another" not in page
    assert len(parsed(page)) == 2


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["up", "sent_bytes_total", "x:y"]), TEXT, TEXT),
        st.floats(allow_nan=False),
        max_size=20,
    )
)
def test_what_the_client_library_reads_is_what_was_given(given_samples):
    samples = {
        Series(name, (("a", a), ("b", b)), Family(name, Kind.GAUGE, "", a)): value
        for (name, a, b), value in given_samples.items()
    }
    assert parsed(render(samples.items())) == {
        (s.name, s.labels): value for s, value in samples.items()
    }


def test_json_has_a_line_each_and_words_for_numbers_that_json_lacks():
    page = render_json(
        [
            (series(SENT, sink="centre"), 12.5),
            (series(UP, job="kafka"), math.nan),
            (series(UP, job="node"), -math.inf),
        ]
    )
    assert json.loads(page) == [
        {
            "name": "sent_bytes_total",
            "labels": {"sink": "centre"},
            "value": 12.5,
            "type": "counter",
        },
        {"name": "up", "labels": {"job": "kafka"}, "value": "NaN", "type": "gauge"},
        {"name": "up", "labels": {"job": "node"}, "value": "-Inf", "type": "gauge"},
    ]
    assert page.endswith(b"]\n")
