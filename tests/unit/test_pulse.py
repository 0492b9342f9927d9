"""The pulse: once, under a time that rises, and never where it would push out the backlog."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from collector.config import SinkConfig
from collector.errors import CollectorError, Rejected, Retry
from collector.flow.mark import Withheld
from collector.flow.pump import Batch
from collector.frames.frame import Instant
from collector.pulse import Pulse, gets_pulse, numbers
from collector.status.model import PumpStatus, SpoolStatus, Status, StreamStatus, TargetStatus
from collector.telemetry import Telemetry

LABELS = {"site": "s", "node": "n", "region": "emea"}
AT_MS = 1_700_000_000_000


def pump(backlog: int | None, **more) -> PumpStatus:
    given = {"name": "forward-c", "to": "x", "state": "sending", "oldest_at": 5.0, **more}
    return PumpStatus(from_="spool", backlog_rounds=backlog, **given)


def status(*pumps: PumpStatus, writable: bool = True) -> Status:
    return Status(
        version="1",
        site="s",
        node="n",
        started_at=0.0,
        now=0.0,
        interval_seconds=15.0,
        targets=[
            TargetStatus(job="a", instance="1", up=True),
            TargetStatus(job="a", instance="2", up=False),
            TargetStatus(job="b", instance="2", up=True),
        ],
        spool=SpoolStatus(path="p", bytes=0, max_bytes=1, rounds=0, writable=writable),
        streams=[StreamStatus(tier="standard", epoch="0", last_seq=9, last_at=1234.5)],
        pumps=list(pumps),
    )


def at(step: int) -> Instant:
    return Instant(AT_MS + step * 15_000, step * 15_000)


class Centre:
    """Takes what it is not told to refuse."""

    def __init__(self, *answers: CollectorError | None) -> None:
        self.answers = list(answers)
        self.seen: list[Batch] = []

    def send(self, batch: Batch) -> Sequence[Withheld]:
        self.seen.append(batch)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return ()

    def times(self) -> list[int | None]:
        return [batch.frames[0].at[0].wall_ms for batch in self.seen]


def results(telemetry: Telemetry) -> dict[str, int]:
    return telemetry.by_label("edgevitals_sink_pulses_total", "result")


def test_it_says_a_few_numbers_as_of_now():
    said = numbers(status(pump(3, eta_seconds=60.0)), AT_MS)
    of = (("pump", "forward-c"),)
    assert said == {
        ("edgevitals_pulse_timestamp_seconds", ()): AT_MS / 1000,
        ("edgevitals_pulse_targets", (("state", "up"),)): 2,
        ("edgevitals_pulse_targets", (("state", "down"),)): 1,
        ("edgevitals_pulse_round_timestamp_seconds", ()): 1234.5,
        ("edgevitals_pulse_degraded", ()): 0,
        ("edgevitals_pulse_pump_state", (*of, ("state", "idle"))): 0,
        ("edgevitals_pulse_pump_state", (*of, ("state", "sending"))): 1,
        ("edgevitals_pulse_pump_state", (*of, ("state", "waiting"))): 0,
        ("edgevitals_pulse_pump_state", (*of, ("state", "holding"))): 0,
        ("edgevitals_pulse_backlog_rounds", of): 3,
        ("edgevitals_pulse_oldest_timestamp_seconds", of): 5.0,
        ("edgevitals_pulse_eta_seconds", of): 60.0,
    }


def test_what_is_not_known_is_not_said():
    said = {name for name, _ in numbers(status(pump(None), writable=False), AT_MS)}
    assert "edgevitals_pulse_backlog_rounds" not in said
    assert "edgevitals_pulse_eta_seconds" not in said
    assert numbers(status(writable=False), AT_MS)["edgevitals_pulse_degraded", ()] == 1


def test_its_series_are_the_collectors_own():
    centre = Centre()
    Pulse("c", lambda: LABELS, lambda: status(pump(3)), Telemetry()).beat(at(0), centre)
    (batch,) = centre.seen
    own = dict.fromkeys(["job"], "edgevitals") | LABELS | {"instance": "n"}
    for series in batch.dictionary.series:
        assert series.name.startswith("edgevitals_pulse_")
        assert own.items() <= dict(series.labels).items()
    assert batch.rounds == 1


def test_it_is_sent_once_and_the_next_is_a_new_one():
    telemetry = Telemetry()
    centre = Centre(Retry("away"), Rejected("no", reason="http_400"))
    pulse = Pulse("c", lambda: LABELS, lambda: status(pump(3)), telemetry)
    for step in range(3):
        pulse.beat(at(step), centre)
    assert centre.times() == [at(step).wall_ms for step in range(3)]
    assert results(telemetry) == {"failed": 2, "taken": 1}


@pytest.mark.parametrize("moved_ms", [0, -1, -3_600_000])
def test_a_clock_that_was_set_back_is_waited_for(moved_ms):
    telemetry = Telemetry()
    centre = Centre()
    pulse = Pulse("c", lambda: LABELS, status, telemetry)
    pulse.beat(Instant(AT_MS, 0), centre)
    pulse.beat(Instant(AT_MS + moved_ms, 15_000), centre)
    pulse.beat(Instant(AT_MS + 1, 30_000), centre)
    assert centre.times() == [AT_MS, AT_MS + 1]
    assert results(telemetry) == {"skipped": 1, "taken": 2}


def test_without_a_clock_to_trust_nothing_is_said():
    telemetry = Telemetry()
    centre = Centre()
    Pulse("c", lambda: LABELS, lambda: None, telemetry).beat(at(0), centre)
    assert not centre.seen
    assert results(telemetry) == {"skipped": 1}


@pytest.mark.parametrize(
    "window,is_wanted,gets",
    [(86_400.0, True, True), (float("inf"), True, True), (0.0, True, False), (60.0, False, False)],
)
def test_a_receiver_that_takes_nothing_late_gets_none(window, is_wanted, gets):
    one = SinkConfig(name="c", url="http://c/w", out_of_order_time_window=window, pulse=is_wanted)
    assert gets_pulse(one) is gets
