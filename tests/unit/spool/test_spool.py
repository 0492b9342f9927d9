from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from collector import protobuf
from collector.errors import DiskError, SpoolError
from collector.frame import Lineage, encode_frame
from collector.mark import Gap, GapReason, Mark, Marks, Position
from collector.recorder import lineage_after
from collector.spool import spool as spools
from collector.spool.cursor import Cursor, save_position
from collector.spool.segment import pack
from collector.spool.spool import SPOOL_FORMAT, Last, Limits, Spool
from tests.unit.examples import BOOT, STREAM
from tests.unit.spool.site import (
    EAGER,
    SmallDisk,
    Told,
    dictionary_of,
    drain,
    flip,
    round_of,
    seqs_of,
)


def _all_of_it(_: int) -> int:
    return 0


def _nothing(disk_bytes: int) -> int:
    return disk_bytes + 1


ROOMY = Limits(1 << 30, _all_of_it)


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    monkeypatch.setattr(spools, "_LEAST_SEGMENT_BYTES", 1000)
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 1000)


def _open(
    path: Path, limits: Limits = ROOMY, site: str = "store-0412", node: str | None = "node-1"
):
    return Spool(path, site, node, limits)


class _Writer:
    """Appends as the program does: a new epoch at each start, behind what is known."""

    def __init__(self, spool: Spool, tier: str = "standard") -> None:
        self.spool = spool
        self.tier = tier
        self.chain = spool.chain(tier)
        self.known = dictionary_of(stream=STREAM._replace(tier=tier))
        last = spool.last(tier)
        self.lineage = lineage_after(last and last[:3], BOOT)
        self.next_seq = last.seq + 1 if last else 1
        self.dropped = 0

    def append(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            seq = self.next_seq
            self.next_seq += 1
            self.dropped += self.spool.make_room(self.tier)
            self.chain.append(self.known, round_of(1, seq, self.known, self.lineage))


def _reader(spool: Spool, name: str = "centre", tier: str = "standard") -> tuple[Cursor, Told]:
    told = Told()
    return spool.cursor(tier, name, EAGER, told), told


def _everything(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


# Who may use it


def test_the_first_start_writes_down_whose_it_is(tmp_path):
    with _open(tmp_path / "a" / "b", node=None) as spool:
        assert (spool.site, spool.node) == ("store-0412", os.uname().nodename)
    with _open(tmp_path / "c") as spool:
        assert spool.node == "node-1"
    with _open(tmp_path / "c", node=None) as spool:
        assert spool.node == "node-1"  # whatever the host is called now
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "site, node, says",
    [
        ("store-1", "node-1", "belongs to site store-0412, the config says store-1"),
        ("store-0412", "node-2", "belongs to node node-1, the config says node-2"),
    ],
)
def test_the_spool_of_another_is_refused_untouched(tmp_path, site, node, says):
    with _open(tmp_path) as spool:
        _Writer(spool).append(3)
    before = _everything(tmp_path)
    with pytest.raises(SpoolError, match=says) as caught:
        _open(tmp_path, site=site, node=node)
    assert "spool.path of its own" in caught.value.hint
    assert {k: v for k, v in _everything(tmp_path).items() if not k.endswith("lock")} == {
        k: v for k, v in before.items() if not k.endswith("lock")
    }
    with _open(tmp_path) as spool:  # and the lock was given back
        assert spool.last("standard") is not None


@pytest.mark.parametrize(
    "identity",
    [b'{"format": 2, "site": "store-0412", "node": "node-1"}', b'{"format": 9, "cell": {"id": 5}}'],
)
def test_a_newer_format_is_refused_untouched_whatever_is_in_it(tmp_path, identity):
    with _open(tmp_path):
        pass
    (tmp_path / "identity.json").write_bytes(identity)
    with pytest.raises(SpoolError, match=r"has format \d, this version knows 1") as caught:
        _open(tmp_path)
    assert "start the newer version again" in caught.value.hint
    assert (tmp_path / "identity.json").read_bytes() == identity


def test_a_later_version_may_add_to_the_identity(tmp_path):
    with _open(tmp_path):
        pass
    text = f'{{"format": {SPOOL_FORMAT}, "site": "store-0412", "node": "node-1", "more": 1}}'
    (tmp_path / "identity.json").write_text(text)
    with _open(tmp_path) as spool:
        assert spool.node == "node-1"


@pytest.mark.parametrize("identity", [b"", b"{", b'{"format": 1}', b'{"format": "one"}', b"\xff"])
def test_a_damaged_identity_is_a_sentence_that_says_how_to_write_it_anew(tmp_path, identity):
    with _open(tmp_path):
        pass
    (tmp_path / "identity.json").write_bytes(identity)
    with pytest.raises(SpoolError, match=r"identity\.json is damaged") as caught:
        _open(tmp_path)
    assert '{"format": 1, "site": "...", "node": "..."}' in caught.value.hint


@pytest.mark.parametrize("name", ["identity.json", "standard", "rejected", "positions", "lock"])
def test_a_spool_that_cannot_be_used_is_a_sentence_and_gives_the_lock_back(tmp_path, name):
    path = tmp_path / "spool"
    path.mkdir()
    if name in {"identity.json", "lock"}:
        (path / name).mkdir()
    else:
        (path / name).write_text("a file")
    with pytest.raises(SpoolError, match="can't be") as caught:
        _open(path)
    assert caught.value.hint
    if (path / name).is_dir():
        (path / name).rmdir()
    else:
        (path / name).unlink()
    with _open(path):
        pass


def test_a_path_below_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="can't be used: Not a directory") as caught:
        _open(tmp_path / "file" / "spool")
    assert "set spool.path" in caught.value.hint


