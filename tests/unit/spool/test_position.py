"""How far a reader has come, on disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from collector.flow.mark import Mark, Marks, Position
from collector.frames.frame import encode_frame
from collector.spool.position import load_position, save_position
from collector.spool.segment import pack
from tests.unit.spool.site import Site, SmallDisk, drain, flip, round_of


def _position(site: Site, name: str = "centre") -> Path:
    return site.positions / f"standard.{name}.position"


def test_a_position_is_read_back_and_replaced_in_one_step(tmp_path, monkeypatch):
    file = tmp_path / "standard.centre.position"
    assert load_position(file) is None
    one = Position(1, 2, Marks({3: (Mark(4, 5, 6, 7),)}, 8))
    two = Position(9, 10, Marks({}))
    save_position(file, one)
    assert load_position(file) == one
    disk = SmallDisk(monkeypatch, tmp_path, 0)
    for room in (0, 1, 10, 30):
        disk.capacity = file.stat().st_size + room
        with pytest.raises(OSError, match="No space left"):
            save_position(file, one)
        (tmp_path / "standard.centre.new").unlink()
        assert load_position(file) == one
    disk.capacity = 10**6
    save_position(file, two)
    assert load_position(file) == two


def test_a_position_that_cannot_be_written_is_told_and_stops_nothing(site, monkeypatch):
    site.append(3)
    cursor, told = site.reader()
    disk = SmallDisk(monkeypatch, site.positions, 0)
    assert drain(cursor) == [1, 2, 3]
    assert [error.errno for error in told.errors] == [errno.ENOSPC] * 2
    disk.capacity = 10**6
    site.append(1)
    assert drain(cursor) == [4]
    site.reopen()
    assert drain(site.reader()[0]) == []


def test_a_damaged_position_starts_from_the_oldest_round(site):
    site.append(10)
    drain(site.reader()[0])
    file = _position(site)
    whole = file.read_bytes()
    for at in range(len(whole)):
        flip(file, at)
        assert load_position(file) is None
        file.write_bytes(whole[:at])
        assert load_position(file) is None
        file.write_bytes(whole)
    flip(file, 20)
    site.reopen()
    cursor, told = site.reader()
    assert drain(cursor) == list(range(1, 11))
    assert told.gaps == []
    assert load_position(file) is not None


def test_a_position_in_a_segment_that_is_shorter_now_loses_nothing_silently(site):
    """A folder that was put back from a backup: older than the reader's position."""
    site.append(6)
    site.reopen()
    saved = site.files[0].read_bytes()
    size = len(pack(encode_frame(round_of(1, 6, site.known))))
    assert drain(site.reader()[0]) == [1, 2, 3, 4, 5, 6]
    site.close()
    site.files[0].write_bytes(saved[: -2 * size])
    site.reopen()
    site.append(1)
    cursor, told = site.reader()
    assert drain(cursor) == [7]
    assert told.gaps == []


def test_the_far_side_keeps_a_note_with_each_position(site):
    cursor, _ = site.reader()
    notes = iter([b"first", b"second"])
    assert cursor.keep(lambda: next(notes)) == b""
    site.append(3)
    drain(cursor)
    site.reopen()
    cursor, _ = site.reader()
    kept = cursor.keep(lambda: b"third")
    assert kept == b"second", "with its first look, and with what it delivered"
    cursor.rewind(None)
    site.reopen()
    assert site.reader()[0].keep(bytes) == b"third"


def test_f14_a_folder_of_positions_that_was_removed_is_made_anew(tmp_path):
    file = tmp_path / "positions" / "standard.centre.position"
    one = Position(1, 2, Marks({}))
    save_position(file, one)
    file.unlink()
    file.parent.rmdir()
    save_position(file, one)
    assert load_position(file) == one
