"""`edgevitals spool ls|verify`: what they say of real spools, sound and damaged."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals
from collector.cli.words import utc
from collector.frames.frame import encode_frame
from collector.protobuf import uint_field
from collector.spool.segment import SegmentReader, pack, path_of
from tests.unit.examples import wall_of
from tests.unit.spool.site import dictionary_of, drain, flip, round_of
from tests.unit.spool.spools import Writer, open_spool, reader


def invoke(*args):
    return CliRunner().invoke(edgevitals, ["spool", *map(str, args)])


def verify(folder):
    result = invoke("verify", "--spool", folder, "-o", "json")
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path):
    """The spool of a process that has ended: ten rounds, seven of them read by `sink-centre`."""
    with open_spool(tmp_path) as spool:
        writer = Writer(spool)
        writer.append(7)
        cursor, _ = reader(spool, "sink-centre")
        with closing(cursor):
            assert drain(cursor) == [1, 2, 3, 4, 5, 6, 7]
        writer.append(3)
    return tmp_path


def segment(folder, number=1):
    return path_of(folder / "standard", number)


def records(path):
    """Where each record of a file begins."""
    with closing(SegmentReader(path)) as it:
        begins, at = [], 0
        while (entry := it.read(at, it.size)) is not None:
            begins.append(at)
            at = entry.end
        return begins


def test_ls_shows_rounds_readers_and_who_uses_it(folder):
    with open_spool(folder):
        result = invoke("ls", "--spool", folder)
        pid = (folder / "lock").read_text().strip()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"store-0412 / node-1   {folder}   ")
    assert lines[0].endswith(f", in use by process {pid}")
    assert lines[2].split() == ["TIER", "ROUNDS", "SEQS", "FROM", "TO", "LINE"]
    first, last = utc(wall_of(1, 1)), utc(wall_of(1, 10))
    assert lines[3].split()[:5] == ["standard", "10", "1..10", first, last]
    assert lines[6].split() == ["sink-centre", "standard", "3", utc(wall_of(1, 8)), "0"]
    assert ", no process is seen to use it\n" in invoke("ls", "--spool", folder).stdout


def test_ls_breaks_a_line_at_a_hole_and_names_open_gaps(folder):
    flip(segment(folder), records(segment(folder))[7] + 12)  # header, dictionary, rounds 1, 2, ...
    with open_spool(folder) as spool:
        cursor, told = reader(spool, "sink-other")
        with closing(cursor):
            assert drain(cursor) == [1, 2, 3, 4, 5, 7, 8, 9, 10]
        assert told.gaps
    tree = json.loads(invoke("ls", "--spool", folder, "-o", "json").stdout)
    (tier,) = tree["tiers"][1:2]
    assert [(s["first_seq"], s["last_seq"]) for s in tier["stretches"]] == [(1, 5), (7, 10)]
    other = tier["readers"][1]
    assert (other["reader"], other["backlog_rounds"]) == ("sink-other", 0)
    (gap,) = other["gaps"]
    assert (gap["first_seq"], gap["last_seq"], gap["reason"]) == (6, 6, "spool_damaged")
    between = f"between {utc(wall_of(1, 5))} and {utc(wall_of(1, 7))}"
    assert (
        f"GAP      sink-other lacks rounds 6, {between}: spool_damaged"
        in invoke("ls", "--spool", folder).stdout
    )


def test_ls_lists_each_segment(folder):
    with open_spool(folder) as spool:
        Writer(spool).append(2)
    lines = invoke("ls", "--spool", folder, "--segments").stdout.splitlines()
    rows = [line.split() for line in lines[lines.index("") :] if line.startswith("0000")]
    assert [(row[0][-1], row[-4]) for row in rows] == [("1", "1..10"), ("2", "11..12")]


def test_a_folder_that_is_no_spool_is_3(tmp_path):
    for verb in ("ls", "verify"):
        result = invoke(verb, "--spool", tmp_path / "nothing")
        assert result.exit_code == 3
        assert f"{tmp_path}/nothing is no spool: it has no identity.json\n" in result.stderr


def test_a_configuration_names_the_spool(folder):
    file = folder / "c.yaml"
    file.write_text(f"site: store-0412\nspool: {{path: {folder}}}\nsources: {{host: true}}\n")
    assert invoke("verify", "-c", file).exit_code == 0


def test_verify_of_a_sound_one_is_0_also_while_it_is_written(folder):
    with open_spool(folder) as spool:
        Writer(spool).append(2)
        result = invoke("verify", "--spool", folder)
    assert result.exit_code == 0
    assert result.stdout == f"{folder}: 16 records, 12 rounds: sound\n"


def test_f13_verify_finds_any_flipped_byte_of_a_round_and_the_round_that_it_costs(folder):
    begins = records(segment(folder))
    whole = segment(folder).read_bytes()
    for at in range(begins[4], begins[5]):  # round 3
        flip(segment(folder), at)
        code, told = verify(folder)
        assert code == 1, at
        assert [one["file"] for one in told["findings"]] == [f"standard/{1:016x}.evs"]
        (hole,) = told["missing"]
        assert (hole["first_seq"], hole["last_seq"], hole["rounds"]) == (3, 3, 1)
        assert hole["beside_damage"]
        segment(folder).write_bytes(whole)


def test_verify_says_which_rounds_a_lost_dictionary_costs(folder):
    flip(segment(folder), records(segment(folder))[1] + 20)
    code, told = verify(folder)
    assert code == 1
    assert told["missing"] == []
    says = [one["says"] for one in told["findings"][1:]]
    assert len(says) == 10
    assert says[0].startswith("round 1: the segment has no dictionary ")


def test_verify_names_rounds_that_were_never_written(folder):
    with open_spool(folder) as spool:
        writer = Writer(spool)
        writer.next_seq += 4
        writer.append()
    result = invoke("verify", "--spool", folder)
    assert result.exit_code == 1
    between = f"between {utc(wall_of(1, 10))} and {utc(wall_of(1, 15))}"
    assert result.stdout.splitlines()[0] == (
        f"missing: 4 rounds, standard 11..14, {between} (they were never written here)"
    )


def test_f12_a_write_that_was_cut_off_is_a_note_until_a_later_round_shows_what_it_cost(folder):
    with segment(folder).open("ab") as file:
        file.write(segment(folder).read_bytes()[:40])
    result = invoke("verify", "--spool", folder)
    assert result.exit_code == 0, result.stdout


def test_a_record_of_a_newer_version_is_3(folder):
    with segment(folder).open("ab") as file:
        file.write(pack(uint_field(1, 9)))
    code, told = verify(folder)
    assert code == 3
    assert told["findings"][0]["trouble"] == "newer"
    result = invoke("ls", "--spool", folder)
    assert result.exit_code == 3
    assert "a record needs version 9 of the format" in result.stderr


def test_a_round_that_stands_twice_is_found(folder):
    known = dictionary_of()
    again = round_of(1, 2, known)
    with segment(folder).open("ab") as file:
        line = json.loads(invoke("ls", "--spool", folder, "-o", "json").stdout)
        mine = int(line["tiers"][1]["stretches"][0]["line"], 16)
        lineage = again.lineage._replace(epoch=mine, line=mine)
        file.write(pack(encode_frame(again._replace(lineage=lineage))))
    code, told = verify(folder)
    assert code == 1
    assert told["findings"][0]["says"] == "round 2: stands behind round 10 of its line"


def test_a_damaged_position_and_a_damaged_rejection_are_found(folder):
    position = folder / "positions" / "standard.sink-centre.position"
    flip(position, 15)
    (folder / "rejected" / segment(folder).name).write_bytes(b"\0" * 100 + pack(b"\x08\x01"))
    code, told = verify(folder)
    assert code == 1
    assert [one["file"] for one in told["findings"]] == [
        "positions/standard.sink-centre.position",
        f"rejected/{1:016x}.evs",
        f"rejected/{1:016x}.evs",
    ]
