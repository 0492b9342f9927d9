"""Rounds that the disk refused, in memory: their order, their bound, and who has them."""

from __future__ import annotations

import errno
import os

import pytest

from collector.errors import DiskError
from collector.frames.frame import Lineage, encode_frame
from collector.spool.ring import Ring
from tests.unit.examples import BOOT, wall_of
from tests.unit.spool.site import content, dictionary_of, drain, round_of, seqs_of

VOLATILE = Lineage(9, 9, None, BOOT, volatile=True)
KNOWN = dictionary_of()


def held(seq):
    return round_of(9, seq, KNOWN, VOLATILE)


def full(*readers):
    """A ring that holds three rounds and no more."""
    size = max(len(encode_frame(held(seq))) for seq in range(1, 20))
    ring = Ring(3 * size + 8 * len(KNOWN.series) + len(KNOWN.packed))
    for reader in readers:
        ring.join(reader)
    return ring


def test_where_there_is_no_room_the_oldest_go():
    ring = full("reader")
    for seq in range(1, 6):
        ring.add((1, 100), KNOWN, held(seq))
    assert (ring.rounds, ring.newest, ring.pushed_out) == (3, 5, 2)
    first = ring.after(0)
    assert first is not None
    assert (first.number, first.frame.first_seq) == (3, 3)
    assert ring.after(5) is None


def test_the_newest_stays_however_large_it_is():
    ring = Ring(1)
    ring.join("reader")
    for seq in (1, 2):
        ring.add((1, 100), KNOWN, held(seq))
    assert (ring.rounds, ring.pushed_out) == (1, 1), "so that every gap is met by its seq"


def test_a_round_stays_until_the_slowest_reader_has_it():
    ring = full("quick", "slow")
    for seq in (1, 2, 3):
        ring.add((1, 100), KNOWN, held(seq))
    ring.done("quick", 3)
    assert ring.rounds == 3
    ring.done("slow", 1)
    assert ring.rounds == 2
    ring.leave("slow")
    ring.done("quick", 3)
    assert (ring.rounds, ring.bytes, ring.pushed_out) == (0, 0, 0)


def test_without_a_reader_nothing_is_kept():
    ring = full()
    ring.add((1, 100), KNOWN, held(1))
    assert (ring.rounds, ring.bytes) == (0, 0)


def test_who_joins_late_begins_with_the_oldest():
    ring = full("early")
    for seq in range(1, 6):
        ring.add((1, 100), KNOWN, held(seq))
    assert ring.join("late") == 2


# In a chain


class _Disk:
    """A disk that takes nothing while it is told to."""

    def __init__(self, monkeypatch):
        self.refuses = False
        self.error = errno.EROFS
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self.pwrite)

    def pwrite(self, fd, data, at):
        if self.refuses:
            raise OSError(self.error, os.strerror(self.error))
        return self._pwrite(fd, data, at)


class _Stream:
    """A site whose rounds go where they can, as the round room does it."""

    def __init__(self, site, monkeypatch):
        self.site = site
        self.disk = _Disk(monkeypatch)
        self.written = []
        self._held = 0

    def take(self, rounds, *, on_disk=True):
        self.disk.refuses = not on_disk
        for _ in range(rounds):
            try:
                self.site.append(1)
            except DiskError:
                self._held += 1
                self.site.chain.hold(KNOWN, held(self._held))
                self.written.append((9, self._held))
            else:
                self.written.append((1, self.site.next_seq - 1))


def rounds_of(cursor):
    found = []
    while (batch := cursor.read(0)) is not None:
        found += [number for number, _ in content(batch)]
        cursor.commit(batch)
    return found


@pytest.fixture
def stream(site, monkeypatch):
    return _Stream(site, monkeypatch)


@pytest.mark.parametrize("reads_after", [1, 2, 7, 50])
def test_readers_get_rounds_of_disk_and_memory_in_the_order_they_came(site, stream, reads_after):
    cursor, told = site.reader()
    found = []
    for i, (rounds, on_disk) in enumerate(
        [(3, True), (2, False), (12, True), (1, False), (1, True), (5, False), (20, True)]
    ):
        stream.take(rounds, on_disk=on_disk)
        if i % reads_after == reads_after - 1:
            found += rounds_of(cursor)
    found += rounds_of(cursor)
    assert found == stream.written
    assert told.gaps == []
    assert site.chain.ring.rounds == 0


def test_before_anything_is_on_disk(site, stream):
    cursor, told = site.reader()
    stream.take(3, on_disk=False)
    stream.take(3)
    assert rounds_of(cursor) == stream.written
    assert told.gaps == []


