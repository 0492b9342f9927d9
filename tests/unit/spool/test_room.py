"""How much a spool may take, and what it drops for that."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from collector.errors import DiskError
from collector.spool.spool import Limits
from tests.unit.spool.site import (
    SmallDisk,
    drain,
)
from tests.unit.spool.spools import Writer, all_of_it, nothing, open_spool, reader


def test_the_spool_stays_within_its_quota_and_drops_the_oldest(tmp_path):
    limits = Limits(16_000, all_of_it)
    with open_spool(tmp_path, limits) as spool:
        writer = Writer(spool)
        for _ in range(400):
            writer.append(1)
            assert spool.bytes < 16_300
        assert spool.bytes > 12_000
        assert spool.max_bytes == 16_000
        assert writer.dropped > 5
        cursor, _ = reader(spool)
        seqs = drain(cursor)
        assert seqs == list(range(seqs[0], 401))
        cursor.close()


def test_the_lowest_tier_goes_first(tmp_path):
    with open_spool(tmp_path, Limits(16_000, all_of_it)) as spool:
        writers = {tier: Writer(spool, tier) for tier in ("vital", "standard", "detail")}
        for _ in range(50):
            for writer in writers.values():
                writer.append(1)
        writers["vital"].append(60)
        left = {tier: writer.chain.bytes for tier, writer in writers.items()}
        assert left["vital"] > left["standard"] > left["detail"]
        cursor, _ = reader(spool, tier="vital")
        assert drain(cursor) == list(range(1, 111))
        cursor.close()


def test_on_a_disk_that_is_nearly_full_the_spool_stops_growing_and_never_shrinks(tmp_path):
    with open_spool(tmp_path) as spool:
        Writer(spool).append(100)
    full = Limits(1 << 30, nothing)
    for _ in range(20):  # a process that is started again and again
        with open_spool(tmp_path, full) as spool:
            before = spool.bytes
            writer = Writer(spool)
            writer.append(1)
            assert (writer.dropped, spool.bytes > before) == (0, True)
    with open_spool(tmp_path, full) as spool:
        before = spool.bytes
        writer = Writer(spool)
        for _ in range(150):
            writer.append(1)
            assert before - 1300 < spool.bytes < before + 1300
        assert writer.dropped > 5


def test_a_disk_with_room_again_lets_the_spool_grow_again(tmp_path, monkeypatch):
    with open_spool(tmp_path, Limits(1 << 30)) as spool:
        nearly_full = True
        monkeypatch.setattr(spool, "_disk_is_nearly_full", lambda: nearly_full)
        writer = Writer(spool)
        writer.append(100)
        assert spool.bytes < 2600
        nearly_full = False
        writer.append(100)
        assert spool.bytes > 8000
        nearly_full = True
        now = spool.bytes
        writer.append(100)
        assert now - 1300 < spool.bytes < now + 1300


def test_the_default_floor_is_a_share_of_the_disk(tmp_path, monkeypatch):
    with open_spool(tmp_path, Limits(1 << 30)) as spool:
        for blocks, free, nearly in [
            (100 << 18, 2 << 18, True),  # 100 GiB, 2 free: less than 5 %
            (100 << 18, 6 << 18, False),
            (4 << 18, (1 << 18) - 1, True),  # less than 1 GiB
            (4 << 18, 1 << 18, False),
        ]:
            disk = os.statvfs_result((4096, 4096, blocks, free, free, 0, 0, 0, 0, 255))
            monkeypatch.setattr(os, "statvfs", lambda _, disk=disk: disk)
            assert spool._disk_is_nearly_full() is nearly


def test_segments_that_made_way_on_a_full_disk_are_counted_too(tmp_path, monkeypatch):
    with open_spool(tmp_path) as spool:
        detail = Writer(spool, "detail")
        detail.append(60)
        writer = Writer(spool)
        writer.append(5)
        disk = SmallDisk(monkeypatch, tmp_path, 0)
        disk.capacity = disk.used
        writer.append(1)
        assert spool.make_room("standard") == 1
        assert spool.make_room("standard") == 0
        cursor, told = reader(spool)
        assert drain(cursor) == [1, 2, 3, 4, 5, 6]  # the lowest tier made way
        assert told.gaps == []
        cursor.close()


def test_an_old_segment_that_cannot_be_removed_is_a_disk_error(tmp_path, monkeypatch):
    with open_spool(tmp_path, Limits(8000, all_of_it)) as spool:
        writer = Writer(spool)
        writer.append(40)

        def refuse(*_: object, **__: object) -> None:
            raise OSError(13, os.strerror(13))

        with monkeypatch.context() as disk:
            disk.setattr(Path, "unlink", refuse)
            with pytest.raises(DiskError, match="can't be removed: Permission denied"):
                writer.append(100)
        writer.append(100)


_LIMITED = """
import resource, sys
from pathlib import Path
from collector.frames import dictionary
from collector.frames.columns import row
from collector.frames.frame import Instant, Lineage, frame
from collector.series import Family, Series
from collector.spool.spool import Limits, Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
with Spool(Path(sys.argv[1]), "store-0412", "node-1", Limits(1 << 30, lambda _: 0)) as spool:
    chain = spool.chain("standard")
    known = dictionary.build(chain.stream, [Series("up", (), Family("up"))])
    for seq in range(1, 101):
        at = Instant(seq * 1000, seq)
        one = frame(known.id, Lineage(5, 5, None, bytes(16)), seq, [at], [row([seq / 7])])
        chain.append(known, one)
    print("ok")
"""


def test_files_that_may_not_grow_further_are_left_and_nothing_is_lost(tmp_path):
    """The kernel itself takes a part of a record and refuses the rest (EFBIG)."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    command = [sys.executable, "-c", _LIMITED, str(tmp_path)]
    assert subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout == b"ok\n"
    files = list((tmp_path / "standard").iterdir())
    assert len(files) > 2
    assert all(2800 < file.stat().st_size <= 3000 for file in sorted(files)[:-1])
    with open_spool(tmp_path) as spool:
        cursor, told = reader(spool)
        assert drain(cursor) == list(range(1, 101))
        assert told.gaps == []
        cursor.close()
        last = spool.last("standard")
        assert last is not None
        assert last.seq == 100
