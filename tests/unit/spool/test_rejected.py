from __future__ import annotations

import errno
import os
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from collector.errors import DiskError, SpoolError
from collector.errors import Rejected as Why
from collector.flow.pump import Batch
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Body, Frame, Rejection, decode
from collector.spool import rejected
from collector.spool.rejected import Rejected
from collector.spool.segment import SegmentReader
from tests.unit.spool.site import SmallDisk, dictionary_of, round_of

WHY = Why("sample too old: 1700000000", "look at the receiver", reason="out_of_bounds")


def _batch(first: int, last: int, version: int = 0) -> Batch:
    known = dictionary_of(version)
    return Batch(known, tuple(round_of(1, seq, known) for seq in range(first, last + 1)), None)


def _bodies(folder: Path) -> list[Body]:
    bodies = []
    for file in sorted(folder.iterdir()):
        with closing(SegmentReader(file)) as reader:
            at = 0
            while (entry := reader.read(at, reader.size)) is not None:
                at = entry.end
                bodies.append(decode(entry.payload))
    return bodies


def _seqs(folder: Path) -> list[int]:
    return [body.first_seq for body in _bodies(folder) if isinstance(body, Frame)]


def test_what_was_refused_is_kept_with_the_reason_and_can_be_read_alone(tmp_path):
    with closing(Rejected(tmp_path / "rejected")) as store:
        store.keep(_batch(1, 2), WHY, "centre")
        store.keep(_batch(3, 3), WHY, "centre")
        store.keep(_batch(4, 4, version=1), WHY, "other")
    bodies = _bodies(tmp_path / "rejected")
    assert [type(body).__name__ for body in bodies] == [
        *["Dictionary", "Rejection", "Frame", "Rejection", "Frame"],
        *["Rejection", "Frame"],
        *["Dictionary", "Rejection", "Frame"],
    ]
    dictionary, why, frame = bodies[:3]
    assert isinstance(dictionary, Dictionary)
    assert isinstance(why, Rejection)
    assert isinstance(frame, Frame)
    assert why[:3] == ("centre", "out_of_bounds", "sample too old: 1700000000")
    assert why.at_ms > 1_600_000_000_000
    assert frame == _batch(1, 1).frames[0]
    assert dictionary.id == frame.dictionary_id


def test_a_long_answer_of_the_receiver_is_shortened(tmp_path):
    with closing(Rejected(tmp_path / "rejected")) as store:
        store.keep(_batch(1, 1), Why("x" * 100_000, reason="bad"), "centre")
    why = _bodies(tmp_path / "rejected")[1]
    assert isinstance(why, Rejection)
    assert len(why.detail) == 500


def test_a_start_keeps_what_is_there(tmp_path):
    for first in (1, 2, 3):
        with closing(Rejected(tmp_path / "rejected")) as store:
            store.keep(_batch(first, first), WHY, "centre")
    assert _seqs(tmp_path / "rejected") == [1, 2, 3]


def test_the_store_is_bounded_and_drops_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr(rejected, "MAX_BYTES", 6000)
    monkeypatch.setattr(rejected, "_FILE_BYTES", 1000)
    folder = tmp_path / "rejected"
    with closing(Rejected(folder)) as store:
        for seq in range(1, 101):
            store.keep(_batch(seq, seq), WHY, "centre")
            assert sum(file.stat().st_size for file in folder.iterdir()) < 6500
    seqs = _seqs(folder)
    assert seqs == list(range(seqs[0], 101))
    assert 1 < seqs[0] < 80


def test_a_full_disk_is_said_and_what_was_kept_stays(tmp_path, monkeypatch):
    folder = tmp_path / "rejected"
    with closing(Rejected(folder)) as store:
        store.keep(_batch(1, 1), WHY, "centre")
        disk = SmallDisk(monkeypatch, folder, 0)
        for _ in range(5):
            with pytest.raises(DiskError, match="does not take what was rejected") as caught:
                store.keep(_batch(2, 2), WHY, "centre")
            assert "free space" in caught.value.hint
        assert len(list(folder.iterdir())) == 1  # and no empty file for each try
        disk.capacity = 10**6
        store.keep(_batch(2, 2), WHY, "centre")
    assert _seqs(folder) == [1, 2]


def test_a_full_file_is_closed_once_even_when_the_next_cannot_be_made(tmp_path, monkeypatch):
    """A descriptor closed twice may be somebody else's by then."""
    monkeypatch.setattr(rejected, "_FILE_BYTES", 10)
    with closing(Rejected(tmp_path / "rejected")) as store:
        store.keep(_batch(1, 1), WHY, "centre")
        real = os.open

        def refuse(path, flags, *mode, **more):
            if flags & os.O_CREAT:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return real(path, flags, *mode, **more)

        with monkeypatch.context() as disk:
            disk.setattr(os, "open", refuse)
            for _ in range(2):
                with pytest.raises(DiskError):
                    store.keep(_batch(2, 2), WHY, "centre")
        store.keep(_batch(2, 2), WHY, "centre")
    assert _seqs(tmp_path / "rejected") == [1, 2]


def test_several_pumps_may_keep_at_once(tmp_path):
    folder = tmp_path / "rejected"
    with closing(Rejected(folder)) as store:

        def keep(first: int) -> None:
            for seq in range(first, first + 20):
                store.keep(_batch(seq, seq), WHY, f"sink-{first}")

        pumps = [Thread(target=keep, args=(first,)) for first in (1, 101, 201)]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
    bodies = _bodies(folder)
    pairs = [
        (why.sink, frame.first_seq)
        for why, frame in pairwise(bodies)
        if isinstance(why, Rejection) and isinstance(frame, Frame)
    ]
    assert sorted(pairs) == sorted(
        (f"sink-{first}", seq) for first in (1, 101, 201) for seq in range(first, first + 20)
    )


def test_a_place_that_cannot_be_used_is_a_sentence(tmp_path):
    (tmp_path / "rejected").write_text("a file")
    store = Rejected(tmp_path / "elsewhere")
    store.close()
    with pytest.raises(SpoolError, match="can't be made"):
        Rejected(tmp_path / "rejected" / "below")
