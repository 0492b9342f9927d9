from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from collector import __version__, protobuf
from collector.errors import DiskError, SpoolError
from collector.frames.frame import Frame, SegmentHeader, decode, encode_frame
from collector.spool.chain import Chain, End, Newest
from collector.spool.segment import SegmentReader, number_of, pack, path_of
from tests.unit.examples import STREAM
from tests.unit.spool.site import SmallDisk, dictionary_of, drain, flip, round_of, seqs_of


def _bodies(file: Path) -> list[object]:
    reader = SegmentReader(file)
    try:
        at = 0
        bodies: list[object] = []
        while (entry := reader.read(at, reader.size)) is not None:
            at = entry.end
            bodies.append(decode(entry.payload))
        return bodies
    finally:
        reader.close()


def test_each_segment_can_be_read_by_itself(site):
    site.append(40)
    assert len(site.files) > 2
    seqs = []
    for number, file in enumerate(site.files, 1):
        header, dictionary, *frames = _bodies(file)
        assert isinstance(header, SegmentHeader)
        assert (header.stream, header.number) == (STREAM, number)
        assert header.written_by == f"edgevitals {__version__}"
        assert header.created_ms > 1_600_000_000_000
        assert dictionary.id == site.known.id  # type: ignore[attr-defined]
        seqs += [frame.first_seq for frame in frames if isinstance(frame, Frame)]
        assert file.stat().st_size < site.segment_bytes + 500
    assert seqs == list(range(1, 41))


def test_a_dictionary_is_written_once_a_segment_and_on_change(site):
    site.append(2)
    site.known = dictionary_of(1)
    site.append(2)
    kinds = [type(body).__name__ for body in _bodies(site.files[0])]
    assert kinds == [
        "SegmentHeader",
        "Dictionary",
        "Frame",
        "Frame",
        "Dictionary",
        "Frame",
        "Frame",
    ]


def test_a_start_begins_a_new_segment_and_leaves_the_old_as_they_are(site):
    site.append(2)
    before = site.files[0].read_bytes()
    site.reopen()
    assert site.chain.must_roll
    site.append(1)
    assert site.files[0].read_bytes() == before
    assert [number_of(file) for file in site.files] == [1, 2]


def _noted(events: list[str], call: str, real: Callable[..., object], *arguments: object) -> object:
    events.append(call)
    return real(*arguments)


def test_a_round_is_durable_when_append_returns_and_so_is_the_segment_s_name(site, monkeypatch):
    events: list[str] = []
    for call in ("pwrite", "fdatasync", "fsync"):
        real = getattr(os, call)
        monkeypatch.setattr(os, call, partial(_noted, events, call, real))
    site.append(1)
    assert events == ["pwrite", "fdatasync", "fsync"]
    site.append(1)
    assert events[3:] == ["pwrite", "fdatasync"]


def test_files_of_others_are_left_alone(site):
    site.append(1)
    (site.folder / "notes.txt").write_text("mine")
    (site.folder / "lost+found").mkdir()
    site.reopen()
    site.append(1)
    assert drain(site.reader()[0]) == [1, 2]
    assert site.chain.drop_oldest()
    assert (site.folder / "notes.txt").exists()


def test_numbers_go_on_behind_a_position_whose_segment_is_gone(site):
    site.chain.begin_behind(41)
    site.append(1)
    assert [number_of(file) for file in site.files] == [42]
    site.reopen()
    site.chain.begin_behind(3)
    site.append(1)
    assert number_of(site.files[-1]) == 43


def test_the_oldest_closed_segment_is_dropped_and_never_the_one_that_grows(site):
    assert not site.chain.drop_oldest()
    site.append(20)
    files = site.files
    size = site.chain.bytes
    assert size == sum(file.stat().st_size for file in files)
    for left in range(len(files) - 1, 0, -1):
        assert site.chain.drop_oldest()
        assert site.files == files[-left:]
    assert not site.chain.drop_oldest()
    assert site.chain.bytes == files[-1].stat().st_size


