"""Which time, epoch and seq rounds get, whatever the clock does: real spool, told clock."""

from __future__ import annotations

import struct

import pytest

from collector import BUILT_MS
from collector.errors import DiskError
from collector.flow.mark import GapReason
from collector.frames.frame import ClockStep, Frame
from collector.rounds.recorder import Epochs
from collector.rounds.timeline import beginning, newest_of
from collector.spool.spool import Last
from tests.real.edge import frames_of
from tests.unit.examples import BOOT
from tests.unit.site import INTERVAL_S, START_MS, TIER, Site

OTHER_BOOT = bytes(16)
YEARS_S = 40 * 365 * 86400.0
UNSET = -YEARS_S
SEQ = "edgevitals_round_seq{edgevitals}"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


def frames(folder) -> list[Frame]:
    """All frames of the stream's chain."""
    paths = sorted((folder / TIER).iterdir(), key=lambda path: path.name)
    return [frame for path in paths for frame in frames_of(path)]


def times(folder) -> list[tuple[int, float]]:
    """(seq, seconds since the start of the world) of each round in the chain."""
    return [
        (frame.first_seq + i, ((at.wall_ms or 0) - START_MS) / 1000)
        for frame in frames(folder)
        for i, at in enumerate(frame.at)
    ]


def no_clock(site: Site) -> int:
    return site.telemetry.by_label("edgevitals_gap_rounds_total", "reason").get("no_clock", 0)


# Steps


@pytest.mark.parametrize("back_s", [3.0, 3600.0, 86400.0 * 90])
def test_f16_a_clock_that_is_set_back_begins_an_epoch_that_names_the_step(folder, back_s):
    with Site(folder) as site:
        site.take(0)
        site.take(15)
        site.take(30, ahead_s=-back_s)
        site.take(45, ahead_s=-back_s)
        assert site.missed() == {}
        assert site.telemetry.by_label("edgevitals_clock_steps_total", "direction") == {"back": 1}
    one, two, three, four = (frame.lineage for frame in frames(folder))
    assert one == two
    assert three.epoch not in {one.epoch, 0}
    assert (three.line, three.previous) == (one.line, (one.epoch, 2))
    step = ClockStep(BOOT, 30_000, int(-back_s * 1000))
    assert (two.clock_step, three.clock_step, four.clock_step) == (None, step, step)
    assert times(folder) == [(1, 0), (2, 15), (3, 30 - back_s), (4, 45 - back_s)]


def test_f15_a_clock_that_is_set_forward_goes_on_in_its_epoch(folder):
    with Site(folder) as site:
        site.take(0)
        site.take(15, ahead_s=3600)
        site.take(30, ahead_s=0)
        steps = site.telemetry.values()
        assert steps["edgevitals_clock_step_seconds", ()] == -3600
        assert site.telemetry.by_label("edgevitals_clock_steps_total", "direction") == {
            "forward": 1,
            "back": 1,
        }
    one, two, three = (frame.lineage for frame in frames(folder))
    assert one == two
    assert three.clock_step == ClockStep(BOOT, 30_000, -3_600_000)
    assert times(folder) == [(1, 0), (2, 3615), (3, 30)]


def test_f16_a_clock_that_is_slewed_by_30_s_makes_no_step(folder):
    with Site(folder) as site:
        for i in range(30):
            site.take(i * INTERVAL_S, ahead_s=-i)
        assert site.telemetry.by_label("edgevitals_clock_steps_total", "direction") == {}
    stamps = [seconds for _, seconds in times(folder)]
    assert stamps == sorted(set(stamps))
    assert len({frame.lineage.epoch for frame in frames(folder)}) == 1


def test_f16_a_step_while_no_process_ran_is_told_within_the_boot(folder):
    with Site(folder) as site:
        site.take(0, ahead_s=3600)
    with Site(folder) as site:
        site.take(15)
        site.take(30)
    first, second, third = frames(folder)
    assert third.lineage == second.lineage._replace(previous=None), "which stands with the first"
    assert second.lineage.clock_step == ClockStep(BOOT, 15_000, -3_600_000)
    assert second.lineage.previous == (first.lineage.epoch, 1)


