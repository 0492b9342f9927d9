"""`edgevitals import`: what a receiver gets of carried files, and what is said of the rest."""

from __future__ import annotations

import shutil

import pytest

from collector.cli import errand
from collector.cli.words import utc
from collector.spool.reading import pieces
from tests.unit.cli.carrying import at_ms, config, invoke, lacking, seqs_at, spool_of, told
from tests.unit.sinks.peer import Peer, answer
from tests.unit.spool.site import flip

OK = answer(204)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(errand, "PATIENCE_S", 0.0)


def exported(folder, *args):
    into = folder.with_suffix(".evs")
    assert invoke("export", "--spool", folder, into, *args).exit_code in {0, 1}
    return into


def import_(file, *args):
    return invoke("import", "-c", file, *args)


def test_every_round_arrives_in_order_and_a_repeat_sends_nothing(tmp_path):
    file = exported(spool_of(tmp_path / "site", *range(1, 31)))
    with Peer(OK) as peer:
        centre = config(tmp_path, peer)
        result = import_(centre, file)
        assert result.exit_code == 0, result.output
        assert seqs_at(peer) == list(range(1, 31))
        assert "centre: 30 rounds delivered\n" in result.stdout
        sent = len(peer.seen)
        again = import_(centre, file, "-o", "json")
        assert again.exit_code == 0
        (sink,) = told(again)["sinks"]
        assert (sink["delivered_rounds"], sink["already_delivered_rounds"]) == (0, 30)
        assert len(peer.seen) == sent


def test_a_segment_of_the_spool_is_such_a_file_too(tmp_path):
    spool = spool_of(tmp_path / "site", 1, 2, 3)
    with Peer(OK) as peer:
        assert import_(config(tmp_path, peer), *(spool / "standard").iterdir()).exit_code == 0
        assert seqs_at(peer) == [1, 2, 3]


def test_files_in_any_order_arrive_in_the_order_of_their_rounds_each_once(tmp_path):
    spool = spool_of(tmp_path / "site", *range(1, 10))
    parts = []
    for name, first, last in (("c", 7, 9), ("a", 1, 4), ("b", 3, 7)):
        part = tmp_path / name
        args = ("--from", utc(at_ms(first)), "--to", utc(at_ms(last + 1)))
        assert invoke("export", "--spool", spool, part, *args).exit_code == 0, args
        parts.append(part)
    with Peer(OK) as peer:
        result = import_(config(tmp_path, peer), *parts)
        assert result.exit_code == 0, result.output
        assert seqs_at(peer) == list(range(1, 10))


def test_rounds_inside_a_gap_are_all_delivered_and_counted_as_closed(tmp_path):
    """The mark of the sink at the centre knows the gap 3..6; a carried file brings it."""
    carried = spool_of(tmp_path / "site", *range(1, 9))
    central = lacking(shutil.copytree(carried, tmp_path / "central"), (3, 6))
    file = exported(carried, "--from", utc(at_ms(3)), "--to", utc(at_ms(7)))
    with Peer(OK) as peer:
        result = import_(config(tmp_path, peer, spool=central), file, "-o", "json")
        assert result.exit_code == 0
        assert seqs_at(peer) == [3, 4, 5, 6]
    (sink,) = told(result)["sinks"]
    assert (sink["delivered_rounds"], sink["closed_gap_rounds"]) == (4, 4)


def test_what_no_file_has_is_said(tmp_path):
    file = exported(spool_of(tmp_path / "site", 1, 2, 5))
    with Peer(OK) as peer:
        result = import_(config(tmp_path, peer), file)
    assert result.exit_code == 0
    assert "in no file: store-1/node-a/standard 3..4, between " in result.stdout


def test_a_damaged_file_gives_what_is_good_and_is_1(tmp_path):
    file = exported(spool_of(tmp_path / "site", *range(1, 6)))
    frames = [piece for piece in pieces(file) if type(piece.body).__name__ == "Frame"]
    flip(file, frames[2].at + 20)
    with Peer(OK) as peer:
        result = import_(config(tmp_path, peer), file)
        assert seqs_at(peer) == [1, 2, 4, 5]
    assert result.exit_code == 1
    assert f"DAMAGED at {frames[2].at}: damaged: " in result.stdout