def test_what_was_pushed_out_is_a_gap_with_exact_numbers(site, stream):
    site.chain.ring = full()
    cursor, told = site.reader()
    stream.take(2)
    assert rounds_of(cursor) == [(1, 1), (1, 2)]
    stream.take(10, on_disk=False)
    stream.take(1)
    assert rounds_of(cursor) == [(9, 8), (9, 9), (9, 10), (1, 3)]
    assert [(gap.reason.label, seqs_of([gap])) for gap in told.gaps] == [("ring", [*range(1, 8)])]


def test_segments_that_are_dropped_before_a_held_round_do_not_hide_it(site, stream):
    cursor, told = site.reader()
    stream.take(2)
    assert rounds_of(cursor) == [(1, 1), (1, 2)]
    stream.take(30)
    stream.take(2, on_disk=False)
    stream.take(12)
    for _ in range(3):
        site.chain.drop_oldest()
    found = rounds_of(cursor)
    gone = [number for number in stream.written[2:] if number not in found]
    assert found == [number for number in stream.written[2:] if number not in gone]
    assert {(9, 1), (9, 2)} <= {*found}
    assert seqs_of(told.gaps) == [seq for _, seq in gone] != []
    assert {gap.reason.label for gap in told.gaps} == {"spool_full"}


def test_damage_before_a_held_round_is_a_gap_and_no_more(site, stream):
    cursor, told = site.reader()
    stream.take(5)
    file = site.files[0]
    data = bytearray(file.read_bytes())
    data[-3] ^= 0x10
    file.write_bytes(data)
    stream.take(2, on_disk=False)
    stream.take(2)
    assert rounds_of(cursor) == [*((1, s) for s in range(1, 5)), (9, 1), (9, 2), (1, 6), (1, 7)]
    assert [(gap.reason.label, seqs_of([gap])) for gap in told.gaps] == [("spool_damaged", [5])]


def test_f08_a_full_disk_takes_no_round_that_a_reader_needs_while_memory_has_room(
    site, stream, monkeypatch
):
    monkeypatch.setattr(stream.disk, "error", errno.ENOSPC)
    cursor, _ = site.reader()
    stream.take(30)
    files = site.files
    stream.take(2, on_disk=False)
    assert site.files == files
    assert rounds_of(cursor) == stream.written
    stream.take(1, on_disk=False)
    assert site.files == files[1:], "delivered: it may go"
    site.chain.ring = full(cursor)
    site.chain._owed = 0
    site.chain.is_at(cursor, 0)
    stream.take(1, on_disk=False)
    assert site.files == files[1:]
    stream.take(4, on_disk=False)
    assert site.files == files[2:], "memory is full as well"


def test_a_restart_goes_on_behind_the_last_round_on_disk(site, stream):
    cursor, told = site.reader()
    stream.take(4)
    stream.take(2, on_disk=False)
    assert len(rounds_of(cursor)) == 6
    site.reopen()
    newest, unreadable = site.chain.newest()
    assert newest is not None
    assert (newest.last_seq, unreadable) == (4, 0)
    stream.take(2)
    cursor, told = site.reader()
    assert drain(cursor) == [5, 6]
    assert told.gaps == []


def test_a_reader_that_goes_back_gets_again_what_is_still_in_memory(site, stream):
    cursor, told = site.reader()
    site.chain.ring.join("a slower one")
    stream.take(3)
    stream.take(3, on_disk=False)
    stream.take(2)
    assert rounds_of(cursor) == stream.written
    site.chain.ring.done("a slower one", 1)
    cursor.rewind((1, 1, 2, wall_of(1, 2)))
    assert rounds_of(cursor) == [(1, 3), (9, 2), (9, 3), (1, 4), (1, 5)]
    cursor.rewind(None)
    assert rounds_of(cursor) == [(1, 1), (1, 2), (1, 3), (9, 2), (9, 3), (1, 4), (1, 5)]
    assert told.gaps == []


def test_f43_without_a_free_descriptor_a_reader_waits_and_goes_on(site, monkeypatch):
    site.append(30)
    cursor, told = site.reader()
    real = os.open
    with monkeypatch.context() as process:

        def refuse(*_, **__):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        process.setattr(os, "open", refuse)
        assert cursor.read(0) is None
    assert os.open is real
    assert [error.errno for error in told.errors] == [errno.EMFILE]
    assert drain(cursor) == list(range(1, 31))
    assert told.gaps == []
