"""The bench's own parser of its recording, beside prometheus_client's."""

from __future__ import annotations

import itertools

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.recording import KINDS, family_of, name_and_labels, pages, parse, selected
from collector.series import Kind


@pytest.fixture(scope="module")
def scrape() -> list[tuple[str, str]]:
    """(target, text) of one scrape's three pages."""
    first = list(itertools.islice(pages(), 3))
    assert len({when for when, _, _ in first}) == 1
    return [(target, text) for _, target, text in first]


def test_one_scrape_reads_as_prometheus_client_reads_it(scrape):
    assert {target for target, _ in scrape} == {"jmx", "node", "lag"}
    for target, text in scrape:
        page = parse(text)
        ours = {}
        for series, value in page.values.items():
            name, labels = name_and_labels(series)
            family = family_of(name, page.families)
            ours[name, *sorted(labels.items())] = repr(float(value)), family.kind, family.help
        theirs = {
            (sample.name, *sorted(sample.labels.items())): (
                repr(float(sample.value)),
                # The page names all types first, and prometheus_client forgets them by then.
                KINDS.get(metric.type if target != "lag" else "gauge", Kind.UNKNOWN),
                metric.documentation,
            )
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        }
        assert len(theirs) == len(page.values)
        assert ours == theirs


def test_labels_and_help_are_unescaped():
    assert name_and_labels(r'a{b="\"x\\n\n",c=""} 1') == ("a", {"b": '"x\\n\n', "c": ""})
    assert name_and_labels("a") == ("a", {})
    page = parse("# HELP a one\\ntwo\n# TYPE a gauge\na 1.0\n")
    assert page.families["a"].help == "one\ntwo"


def test_parts_of_a_summary_belong_to_its_family_and_look_alikes_do_not():
    page = parse("# TYPE a summary\na_sum 1\na_count 2\n# TYPE b gauge\nb_sum 3\n")
    assert family_of("a_sum", page.families).name == "a"
    assert family_of("a_count", page.families).kind is Kind.SUMMARY
    assert family_of("b_sum", page.families) == ("b_sum", Kind.UNKNOWN, "", "")


@pytest.mark.parametrize(
    "name, labels, is_selected",
    [
        ("kafka_network_requestmetrics_requestspersec_total", {"request": "Produce"}, True),
        ("kafka_network_requestmetrics_requestspersec_total", {"request": "AlterConfigs"}, False),
        ("kafka_cluster_partition_underreplicated", {"topic": "a"}, True),
        ("kafka_cluster_partition_laststableoffsetlag", {"topic": "a"}, False),
        ("kafka_log_log_numlogsegments", {}, False),
        ("kafka_log_log_size", {"topic": "__consumer_offsets"}, False),
        ("java_lang_g1_lastgcinfo_duration", {}, False),
        ("node_load1", {}, True),
    ],
)
def test_selection_s(name, labels, is_selected):
    assert selected(name, labels) is is_selected