# Without a clock


def test_f17_rounds_before_the_clock_was_set_get_their_times_once_it_is(folder):
    with Site(folder) as site:
        site.take(0, ahead_s=UNSET)
        site.take(15, ahead_s=UNSET)
        assert site.on_disk() == [], "no sink and no topic gets a round without a time"
        assert "is before this program was built" in str(site.rounds.clock_problem)
        assert site.telemetry.values()["edgevitals_unstamped_rounds", ()] == 2
        site.take(30)
        assert site.rounds.clock_problem is None
        assert times(folder) == [(1, 0), (2, 15), (3, 30)]
        assert len({frame.lineage for frame in frames(folder)}) == 1, "one epoch, no step"
        assert site.telemetry.values()["edgevitals_unstamped_rounds", ()] == 0
        seqs = [struct.unpack("<d", struct.pack("<Q", one[SEQ]))[0] for one in site.on_disk()]
        assert seqs == [1, 2, 3]
        assert site.missed() == {}
        assert no_clock(site) == 0


def test_f17_they_outlive_the_process_within_the_boot(folder):
    with Site(folder) as site:
        site.take(0, ahead_s=UNSET)
    with Site(folder) as site:
        site.take(15, ahead_s=UNSET)
    with Site(folder) as site:
        site.take(30)
    assert times(folder) == [(1, 0), (2, 15), (3, 30)]
    one, two, three = (frame.lineage for frame in frames(folder))
    assert (one.previous, two.previous, three.previous) == (None, (one.epoch, 1), (two.epoch, 2))
    assert {one.line, two.line, three.line} == {one.epoch}


def test_f17_a_stamp_is_given_once(folder):
    """A crash may leave a stamped round in both chains: the clock has moved since, it has not."""
    with Site(folder) as site:
        site.take(0)
        site.take(15, ahead_s=UNSET)
        unstamped = site.spool.unstamped(TIER)
        (kept,) = list(unstamped.frames())
        site.take(30)
        unstamped.append(*kept)
    with Site(folder) as site:
        site.take(45, ahead_s=1.0)
    assert times(folder) == [(1, 0), (2, 15), (3, 30), (4, 46)]


def test_f17_of_a_boot_that_is_over_they_are_a_gap_with_its_reason(folder):
    with Site(folder, boot_id=OTHER_BOOT) as site:
        site.take(0)
        site.take(15, ahead_s=UNSET)
        site.take(30, ahead_s=UNSET)
    with Site(folder) as site:
        site.take(1000)
        site.take(1015)
        assert no_clock(site) == 2
    assert times(folder) == [(1, 0), (4, 1000), (5, 1015)]
    first, second, _ = frames(folder)
    assert second.lineage.previous == (first.lineage.epoch, 3)
    assert second.lineage.missing == GapReason.NO_CLOCK


def test_f17_a_clock_behind_the_last_round_of_the_boot_before_is_not_believed(folder):
    with Site(folder, boot_id=OTHER_BOOT) as site:
        site.take(1000)
    with Site(folder) as site:
        site.take(10, ahead_s=0)
        assert "is before the last round" in str(site.rounds.clock_problem)
        site.take(25, ahead_s=2000)
        assert site.missed() == {"not_running": 67}
    assert times(folder) == [(1, 1000), (2, 2010), (3, 2025)]


def test_f17_a_receiver_that_says_the_same_time_is_reason_to_believe_it(folder):
    """The clock of the boot before had been ahead."""
    said: list[int | None] = [None]
    with Site(folder, boot_id=OTHER_BOOT) as site:
        site.take(0, ahead_s=86400)
    believed = []
    with Site(folder) as site:
        site.rounds.compare([lambda: said[0]])
        for after_s, ahead_ms in ((15, None), (30, 3_600_000), (45, -20_000)):
            said[0] = ahead_ms
            site.take(after_s)
            believed.append(site.rounds.clock_problem is None)
        site.take(60, ahead_s=UNSET)
        believed.append(site.rounds.clock_problem is None)
    assert believed == [False, False, True, False], "and no clock says 1970"
    assert times(folder) == [(1, 86400), (2, 15), (3, 30), (4, 45)]


