"""The judge of the demo sees what is planted, and passes what is right."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from tests.demo import proof
from tests.demo.proof import Completeness, Epoch, Life, Round
from tests.demo.screen import Moment, Screen, line
from tests.lab.witness import Finding, Report

# Two lives: rounds each 5 s from a second after the start, 7 and 6 of them, and a closing one.
LIVES = [Life(1000.0, 1034.0, 1034.1), Life(1040.0, 1069.0, 1070.0)]
FIRST = [1001.0 + 5 * i for i in range(7)]
SECOND = [1041.0 + 5 * i for i in range(6)]
CLOSING = 1069.2
ROUNDS = [Round(at, seq) for seq, at in enumerate([*FIRST, *SECOND, CLOSING], 1)]
EPOCHS = [Epoch("aa", "", FIRST), Epoch("bb", "aa", SECOND)]
WHOLE = Completeness(14, 1, 14, 0)
TIMES = [*FIRST, *SECOND]
CLEAN = Report(40, {}, 9_000, 10, 1_000, 20, 0, 0, 0, [])


def test_a_whole_line_over_two_lives_holds():
    verdict = proof.all_seqs(WHOLE, ROUNDS, EPOCHS, LIVES)
    assert verdict.holds
    assert verdict.found == [
        "PromQL: 14 samples, 14 - 1 + 1, 0 resets",
        "epoch 1: aa, the first: rounds 1..7, 0 missing",
        "epoch 2: bb, after aa: rounds 8..14, 0 missing",
    ]


@pytest.mark.parametrize(
    "first, last, hole",
    [(2, 4, "3..3"), (2, 6, "3..5"), (5, 9, "6..8")],
    ids=["one", "three", "over the restart"],
)
def test_a_hole_is_named(first: int, last: int, hole: str):
    rounds = ROUNDS[:first] + ROUNDS[last - 1 :]
    times = {at for at, _ in rounds}
    epochs = [e._replace(times=[at for at in e.times if at in times]) for e in EPOCHS]
    verdict = proof.all_seqs(WHOLE, rounds, epochs, LIVES)
    assert len(verdict.problems) == 1
    assert f"rounds {hole} are missing" in verdict.problems[0]


def test_a_line_that_lacks_its_first_round_is_no_whole_line():
    epochs = [EPOCHS[0]._replace(times=FIRST[1:]), EPOCHS[1]]
    verdict = proof.all_seqs(WHOLE, ROUNDS[1:], epochs, LIVES)
    assert verdict.problems == ["the first round there is 2, expected 1"]


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda r, e: ([*r[:3], r[3]._replace(seq=3), *r[4:]], e), "stands behind 3"),
        (lambda r, e: (r, e[:1]), "1 epochs, expected 2"),
        (lambda r, e: (r, [*e, Epoch("cc", "bb", [1068.0])]), "3 epochs, expected 2"),
        (lambda r, e: (r, [e[0], e[1]._replace(previous="")]), "names none as the one before it"),
        (lambda r, e: (r, [e[0]._replace(previous="99"), e[1]]), "names 99 as the one before"),
        (lambda r, e: (r, [e[0], e[1]._replace(times=[1037.0, *SECOND])]), "begins at"),
        (lambda r, e: (r, [e[0]._replace(times=[*FIRST, 1042.0]), e[1]]), "before aa ends"),
        (lambda r, e: (r, [e[0]._replace(times=FIRST[:2] + FIRST[3:]), e[1]]), "says no epoch"),
        (lambda r, e: (r[:-1], [e[0], e[1]._replace(times=[*SECOND, 1068.0])]), "without a number"),
        (lambda r, e: (r, [*e[:1], e[1]._replace(times=SECOND[:-1])]), "round 13 at"),
    ],
)
def test_what_no_start_explains_is_told(change: Callable[..., Any], problem: str):
    rounds, epochs = change(ROUNDS, EPOCHS)
    assert problem in "\n".join(proof.all_seqs(WHOLE, rounds, epochs, LIVES).problems)


@pytest.mark.parametrize("says", [(13, 1, 14, 0), (15, 1, 14, 0), (14, 1, 14, 1), (0, 0, -1, 0)])
def test_what_promql_says_has_to_add_up(says: tuple[int, int, int, int]):
    [problem] = proof.all_seqs(Completeness(*says), ROUNDS, EPOCHS, LIVES).problems
    assert problem.startswith("PromQL finds")


def test_nothing_at_the_centre_proves_nothing():
    assert proof.all_seqs(WHOLE, [], [], LIVES).problems[0] == "no round is there"
    assert not proof.rounds_by_the_clock([], LIVES, 5.0).holds
    assert not proof.end_offsets([], {}, lambda _, __: (0, 0), 2.5).holds
    assert not proof.order_on_the_wire(CLEAN._replace(samples=0)).holds


def test_rounds_are_counted_against_the_clock_of_the_demo():
    verdict = proof.rounds_by_the_clock(TIMES, LIVES, 5.0)
    assert verdict.holds
    assert verdict.found[0] == "life 1: 34.0 s / 5 s = 6.8: 7 rounds"


@pytest.mark.parametrize("rounds", [5, 8])
def test_a_round_too_many_or_too_few_is_told(rounds: int):
    times = [1000.5 + 4 * i for i in range(rounds)]
    [problem] = proof.rounds_by_the_clock(times, LIVES[:1], 5.0).problems
    assert problem.endswith(f"{rounds} rounds, expected 5.8 to 7.8")


def test_a_round_while_no_process_ran_is_told():
    [problem] = proof.rounds_by_the_clock([*TIMES, 1036.0], LIVES, 5.0).problems
    assert problem.endswith("when no process ran")


def between(start: float, end: float) -> tuple[int, int]:
    """The end offset rises by 10 a second."""
    return int(start - 1000) * 10, int(end - 1000) * 10


def test_end_offsets_within_their_bounds_hold_and_one_outside_does_not():
    offsets = {at: int(at - 1000) * 10 + 7.0 for at in TIMES}
    assert proof.end_offsets(TIMES, offsets, between, 2.5).holds
    for wrong, text in [(29.0, "29, expected 60 to 85"), (99.0, "99, expected 60 to 85")]:
        verdict = proof.end_offsets([1006.0], {1006.0: wrong}, lambda *_: (60, 85), 2.5)
        assert verdict.problems[0].endswith(text)
    del offsets[FIRST[2]]
    [problem] = proof.end_offsets(TIMES, offsets, between, 2.5).problems
    assert "no end offset" in problem


def test_repeats_are_allowed_on_the_wire_and_disorder_is_not():
    assert proof.order_on_the_wire(CLEAN).holds
    finding = Finding((("__name__", "up"),), 1_006_000, 1.0, "1011000 came before")
    verdict = proof.order_on_the_wire(CLEAN._replace(out_of_order=1, findings=[finding]))
    assert len(verdict.problems) == 1
    assert verdict.problems[0].startswith("up at ")
    assert not proof.order_on_the_wire(CLEAN._replace(conflicts=200, findings=[finding])).holds
    assert not proof.order_on_the_wire(CLEAN._replace(unreadable=1)).holds


def test_leaving_late_or_badly_is_told():
    assert proof.farewell(0, 1.2, 500, 0).holds
    assert not proof.farewell(1, 1.2, 500, 0).holds
    assert not proof.farewell(0, 10.5, 500, 0).holds
    assert "did NOT arrive" in proof.farewell(0, 1.2, 0, 500).found[0]


def test_verdicts_and_moments_are_plain_text_where_there_is_no_terminal():
    out = io.StringIO()
    screen = Screen(out)
    screen.verdicts(
        [proof.all_seqs(WHOLE, ROUNDS, EPOCHS, LIVES), proof.all_seqs(WHOLE, [], [], LIVES)]
    )
    text = out.getvalue()
    assert text.isascii()
    assert "\033" not in text
    assert "(a) PromQL" in text
    assert "FAILED" in text
    shown = line(Moment(65.0, False, "runs", 14, 12, 2))
    assert shown.split() == ["1:05", "CUT", "runs", "14", "12", "2", "##"]
    assert line(Moment(5.0, True, "killed", None, None, None)).split()[3:] == ["-", "-", "-"]


def test_a_mirror_that_was_cut_and_is_back():
    dark = proof.Dark(100.0, 160.0)
    lags = [proof.Sample(90.0, 3), proof.Sample(150.0, 5_000), proof.Sample(200.0, 10)]
    states = {"connected": [90.0, 200.0], "disconnected": [110.0, 150.0], "broken": []}
    assert proof.mirror(states, lags, dark, lost=0).holds
    for worse in (
        {**states, "broken": [120.0]},
        {**states, "disconnected": []},
        {**states, "connected": [90.0]},
        {**states, "connected": [200.0]},
    ):
        assert not proof.mirror(worse, lags, dark, lost=0).holds
    assert not proof.mirror(states, lags[:2], dark, lost=0).holds
    assert not proof.mirror(states, lags, dark, lost=7).holds