def test_a_segment_that_somebody_removed_is_dropped_all_the_same(site):
    site.append(20)
    site.files[0].unlink()
    assert site.chain.drop_oldest()


def test_the_newest_frame_is_found_behind_empty_and_torn_segments(site):
    assert site.chain.newest() == Newest(None, 0)
    site.append(3)
    site.reopen()
    newest, unreadable = site.chain.newest()
    assert newest is not None
    assert (newest.last_seq, unreadable) == (3, 0)
    whole = site.files[0].read_bytes()
    for tail in range(1, 40):
        path_of(site.folder, 2).write_bytes(whole[:tail])  # a start that was cut in its header
        site.reopen()
        newest, unreadable = site.chain.newest()
        assert newest is not None
        # It may have been a round: whoever goes on from here leaves room for it.
        assert (newest.last_seq, unreadable) == (3, 1)


def test_a_damaged_newest_round_is_counted_as_one(site):
    site.append(3)
    site.close()
    whole = site.files[0].read_bytes()
    size = len(pack(encode_frame(round_of(1, 3, site.known))))
    for at in range(len(whole) - size, len(whole)):
        flip(site.files[0], at)
        site.reopen()
        newest, unreadable = site.chain.newest()
        assert newest is not None
        assert (newest.last_seq, unreadable) == (2, 1)
        site.files[0].write_bytes(whole)


def test_a_newer_format_in_the_newest_segment_is_refused_and_left_as_it_is(site):
    site.append(1)
    site.close()
    newer = pack(protobuf.uint_field(1, 2) + protobuf.message_field(3, b""))
    with site.files[0].open("ab") as file:
        file.write(newer)
    before = site.files[0].read_bytes()
    site.reopen()
    with pytest.raises(SpoolError, match=r"0001\.evs: a record needs version 2") as caught:
        site.chain.newest()
    assert "start the newer version again" in caught.value.hint
    assert site.files[0].read_bytes() == before


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path):
    (tmp_path / "standard").write_text("a file")
    with pytest.raises(SpoolError, match="can't be used") as caught:
        Chain(tmp_path / "standard", STREAM)
    assert "owner and mode" in caught.value.hint


def test_who_waits_is_told_of_growth_at_once(site):
    site.append(1)
    seen = site.chain.end()
    grown: list[End] = []

    def wait() -> None:
        site.chain.wait(seen, 60)
        grown.append(site.chain.end())

    waiting = threading.Thread(target=wait)
    waiting.start()
    site.append(1)
    waiting.join(30)
    assert [end > seen for end in grown] == [True]
    site.chain.wait(End(0, 0), 60)  # has grown since: doesn't wait


# A disk that fails


def test_a_full_disk_takes_what_fits_and_nothing_written_is_lost(site, monkeypatch):
    site.append(3)
    disk = SmallDisk(monkeypatch, site.folder, 0)
    for more in (0, 1, 50, 80):  # nothing, or a part of the record
        disk.capacity = disk.used + more
        with pytest.raises(DiskError, match="No space left") as caught:
            site.append(1)
        assert "free space" in caught.value.hint
        site.next_seq += 1  # the seq is used up: 4, 5, 6 and 7 are never written
    disk.capacity = 10**9
    site.append(2)
    assert len(site.files) == 1  # the same segment goes on
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2, 3, 8, 9]
    assert [(gap.first_seq, gap.last_seq, gap.reason.label) for gap in told.gaps] == [
        (4, 7, "not_written")
    ]
    site.reopen()
    assert drain(site.reader("other")[0]) == [1, 2, 3, 8, 9]


