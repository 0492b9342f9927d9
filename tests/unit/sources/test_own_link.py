"""Our own way out as a link."""

from __future__ import annotations

import pytest

from collector.sources.links.own import Now, OwnLink


def told(link: OwnLink, now: Now, at: float) -> dict[str, float]:
    """Values by metric; of the state the one that holds."""
    found = {}
    for name, value, labels in link.gauges(now, at):
        assert labels["link"] == "centre"
        if name != "edgevitals_link_state":
            found[name] = value
        elif value:
            found[f"is {labels['state']}"] = value
    return found


@pytest.mark.parametrize(
    "pump, state",
    [
        ("idle", "connected"),
        ("sending", "connected"),
        ("waiting", "disconnected"),
        ("holding", "broken"),
    ],
)
def test_states_are_those_of_the_pump(pump: str, state: str):
    assert f"is {state}" in told(OwnLink("centre"), Now(pump, 0, None, 0.0, 0), 100.0)


def test_since_when_is_kept_until_the_state_changes():
    link = OwnLink("centre")
    first = told(link, Now("idle", 0, None, 0.0, 0), 100.0)
    assert first["edgevitals_link_connected_since_timestamp_seconds"] == 100.0
    later = told(link, Now("sending", 1, 190.0, 5.0, 0), 200.0)
    assert later["edgevitals_link_connected_since_timestamp_seconds"] == 100.0
    cut = told(link, Now("waiting", 3, 190.0, None, 0), 300.0)
    assert cut["edgevitals_link_disconnected_since_timestamp_seconds"] == 300.0
    assert "edgevitals_link_connected_since_timestamp_seconds" not in cut
    assert cut["edgevitals_link_lag_records"] == 3
    assert cut["edgevitals_link_lag_seconds"] == 110.0
    assert "edgevitals_link_catch_up_seconds" not in cut


def test_what_is_not_known_is_not_told():
    found = told(OwnLink("centre"), Now("sending", None, None, None, 0), 100.0)
    assert not any("lag" in name for name in found)


def test_bytes_a_second_are_those_that_were_sent():
    link = OwnLink("centre")
    told(link, Now("idle", 0, None, 0.0, 1_000), 100.0)
    found = told(link, Now("idle", 0, None, 0.0, 3_000), 110.0)
    assert found["edgevitals_link_bytes_per_second"] == 200.0
