"""What is told of a link, round by round: since when, and how long until it has caught up."""

from __future__ import annotations

import pytest

from collector.cluster.view import Log, TopicView, View
from collector.derive.offset_times import Written
from collector.series import SeriesTable, TargetSeries
from collector.sources.links.model import LinkModel
from collector.sources.links.reading import LinkReading, State, Topic

INTERVAL = 15
INFLOW = 10
"""Records a second that are written at the source."""

Told = dict[tuple[str, str], float]


class Rounds:
    """Rounds of one link of one topic, each 15 s behind the one before it."""

    def __init__(self) -> None:
        self._table = SeriesTable()
        self._model = LinkModel(TargetSeries(self._table, {}), "hq", "mirrormaker2")
        self.at = 1_000.0

    def round(self, state: State, position: int) -> dict[str, float]:
        """Return {name without its beginning: value} of the next round."""
        self.at += INTERVAL
        end = round(self.at * INFLOW)
        topic = TopicView("orders", [], {0: Log(0, end)})
        view = View(
            self.at,
            1,
            [],
            [topic],
            [],
            is_topics_whole=True,
            left_out={},
            failures=[],
            lost=None,
            settings={},
            written=lambda _topic, _partition, offset: Written(offset / INFLOW, offset / INFLOW),
        )
        found = LinkReading(state, {"orders": Topic(positions={0: position})})
        told = self._model.values(found, view, {"orders": topic})
        return {
            self._table[one].name.removeprefix("edgevitals_link_"): value
            for one, value in told.items()
        }

    @property
    def end(self) -> int:
        """The end of the log at the next round."""
        return round((self.at + INTERVAL) * INFLOW)


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def test_the_time_to_catch_up_is_of_the_pace_since_the_cut(rounds: Rounds):
    cut_at = rounds.end - INFLOW
    cut = [rounds.round(State.DISCONNECTED, cut_at) for _ in range(12)]
    assert not [told for told in cut if "catch_up_seconds" in told]
    assert cut[-1]["lag_records"] == (11 * INTERVAL + 1) * INFLOW
    at = cut_at
    rounds.round(State.CONNECTED, at)
    for _ in range(3):
        at += 50 * INTERVAL  # a second
        told = rounds.round(State.CONNECTED, at)
        assert told["catch_up_seconds"] == pytest.approx(told["lag_records"] / (50 - INFLOW))


def test_without_a_lag_there_is_nothing_to_catch_up(rounds: Rounds):
    for _ in range(3):
        told = rounds.round(State.CONNECTED, rounds.end)
        assert (told["lag_records"], told["lag_seconds"], told["catch_up_seconds"]) == (0, 0, 0)


def test_a_lag_that_does_not_shrink_is_never_caught_up(rounds: Rounds):
    for _ in range(3):
        told = rounds.round(State.CONNECTED, rounds.end - 500)
        assert "catch_up_seconds" not in told
        assert told["lag_seconds"] == 50


def test_since_when_a_link_is_as_it_is(rounds: Rounds):
    told = rounds.round(State.CONNECTED, 0)
    began = rounds.at
    assert told["connected_since_timestamp_seconds"] == began
    assert rounds.round(State.CONNECTED, 0)["connected_since_timestamp_seconds"] == began
    told = rounds.round(State.DISCONNECTED, 0)
    assert "connected_since_timestamp_seconds" not in told
    assert told["disconnected_since_timestamp_seconds"] == rounds.at
    told = rounds.round(State.BROKEN, 0)
    assert not [name for name in told if "since" in name]
    assert rounds.round(State.CONNECTED, 0)["connected_since_timestamp_seconds"] == rounds.at
