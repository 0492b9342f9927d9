from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.spool import segment
from collector.spool.segment import (
    MARKER,
    MAX_RECORD_BYTES,
    Entry,
    SegmentReader,
    SegmentWriter,
    number_of,
    pack,
    path_of,
)

PAYLOADS = [b"header", b"", b"a frame " * 20, MARKER, b"\xff" + MARKER + b"x", b"last"]


def _read_all(file: Path, end: int | None = None) -> list[Entry]:
    entries = []
    with closing(SegmentReader(file)) as reader:
        at = 0
        while (entry := reader.read(at, reader.size if end is None else end)) is not None:
            entries.append(entry)
            assert entry.end > at
            at = entry.end
    return entries


def _write(file: Path, payloads: list[bytes]) -> list[int]:
    """Write a segment; return where its records begin, and where the last ends."""
    file.unlink(missing_ok=True)
    begins = [0]
    with closing(SegmentWriter(file)) as writer:
        for payload in payloads:
            writer.append([payload])
            begins.append(writer.end)
    return begins


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return path_of(tmp_path, 1)


def test_records_are_read_back_from_any_of_them_on(file):
    begins = _write(file, PAYLOADS)
    assert begins[-1] == file.stat().st_size
    entries = _read_all(file)
    assert [entry.payload for entry in entries] == PAYLOADS
    assert [entry.end for entry in entries] == begins[1:]
    assert not any(entry.damaged for entry in entries)
    with closing(SegmentReader(file)) as reader:
        for i, begin in enumerate(begins[:-1]):
            assert reader.read(begin, begins[-1]) == Entry(PAYLOADS[i], begins[i + 1])


def test_many_records_in_one_append_are_one_write_and_one_sync(file, monkeypatch):
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with closing(SegmentWriter(file)) as writer:
        writer.append(PAYLOADS)
        assert len(synced) == 1
    assert [entry.payload for entry in _read_all(file)] == PAYLOADS


def test_a_tail_that_was_torn_at_any_byte_hides_only_the_last_record(file):
    begins = _write(file, PAYLOADS[:4])
    whole = file.read_bytes()
    for cut in range(begins[-2], begins[-1]):
        file.write_bytes(whole[:cut])
        entries = _read_all(file)
        assert [entry.payload for entry in entries] == PAYLOADS[:3]
        assert entries[-1].end == begins[-2]
        with closing(SegmentReader(file)) as reader:
            assert (reader.count_markers(begins[-2], cut) > 0) == (cut - begins[-2] >= 4)