_HOLD = """
import sys
from pathlib import Path
from collector.spool.spool import Limits, Spool
with Spool(Path(sys.argv[1]), "store-0412", "node-1", Limits(1 << 30, lambda _: 0)):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_number_of_the_first(tmp_path):
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(SpoolError, match=f"in use by process {first.pid}") as caught:
            _open(tmp_path)
        assert "stop that collector" in caught.value.hint
        first.kill()  # not a chance to tidy up
    with _open(tmp_path):
        pass


def test_a_full_disk_does_not_keep_a_spool_from_being_opened(tmp_path, monkeypatch):
    with _open(tmp_path) as spool:
        _Writer(spool).append(3)
    SmallDisk(monkeypatch, tmp_path, 0)
    with _open(tmp_path) as spool:
        cursor, told = _reader(spool)
        assert drain(cursor) == [1, 2, 3]
        cursor.close()
        assert told.errors


# What the next epoch follows


def test_an_epoch_follows_the_newest_round(tmp_path):
    with _open(tmp_path) as spool:
        assert spool.last("standard") is None
        first = _Writer(spool)
        first.append(30)
        second = _Writer(spool)  # what is being written now doesn't count: it is not closed
        assert second.lineage.previous != (first.lineage.epoch, 30)
    with _open(tmp_path) as spool:
        last = spool.last("standard")
        assert last is not None
        assert last[:3] == (first.lineage.line, first.lineage.epoch, 30)
        third = _Writer(spool)
        assert third.lineage.previous == (first.lineage.epoch, 30)
        assert third.lineage.line == first.lineage.line
        third.append(2)
        cursor, told = _reader(spool)
        assert drain(cursor) == list(range(1, 33))
        assert told.gaps == []
        cursor.close()


def _mark(path: Path, name: str, mark: Mark) -> None:
    file = path / "positions" / f"standard.{name}.position"
    save_position(file, Position(1, 0, Marks({STREAM.key: mark})))


def test_a_reader_knows_a_round_that_the_disk_has_lost(tmp_path):
    with _open(tmp_path) as spool:
        writer = _Writer(spool)
        writer.append(3)
    epoch = writer.lineage.epoch
    _mark(tmp_path, "slow", Mark(epoch, epoch, 2, 10**9))
    _mark(tmp_path, "fast", Mark(epoch, 77, 9, 5))
    with _open(tmp_path) as spool:
        # By seq, not by time: the clock may have been a year ahead when round 2 was taken.
        assert spool.last("standard") == Last(epoch, 77, 9, 5)


def test_no_seq_is_given_twice_when_the_newest_rounds_are_damaged(tmp_path):
    with _open(tmp_path) as spool:
        writer = _Writer(spool)
        writer.append(5)
    file = tmp_path / "standard" / f"{1:016x}.evs"
    flip(file, file.stat().st_size - 1)
    with _open(tmp_path) as spool:
        again = _Writer(spool)
        assert again.next_seq == 6
        again.append(1)
        cursor, told = _reader(spool)
        assert drain(cursor) == [1, 2, 3, 4, 6]
        assert seqs_of(told.gaps) == [5]
        cursor.close()


def test_a_spool_in_which_no_round_can_be_read_begins_a_new_line(tmp_path):
    """Nobody knows how many there were: to go on from a reader's mark could give a seq twice."""
    with _open(tmp_path) as spool:
        writer = _Writer(spool)
        writer.append(5)
        cursor, _ = _reader(spool)
        drain(cursor)
        cursor.close()
        writer.append(3)
    for file in (tmp_path / "standard").iterdir():
        file.unlink()
    with _open(tmp_path) as spool:
        assert spool.last("standard") is None
        again = _Writer(spool)
        again.append(1)
        cursor, told = _reader(spool)
        assert drain(cursor) == [1]
        assert [(gap.rounds, gap.reason) for gap in told.gaps] == [(0, GapReason.NEW_LINE)]
        cursor.close()


