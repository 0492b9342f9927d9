"""Who may use a spool."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from collector.errors import DiskError, SpoolError
from collector.spool.identity import SPOOL_FORMAT
from tests.unit.spool.site import SmallDisk, drain, flip
from tests.unit.spool.spools import Writer, open_spool, reader


def _everything(path: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_the_first_start_writes_down_whose_it_is(tmp_path):
    with open_spool(tmp_path / "a" / "b", node=None) as spool:
        assert (spool.site, spool.node) == ("store-0412", os.uname().nodename)
    with open_spool(tmp_path / "c") as spool:
        assert spool.node == "node-1"
    with open_spool(tmp_path / "c", node=None) as spool:
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
    with open_spool(tmp_path) as spool:
        Writer(spool).append(3)
    before = _everything(tmp_path)
    with pytest.raises(SpoolError, match=says) as caught:
        open_spool(tmp_path, site=site, node=node)
    assert "spool.path of its own" in caught.value.hint
    assert {k: v for k, v in _everything(tmp_path).items() if not k.endswith("lock")} == {
        k: v for k, v in before.items() if not k.endswith("lock")
    }
    with open_spool(tmp_path) as spool:  # and the lock was given back
        assert spool.last("standard") is not None


@pytest.mark.parametrize(
    "identity",
    [b'{"format": 2, "site": "store-0412", "node": "node-1"}', b'{"format": 9, "cell": {"id": 5}}'],
)
def test_a_newer_format_is_refused_untouched_whatever_is_in_it(tmp_path, identity):
    with open_spool(tmp_path):
        pass
    (tmp_path / "identity.json").write_bytes(identity)
    with pytest.raises(SpoolError, match=r"has format \d, this version knows 1") as caught:
        open_spool(tmp_path)
    assert "start the newer version again" in caught.value.hint
    assert (tmp_path / "identity.json").read_bytes() == identity


def test_a_later_version_may_add_to_the_identity(tmp_path):
    with open_spool(tmp_path):
        pass
    text = f'{{"format": {SPOOL_FORMAT}, "site": "store-0412", "node": "node-1", "more": 1}}'
    (tmp_path / "identity.json").write_text(text)
    with open_spool(tmp_path) as spool:
        assert spool.node == "node-1"


@pytest.mark.parametrize("identity", [b"", b"{", b'{"format": 1}', b'{"format": "one"}', b"\xff"])
def test_a_damaged_identity_is_a_sentence_that_says_how_to_write_it_anew(tmp_path, identity):
    with open_spool(tmp_path):
        pass
    (tmp_path / "identity.json").write_bytes(identity)
    with pytest.raises(SpoolError, match=r"identity\.json is damaged") as caught:
        open_spool(tmp_path)
    assert '{"format": 1, "site": "...", "node": "..."}' in caught.value.hint


@pytest.mark.parametrize("node", ["node-1", None])
def test_f13_a_flipped_byte_of_the_identity_never_gives_the_spool_to_another(tmp_path, node):
    """Its segments know whose they are, and have a checksum."""
    with open_spool(tmp_path) as spool:
        Writer(spool).append(3)
    file = tmp_path / "identity.json"
    whole = file.read_bytes()
    format_at = whole.index(b"1,")
    for at in range(len(whole)):
        flip(file, at, 1 << at % 7)
        if at == format_at:  # it may be a newer one's: not ours to touch
            with suppress(SpoolError), open_spool(tmp_path, node=node) as spool:
                assert spool.node == "node-1"
            file.write_bytes(whole)
            continue
        with open_spool(tmp_path, node=node) as spool:
            assert (spool.site, spool.node) == ("store-0412", "node-1")
        assert file.read_bytes().strip() == whole.strip()
    file.unlink()
    with open_spool(tmp_path, node=node) as spool:
        assert spool.node == "node-1", "gone altogether: as well"


def test_f11_a_read_only_disk_is_opened_all_the_same(tmp_path, monkeypatch):
    with open_spool(tmp_path) as spool:
        Writer(spool).append(3)
    real = os.open

    def refuse(path, flags, *mode, **more):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", refuse)
    with open_spool(tmp_path) as spool:
        with pytest.raises(SpoolError, match="in use"):
            open_spool(tmp_path)
        with pytest.raises(DiskError, match="Read-only"):
            Writer(spool).append(1)
        assert drain(reader(spool)[0]) == [1, 2, 3]


@pytest.mark.parametrize("name", ["identity.json", "standard", "rejected", "positions", "lock"])
def test_a_spool_that_cannot_be_used_is_a_sentence_and_gives_the_lock_back(tmp_path, name):
    path = tmp_path / "spool"
    path.mkdir()
    if name in {"identity.json", "lock"}:
        (path / name).mkdir()
    else:
        (path / name).write_text("a file")
    with pytest.raises(SpoolError, match="can't be") as caught:
        open_spool(path)
    assert caught.value.hint
    if (path / name).is_dir():
        (path / name).rmdir()
    else:
        (path / name).unlink()
    with open_spool(path):
        pass


def test_a_path_below_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="can't be used: Not a directory") as caught:
        open_spool(tmp_path / "file" / "spool")
    assert "set spool.path" in caught.value.hint


def test_f14_a_spool_that_is_removed_while_it_is_open_is_made_anew(tmp_path):
    path = tmp_path / "spool"
    with open_spool(path) as spool:
        writer = Writer(spool)
        writer.append(3)
        cursor, told = reader(spool)
        assert drain(cursor) == [1, 2, 3]
        shutil.rmtree(path)
        writer.append(2)
        with pytest.raises(SpoolError, match=f"in use by process {os.getpid()}"):
            open_spool(path)
        assert drain(cursor) == [4, 5]
        assert (told.gaps, told.errors) == ([], [])
        cursor.close()
    with open_spool(path, node=None) as spool:
        assert spool.node == "node-1"
        last = spool.last("standard")
        assert last is not None
        assert (last.line, last.seq) == (writer.lineage.line, 5), "one line, and no seq twice"


def test_f14_a_spool_that_another_took_meanwhile_is_left_to_it(tmp_path):
    path = tmp_path / "spool"
    with open_spool(path) as spool:
        writer = Writer(spool)
        writer.append(3)
        path.rename(tmp_path / "elsewhere")
        with open_spool(path, node="node-2"), pytest.raises(SpoolError, match="in use"):
            writer.append(1)


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
            open_spool(tmp_path)
        assert "stop that collector" in caught.value.hint
        first.kill()  # not a chance to tidy up
    with open_spool(tmp_path):
        pass


def test_a_full_disk_does_not_keep_a_spool_from_being_opened(tmp_path, monkeypatch):
    with open_spool(tmp_path) as spool:
        Writer(spool).append(3)
    SmallDisk(monkeypatch, tmp_path, 0)
    with open_spool(tmp_path) as spool:
        cursor, told = reader(spool)
        assert drain(cursor) == [1, 2, 3]
        cursor.close()
        assert told.errors
