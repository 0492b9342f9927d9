from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Event

from collector import protobuf
from collector.flow import pump
from collector.flow.mark import Gap, GapReason, Mark, Marks, Withheld
from collector.flow.pump import Appetite
from collector.frames.frame import Lineage, encode_frame
from collector.spool.position import load_position
from collector.spool.segment import pack
from tests.unit.examples import BOOT, STREAM, wall_of
from tests.unit.spool.site import Site, dictionary_of, drain, flip, round_of, seqs_of


def _position(site: Site, name: str = "centre") -> Path:
    return site.positions / f"standard.{name}.position"


def test_a_reader_gets_every_round_once_and_goes_on_where_it_stopped(site):
    site.append(30)
    cursor, told = site.reader()
    assert drain(cursor) == list(range(1, 31))
    assert cursor.read(0) is None
    site.append(2)
    assert drain(cursor) == [31, 32]
    site.reopen()
    site.append(3)
    cursor, again = site.reader()
    assert drain(cursor) == [33, 34, 35]
    for notices in (told, again):
        assert (notices.gaps, notices.closed, notices.repeated) == ([], 0, 0)


def test_readers_go_their_own_ways(site):
    site.append(5)
    first, _ = site.reader("topic")
    second, _ = site.reader("my.own.sink")
    assert drain(first) == [1, 2, 3, 4, 5]
    site.append(5)
    assert drain(second) == list(range(1, 11))
    site.reopen()
    assert drain(site.reader("topic")[0]) == [6, 7, 8, 9, 10]
    assert drain(site.reader("my.own.sink")[0]) == []


def test_what_was_not_committed_comes_again(site):
    site.append(10)
    cursor, _ = site.reader()
    batch = cursor.read(0)
    assert batch is not None
    assert batch.rounds == 10
    site.reopen()
    cursor, told = site.reader()
    assert drain(cursor) == list(range(1, 11))
    assert told.repeated == 0  # the mark never moved: to this reader it is new


def test_a_mark_is_what_is_delivered_and_not_what_was_read(site):
    cursor, _ = site.reader()
    key = STREAM.key
    site.append(3)
    batch = cursor.read(0)
    assert batch is not None
    mark = cursor.mark(key)
    assert mark is not None
    assert mark.seq == 0
    cursor.commit(batch)
    assert cursor.mark(key) == Mark(1, 1, 3, wall_of(1, 3), first_seq=1)
    position = load_position(_position(site))
    assert position is not None
    assert position.marks == Marks({key: (Mark(1, 1, 3, wall_of(1, 3), first_seq=1),)})
    assert (position.segment, position.offset) == (1, site.chain.end().offset)


def test_batches_are_as_large_as_the_reader_likes_and_receivers_take(site):
    cursor, _ = site.reader(appetite=Appetite(4, 10.0))
    site.append(3)
    assert cursor.read(0) is None
    site.append(1)
    batch = cursor.read(0)
    assert batch is not None
    assert batch.rounds == 4
    site.append(50)
    sizes = []
    while (batch := cursor.read(0)) is not None:
        sizes.append(batch.rounds)
    assert sizes == [20, 20, 10]


def test_patience_ends_and_fewer_rounds_are_taken(site):
    cursor, _ = site.reader(appetite=Appetite(4, 0.02))
    site.append(1)
    assert cursor.read(0.01) is None
    assert cursor.read(0.01) is None
    batch = cursor.read(0.01)
    assert batch is not None
    assert batch.rounds == 1
    site.append(1)
    assert cursor.read(0) is None  # and begins anew
    cursor.hurry()
    assert drain(cursor) == [2]


def test_a_batch_has_one_dictionary(site):
    site.append(2)
    site.known = dictionary_of(1)
    site.append(3)
    site.known = dictionary_of(0)
    site.append(1)
    cursor, _ = site.reader()
    batches = [cursor.read(0) for _ in range(3)]
    assert [batch.rounds for batch in batches if batch] == [2, 3, 1]
    assert [len(batch.dictionary.series) for batch in batches if batch] == [2, 3, 2]
    assert batches[0] is not None
    cursor.commit(batches[0])
    site.reopen()
    # The position lies behind the second dictionary: it is learned again.
    assert drain(site.reader()[0]) == [3, 4, 5, 6]


def test_batches_go_on_over_the_end_of_a_segment(site):
    site.append(20)
    assert len(site.files) > 1
    batch = site.reader()[0].read(0)
    assert batch is not None
    assert batch.rounds == 20


def test_large_rounds_make_small_batches(site, monkeypatch):
    monkeypatch.setattr(pump, "MOST_CELLS", 7)
    site.append(8)
    cursor, _ = site.reader()
    batches = iter(lambda: cursor.read(0), None)
    assert [batch.rounds for batch in batches if batch] == [3, 3, 2]


def test_waiting_keeps_the_batch(site):
    stop = Event()
    stop.set()
    assert site.reader()[0].wait(99, stop)