def test_a_reader_of_a_line_that_the_disk_has_lost_begins_a_new_one(tmp_path):
    with _open(tmp_path) as spool:
        _Writer(spool).append(3)
    _mark(tmp_path, "other", Mark(999, 999, 50, 10**15))
    with _open(tmp_path) as spool:
        assert spool.last("standard") is None
    _mark(tmp_path, "other", Mark(999, 999, 50, 5))  # an older line: it is merely far behind
    with _open(tmp_path) as spool:
        assert spool.last("standard") is not None


def test_damaged_positions_and_those_of_other_tiers_do_not_count(tmp_path):
    with _open(tmp_path) as spool:
        writer = _Writer(spool)
        writer.append(3)
    epoch = writer.lineage.epoch
    (tmp_path / "positions" / "standard.broken.position").write_bytes(b"rubbish")
    file = tmp_path / "positions" / "vital.centre.position"
    save_position(file, Position(1, 0, Marks({STREAM.key: Mark(epoch, epoch, 99, 0)})))
    with _open(tmp_path) as spool:
        last = spool.last("standard")
        assert last is not None
        assert last.seq == 3


def test_a_disk_that_gives_no_answer_begins_a_new_line(tmp_path, monkeypatch):
    with _open(tmp_path) as spool:
        _Writer(spool).append(3)
    with _open(tmp_path) as spool, monkeypatch.context() as disk:

        def fail(*_: object) -> bytes:
            raise OSError(5, os.strerror(5))

        disk.setattr(os, "pread", fail)
        assert spool.last("standard") is None


def test_a_newer_record_at_the_end_is_a_sentence(tmp_path):
    with _open(tmp_path) as spool:
        _Writer(spool).append(1)
    newer = pack(protobuf.uint_field(1, 2) + protobuf.message_field(3, b""))
    with (tmp_path / "standard" / f"{1:016x}.evs").open("ab") as file:
        file.write(newer)
    with _open(tmp_path) as spool, pytest.raises(SpoolError, match="needs version 2"):
        spool.last("standard")


# How much it may take


def test_the_spool_stays_within_its_quota_and_drops_the_oldest(tmp_path):
    limits = Limits(16_000, _all_of_it)
    with _open(tmp_path, limits) as spool:
        writer = _Writer(spool)
        for _ in range(400):
            writer.append(1)
            assert spool.bytes < 16_300
        assert spool.bytes > 12_000
        assert spool.max_bytes == 16_000
        assert writer.dropped > 5
        cursor, _ = _reader(spool)
        seqs = drain(cursor)
        assert seqs == list(range(seqs[0], 401))
        cursor.close()


def test_the_lowest_tier_goes_first(tmp_path):
    with _open(tmp_path, Limits(16_000, _all_of_it)) as spool:
        writers = {tier: _Writer(spool, tier) for tier in ("vital", "standard", "detail")}
        for _ in range(50):
            for writer in writers.values():
                writer.append(1)
        writers["vital"].append(60)
        left = {tier: writer.chain.bytes for tier, writer in writers.items()}
        assert left["vital"] > left["standard"] > left["detail"]
        cursor, _ = _reader(spool, tier="vital")
        assert drain(cursor) == list(range(1, 111))
        cursor.close()


