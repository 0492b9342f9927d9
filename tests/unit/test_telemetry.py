from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest

from collector import catalog
from collector.errors import FormatError, Rejected, Retry, Rewind, TooNew, WrongSite
from collector.flow.mark import Gap, GapReason
from collector.flow.pump import Batch
from collector.frames.dictionary import Stream
from collector.telemetry import PumpReport, Telemetry, Throttle, joined
from tests.unit.examples import line_frame, small_dictionary, wall_of

WORDS = small_dictionary()
RETRIES = "edgevitals_pump_retries_total"
MISSED = "edgevitals_round_missed_total"


def batch(seq=1, rounds=2):
    return Batch(WORDS, (line_frame(seq, rounds, id_=WORDS.id),), None)


@pytest.fixture
def numbers():
    return Telemetry()


@pytest.fixture
def report(numbers):
    return PumpReport("forward-centre", "spool", "https://centre", numbers)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    fake = SimpleNamespace(monotonic=lambda: Clock.now, time=time.time)
    monkeypatch.setattr("collector.telemetry.time", fake)
    return Clock


def total(numbers, name, **labels):
    return numbers.values().get((name, tuple(sorted(labels.items()))))


def test_counters_add_up_and_gauges_are_set(numbers):
    numbers.add(MISSED, reason="disk")
    numbers.add(MISSED, 3, reason="disk")
    numbers.add(MISSED, reason="clock")
    numbers.set("edgevitals_round_duration_seconds", 0.5)
    numbers.set("edgevitals_round_duration_seconds", 0.25)
    assert total(numbers, MISSED, reason="disk") == 4
    assert numbers.by_label(MISSED, "reason") == {"disk": 4, "clock": 1}
    assert total(numbers, "edgevitals_round_duration_seconds") == 0.25


def test_numbers_are_summed_over_the_other_labels(numbers):
    for pump in ("publish", "forward-centre"):
        numbers.add("edgevitals_gap_rounds_total", 2, pump=pump, reason="spool_full")
    assert numbers.by_label("edgevitals_gap_rounds_total", "reason") == {"spool_full": 4}
    assert numbers.by_label("edgevitals_gap_rounds_total", "pump") == {
        "publish": 2,
        "forward-centre": 2,
    }


def test_what_was_told_does_not_change_later(numbers):
    numbers.add(MISSED, reason="disk")
    before = numbers.values()
    numbers.add(MISSED, reason="disk")
    assert list(before.values()) == [1]


@pytest.mark.parametrize(
    "name, labels",
    [
        ("edgevitals_round_missed", {"reason": "disk"}),
        (MISSED, {}),
        (MISSED, {"why": "disk"}),
        (MISSED, {"reason": "disk", "tier": "standard"}),
    ],
)
def test_a_name_or_label_that_the_catalogue_does_not_have_is_a_bug(numbers, name, labels):
    with pytest.raises(KeyError):
        numbers.add(name, **labels)
    with pytest.raises(KeyError):
        numbers.set(name, 1, **labels)
    assert numbers.values() == {}


def test_a_line_of_one_kind_passes_once_a_minute_with_how_many_more(clock):
    throttle = Throttle()
    assert throttle.passes() == ""
    clock.now += 59
    assert [throttle.passes() for _ in range(7)] == [None] * 7
    clock.now += 1
    assert throttle.passes() == " (and 7 more like it)"
    clock.now += 60
    assert throttle.passes() == ""


def test_a_pump_tells_what_it_does(report, numbers):
    assert report.state == "idle"
    report.sending(batch(5))
    assert (report.state, report.oldest_ms) == ("sending", wall_of(1, 5))
    report.delivered(batch(5))
    assert report.delivered_rounds == 2
    assert total(numbers, "edgevitals_pump_delivered_rounds_total", pump=report.name) == 2
    report.idle()
    assert (report.state, report.oldest_ms) == ("idle", None)


def test_a_pump_that_waits_says_why_and_until_when(report, numbers, caplog, clock):
    caplog.set_level(logging.INFO)
    report.sending(batch())
    for _ in range(3):
        report.retrying(Retry("connection refused", "look at the link"), 7.0)
    assert (report.state, report.retries) == ("waiting", 3)
    assert report.last_error == "connection refused. look at the link"
    assert report.next_try_at is not None
    assert total(numbers, RETRIES, pump=report.name) == 3
    report.idle()
    assert report.state == "waiting", "idle would hide the trouble"
    report.sending(batch())
    report.delivered(batch())
    assert (report.last_error, report.next_try_at) == (None, None)
    assert caplog.messages == [
        "forward-centre waits: connection refused. look at the link",
        "forward-centre: https://centre takes the data again",
    ]


def test_only_a_person_ends_a_hold(report):
    report.retrying(Retry("401", "look at the token", hold=True), 30.0)
    assert report.state == "holding"


def test_what_is_refused_is_counted_by_reason_and_named(report, numbers, caplog):
    report.retrying(Retry("503"), 1.0)
    report.rejected(batch(), Rejected("400 Bad Request", reason="http_400"))
    assert (report.rejected_rounds, report.last_error) == (2, None)
    labels = {"pump": report.name, "reason": "http_400"}
    assert total(numbers, "edgevitals_pump_rejected_rounds_total", **labels) == 2
    assert (
        "set 2 rounds of 2 series aside, https://centre refused them: 400 Bad Request"
        in caplog.text
    )