# Losses


def test_rounds_dropped_before_the_reader_had_them_are_a_gap_with_exact_numbers(site):
    site.append(2)
    cursor, _ = site.reader()
    drain(cursor)
    cursor.close()
    site.append(60)
    site.chain.drop_oldest()
    site.chain.drop_oldest()
    cursor, told = site.reader()
    seqs = drain(cursor)
    assert [*range(3, seqs[0])] == seqs_of(told.gaps)
    assert seqs == [*range(seqs[0], 63)]
    assert len(told.gaps) == 1
    gap = told.gaps[0]
    assert (gap.after_ms, gap.before_ms) == (wall_of(1, 2), wall_of(1, seqs[0]))
    assert gap.reason is GapReason.SPOOL_FULL


def test_a_reader_that_never_delivered_anything_misses_what_is_dropped(site):
    """An address that was wrong from the first day: what was dropped meanwhile is not silent."""
    site.append(40)
    cursor, _ = site.reader()
    assert cursor.read(0) is not None  # tried, and never taken
    site.reopen()
    site.chain.drop_oldest()
    site.chain.drop_oldest()
    cursor, told = site.reader()
    seqs = drain(cursor)
    assert seqs[0] > 1
    assert seqs_of(told.gaps) == list(range(1, seqs[0]))


def test_a_new_reader_begins_with_the_oldest_and_misses_nothing(site):
    site.append(40)
    site.chain.drop_oldest()
    cursor, told = site.reader("new")
    seqs = drain(cursor)
    assert seqs[0] > 1
    assert told.gaps == []


def test_a_segment_dropped_under_its_reader_is_read_to_its_end(site):
    site.append(40)
    cursor, told = site.reader(appetite=Appetite(1, 0))
    batch = cursor.read(0)
    assert batch is not None
    while site.chain.drop_oldest():
        pass
    seqs = [seq for it in batch.frames for seq in range(it.first_seq, it.last_seq + 1)]
    cursor.commit(batch)
    seqs += drain(cursor)
    assert sorted(seqs + seqs_of(told.gaps)) == list(range(1, 41))
    assert all(gap.reason is GapReason.SPOOL_FULL for gap in told.gaps)


def test_a_damaged_record_costs_one_round_and_is_a_gap(site):
    site.append(8)
    site.reopen()
    fifth = encode_frame(round_of(1, 5, site.known))
    flip(site.files[0], site.files[0].read_bytes().index(fifth))
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2, 3, 4, 6, 7, 8]
    damaged = GapReason.SPOOL_DAMAGED
    assert [(gap.first_seq, gap.last_seq, gap.reason) for gap in told.gaps] == [(5, 5, damaged)]


def test_every_byte_of_a_chain_may_be_damaged_and_nothing_wrong_is_read(site):
    """Each round is delivered as it was, or missing and said to be."""
    site.append(9)
    site.known = dictionary_of(1)
    site.append(9)
    site.reopen()
    site.append(1)
    files = site.files
    assert len(files) == 3
    for file in files[:2]:
        whole = file.read_bytes()
        for at in range(0, len(whole), 13):
            flip(file, at)
            cursor, told = site.reader(f"{file.stem}-{at}")
            seqs = drain(cursor)
            cursor.close()
            assert seqs == sorted(set(seqs))
            unknown = [gap for gap in told.gaps if not gap.first_seq]
            if seqs[0] == 1:  # at most the header was hit: then nobody knows that it was no round
                assert sorted(seqs + seqs_of(told.gaps)) == list(range(1, 20))
            else:
                # Nobody can say whether there were rounds before: but that something is missing.
                assert [gap.reason for gap in unknown] == [GapReason.SPOOL_DAMAGED]
                assert sorted(seqs + seqs_of(told.gaps)) == list(range(seqs[0], 20))
            file.write_bytes(whole)


def test_a_damaged_copy_of_a_known_dictionary_does_no_harm(site):
    site.append(30)
    second = site.files[1]
    site.reopen()
    reader_size = second.stat().st_size
    whole = second.read_bytes()
    header_end = whole.index(b"\xffEV\0", 4)
    flip(second, header_end + 20)  # inside the dictionary
    assert second.stat().st_size == reader_size
    cursor, told = site.reader()
    assert drain(cursor) == list(range(1, 31))
    assert told.gaps == []


def test_a_segment_without_its_dictionary_is_a_gap(site):
    site.append(30)
    site.reopen()
    first = site.files[0]
    flip(first, first.read_bytes().index(b"\xffEV\0", 4) + 20)
    site.append(1)
    cursor, told = site.reader()
    seqs = drain(cursor)
    assert seqs == list(range(seqs[0], 32))
    assert [gap.reason for gap in told.gaps] == [GapReason.SPOOL_DAMAGED]


