"""`edgevitals spool rejected`: the list, and what is sent again of it."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from collector.cli import errand
from collector.cli.words import utc
from collector.errors import Rejected as Why
from collector.spool import aside
from collector.spool.rejected import TAKEN, Rejected
from tests.unit.cli.carrying import config, invoke, spool_of
from tests.unit.sinks.batches import batch, rounds, times, words
from tests.unit.sinks.peer import Peer, answer
from tests.unit.spool.site import flip

OK = answer(204)
BAD = answer(400, b"no such label")
KNOWN = words("a", "b")
WHY = Why("the receiver answered 400", reason="http_400")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(errand, "PATIENCE_S", 0.0)


@pytest.fixture
def spool(tmp_path):
    return spool_of(tmp_path / "spool", 1)


def of(first, last):
    return batch(KNOWN, *(rounds(KNOWN, seq, [[seq, 10 * seq]]) for seq in range(first, last + 1)))


def keep(spool, *kept):
    """Set batches aside as a process does that ends then: (batch, why, by whom)."""
    with closing(Rejected(spool / "rejected")) as store:
        for one, why, by in kept:
            store.keep(one, why, by)


def replay(centre, *args):
    return invoke("spool", "rejected", "-c", centre, "--replay", *args)


def left(spool):
    return [one.frame.first_seq for one in aside.read(spool / "rejected").kept]


def got(peer):
    """The values of series a, in the order in which they came."""
    return [value for seen in peer.seen for _, value in seen.samples().get("a", [])]


def test_the_list_says_when_by_whom_why_and_which_rounds(spool):
    keep(spool, (of(1, 3), WHY, "forward-centre"), (of(7, 7), WHY, "forward-other"))
    result = invoke("spool", "rejected", "--spool", spool)
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.split() == [
        *("WHEN", "BY", "REASON", "STREAM", "ROUNDS"),
        *("SEQS", "FROM", "TO", "SERIES", "DETAIL"),
    ]
    one, three = map(utc, (times(1, 3)[0], times(1, 3)[2]))
    assert first.split()[1:9] == [
        *("forward-centre", "http_400", "store-1/n1/standard", "3", "1..3"),
        *(one, three, "2"),
    ]
    assert second.split()[4:6] == ["1", "7"]
    tree = json.loads(invoke("spool", "rejected", "--spool", spool, "-o", "json").stdout)
    assert [(row["by"], row["rounds"]) for row in tree["rejected"]] == [
        ("forward-centre", 3),
        ("forward-other", 1),
    ]
    assert tree["rejected"][0]["detail"] == "the receiver answered 400"


def test_nothing_is_set_aside(spool):
    assert invoke("spool", "rejected", "--spool", spool).stdout == "nothing is set aside\n"


def test_what_is_taken_leaves_the_store_and_its_file_goes(spool, tmp_path):
    keep(spool, (of(1, 3), WHY, "forward-centre"))
    with Peer(OK) as peer:
        centre = config(tmp_path, peer, spool=spool)
        result = replay(centre)
        assert result.exit_code == 0, result.output
        assert result.stdout == "3 rounds taken, 0 left in the store\n"
        assert got(peer) == [1, 2, 3]
        assert left(spool) == []
        assert [file.name for file in (spool / "rejected").iterdir()] == ["replay.lock"]
        sent = len(peer.seen)
        assert replay(centre).exit_code == 0
        assert len(peer.seen) == sent


def test_what_is_refused_again_stays_and_is_1(spool, tmp_path):
    keep(spool, (of(1, 2), WHY, "forward-centre"))
    with Peer(BAD) as peer:
        result = replay(config(tmp_path, peer, spool=spool))
    assert result.exit_code == 1
    assert "REFUSED again: " in result.stdout
    assert "no such label" in result.stdout
    assert left(spool) == [1, 2]


def test_a_receiver_that_is_away_is_3_and_a_repeat_sends_the_rest(spool, tmp_path):
    keep(spool, (of(1, 25), WHY, "forward-centre"))
    with Peer(OK, OK, answer(401)) as peer:
        assert replay(config(tmp_path, peer, spool=spool)).exit_code == 3
    rest = left(spool)
    assert rest[-1] == 25
    assert 1 not in rest
    with Peer(OK) as peer:
        assert replay(config(tmp_path, peer, spool=spool)).exit_code == 0
        assert got(peer) == rest


def test_each_sink_gets_what_it_refused_and_what_the_topic_refused_goes_to_all(spool, tmp_path):
    keep(
        spool,
        (of(1, 1), WHY, "forward-centre"),
        (of(2, 2), WHY, "forward-other"),
        (of(3, 3), WHY, "publish"),
    )
    with Peer(OK) as one, Peer(OK) as two:
        centre = config(tmp_path, one, two, spool=spool)
        assert replay(centre, "--sink", "other").exit_code == 1
        assert (got(one), got(two)) == ([], [2])
        assert left(spool) == [1, 3]
        assert replay(centre).exit_code == 0
        assert (got(one), got(two)) == ([1, 3], [2, 3])


def test_what_the_topic_refused_stays_until_all_sinks_have_it(spool, tmp_path):
    keep(spool, (of(3, 3), WHY, "publish"))
    with Peer(OK) as one, Peer(BAD) as two:
        centre = config(tmp_path, one, two, spool=spool)
        assert replay(centre).exit_code == 1
    assert left(spool) == [3]


def test_what_would_break_the_order_is_sent_only_when_somebody_names_it(spool, tmp_path):
    keep(spool, (of(1, 1), Why("went before it", reason="order"), "forward-centre"))
    with Peer(OK) as peer:
        centre = config(tmp_path, peer, spool=spool)
        result = replay(centre)
        assert result.exit_code == 1
        assert "passed over: order; --reason sends them all the same" in result.stdout
        assert peer.seen == []
        assert replay(centre, "--reason", "order").exit_code == 0
        assert got(peer) == [1]


def test_a_process_that_sets_more_aside_meanwhile_is_not_disturbed(spool, tmp_path):
    with closing(Rejected(spool / "rejected")) as store, Peer(OK) as peer:
        store.keep(of(1, 2), WHY, "forward-centre")
        centre = config(tmp_path, peer, spool=spool)
        assert replay(centre).exit_code == 0
        store.keep(of(3, 3), WHY, "forward-centre")
        assert left(spool) == [3]
        assert replay(centre).exit_code == 0
        assert got(peer) == [1, 2, 3]
        assert list((spool / "rejected").glob("*.evs")), "it may go on with its file"
    with Peer(OK) as peer:
        assert replay(config(tmp_path, peer, spool=spool)).exit_code == 0
        assert peer.seen == []
    assert not list((spool / "rejected").glob("*.evs"))


def test_two_replays_at_once_are_refused(spool, tmp_path):
    keep(spool, (of(1, 1), WHY, "forward-centre"))
    with Peer(OK) as peer, aside.replaying(spool / "rejected"):
        result = replay(config(tmp_path, peer, spool=spool))
    assert result.exit_code == 1
    assert "another one sends what is in " in result.stderr


def test_a_note_that_was_cut_off_is_no_note(spool, tmp_path):
    keep(spool, (of(1, 2), WHY, "forward-centre"))
    (one, two) = aside.read(spool / "rejected").kept
    one.path.with_suffix(TAKEN).write_bytes(b"%d\n%d" % (one.at, two.at))
    assert left(spool) == [2]


def test_a_damaged_rejection_is_counted_and_the_others_are_there(spool):
    keep(spool, (of(1, 3), WHY, "forward-centre"))
    (_, two, _) = aside.read(spool / "rejected").kept
    flip(two.path, two.at + 20)
    result = invoke("spool", "rejected", "--spool", spool)
    assert result.stdout.splitlines()[-1].startswith("1 records can't be read")
    assert left(spool) == [1, 3]


def test_wrong_usage_is_2(spool):
    for args in (("--replay",), ("--sink", "x"), ("--reason", "x")):
        assert invoke("spool", "rejected", "--spool", spool, *args).exit_code == 2