def test_on_a_disk_that_is_nearly_full_the_spool_stops_growing_and_never_shrinks(tmp_path):
    with _open(tmp_path) as spool:
        _Writer(spool).append(100)
    full = Limits(1 << 30, _nothing)
    for _ in range(20):  # a process that is started again and again
        with _open(tmp_path, full) as spool:
            before = spool.bytes
            writer = _Writer(spool)
            writer.append(1)
            assert (writer.dropped, spool.bytes > before) == (0, True)
    with _open(tmp_path, full) as spool:
        before = spool.bytes
        writer = _Writer(spool)
        for _ in range(150):
            writer.append(1)
            assert before - 1300 < spool.bytes < before + 1300
        assert writer.dropped > 5


def test_a_disk_with_room_again_lets_the_spool_grow_again(tmp_path, monkeypatch):
    with _open(tmp_path, Limits(1 << 30)) as spool:
        nearly_full = True
        monkeypatch.setattr(spool, "_disk_is_nearly_full", lambda: nearly_full)
        writer = _Writer(spool)
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
    with _open(tmp_path, Limits(1 << 30)) as spool:
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
    with _open(tmp_path) as spool:
        detail = _Writer(spool, "detail")
        detail.append(60)
        writer = _Writer(spool)
        writer.append(5)
        disk = SmallDisk(monkeypatch, tmp_path, 0)
        disk.capacity = disk.used
        writer.append(1)
        assert spool.make_room("standard") == 1
        assert spool.make_room("standard") == 0
        cursor, told = _reader(spool)
        assert drain(cursor) == [1, 2, 3, 4, 5, 6]  # the lowest tier made way
        assert told.gaps == []
        cursor.close()


def test_an_old_segment_that_cannot_be_removed_is_a_disk_error(tmp_path, monkeypatch):
    with _open(tmp_path, Limits(8000, _all_of_it)) as spool:
        writer = _Writer(spool)
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
from collector import dictionary
from collector.columns import row
from collector.frame import Instant, Lineage, frame
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
    with _open(tmp_path) as spool:
        cursor, told = _reader(spool)
        assert drain(cursor) == list(range(1, 101))
        assert told.gaps == []
        cursor.close()
        last = spool.last("standard")
        assert last is not None
        assert last.seq == 100


def test_gaps_travel_with_the_position(tmp_path):
    """A gap that is open when the process ends is closed by a round that comes later."""
    with _open(tmp_path) as spool:
        writer = _Writer(spool)
        writer.append(2)
        writer.next_seq = 5
        writer.append(1)
        cursor, told = _reader(spool)
        assert drain(cursor) == [1, 2, 5]
        cursor.close()
        line = writer.lineage.line
    assert seqs_of(told.gaps) == [3, 4]
    with _open(tmp_path) as spool:
        late = Lineage(5, line, None, BOOT)
        spool.chain("standard").append(writer.known, round_of(1, 4, writer.known, late))
        cursor, told = _reader(spool)
        assert drain(cursor) == [4]
        assert (told.closed, told.gaps) == (1, [])
        mark = cursor.mark(STREAM.key)
        assert mark is not None
        assert [gap[:2] for gap in mark.gaps] == [(3, 3)]
        assert isinstance(mark.gaps[0], Gap)
        cursor.close()


def test_an_export_is_a_copy_of_the_files(tmp_path):
    with _open(tmp_path / "site") as spool:
        _Writer(spool).append(60)
    (tmp_path / "stick").mkdir()
    with _open(tmp_path / "stick"):
        pass
    for file in (tmp_path / "site" / "standard").iterdir():
        (tmp_path / "stick" / "standard" / file.name).write_bytes(file.read_bytes())
    with _open(tmp_path / "stick") as spool:
        cursor, _ = _reader(spool)
        assert drain(cursor) == list(range(1, 61))
        cursor.close()
    assert encode_frame(round_of(1, 1, dictionary_of()))
