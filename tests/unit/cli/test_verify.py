"""`edgevitals verify`: what it asks, and what it says of the answers."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from collector.cli.words import utc
from tests.lab.ports import free_port
from tests.unit.cli.carrying import config, invoke, spool_of
from tests.unit.cli.test_prometheus_api import asked, base, matrix, one, said
from tests.unit.sinks.peer import Peer, answer

T0 = 1_790_000_000
WHO = {"site": "store-1", "node": "edge-1"}
STREAM = {**WHO, "tier": "standard"}
RANGE = ("--from", utc(T0 * 1000), "--to", utc((T0 + 600) * 1000))
NONE_BEFORE = said({"resultType": "vector", "result": []})
NONE_BEHIND = matrix()


def metric(name, *points, **labels):
    return one(*points, __name__=f"edgevitals_{name}", **WHO, **labels)


def rounds(*seqs):
    """A round each 15 s, the seqs being their places too; and the epoch of each."""
    points = [(T0 + seq * 15, seq) for seq in seqs]
    ones = [(at, 1) for at, _ in points]
    return (
        metric("round_seq", *points, tier="standard"),
        metric("epoch_info", *ones, tier="standard", epoch="a"),
    )


@contextmanager
def centre(*series):
    script = [said([STREAM]), matrix(*series), NONE_BEFORE, NONE_BEHIND]
    with Peer(*script) as peer:
        yield peer


def verify(peer, *args):
    return invoke("verify", "--prometheus", base(peer), *RANGE, *args)


def test_complete_is_0_and_one_line():
    with centre(*rounds(*range(1, 40))) as peer:
        result = verify(peer)
    assert result.exit_code == 0, result.output
    first, last = utc((T0 + 15) * 1000), utc((T0 + 39 * 15) * 1000)
    assert result.stdout == (
        f"store-1/edge-1/standard: complete from {first} to {last}: 39 rounds, 1 to 39, "
        "1 epoch, 1 line\n"
    )


def test_what_is_missing_missed_and_told_is_said_and_is_1():
    series = [
        *rounds(*range(1, 10), *range(12, 40)),
        metric("process_start_time_seconds", *[(T0 + seq * 15, T0) for seq in range(1, 40)]),
        metric("round_missed_total", (T0 + 300, 2), reason="suspended"),
        metric("gap_rounds_total", (T0 + 300, 2), reason="spool_full", pump="forward-centre"),
        metric("gap_first_seq", (T0 + 300, 10), reason="spool_full", pump="forward-centre"),
        metric("gap_last_seq", (T0 + 300, 11), reason="spool_full", pump="forward-centre"),
        metric("pump_backlog_rounds", (T0 + 300, 3), (T0 + 585, 4), pump="forward-centre"),
    ]
    with centre(*series) as peer:
        result = verify(peer)
    assert result.exit_code == 1
    between = f"between {utc((T0 + 135) * 1000)} and {utc((T0 + 180) * 1000)}"
    lines = result.stdout.splitlines()
    assert "INCOMPLETE" in lines[0]
    assert lines[1:4] == [
        f"  MISSING  2 rounds, 10..11, {between}: spool_full",
        "  MISSED   2 rounds never taken: suspended",
        "  gap      2 rounds told as missing: spool_full (forward-centre)",
    ]
    assert lines[4].startswith("  on the way: 4 rounds, the last here is ")


def test_json_has_numbers_and_times():
    with centre(*rounds(1, 2, 3, *range(5, 40))) as peer:
        result = verify(peer, "-o", "json", "--site", "store-1")
    assert result.exit_code == 1
    tree = json.loads(result.stdout)
    assert tree["complete"] is False
    (stream,) = tree["streams"]
    assert (stream["site"], stream["first_seq"], stream["last_seq"]) == ("store-1", 1, 39)
    assert stream["missing"] == [
        {
            "first_seq": 4,
            "last_seq": 4,
            "after_ms": (T0 + 45) * 1000,
            "before_ms": (T0 + 75) * 1000,
            "reasons": [],
            "rounds": 1,
        }
    ]
    queries = [query.get("match[]") or query["query"] for _, query in asked(peer)]
    assert queries[0] == 'edgevitals_round_seq{site="store-1"}'
    assert queries[1].endswith(',site="store-1",node="edge-1"}[4200000ms]')
    assert [path for path, _ in asked(peer)] == ["/api/v1/series"] + ["/api/v1/query"] * 3


def test_the_site_knows_what_is_kept_and_what_is_on_its_way(tmp_path):
    """Ten rounds in the spool; the centre has 1, 2 and 5, and the window ends behind 8."""
    spool = spool_of(tmp_path / "spool", *range(1, 11))
    start = 1_790_000_000
    points = [(start + 15 * (seq - 1), seq) for seq in (1, 2, 5)]
    ones = [(at, 1) for at, _ in points]
    who = {"site": "store-1", "node": "node-a"}
    series = [
        one(*points, __name__="edgevitals_round_seq", tier="standard", **who),
        one(*ones, __name__="edgevitals_epoch_info", tier="standard", epoch="a", **who),
    ]
    window = ("--from", utc(start * 1000), "--to", utc((start + 110) * 1000))
    script = [said([{**who, "tier": "standard"}]), matrix(*series), NONE_BEFORE, NONE_BEHIND]
    with Peer(*script) as peer:
        result = invoke("verify", "--prometheus", base(peer), *window, "--spool", spool)
    assert result.exit_code == 1
    assert "MISSING  2 rounds, 3..4, " in result.stdout
    assert "PROBLEM  2 rounds that are not here are kept at the site: --repair" in result.stdout
    assert "PROBLEM  3 rounds since " in result.stdout
    assert "  on the way: 3 rounds" in result.stdout


def test_nothing_of_anybody_is_3():
    with Peer(said([])) as peer:
        result = verify(peer, "--site", "store-9")
    assert result.exit_code == 3
    assert "has no rounds of site store-9 between " in result.stderr
    assert result.stdout == ""


def test_no_answer_is_3():
    result = invoke("verify", "--prometheus", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 3
    with Peer(answer(401, b"no")) as peer:
        result = verify(peer)
    assert result.exit_code == 3
    assert "give --token-file, or --username and --password-file" in result.stderr


def test_a_token_from_a_file_goes_along(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    with centre(*rounds(*range(1, 40))) as peer:
        assert verify(peer, "--token-file", tmp_path / "token").exit_code == 0
    assert {seen.headers["authorization"] for seen in peer.seen} == {"Bearer secret"}


@pytest.mark.parametrize(
    "args",
    [
        ("--repair",),
        ("--username", "a"),
        ("--token-file", "x", "--username", "a", "--password-file", "y"),
        ("--from", "-1h", "--to", "-2h"),
        ("--from", "soon"),
        ("--prometheus", "ftp://a"),
    ],
)
def test_wrong_usage_is_2(args):
    assert invoke("verify", "--prometheus", "http://127.0.0.1:1", *args).exit_code == 2


def test_a_repair_needs_to_know_which_sink_leads_there(tmp_path):
    spool = spool_of(tmp_path / "spool", 1)
    with Peer(answer(204)) as one_, Peer(answer(204)) as two:
        file = config(tmp_path, one_, two, spool=spool)
        result = invoke("verify", "--prometheus", "http://127.0.0.1:1", "-c", file, "--repair")
    assert result.exit_code == 2
    assert "Name it with --sink" in result.stderr