def test_on_a_full_disk_one_old_segment_makes_room_and_not_one_for_each_round(site, monkeypatch):
    """Else whoever fills the disk would take the whole spool, weeks of it in an hour."""
    site.append(40)
    second, third = site.files[1:3]
    disk = SmallDisk(monkeypatch, site.folder, 0)
    disk.capacity = disk.used
    site.append(1)
    assert site.files[0] == second
    for _ in range(30):
        disk.capacity = disk.used  # others have taken what was freed
        with pytest.raises(DiskError):
            site.append(1)
        site.next_seq += 1
    assert site.files[0] == second
    disk.capacity = disk.used + 10**6
    site.append(12)  # as much as a segment holds
    disk.capacity = disk.used
    site.append(1)
    assert site.files[0] == third
    cursor, told = site.reader()
    drain(cursor)
    assert sum(gap.rounds for gap in told.gaps) == 30


def test_a_full_disk_never_takes_the_only_segment(site, monkeypatch):
    site.append(2)
    SmallDisk(monkeypatch, site.folder, 0)
    with pytest.raises(DiskError):
        site.append(1)
    site.next_seq += 1
    assert drain(site.reader()[0]) == [1, 2]


def test_a_full_disk_gets_no_empty_files(site, monkeypatch):
    site.append(2)
    site.reopen()
    disk = SmallDisk(monkeypatch, site.folder, 0)
    site.chain.drop_oldest()
    for _ in range(5):
        with pytest.raises(DiskError):
            site.append(1)
    assert site.files == []
    disk.capacity = 10**6
    site.append(1)
    assert [number_of(file) for file in site.files] == [2]


class _Failing:
    """`fdatasync` that fails so many times, and tells which file it was asked for."""

    def __init__(self, monkeypatch, times: int, error: int = errno.EIO) -> None:
        self.times = times
        self.error = error
        self.asked: list[str] = []
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self)

    def __call__(self, fd: int) -> None:
        self.asked.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        if self.times:
            self.times -= 1
            raise OSError(self.error, os.strerror(self.error))
        self._real(fd)


def test_f10_after_a_failed_sync_the_round_is_written_again_to_a_new_segment(site, monkeypatch):
    site.append(2)
    sync = _Failing(monkeypatch, 1)
    site.append(1)
    names = [file.name for file in site.files]
    assert sync.asked == names[:2]  # never twice on the file that failed
    site.append(1)
    assert sync.asked == [names[0], names[1], names[1]]
    assert drain(site.reader()[0]) == [1, 2, 3, 4]
    site.reopen()
    # The first copy may have reached the disk all the same: then it is a repeat, bit by bit.
    cursor, told = site.reader("other")
    assert drain(cursor) == [1, 2, 3, 4]
    assert (told.repeated, told.gaps) == (1, [])


def test_f10_a_disk_that_goes_on_failing_costs_the_round_and_no_other(site, monkeypatch):
    site.append(2)
    _Failing(monkeypatch, 2)
    with pytest.raises(DiskError, match="Input/output") as caught:
        site.append(1)
    assert "dmesg" in caught.value.hint
    site.next_seq += 1
    site.append(1)
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2, 4]
    assert [(gap.first_seq, gap.last_seq) for gap in told.gaps] == [(3, 3)]


def test_f10_a_round_of_a_failed_sync_may_be_there_after_all(site, monkeypatch):
    site.append(2)
    _Failing(monkeypatch, 2)
    with pytest.raises(DiskError):
        site.append(1)
    site.reopen()
    newest, unreadable = site.chain.newest()
    assert newest is not None
    assert (newest.last_seq, unreadable) == (3, 0)


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.EMFILE])
def test_a_disk_that_makes_no_files_is_a_sentence_and_is_tried_again(site, monkeypatch, error):
    site.append(2)
    site.reopen()
    real = os.open
    with monkeypatch.context() as disk:

        def refuse(path, flags, *mode, **more):
            if flags & os.O_CREAT:
                raise OSError(error, os.strerror(error))
            return real(path, flags, *mode, **more)

        disk.setattr(os, "open", refuse)
        with pytest.raises(DiskError, match=os.strerror(error)) as caught:
            site.append(1)
        assert caught.value.hint
    site.append(1)
    assert drain(site.reader()[0]) == [1, 2, 3]