def test_a_torn_tail_is_no_loss(site):
    site.append(3)
    site.close()
    torn = pack(encode_frame(round_of(1, 4, site.known)))
    whole = site.files[0].read_bytes()
    for cut in range(len(torn)):
        site.files[0].write_bytes(whole + torn[:cut])
        site.reopen()
        site.append(1)
        cursor, told = site.reader(f"cut-{cut}")
        assert drain(cursor) == list(range(1, site.next_seq))
        assert told.gaps == []
        for file in site.files[1:]:
            file.unlink()
        site.next_seq = 4
        site.close()


def test_a_new_line_is_a_gap_of_unknown_size(site):
    site.append(2)
    lineage = Lineage(77, 77, None, BOOT)
    site.chain.append(site.known, round_of(77, 1, site.known, lineage))
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2, 1]
    assert [(gap.rounds, gap.reason) for gap in told.gaps] == [(0, GapReason.NEW_LINE)]


def test_a_newer_record_holds_the_reader_and_is_left_as_it_is(site):
    site.append(2)
    site.close()
    newer = protobuf.uint_field(1, 2) + protobuf.message_field(3, b"")
    with site.files[0].open("ab") as file:
        file.write(pack(newer) + pack(encode_frame(round_of(1, 3, site.known))))
    before = site.files[0].read_bytes()
    site.reopen()
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2]
    assert len(told.newer) == 2
    assert "upgrade this collector" in told.newer[0].hint
    site.chain.append(site.known, round_of(1, 4, site.known))
    assert drain(cursor) == []  # it waits: nothing behind it is delivered before it
    assert told.gaps == []
    assert site.files[0].read_bytes() == before


def test_other_records_in_a_segment_are_passed_over(site):
    site.append(1)
    site.close()
    strange = [
        protobuf.message_field(15, b"a body of a later minor version"),
        protobuf.message_field(5, b""),
        protobuf.message_field(6, b""),
        b"no protobuf at all",
    ]
    with site.files[0].open("ab") as file:
        file.write(b"".join(map(pack, strange)) + pack(encode_frame(round_of(1, 2, site.known))))
    site.reopen()
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2]
    assert told.gaps == []


def test_a_disk_that_cannot_give_a_segment_back_is_a_gap_and_the_line_goes_on(site, monkeypatch):
    site.append(40)
    site.reopen()
    site.append(5)
    bad = site.files[1].stat().st_ino
    real = os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        if os.fstat(fd).st_ino == bad and at + size > 400:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, size, at)

    monkeypatch.setattr(os, "pread", pread)
    cursor, told = site.reader()
    seqs = drain(cursor)
    assert sorted(seqs + seqs_of(told.gaps)) == list(range(1, 46))
    assert [gap.reason for gap in told.gaps] == [GapReason.SPOOL_DAMAGED]


def test_a_position_in_a_segment_that_cannot_be_read_does_not_end_the_reader(site, monkeypatch):
    site.append(5)
    drain(site.reader()[0])
    site.reopen()
    site.append(1)
    bad = site.files[0].stat().st_ino
    real = os.pread

    def pread(fd: int, size: int, at: int) -> bytes:
        if os.fstat(fd).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, size, at)

    monkeypatch.setattr(os, "pread", pread)
    cursor, told = site.reader()
    assert drain(cursor) == [6]
    assert told.gaps == []


def test_what_was_withheld_is_an_open_gap_behind_a_restart_too(site):
    site.append(6)
    cursor, notices = site.reader()
    first = cursor.read(0)
    assert first is not None
    line = first.frames[0].lineage.line
    cursor.commit(first, [Withheld(line, Gap(1, 2, 0, 0, GapReason.OUT_OF_WINDOW))])
    site.append(2)
    second = cursor.read(0)
    assert second is not None
    cursor.commit(second, [Withheld(line, Gap(3, 3, 0, 0, GapReason.OUT_OF_WINDOW))])
    assert [gap[:2] for gap in notices.gaps] == [(1, 2), (3, 3)]
    site.reopen()
    mark = site.reader()[0].mark(STREAM.key)
    assert mark is not None
    assert [gap[:2] for gap in mark.gaps] == [(1, 3)]


def test_f39_a_clone_in_the_chain_is_set_aside_and_the_line_goes_on(site):
    """Such a chain is made by hand, when two spools are copied into one."""
    site.append(2)
    for seq in (2, 3):
        clone = Lineage(9, 1, None, BOOT)
        site.chain.append(site.known, round_of(1, seq, site.known, clone))
    site.append(1)
    cursor, told = site.reader()
    batch = cursor.read(0)
    assert batch is not None
    assert [frame.first_seq for frame in batch.frames] == [1, 2, 3]
    assert [(part.why.reason, part.batch.frames[0].first_seq) for part in batch.aside] == [
        ("conflict", 2),
        ("conflict", 3),
    ]
    cursor.commit(batch)
    assert told.gaps == []
    assert cursor.mark(STREAM.key) == Mark(1, 1, 3, wall_of(1, 3), first_seq=1, refused=(9,))