def test_what_is_no_file_of_ours_is_1_and_what_is_not_there_is_3(tmp_path):
    (tmp_path / "x").write_text("hello")
    with Peer(OK) as peer:
        centre = config(tmp_path, peer)
        assert import_(centre, tmp_path / "x").exit_code == 1
        result = import_(centre, tmp_path / "nothing")
        assert result.exit_code == 3
        assert f"{tmp_path}/nothing can't be read: No such file or directory" in result.stderr
        assert peer.seen == []


def test_a_receiver_that_goes_away_is_3_and_a_repeat_sends_only_the_rest(tmp_path):
    file = exported(spool_of(tmp_path / "site", *range(1, 51)))
    with Peer(OK, OK, answer(401)) as peer:
        centre = config(tmp_path, peer)
        result = import_(centre, file)
        assert result.exit_code == 3
        assert "NOT FINISHED: the receiver answered 401" in result.stdout
        there = seqs_at(peer)
    with Peer(OK) as peer:
        centre = config(tmp_path, peer)
        assert import_(centre, file).exit_code == 0
        rest = seqs_at(peer)
    assert there[0] == 1
    assert rest[-1] == 50
    assert 1 not in rest


def test_what_is_refused_is_said_and_tried_again_by_a_repeat(tmp_path):
    file = exported(spool_of(tmp_path / "site", 1, 2))
    with Peer(answer(400, b"too far in the past")) as peer:
        centre = config(tmp_path, peer)
        result = import_(centre, file)
        assert result.exit_code == 1
        assert "REFUSED: 2 rounds: " in result.stdout
        assert "too far in the past" in result.stdout
    with Peer(OK) as peer:
        assert import_(config(tmp_path, peer), file).exit_code == 0
        assert seqs_at(peer) == [1, 2]


def test_all_sinks_get_it_or_the_one_that_is_named(tmp_path):
    file = exported(spool_of(tmp_path / "site", 1))
    with Peer(OK) as one, Peer(OK) as two:
        centre = config(tmp_path, one, two)
        assert import_(centre, file, "--sink", "other").exit_code == 0
        assert (seqs_at(one), seqs_at(two)) == ([], [1])
        assert import_(centre, file).exit_code == 0
        assert (seqs_at(one), seqs_at(two)) == ([1], [1])
        result = import_(centre, file, "--sink", "nobody")
    assert result.exit_code == 2
    assert "has no sink nobody, it has: centre, other" in result.stderr


def test_a_journal_that_is_damaged_costs_a_repeat_and_nothing_else(tmp_path):
    file = exported(spool_of(tmp_path / "site", 1, 2))
    with Peer(OK) as peer:
        centre = config(tmp_path, peer)
        assert import_(centre, file).exit_code == 0
        for journal in tmp_path.rglob("*.json"):
            journal.write_bytes(b"{")
        assert import_(centre, file).exit_code == 0
        assert seqs_at(peer) == [1, 2, 1, 2]


def test_what_is_older_than_the_window_is_not_sent_said_and_not_taken_for_delivered(tmp_path):
    file = exported(spool_of(tmp_path / "site", 1, 2, 3))
    with Peer(OK) as peer:
        centre = config(tmp_path, peer)
        unlimited = centre.read_text()
        centre.write_text(unlimited.replace('"unlimited"', '"2h"'))
        result = import_(centre, file)
        assert result.exit_code == 1
        assert "centre: 0 rounds delivered\n" in result.stdout
        assert "NOT SENT: rounds " in result.stdout
        assert ": out_of_window: use export --format openmetrics" in result.stdout
        assert seqs_at(peer) == []
        centre.write_text(unlimited)
        assert import_(centre, file).exit_code == 0
        assert seqs_at(peer) == [1, 2, 3]
