from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from collector import protobuf
from collector.errors import SpoolError
from collector.frames.columns import row
from collector.frames.frame import Frame, Rejection
from collector.spool.reading import pieces
from collector.spool.segment import pack
from tests.unit.examples import bits
from tests.unit.spool import releases
from tests.unit.spool.releases import ASIDE, DATA, EPOCH, HALF, LINE, ROUNDS
from tests.unit.spool.site import content, round_of
from tests.unit.spool.spools import Writer, open_spool, reader


def everything(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file() and file.name != "lock")
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.fixture(params=sorted(folder.name for folder in DATA.iterdir() if folder.is_dir()))
def released(request, tmp_path):
    return Path(shutil.copytree(DATA / request.param, tmp_path / "spool"))


def delivered(cursor):
    found: dict[int, object] = {}
    while (batch := cursor.read(0)) is not None:
        found |= {seq: what for (_, seq), what in content(batch)}
        cursor.commit(batch)
    cursor.close()
    return found


def expected(seq):
    known = releases.dictionary_at(seq)
    it = round_of(LINE, seq, known)
    return it.at[0].wall_ms, bits(row([LINE + seq * 0.1 + i for i in range(len(known.series))]))


def test_f38_the_backlog_of_every_released_spool_is_delivered(released):
    before = everything(released)
    with open_spool(released) as spool:
        last = spool.last("standard")
        assert last is not None
        assert last[:3] == (LINE, EPOCH, ROUNDS)
        writer = Writer(spool)
        writer.append(1)
        assert writer.lineage.previous == (EPOCH, ROUNDS)
        for name, begins in (("half", HALF + 1), ("centre", 1)):
            cursor, told = reader(spool, name)
            rounds = delivered(cursor)
            assert rounds == {seq: expected(seq) for seq in range(begins, ROUNDS + 1)} | {
                ROUNDS + 1: rounds[ROUNDS + 1]
            }
            assert told.gaps == []
    changed = {name for name, data in everything(released).items() if before.get(name) != data}
    assert {name.split("/")[0] for name in changed} <= {"positions", "standard"}
    assert not changed & {name for name in before if name.startswith("standard")}


def test_f38_what_every_released_spool_set_aside_can_be_read(released):
    (file,) = (released / "rejected").iterdir()
    bodies = [piece.body for piece in pieces(file)]
    assert [body.reason for body in bodies if isinstance(body, Rejection)] == ["http_400"] * ASIDE
    assert [body.first_seq for body in bodies if isinstance(body, Frame)] == [1, 2, 3]


def test_f38_a_kill_in_the_middle_of_the_first_start_changes_nothing(released, tmp_path):
    """There is nothing to convert: a version that reads a format leaves its files alone."""
    before = everything(released)
    with open_spool(released):
        pass
    assert everything(released) == before


@pytest.mark.parametrize("newer", ["identity", "record"])
def test_f38_a_newer_spool_is_refused_and_left_as_it_is(released, newer):
    if newer == "identity":
        (released / "identity.json").write_text('{"format":2,"site":"store-0412","node":"node-1"}')
    else:
        record = pack(protobuf.uint_field(1, 2) + protobuf.message_field(3, b"\x08\x01"))
        with max((released / "standard").iterdir()).open("ab") as file:
            file.write(record)
    before = everything(released)
    with (
        pytest.raises(SpoolError, match=r"format|needs version 2") as caught,
        open_spool(released) as spool,
    ):
        spool.last("standard")
    assert "start the newer version again" in caught.value.hint
    assert everything(released) == before