def test_f10_a_round_in_doubt_is_written_again_before_any_other(site, monkeypatch):
    site.append(2)
    _Failing(monkeypatch, 4)  # the segment, a new one, and both once more
    doubtful = round_of(1, 3, site.known)
    with pytest.raises(DiskError) as caught:
        site.chain.append(site.known, doubtful)
    assert caught.value.in_doubt
    site.chain.hold(site.known, doubtful, in_doubt=True)
    with pytest.raises(DiskError) as caught:
        site.chain.append(site.known, round_of(1, 4, site.known))
    assert not caught.value.in_doubt, "it was not even tried: its seq is free"
    site.next_seq = 4
    site.append(1)
    site.reopen()
    cursor, told = site.reader("other")
    assert drain(cursor) == [1, 2, 3, 4]
    assert (told.repeated, told.gaps) == (1, []), "the first copy is there too, bit by bit"


def test_a_full_disk_leaves_no_doubt(site, monkeypatch):
    site.append(2)
    disk = SmallDisk(monkeypatch, site.folder, 0)
    disk.capacity = disk.used + 50
    with pytest.raises(DiskError) as caught:
        site.append(1)
    assert not caught.value.in_doubt
    disk.capacity = 10**9
    site.append(1)
    assert drain(site.reader()[0]) == [1, 2, 3], "so the same seq can be given again"


# A folder that somebody removes


@pytest.mark.parametrize("how", ["removed", "moved", "the segment only"])
def test_f14_a_round_that_nobody_could_find_again_is_written_anew(site, how):
    site.append(3)
    if how == "removed":
        shutil.rmtree(site.folder)
    elif how == "moved":
        site.folder.rename(site.folder.with_name("elsewhere"))
    else:
        site.files[-1].unlink()
    site.append(2)
    (file,) = site.files
    seqs = [body.first_seq for body in _bodies(file) if isinstance(body, Frame)]
    assert seqs == [4, 5]
    assert drain(site.reader()[0]) == [4, 5]


def test_f14_a_reader_in_the_middle_is_told_exactly_what_is_gone(site):
    site.append(40)
    cursor, told = site.reader()
    first = cursor.read(0)
    assert first is not None
    cursor.commit(first)
    shutil.rmtree(site.folder)
    site.append(2)
    seqs = drain(cursor)
    assert seqs[-2:] == [41, 42]
    delivered = [first.frames[0].first_seq + i for i in range(first.rounds)] + seqs
    assert sorted(delivered + seqs_of(told.gaps)) == list(range(1, 43))
    assert {gap.reason.label for gap in told.gaps} == {"spool_damaged"}


def test_f14_a_closed_segment_that_somebody_removed_does_not_stop_a_reader(site):
    site.append(40)
    cursor, told = site.reader()
    gone = site.files[1]
    lost = [body.first_seq for body in _bodies(gone) if isinstance(body, Frame)]
    gone.unlink()
    seqs = drain(cursor)
    assert seqs[-1] == 40
    assert not set(lost) & set(seqs)
    assert seqs_of(told.gaps) == lost
    assert {gap.reason.label for gap in told.gaps} == {"spool_damaged"}


def test_readers_of_a_segment_that_failed_go_on_to_the_next(site, monkeypatch):
    cursor, told = site.reader()
    site.append(2)
    assert drain(cursor) == [1, 2]
    _Failing(monkeypatch, 1)
    site.append(2)
    assert drain(cursor) == [3, 4]
    assert told.gaps == []


def test_the_oldest_segment_says_when_it_was_begun(site):
    assert site.chain.oldest_ms is None
    site.append(40)
    first, second, *_ = (_bodies(file)[0].created_ms for file in site.files)  # type: ignore[attr-defined]
    assert site.chain.oldest_ms == first
    site.chain.drop_oldest()
    assert site.chain.oldest_ms == second


def test_an_oldest_segment_without_a_header_says_nothing(site):
    site.append(40)
    site.files[0].write_bytes(b"")
    assert site.chain.oldest_ms is None
    site.chain.drop_oldest()
    assert site.chain.oldest_ms is not None
