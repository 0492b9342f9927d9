"""Files that a power cut or a dying disk changed: what is whole is delivered, nothing else is.

A whole spool with readers in the middle is damaged in one place, opened, read to its end and
written to. `make soak` does each many more times, with SOAK_DAMAGES.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.errors import Rejected, SpoolError
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame
from collector.spool.reading import pieces
from tests.unit.spool.site import Told, content, dictionary_of, flip, seqs_of
from tests.unit.spool.spools import Writer, open_spool, reader

TIMES = int(os.environ.get("SOAK_DAMAGES", "60"))

pytestmark = pytest.mark.timeout(300 + TIMES)  # only to make a failure small


class _Made(NamedTuple):
    """A spool on disk, what was written to it, and how far its reader `half` had come."""

    path: Path
    written: dict[int, object]
    half: int
    files: list[Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> _Made:
    path = tmp_path_factory.mktemp("made")
    written: dict[int, object] = {}
    with open_spool(path) as spool:
        chain = spool.chain("standard")
        writer = Writer(spool)
        half, told = reader(spool, "half")
        for version, rounds, segment_bytes in ((0, 15, 1200), (1, 15, 1200), (0, 90, 1 << 20)):
            writer.known = dictionary_of(version)
            chain._segment_bytes = segment_bytes
            writer.append(rounds)
        batch = half.read(0)
        assert batch is not None
        half.commit(batch)
        other = half.read(0)
        assert other is not None
        spool.rejected.keep(other, Rejected("no", reason="http_400"), "centre")
        half.close()
        every, _ = reader(spool, "every")
        while (one := every.read(0)) is not None:
            written |= {seq: what for (_, seq), what in content(one)}
        every.close()
        assert told.gaps == []
    (path / "positions" / "standard.every.position").unlink(missing_ok=True)
    assert list(written) == list(range(1, 121))
    *_, last = sorted((path / "standard").iterdir())
    assert last.stat().st_size > 8000
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size)
    return _Made(path, written, batch.frames[-1].last_seq, files)


@pytest.fixture
def copy(made: _Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.path, tmp_path / "spool"))


def _read(name: str, spool, made: _Made, known: dict[int, object]) -> tuple[list[int], Told]:
    """Everything that a reader gets; none of it other than it was written."""
    cursor, told = reader(spool, name)
    seqs = []
    while (batch := cursor.read(0)) is not None:
        for (_, seq), what in content(batch):
            assert known[seq] == what, "never a wrong value"
            seqs.append(seq)
        cursor.commit(batch)
    cursor.close()
    return seqs, told


def _goes_on(path: Path, made: _Made, *, is_whole: set[int]) -> None:
    """Open it, write two rounds, read all: rounds that are whole come, others are a gap."""
    with open_spool(path) as spool:
        writer = Writer(spool)
        first = writer.next_seq
        writer.append(2)
        known = dict(made.written)
        cursor, _ = reader(spool, "again")
        while (batch := cursor.read(0)) is not None:
            new = {s: what for (_, s), what in content(batch) if s >= first and s not in known}
            known |= new
        cursor.close()
        (path / "positions" / "standard.again.position").unlink(missing_ok=True)
        assert first > max(is_whole), "no seq is given twice"
        for name, begins in (("half", made.half + 1), ("fresh", 1)):
            seqs, told = _read(name, spool, made, known)
            assert seqs == sorted(set(seqs)), "in order, each once"
            assert seqs[-2:] == [first, first + 1]
            due = {seq for seq in is_whole if seq >= begins}
            assert due <= set(seqs), "what is whole is delivered"
            if (name == "half" and seqs[0] > begins) or set(range(seqs[0], first)) - set(seqs):
                gone = set(range(begins if name == "half" else seqs[0], first)) - set(seqs)
                assert gone <= set(seqs_of(told.gaps)), "every loss has its gap"


def _whole(path: Path) -> set[int]:
    """The rounds whose records, and dictionaries before them, can be read."""
    found = set()
    for file in sorted((path / "standard").iterdir()):
        known: dict[int, Dictionary] = {}
        for piece in pieces(file, known):
            if isinstance(piece.body, Frame) and piece.body.dictionary_id in known:
                found.add(piece.body.first_seq)
    return found


def test_f12_a_tail_cut_at_any_byte_costs_what_was_cut_off(made, copy):
    file = max((copy / "standard").iterdir())
    whole = file.read_bytes()
    cuts = range(len(whole) - 8000, len(whole))
    for at in random.Random(12).sample(cuts, min(TIMES, len(cuts))):
        for other in (copy / "standard").iterdir():
            if other > file:
                other.unlink()
        _restore(made, copy, "positions")
        file.write_bytes(whole[:at])
        _goes_on(copy, made, is_whole=_whole(copy))


def test_f12_a_write_that_takes_half_is_gone_on_with(site, monkeypatch):
    pwrite = os.pwrite
    calls = []

    def half(fd, data, at):
        calls.append(len(data))
        return pwrite(fd, data[: (len(data) + 1) // 2], at)

    monkeypatch.setattr(os, "pwrite", half)
    site.append(20)
    assert len(calls) > 100
    monkeypatch.undo()
    site.reopen()
    cursor, told = site.reader()
    seqs = [seq for batch in iter(lambda: cursor.read(0), None) for (_, seq), _ in content(batch)]
    assert seqs == list(range(1, 21))
    assert told.gaps == []


def test_f13_a_flipped_byte_anywhere_is_never_believed(made, copy):
    chance = random.Random(13)
    names = [file.relative_to(made.path) for file in made.files if file.name != "lock"]
    sizes = [(made.path / name).stat().st_size for name in names]
    refused = 0
    for _ in range(TIMES):
        (name,) = chance.choices(names, sizes)
        shutil.rmtree(copy / "standard")
        for folder in ("standard", "positions", "rejected"):
            _restore(made, copy, folder)
        shutil.copy(made.path / "identity.json", copy)
        file = copy / name
        flip(file, chance.randrange(file.stat().st_size), 1 << chance.randrange(8))
        for kept in (copy / "rejected").iterdir():
            assert list(pieces(kept))
        if name.name == "identity.json":
            with contextlib.suppress(SpoolError):  # refused: it may be a newer one's
                _goes_on(copy, made, is_whole=_whole(copy))
                continue
            refused += 1
            continue
        _goes_on(copy, made, is_whole=_whole(copy))
    assert refused <= TIMES // 20


def _restore(made: _Made, copy: Path, folder: str) -> None:
    shutil.rmtree(copy / folder, ignore_errors=True)
    shutil.copytree(made.path / folder, copy / folder)
