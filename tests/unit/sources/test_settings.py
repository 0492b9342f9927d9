"""Settings as labels, and the number that changes with them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.admin.wire import Partition
from collector.catalog import OWN
from collector.cluster.view import TopicView, View
from collector.series import SeriesTable, TargetSeries
from collector.sources.kafka.settings import LONGEST, UNSET, Settings, number_of

TOPIC = {
    "retention.ms": "604800000",
    "cleanup.policy": "delete",
    "flush.messages": "9223372036854775807",
}
BROKER = {"num.partitions": "1", "listeners": "PLAINTEXT://:9092"}


class Rig:
    def __init__(self) -> None:
        self.table = SeriesTable()
        self.settings = Settings(TargetSeries(self.table, {}), lambda name: name != "other")

    def read(
        self, topics: Mapping[str, Mapping[str, str]], brokers: Mapping[int, Mapping[str, str]]
    ) -> dict[str, list[tuple[dict[str, str], float]]]:
        views = [TopicView(name, [Partition(0, 1, [1], [1])], {}) for name in topics]
        view = View(0.0, None, [], views, [], True, {}, [], None, topics, lambda *_: None, brokers)
        told: dict[str, list[tuple[dict[str, str], float]]] = {}
        for series_id, value in self.settings.values(view).items():
            series = self.table[series_id]
            told.setdefault(series.name, []).append((dict(series.labels), value))
        return told


def test_what_matters_is_a_label_and_what_is_not_set_is_said():
    told = Rig().read({"orders": TOPIC, "other": TOPIC}, {1: BROKER})
    ((labels, value),) = told["edgevitals_topic_settings_info"]
    assert value == 1
    assert set(labels) == set(OWN["edgevitals_topic_settings_info"].labels)
    assert labels["topic"] == "orders"
    assert labels["retention_ms"] == "604800000"
    assert labels["segment_ms"] == UNSET
    ((labels, value),) = told["edgevitals_broker_settings_info"]
    assert value == 1
    assert set(labels) == set(OWN["edgevitals_broker_settings_info"].labels)
    assert labels["broker"] == "1"
    assert labels["num_partitions"] == "1"
    assert "PLAINTEXT://:9092" not in labels.values()


@pytest.mark.parametrize(
    "change", [{"retention.ms": "1"}, {"flush.messages": "1"}, {"new": ""}, {"cleanup.policy": ""}]
)
def test_a_change_of_any_setting_changes_the_number(change):
    rig = Rig()
    (before,) = rig.read({"orders": TOPIC}, {})["edgevitals_topic_settings_hash"]
    (after,) = rig.read({"orders": TOPIC | change}, {})["edgevitals_topic_settings_hash"]
    assert before[0] == after[0] == {"topic": "orders"}
    assert before[1] != after[1]
    (again,) = rig.read({"orders": dict(TOPIC)}, {})["edgevitals_topic_settings_hash"]
    assert again == before


def test_the_number_is_the_same_for_every_collector_and_after_every_restart():
    """Written down here: another one would look like a change at every site at once."""
    assert number_of(TOPIC) == number_of(dict(reversed(TOPIC.items())))
    assert number_of(TOPIC) == 332652992


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5))
def test_any_settings_have_a_number_of_32_bits(settings):
    assert 0 <= number_of(settings) < 1 << 32


def test_a_setting_that_is_long_is_cut():
    told = Rig().read({"orders": {"cleanup.policy": "x" * 5000}}, {})
    ((labels, _),) = told["edgevitals_topic_settings_info"]
    assert labels["cleanup_policy"] == "x" * LONGEST