def test_a_tail_of_zeros_or_rubbish_hides_nothing(file):
    """What a file system leaves after a power cut: the length grew, the data did not come."""
    begins = _write(file, PAYLOADS)
    whole = file.read_bytes()
    for tail in (bytes(5000), b"\xff" * 5000, MARKER * 1000, pack(b"x" * 99)[:-1]):
        file.write_bytes(whole + tail)
        assert [entry.payload for entry in _read_all(file)] == PAYLOADS
        assert [entry.payload for entry in _read_all(file, begins[-1])] == PAYLOADS


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_damaged_byte_costs_one_record_and_is_told(file, mask):
    begins = _write(file, PAYLOADS)
    whole = bytearray(file.read_bytes())
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= mask
        file.write_bytes(damaged)
        hit = max(i for i, begin in enumerate(begins) if begin <= at)
        left = [payload for i, payload in enumerate(PAYLOADS) if i != hit]
        entries = _read_all(file)
        assert [entry.payload for entry in entries] == left
        behind = [entry.damaged for entry in entries[hit : hit + 1]]
        assert behind == [begins[hit + 1] - begins[hit]][: len(behind)]


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_that_are_read_were_written_whatever_happened_to_the_file(file, data):
    payloads = data.draw(st.lists(st.binary(max_size=30), min_size=1, max_size=8))
    damaged = bytearray(b"".join(map(pack, payloads)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    file.write_bytes(damaged)
    read = [entry.payload for entry in _read_all(file)]
    left = iter(payloads)
    assert all(payload in left for payload in read)  # in their order, too


@given(st.integers(4, 40), st.integers(0, 120))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_is_found_behind_damage_of_any_length(file, read_ahead, rubbish):
    """The marker may lie across two reads of the file."""
    patch = pytest.MonkeyPatch()
    with patch.context() as it:
        it.setattr(segment, "_READ_AHEAD", read_ahead)
        file.write_bytes(b"\xff" * rubbish + pack(b"found") + b"\xffE" + pack(b"too"))
        entries = _read_all(file)
    assert [entry.payload for entry in entries] == [b"found", b"too"]
    assert [entry.damaged for entry in entries] == [rubbish, 2]


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_size_beyond_all_bounds_takes_no_memory(file, size):
    file.write_bytes(MARKER + size.to_bytes(4, "little") + bytes(4) + bytes(100) + pack(b"next"))
    (entry,) = _read_all(file)
    assert (entry.payload, entry.damaged) == (b"next", 112)


def test_nothing_behind_the_end_is_read_or_kept(file):
    """There a write may be under way, or cut off and written again as something else."""
    with closing(SegmentWriter(file)) as writer:
        writer.append([b"one"])
        end = writer.end
        with file.open("ab") as torn:
            torn.write(pack(b"torn")[:-1])
        with closing(SegmentReader(file)) as reader:
            assert reader.read(0, end) == Entry(b"one", end)
            assert reader.read(end, end) is None
            os.truncate(file, end)
            writer.append([b"two!"])
            assert reader.read(end, writer.end) == Entry(b"two!", writer.end)


def test_a_file_that_became_shorter_is_an_os_error(file):
    begins = _write(file, [b"one", b"two"])
    with closing(SegmentReader(file)) as reader:
        os.truncate(file, begins[1] + 5)
        with pytest.raises(OSError, match="inside a record"):
            reader.read(begins[1], begins[2])


def _failing(monkeypatch, call: str, error: int) -> None:
    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, call, fail)


def test_what_a_full_disk_took_is_cut_off_and_the_segment_goes_on(file, monkeypatch):
    with closing(SegmentWriter(file)) as writer:
        writer.append([b"one"])
        end = writer.end
        real = os.pwrite

        def takes_five(fd: int, data: memoryview, at: int) -> int:
            if at > end:
                raise OSError(errno.ENOSPC, "full")
            return real(fd, data[:5], at)

        with monkeypatch.context() as disk:
            disk.setattr(os, "pwrite", takes_five)
            with pytest.raises(OSError, match="full"):
                writer.append([b"two"])
        assert not writer.is_failed
        assert (writer.end, file.stat().st_size) == (end, end)
        writer.append([b"three"])
    assert [entry.payload for entry in _read_all(file)] == [b"one", b"three"]


def test_a_write_that_comes_in_pieces_is_whole(file, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:3], at))
    _write(file, PAYLOADS)
    assert [entry.payload for entry in _read_all(file)] == PAYLOADS


@pytest.mark.parametrize("call", ["fdatasync", "ftruncate"])
def test_after_a_failed_sync_or_cut_nobody_vouches_for_the_segment(file, monkeypatch, call):
    with closing(SegmentWriter(file)) as writer:
        writer.append([b"one"])
        end = writer.end
        with monkeypatch.context() as disk:
            _failing(disk, call, errno.EIO)
            if call == "ftruncate":
                _failing(disk, "pwrite", errno.EIO)
            with pytest.raises(OSError, match="Input/output"):
                writer.append([b"two"])
        assert writer.is_failed
        assert writer.end == end


def test_a_segment_is_never_written_twice(file):
    _write(file, [b"one"])
    with pytest.raises(FileExistsError):
        SegmentWriter(file)


def test_names_sort_as_numbers_do_and_other_files_are_not_ours(tmp_path):
    numbers = [1, 9, 10, 255, 256, 2**40]
    paths = [path_of(tmp_path, number) for number in numbers]
    assert sorted(paths) == paths
    assert list(map(number_of, paths)) == numbers
    for name in ("1.evs", "notes.txt", "000000000000001G.evs", "0x00000000000001.evs", "0" * 16):
        with pytest.raises(ValueError):
            number_of(tmp_path / name)
