import re
from typing import get_args

import pytest

from collector.catalog import LIMITS, METRICS, OWN, PUMP_STATES
from collector.series import Kind, SeriesTable, TargetSeries
from collector.status.model import PumpState

TARGET_METRICS = {"up", "scrape_duration_seconds", "scrape_samples_scraped"}


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_metric_is_named_and_described_by_the_rules(metric):
    assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith("_info") == (metric.kind is Kind.INFO)
    assert metric.unit in {"", "seconds", "bytes", "rounds"}
    assert metric.name.removesuffix("_total").endswith(metric.unit)
    for unit in ("seconds", "bytes", "rounds"):
        assert metric.unit == unit or not metric.name.removesuffix("_total").endswith(f"_{unit}")
    assert metric.help.endswith(".")
    assert "\n" not in metric.help
    assert len(set(metric.labels)) == len(metric.labels)
    assert not {"site", "node", "job", "instance"} & set(metric.labels)


def test_what_is_ours_says_so():
    assert {name for name in OWN if not name.startswith("edgevitals_")} == TARGET_METRICS


def test_no_name_is_given_twice():
    assert [metric.name for metric in METRICS.values()] == list(METRICS)
    assert len({name.removesuffix("_total") for name in METRICS}) == len(METRICS)


def test_a_family_can_be_interned_as_it_is():
    table = SeriesTable()
    metric = METRICS["edgevitals_pump_rejected_rounds_total"]
    series = TargetSeries(table, {"site": "s"}).intern(
        metric.family, {"pump": "centre", "reason": "too_old"}
    )
    assert table[series].name == metric.name
    assert table[series].family.kind is Kind.COUNTER


def test_the_states_of_a_pump_are_those_of_its_status():
    assert get_args(PumpState) == PUMP_STATES
    for word in PUMP_STATES:
        assert word in METRICS["edgevitals_pump_state"].help


def test_limits_say_whose_they_are():
    for limit in LIMITS.values():
        assert limit.alert.startswith("EV")
        assert limit.value >= 0
        assert limit.help.endswith(".")