def test_f17_when_too_many_wait_the_oldest_go_and_the_clock_is_believed_if_it_may_be(folder):
    with Site(folder, boot_id=OTHER_BOOT, max_bytes=64_000) as site:
        site.take(100_000)
    with Site(folder, max_bytes=64_000) as site:
        site.source.is_noisy = True
        taken = 0
        while site.rounds.clock_problem is not None or not taken:
            site.take(taken * 15.0)
            taken += 1
            assert taken < 30
        held = taken - 1
        assert no_clock(site) == 0
    assert [seq for seq, _ in times(folder)] == list(range(1, 1 + held + 2))

    with Site(folder, boot_id=OTHER_BOOT, max_bytes=64_000) as site:
        site.source.is_noisy = True
        for i in range(30):
            site.take(i * 15.0, ahead_s=UNSET)
        lost = no_clock(site)
        assert lost > 0
        assert site.spool.unstamped(TIER).bytes < 80_000
        site.take(450, ahead_s=200_000)
    seqs = [seq for seq, _ in times(folder)]
    assert seqs[-1] - seqs[0] + 1 - len(seqs) == lost
    (behind,) = (
        f for f in frames(folder) if f.first_seq - lost - 1 in seqs and f.first_seq - 1 not in seqs
    )
    assert behind.lineage.missing == GapReason.NO_CLOCK


def test_f17_a_clock_that_falls_back_to_1970_and_returns(folder):
    with Site(folder) as site:
        site.take(0)
        site.take(15, ahead_s=UNSET)
        site.take(30, ahead_s=-60)
    assert times(folder) == [(1, 0), (2, -45), (3, -30)]
    assert frames(folder)[-1].lineage.clock_step == ClockStep(BOOT, 30_000, -60_000)


def test_a_disk_that_refuses_them_costs_a_round(folder, monkeypatch):
    with Site(folder) as site:
        (folder / "unstamped").write_text("no folder")
        site.take(0, ahead_s=UNSET)
        assert site.missed() == {"disk": 1}
        (folder / "unstamped").unlink()
        site.take(15, ahead_s=UNSET)
        site.take(30)
    assert times(folder) == [(1, 15), (2, 30)], "its seq is free again"


def test_rounds_wait_on_when_the_disk_does_not_take_them(folder, monkeypatch):
    with Site(folder) as site:
        site.take(0, ahead_s=UNSET)
        chain = site.spool.chain(TIER)

        def refuse(*_):
            raise DiskError("no space")

        monkeypatch.setattr(chain, "append", refuse)
        site.take(15)
        monkeypatch.undo()
        site.take(30)
    assert times(folder) == [(1, 0), (2, 30)]
    assert site.missed() == {"disk": 1}


# The line goes on


@pytest.mark.parametrize(
    "on_disk, in_topic, newest",
    [
        (None, None, None),
        (Last(1, 1, 5, 50), None, 5),
        (None, Last(1, 1, 7, 70), 7),
        (Last(1, 1, 5, 50), Last(1, 1, 7, 70), 7),
        (Last(1, 2, 9, 90), Last(1, 1, 7, 70), 9),
        (Last(2, 2, 1, 90), Last(1, 1, 7, 70), 1),
        (Last(2, 2, 9, 60), Last(1, 1, 7, 70), 7),
    ],
)
def test_the_line_goes_on_behind_the_newest_round_that_anybody_knows(on_disk, in_topic, newest):
    found = newest_of(on_disk, in_topic)
    assert (found.seq if found else None) == newest


def test_a_lost_spool_goes_on_behind_the_topic(folder):
    with Site(folder) as site:
        begins = beginning(site.spool, TIER, Epochs(BOOT), Last(7, 8, 41, BUILT_MS))
    assert (begins.lineage.line, begins.lineage.previous) == (7, (8, 41))