def test_a_gap_is_a_number_a_range_and_a_sentence(report, numbers, caplog):
    gap = Gap(8, 10, 1_700_000_000_000, 1_700_000_060_000, GapReason.SPOOL_FULL)
    report.met([gap], 0, 0)
    labels = {"pump": report.name, "reason": "spool_full"}
    assert total(numbers, "edgevitals_gap_rounds_total", **labels) == 3
    assert total(numbers, "edgevitals_gap_first_seq", **labels) == 8
    assert total(numbers, "edgevitals_gap_last_seq", **labels) == 10
    said = "rounds 8 to 10 are missing (3 rounds between 2023-11-14 22:13:20 UTC and "
    said += "2023-11-14 22:14:20 UTC), reason: spool_full"
    assert caplog.messages == [f"forward-centre: {said}"]


def test_what_another_nodes_stream_lacks_is_told_under_that_node(report, numbers, caplog):
    report.met([Gap(8, 10, 0, 0, GapReason.RING)], 2, 0, Stream("store-9", "edge-9", "standard"))
    whom = {"site": "store-9", "node": "edge-9", "pump": report.name}
    assert total(numbers, "edgevitals_gap_rounds_total", **whom, reason="ring") == 3
    assert total(numbers, "edgevitals_gap_last_seq", **whom, reason="ring") == 10
    assert total(numbers, "edgevitals_gap_closed_rounds_total", **whom) == 2
    assert caplog.messages[0].startswith("forward-centre: store-9/edge-9/standard: rounds 8 to 10")
    assert numbers.by_label("edgevitals_gap_rounds_total", "reason") == {"ring": 3}


def test_a_new_line_hides_how_many_are_missing_and_says_so(report, numbers, caplog):
    report.met([Gap(0, 0, 0, 0, GapReason.NEW_LINE)], 0, 0)
    labels = {"pump": report.name, "reason": "new_line"}
    assert total(numbers, "edgevitals_gap_rounds_total", **labels) == 0
    assert "how many of the one before are missing is not known" in caplog.text


def test_what_came_after_all_and_what_came_again_is_counted(report, numbers):
    report.met([], 4, 9)
    assert total(numbers, "edgevitals_gap_closed_rounds_total", pump=report.name) == 4
    assert total(numbers, "edgevitals_pump_repeated_rounds_total", pump=report.name) == 9
    report.met([], 0, 0)
    assert len(numbers.values()) == 2


def test_a_held_stream_says_what_to_do(report, caplog):
    for _ in range(2):
        report.held(TooNew("a record needs version 2", "upgrade this collector"))
    assert (report.state, report.last_error) == (
        "holding",
        "a record needs version 2. upgrade this collector",
    )
    assert len(caplog.messages) == 1


def test_brokers_that_are_away_are_told_until_they_are_back(report):
    report.sending(batch())
    report.away("reading telemetry: all brokers are down")
    assert report.state == "waiting"
    assert report.last_error == "reading telemetry: all brokers are down"
    report.idle()
    assert report.state == "waiting"
    report.away("")
    assert (report.state, report.last_error) == ("sending", None)


def test_a_record_that_is_not_ours_and_a_position_that_can_not_be_written_are_lines(report, caplog):
    report.damaged(FormatError("not ours"))
    for _ in range(2):
        report.unsaved(OSError(28, "No space left on device"))
    assert len(caplog.messages) == 2
    assert "passed over a record" in caplog.messages[0]
    assert "can't write its position (No space left on device)" in caplog.messages[1]


def test_every_number_of_a_pump_is_in_the_catalogue(report, numbers):
    report.delivered(batch())
    report.retrying(Retry("x"), 1)
    report.rejected(batch(), Rejected("x", reason="http_400"))
    report.met([Gap(1, 2, 0, 0, GapReason.RING)], 1, 1)
    assert {name for name, _ in numbers.values()} <= catalog.OWN.keys()


def test_going_back_is_counted_and_said(report, numbers, caplog):
    report.rewound(Rewind("the topic was made anew", "who deleted it?", to=None))
    assert total(numbers, "edgevitals_pump_rewinds_total", pump="forward-centre") == 1
    assert "forward-centre goes back: the topic was made anew. who deleted it?" in caplog.text


def test_f39_two_collectors_of_one_name_are_named_as_long_as_it_goes_on(report, clock):
    said = [report.clash]
    report.rejected(batch(), Rejected("two have this name", "rename one", reason="conflict"))
    said.append(report.clash)
    clock.now += 601
    assert [*said, report.clash] == [None, "two have this name. rename one", None]


def test_several_that_do_one_thing_are_as_well_as_the_worst_of_them(numbers):
    lanes = [PumpReport("forward-centre", "topic", "https://centre", numbers) for _ in range(3)]
    for lane in lanes:
        lane.sending(batch())
    lanes[0].delivered(batch())
    lanes[2].delivered(batch())
    lanes[1].retrying(Retry("503"), 5.0)
    whole = joined(lanes)
    assert (whole.state, whole.last_error) == ("waiting", "503")
    assert (whole.delivered_rounds, whole.retries, whole.rejected_rounds) == (4, 1, 0)
    assert whole.next_try_at == lanes[1].next_try_at
    assert total(numbers, "edgevitals_pump_delivered_rounds_total", pump="forward-centre") == 4


def test_a_record_that_is_passed_over_is_counted_by_reason_and_named(report, numbers, caplog):
    report.passed_over(FormatError("not ours"), "t, partition 1, offset 7")
    report.passed_over(WrongSite("a record of a in the topic of another site"), "t")
    name = "edgevitals_pump_refused_records_total"
    assert total(numbers, name, pump=report.name, reason="format") == 1
    assert total(numbers, name, pump=report.name, reason="wrong_site") == 1
    said = "forward-centre passed over a record (t, partition 1, offset 7): not ours"
    assert caplog.messages == [said]
