from __future__ import annotations

from collector.frames import dictionary
from collector.series import Family, Kind, Series
from collector.sinks.metadata import INTERVAL_S, Announcements, families
from tests.unit.sinks.batches import STREAM, series


def test_a_family_is_told_under_the_name_of_its_samples_but_for_histograms():
    latency = Family("latency", Kind.HISTOGRAM)
    counter = Family("requests", Kind.COUNTER)
    found = families(
        [
            Series("latency_bucket", (), latency),
            Series("latency_sum", (), latency),
            Series("requests_total", (("a", "1"),), counter),
            Series("requests_total", (("a", "2"),), counter),
        ]
    )
    assert found == [latency, Family("requests_total", Kind.COUNTER)]


def test_each_family_is_told_once_in_an_interval_whatever_dictionary_it_is_in():
    told = Announcements()
    one = dictionary.build(STREAM, [series("a"), series("b")])
    two = dictionary.build(STREAM, [series("b"), series("c")])
    assert [f.name for f in told.due(one, 0.0)] == ["a", "b"]
    assert [f.name for f in told.due(two, 1.0)] == ["c"]
    assert told.due(one, INTERVAL_S - 1) == []
    assert [f.name for f in told.due(one, INTERVAL_S)] == ["a", "b"]
