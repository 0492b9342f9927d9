"""The last value of each series: taken once, told while it is sent."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from tests.unit.sources.otlp.sent import DELTA, LIMITS, Kept, as_sum, gauge, histogram

MANY: dict[str, Any] = {f"k{i}": "v" for i in range(11)}


def test_a_round_takes_the_last_value_under_job_and_instance_of_the_resource():
    kept = Kept()
    kept.take(gauge("g", 1, 1, k="v"), gauge("g", 2, 2, k="v"))
    kept.take(gauge("g", 3), service__instance__id="")
    kept.take(gauge("g", 4), service__name="", service__instance__id="")
    assert kept.told() == {
        "g k=v": 2,
        "g instance=n job=pay": 3,
        "g instance=n job=otlp": 4,
    }


def test_deltas_are_added_up_and_none_twice():
    kept = Kept()
    for start, end in ((0, 10), (10, 20), (10, 20), (20, 30)):
        kept.take(as_sum("c", 5, end, start, aggregation_temporality=DELTA))
    assert kept.told() == {"c_total": 15}
    again = kept.take(as_sum("c", 5, 30, 20, aggregation_temporality=DELTA))
    older = kept.take(as_sum("c", 5, 20, 10, aggregation_temporality=DELTA))
    beside = kept.take(as_sum("c", 5, 40, 25, aggregation_temporality=DELTA))
    assert (again.rejected, older.rejected, beside.rejected) == (0, 1, 1)
    assert (again.refused, older.refused, beside.refused) == (
        {"repeat": 1},
        {"order": 1},
        {"overlap": 1},
    )
    assert "service.instance.id" in beside.message
    assert kept.told() == {"c_total": 15}


def test_deltas_that_may_fall_are_a_gauge():
    kept = Kept()
    for value, end in ((5, 1), (-2, 2)):
        kept.take(as_sum("u", value, end, aggregation_temporality=DELTA, is_monotonic=False))
    assert kept.told() == {"u": 3}


def test_a_cumulative_sum_is_as_it_was_sent_and_begins_anew_with_its_sender():
    kept = Kept()
    kept.take(as_sum("c", 100, 10, 1))
    assert kept.take(as_sum("c", 90, 9, 1)).refused == {"order": 1}
    assert kept.told() == {"c_total": 100}
    kept.take(as_sum("c", 3, 20, 15))
    assert kept.told() == {"c_total": 3}


@pytest.mark.parametrize("temporality,factor", [(DELTA, 2), (2, 1)])
def test_a_histogram_has_its_buckets_summed_up(temporality, factor):
    kept = Kept()
    for end in (1, 2):
        kept.take(histogram("h", [1, 2, 4], end, temporality=temporality))
    assert kept.told() == {
        "h_bucket le=0.5": 1 * factor,
        "h_bucket le=10": 3 * factor,
        "h_bucket le=+Inf": 7 * factor,
        "h_count": 7 * factor,
        "h_sum": 3.5 * factor,
    }


def test_a_histogram_with_other_buckets_begins_anew():
    kept = Kept()
    kept.take(histogram("h", [1, 2, 4], 1, temporality=DELTA))
    kept.take(histogram("h", [1, 2], 2, temporality=DELTA))
    told = kept.told()
    assert told["h_count"] == 3
    assert "h_bucket le=10" not in told


def test_a_summary_has_its_quantiles():
    kept = Kept()
    point = {"count": 3, "sum": 6, "quantile_values": [{"quantile": 0.99, "value": 4}]}
    kept.take({"name": "s", "summary": {"data_points": [point]}})
    assert kept.told() == {"s quantile=0.99": 4, "s_count": 3, "s_sum": 6}


def test_a_series_that_is_not_sent_ends_and_one_that_goes_on_does_not():
    kept = Kept()
    kept.take(gauge("a", 1, 1), gauge("b", 1, 1))
    kept.now = 200.0
    kept.take(gauge("b", 2, 2))
    assert kept.told() == {"a": 1, "b": 2}
    kept.now = 301.0
    assert kept.told() == {"b": 2}


def test_a_point_without_a_recorded_value_ends_its_series():
    kept = Kept()
    kept.take(gauge("a", 1, 1))
    kept.take({"name": "a", "gauge": {"data_points": [{"time_unix_nano": 2, "flags": 1}]}})
    assert kept.told() == {}


def test_no_nan_of_a_sender_is_the_stale_marker():
    kept = Kept()
    (stale,) = struct.unpack(">d", bytes.fromhex("7ff0000000000002"))
    kept.take(gauge("a", stale))
    (value,) = kept.told().values()
    assert struct.pack(">d", value) == struct.pack(">d", math.nan)


@pytest.mark.parametrize(
    "metric,reason",
    [
        ({"name": "e", "exponential_histogram": {"data_points": [{}]}}, "exponential"),
        (as_sum("c", 1, 1, aggregation_temporality=0), "temporality"),
        (as_sum("c", math.inf, 1, aggregation_temporality=DELTA), "malformed"),
        ({"name": "g", "gauge": {"data_points": [{}]}}, "malformed"),
        (gauge("...", 1), "malformed"),
        (histogram("h", [1, 2, 3], 1, explicit_bounds=[1.0]), "malformed"),
        (histogram("h", [1, 2, 3], 1, explicit_bounds=[2.0, 1.0]), "malformed"),
        (gauge("g", 1, k="v" * 201), "labels"),
        (gauge("g", 1, 1, **MANY), "labels"),
    ],
)
def test_what_is_refused_is_counted_and_what_stands_beside_it_is_taken(metric, reason):
    kept = Kept()
    taken = kept.take(metric, gauge("good", 1))
    assert (taken.points, taken.refused, taken.rejected) == (1, {reason: 1}, 1)
    assert reason in taken.message
    assert kept.told() == {"good": 1}


def test_more_series_than_may_be_are_refused_and_the_others_go_on():
    kept = Kept(LIMITS._replace(series=2))
    assert kept.take(*(gauge(f"g{i}", 1) for i in range(5))).refused == {"series": 3}
    kept.take(gauge("g0", 2, 2))
    assert kept.told() == {"g0": 2, "g1": 1}
    kept.now = 301.0
    assert kept.told() == {}
    kept.take(gauge("g9", 1))
    assert kept.told() == {"g9": 1}


def test_two_metrics_of_one_name_are_not_told_twice():
    kept = Kept()
    assert kept.take(gauge("a.b", 1), gauge("a_b", 2)).refused == {"duplicate": 1}
    assert kept.told() == {"a_b": 1}


def test_no_sender_speaks_for_another_target_or_for_us():
    kept = Kept(is_taken={("edgevitals", "n")}.__contains__)
    kept.take(gauge("up", 0), service__name="edgevitals", service__instance__id="n")
    assert kept.told() == {"up exported_instance=n exported_job=edgevitals instance=n job=otlp": 0}


def test_the_other_attributes_of_a_resource_are_told_by_target_info():
    kept = Kept()
    kept.take(gauge("g", 1), host__name="h")
    assert kept.told() == {"g": 1, "target_info host_name=h": 1}
