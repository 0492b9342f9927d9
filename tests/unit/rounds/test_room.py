from __future__ import annotations

import errno
import logging
import os
import shutil
import struct
from itertools import count
from threading import Event
from types import SimpleNamespace

import pytest

from collector import clock
from collector.frames.columns import NO_SAMPLE, STALE
from collector.frames.frame import Instant
from collector.spool.spool import Last
from tests.unit.examples import BOOT
from tests.unit.site import INTERVAL_S, START_MS, TIER, Site, rounds_of, tick

SEQ, UP, TEMPERATURE = "edgevitals_round_seq{edgevitals}", "up{kafka}", "temperature{kafka}"
INFO = "edgevitals_epoch_info{edgevitals}"
DEGRADED = "edgevitals_spool_degraded{edgevitals}"


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path / "spool") as one:
        yield one


@pytest.fixture
def refusing(site, monkeypatch):
    """While it is set, the disk takes nothing."""
    refusing = Event()
    real = os.pwrite

    def pwrite(fd, data, at):
        if refusing.is_set():
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return real(fd, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return refusing


def seqs(site):
    return [struct.unpack("<d", struct.pack("<Q", one[SEQ]))[0] for one in site.on_disk()]


def test_a_round_is_on_disk_when_it_is_taken(site):
    site.take(0)
    site.source.value = 2.5
    site.take(15)
    assert [(one["at"], one[UP], one[TEMPERATURE]) for one in site.on_disk()] == [
        (START_MS, bits(1), bits(1)),
        (START_MS + 15_000, bits(1), bits(2.5)),
    ]
    assert seqs(site) == [1, 2]
    assert site.rounds.latest is not None
    assert site.rounds.latest.seq == 2
    assert site.missed() == {}


def test_every_round_names_its_epoch_and_the_one_before(tmp_path):
    epochs = []
    for start in (0, 100):
        with Site(tmp_path / "spool") as site:
            site.take(start)
            assert site.rounds.latest is not None
            labels = [
                dict(series.labels)
                for series, value in site.rounds.latest.samples()
                if series.name == "edgevitals_epoch_info" and value == 1
            ]
            epochs += [(one["epoch"], one.get("previous_epoch"), one["tier"]) for one in labels]
            assert site.rounds.latest.seq == len(epochs)
    (first, before_first, tier), (_, before_second, _) = epochs
    assert (before_first, before_second, tier) == (None, first, TIER)


def test_a_target_that_fails_is_up_0_and_its_series_end(site):
    site.take(0)
    site.source.value = None
    site.take(15)
    site.take(30)
    site.source.value = 3.0
    site.take(45)
    rounds = site.on_disk()
    assert [one[UP] for one in rounds] == [bits(1), bits(0), bits(0), bits(1)]
    assert [one[TEMPERATURE] for one in rounds] == [bits(1), STALE, NO_SAMPLE, bits(3)]


def test_two_rounds_never_have_one_time(site):
    site.take(100)
    site.take(115)
    site.take(115)
    site.take(116, ahead_s=-1.5)  # less than a step: slewed
    assert seqs(site) == [1, 2]
    assert site.missed() == {"clock": 2}
    site.take(130)
    assert seqs(site) == [1, 2, 3]


def test_no_round_is_older_than_the_last_one_before_the_restart(tmp_path):
    with Site(tmp_path / "spool") as site:
        site.take(100)
    with Site(tmp_path / "spool") as site:
        site.take(100)
        site.take(115)
        assert site.missed()["clock"] == 1
        assert seqs(site) == [1, 2]


def taken(folder):
    """Where the chain was is something else: the disk takes no round."""
    shutil.rmtree(folder)
    folder.write_text("a file")


def test_a_round_that_the_disk_does_not_take_is_missed_and_the_line_goes_on(site, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = tmp_path / "spool" / TIER
    taken(folder)
    site.take(0)
    site.take(15)
    assert site.missed() == {"disk": 2}
    assert site.rounds.disk_error is not None
    assert site.rounds.disk_error.startswith(f"{folder} does not take the round: Not a directory")
    assert site.rounds.latest is not None, "/metrics shows it all the same"
    folder.unlink()
    site.take(30)
    assert site.rounds.disk_error is None
    assert seqs(site) == [1], "no hole: the line on disk goes on behind its last round"
    assert [
        record.levelname for record in caplog.records if record.name == "collector.rounds.room"
    ] == [
        "ERROR",
        "INFO",
    ], "one line a minute"


def delivered(cursor):
    """The line (1 for the first met), seq, and the cells of each round that a reader gets."""
    rounds = []
    lines: dict[int, int] = {}
    while (batch := cursor.read(0.0)) is not None:
        for frame in batch.frames:
            line = lines.setdefault(frame.lineage.line, len(lines) + 1)
            rounds += [(line, frame.first_seq + i) for i in range(len(frame.at))]
        cells = rounds_of(batch)
        for (_, seq), one in zip(rounds[-len(cells) :], cells, strict=True):
            assert one[SEQ] == bits(seq), "what a round says of itself is its number"
            degraded = any(frame.lineage.volatile for frame in batch.frames)
            assert one[DEGRADED] == bits(degraded)
        cursor.commit(batch)
    return rounds


def test_rounds_that_the_disk_refuses_are_delivered_from_memory_in_order(site, refusing):
    """The line on disk has no hole for them, theirs none for those on disk."""
    cursor = site.cursor()
    for i, refuses in enumerate((0, 0, 1, 1, 1, 0, 0, 1, 0)):
        (refusing.set if refuses else refusing.clear)()
        site.take(i * 15)
        assert site.telemetry.values()["edgevitals_spool_degraded", ()] == refuses
        assert (site.rounds.disk_error is not None) == bool(refuses)
    assert site.spool.rounds_in_memory == 4
    disk, memory = 1, 2
    assert delivered(cursor) == [
        *((disk, seq) for seq in (1, 2)),
        *((memory, seq) for seq in (1, 2, 3)),
        *((disk, seq) for seq in (3, 4)),
        (memory, 4),
        (disk, 5),
    ]
    assert (site.missed(), site.gaps()) == ({}, {})
    assert site.spool.rounds_in_memory == 0, "what all readers have is let go of"
    cursor.close()
    assert seqs(site) == [1, 2, 3, 4, 5]


def test_series_that_end_while_the_disk_refuses_end_once(site, tmp_path, refusing):
    cursor = site.cursor()
    site.take(0)
    refusing.set()
    site.take(15)
    site.source.value = None
    site.take(30)
    refusing.clear()
    site.take(45)
    rounds = []
    while (batch := cursor.read(0.0)) is not None:
        rounds += rounds_of(batch)
        cursor.commit(batch)
    assert [one["at"] for one in rounds] == [START_MS + 1000 * s for s in (0, 15, 30, 45)]
    assert [one[TEMPERATURE] for one in rounds] == [bits(1), bits(1), STALE, NO_SAMPLE]
    # Each epoch is shown by its own rounds, and ends in the first of the other.
    assert site.gaps() == {}
    cursor.close()


def test_a_backlog_counts_rounds_of_disk_and_memory_in_the_order_they_came(site, refusing):
    cursor = site.cursor()
    behind = []
    for i, refuses in enumerate((False, False, True, True, False, True, False)):
        (refusing.set if refuses else refusing.clear)()
        site.take(i * 15)
    while (batch := cursor.read(0.0)) is not None:
        cursor.commit(batch)
        behind.append(site.rounds.history.behind(cursor.mark(site.stream.key)))
    assert behind[-1] == 0
    assert behind == sorted(behind, reverse=True)
    assert all(count is not None for count in behind)
    cursor.close()


def test_a_round_in_doubt_keeps_its_number(site, monkeypatch):
    """Its sync failed twice: it may be on the disk, so no other round may be its like."""
    cursor = site.cursor()
    site.take(0)
    with monkeypatch.context() as disk:

        def fail(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        disk.setattr(os, "fdatasync", fail)
        for at_s in (15, 30, 45):
            site.take(at_s)
    site.take(60)
    rounds = delivered(cursor)
    assert rounds == [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3)]
    assert site.gaps() == {}
    cursor.close()
    seqs_on_disk = seqs(site)
    assert seqs_on_disk == [1, 2, 3]


def test_segments_that_make_way_are_counted(tmp_path):
    with Site(tmp_path / "spool", max_bytes=1) as site:
        site.source.is_noisy = True
        for i in range(30):
            site.take(i)
        kept = sorted((tmp_path / "spool" / TIER).iterdir())
        dropped = site.telemetry.values()["edgevitals_spool_dropped_segments_total", ()]
        assert dropped >= 2
        assert site.missed() == {}
        assert len(kept) <= 2


def test_an_old_segment_that_can_not_be_removed_costs_a_round_and_no_more(tmp_path):
    folder = tmp_path / "spool" / TIER
    with Site(tmp_path / "spool", max_bytes=1) as site:
        site.source.is_noisy = True
        site.take(0)
        (first,) = folder.iterdir()
        first.unlink()
        first.mkdir()  # what unlink() refuses
        after_s = 1
        while not site.missed():
            site.take(after_s)
            after_s += 1
        assert site.missed() == {"disk": 1}, "there is no reader to get it from memory"
        assert str(site.rounds.disk_error).startswith("an old segment in")
        first.rmdir()
        site.take(after_s)
        assert site.rounds.disk_error is None


# The room


def ticking(monkeypatch, *ticks):
    monkeypatch.setattr(clock, "ticks", lambda interval, stop: iter(ticks))


def ends_at(monkeypatch, after_s):
    ms = int(after_s * 1000)
    monkeypatch.setattr(clock, "now", lambda: Instant(START_MS + ms, ms))


def test_the_last_round_ends_all_series_but_its_own_number(site, monkeypatch):
    ticking(monkeypatch, tick(0), tick(15))
    ends_at(monkeypatch, 17)
    site.rounds.run(Event())
    last = site.on_disk()[-1]
    assert last.pop("at") == START_MS + 17_000
    assert last.pop(SEQ) == bits(3)
    assert {UP, TEMPERATURE, INFO} <= last.keys()
    assert set(last.values()) <= {STALE, NO_SAMPLE}
    assert last[UP] == last[TEMPERATURE] == last[INFO] == STALE


def test_a_stop_gives_up_the_round_under_way_and_still_ends_all_series(site, monkeypatch):
    monkeypatch.setattr("collector.target.STOP_GRACE_S", 0.0)
    stop = Event()

    def ticks(interval, stop):
        yield tick(0)
        site.source.may_answer.clear()
        stop.set()
        yield tick(15)

    monkeypatch.setattr(clock, "ticks", ticks)
    ends_at(monkeypatch, 16)
    site.rounds.run(stop)
    site.source.may_answer.set()
    assert site.missed() == {"stopping": 1}
    assert [one["at"] for one in site.on_disk()] == [START_MS, START_MS + 16_000]
    assert site.on_disk()[-1][UP] == STALE


def test_without_a_round_there_is_nothing_to_end(site, monkeypatch):
    ticking(monkeypatch)
    site.rounds.run(Event())
    assert site.on_disk() == []


def test_the_last_round_is_not_stamped_before_the_one_before_it(site, monkeypatch):
    ticking(monkeypatch, tick(100))
    ends_at(monkeypatch, 90)
    site.rounds.run(Event())
    assert seqs(site) == [1]


def test_a_full_disk_at_the_end_is_no_error_either(site, monkeypatch, tmp_path):
    ticking(monkeypatch, tick(0))
    ends_at(monkeypatch, 1)
    taken(tmp_path / "spool" / TIER)
    site.rounds.run(Event())
    assert site.missed() == {"disk": 2}


def test_ticks_that_were_let_go_are_missed_by_reason(site, monkeypatch):
    ticking(monkeypatch, tick(0), tick(60, missed=3))
    ends_at(monkeypatch, 61)
    site.rounds.run(Event())
    assert site.missed() == {"suspended": 3}


def test_ticks_that_a_slow_round_took_are_an_overrun(site, monkeypatch):
    ticking(monkeypatch, tick(0), tick(60, missed=3))
    ends_at(monkeypatch, 61)
    slow = SimpleNamespace(monotonic=count(0.0, INTERVAL_S).__next__)
    monkeypatch.setattr("collector.rounds.room.time", slow)
    site.rounds.run(Event())
    assert site.missed()["overrun"] == 3


# Behind a process before this one


@pytest.mark.parametrize("away_s, missed", [(0.5, 0), (14.9, 0), (16, 1), (150, 10)])
@pytest.mark.parametrize("boot_id", [BOOT, bytes(16)], ids=["same boot", "another boot"])
def test_rounds_while_no_process_ran_are_missed(site, away_s, missed, boot_id):
    site.rounds.follow(Last(1, 1, 7, START_MS, boot_id, 0))
    site.take(away_s)
    site.take(away_s + 15)
    assert site.missed() == ({"not_running": missed} if missed else {})


def test_f16_a_clock_that_was_set_back_meanwhile_does_not_hide_what_was_missed(site):
    site.rounds.follow(Last(1, 1, 7, START_MS, BOOT, 0))
    site.take(150, ahead_s=-3600)
    assert site.missed() == {"not_running": 10}


def test_the_first_start_of_all_has_missed_nothing(site):
    site.rounds.follow(None)
    assert site.missed() == {}


def test_a_gap_of_another_node_is_in_our_round_under_its_site_and_node(site):
    other = {"site": "store-9", "node": "edge-9", "pump": "forward-centre", "reason": "ring"}
    site.telemetry.add("edgevitals_gap_rounds_total", 3, **other)
    site.take(0)
    assert site.rounds.latest is not None
    (found,) = [
        (dict(series.labels), value)
        for series, value in site.rounds.latest.samples()
        if series.name == "edgevitals_gap_rounds_total"
    ]
    assert found == ({**other, "job": "edgevitals", "instance": "node-a"}, 3)
