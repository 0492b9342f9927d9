"""What the next epoch follows, and what travels from one start to the next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector import protobuf
from collector.errors import SpoolError
from collector.flow.mark import Gap, GapReason, Mark, Marks, Position
from collector.frames.frame import encode_frame
from collector.spool.position import save_position
from collector.spool.segment import pack
from collector.spool.spool import Last
from tests.unit.examples import STREAM
from tests.unit.spool.site import (
    dictionary_of,
    drain,
    flip,
    round_of,
    seqs_of,
)
from tests.unit.spool.spools import Writer, open_spool, reader


def test_an_epoch_follows_the_newest_round(tmp_path):
    with open_spool(tmp_path) as spool:
        assert spool.last("standard") is None
        first = Writer(spool)
        first.append(30)
        second = Writer(spool)  # what is being written now doesn't count: it is not closed
        assert second.lineage.previous != (first.lineage.epoch, 30)
    with open_spool(tmp_path) as spool:
        last = spool.last("standard")
        assert last is not None
        assert last[:3] == (first.lineage.line, first.lineage.epoch, 30)
        third = Writer(spool)
        assert third.lineage.previous == (first.lineage.epoch, 30)
        assert third.lineage.line == first.lineage.line
        third.append(2)
        cursor, told = reader(spool)
        assert drain(cursor) == list(range(1, 33))
        assert told.gaps == []
        cursor.close()


def _mark(path: Path, name: str, mark: Mark) -> None:
    file = path / "positions" / f"standard.{name}.position"
    save_position(file, Position(1, 0, Marks({STREAM.key: (mark,)})))


def test_a_reader_knows_a_round_that_the_disk_has_lost(tmp_path):
    with open_spool(tmp_path) as spool:
        writer = Writer(spool)
        writer.append(3)
    epoch = writer.lineage.epoch
    _mark(tmp_path, "slow", Mark(epoch, epoch, 2, 10**9))
    _mark(tmp_path, "fast", Mark(epoch, 77, 9, 5))
    with open_spool(tmp_path) as spool:
        # By seq, not by time: the clock may have been a year ahead when round 2 was taken.
        assert spool.last("standard") == Last(epoch, 77, 9, 5)


def test_no_seq_is_given_twice_when_the_newest_rounds_are_damaged(tmp_path):
    with open_spool(tmp_path) as spool:
        writer = Writer(spool)
        writer.append(5)
    file = tmp_path / "standard" / f"{1:016x}.evs"
    flip(file, file.stat().st_size - 1)
    with open_spool(tmp_path) as spool:
        again = Writer(spool)
        assert again.next_seq == 6
        again.append(1)
        cursor, told = reader(spool)
        assert drain(cursor) == [1, 2, 3, 4, 6]
        assert seqs_of(told.gaps) == [5]
        cursor.close()


def test_a_spool_in_which_no_round_can_be_read_begins_a_new_line(tmp_path):
    """Nobody knows how many there were: to go on from a reader's mark could give a seq twice."""
    with open_spool(tmp_path) as spool:
        writer = Writer(spool)
        writer.append(5)
        cursor, _ = reader(spool)
        drain(cursor)
        cursor.close()
        writer.append(3)
    for file in (tmp_path / "standard").iterdir():
        file.unlink()
    with open_spool(tmp_path) as spool:
        assert spool.last("standard") is None
        again = Writer(spool)
        again.append(1)
        cursor, told = reader(spool)
        assert drain(cursor) == [1]
        assert [(gap.rounds, gap.reason) for gap in told.gaps] == [(0, GapReason.NEW_LINE)]
        cursor.close()


def test_a_reader_of_a_line_that_the_disk_has_lost_begins_a_new_one(tmp_path):
    with open_spool(tmp_path) as spool:
        Writer(spool).append(3)
    _mark(tmp_path, "other", Mark(999, 999, 50, 10**15))
    with open_spool(tmp_path) as spool:
        assert spool.last("standard") is None
    _mark(tmp_path, "other", Mark(999, 999, 50, 5))  # an older line: it is merely far behind
    with open_spool(tmp_path) as spool:
        assert spool.last("standard") is not None


def test_damaged_positions_and_those_of_other_tiers_do_not_count(tmp_path):
    with open_spool(tmp_path) as spool:
        writer = Writer(spool)
        writer.append(3)
    epoch = writer.lineage.epoch
    (tmp_path / "positions" / "standard.broken.position").write_bytes(b"rubbish")
    file = tmp_path / "positions" / "vital.centre.position"
    save_position(file, Position(1, 0, Marks({STREAM.key: (Mark(epoch, epoch, 99, 0),)})))
    with open_spool(tmp_path) as spool:
        last = spool.last("standard")
        assert last is not None
        assert last.seq == 3


def test_a_disk_that_gives_no_answer_begins_a_new_line(tmp_path, monkeypatch):
    with open_spool(tmp_path) as spool:
        Writer(spool).append(3)
    with open_spool(tmp_path) as spool, monkeypatch.context() as disk:

        def fail(*_: object) -> bytes:
            raise OSError(5, os.strerror(5))

        disk.setattr(os, "pread", fail)
        assert spool.last("standard") is None


def test_a_newer_record_at_the_end_is_a_sentence(tmp_path):
    with open_spool(tmp_path) as spool:
        Writer(spool).append(1)
    newer = pack(protobuf.uint_field(1, 2) + protobuf.message_field(3, b""))
    with (tmp_path / "standard" / f"{1:016x}.evs").open("ab") as file:
        file.write(newer)
    with open_spool(tmp_path) as spool, pytest.raises(SpoolError, match="needs version 2"):
        spool.last("standard")


def test_gaps_travel_with_the_position(tmp_path):
    """A gap that is open when the process ends is closed by a round that comes later."""
    with open_spool(tmp_path) as spool:
        writer = Writer(spool)
        writer.append(2)
        writer.next_seq = 5
        writer.append(1)
        cursor, told = reader(spool)
        assert drain(cursor) == [1, 2, 5]
        cursor.close()
    assert seqs_of(told.gaps) == [3, 4]
    with open_spool(tmp_path) as spool:
        late = round_of(1, 4, writer.known, writer.lineage)
        spool.chain("standard").append(writer.known, late)
        cursor, told = reader(spool)
        assert drain(cursor) == [4]
        assert (told.closed, told.gaps) == (1, [])
        mark = cursor.mark(STREAM.key)
        assert mark is not None
        assert [gap[:2] for gap in mark.gaps] == [(3, 3)]
        assert isinstance(mark.gaps[0], Gap)
        cursor.close()


def test_an_export_is_a_copy_of_the_files(tmp_path):
    with open_spool(tmp_path / "site") as spool:
        Writer(spool).append(60)
    (tmp_path / "stick").mkdir()
    with open_spool(tmp_path / "stick"):
        pass
    for file in (tmp_path / "site" / "standard").iterdir():
        (tmp_path / "stick" / "standard" / file.name).write_bytes(file.read_bytes())
    with open_spool(tmp_path / "stick") as spool:
        cursor, _ = reader(spool)
        assert drain(cursor) == list(range(1, 61))
        cursor.close()
    assert encode_frame(round_of(1, 1, dictionary_of()))
