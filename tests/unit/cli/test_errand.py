"""An errand: a pump that ends, with the last batch or with the patience of a person."""

from __future__ import annotations

import pytest

from collector.cli.errand import Errand
from collector.cli.progress import Progress
from collector.errors import Paced, Rejected, Retry
from collector.flow.mark import Gap, GapReason, Withheld
from collector.flow.pump import Part, PartlyRejected
from tests.unit.sinks.batches import batch, rounds, words

AB = words("a", "b")
BATCHES = [batch(AB, rounds(AB, seq, [[1, 2]])) for seq in (1, 2, 3)]
AWAY = Retry("nobody is there", after=0.01)
NO = Rejected("no", reason="http_400")
OLD = Withheld(7, Gap(2, 2, 0, 0, GapReason.OUT_OF_WINDOW))


class Far:
    """Says what the script says, then takes everything."""

    def __init__(self, *script):
        self.script = list(script)
        self.taken = []

    def send(self, it):
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        self.taken.append(it)
        return step or ()


def walk(*script, patience_s=60.0):
    far = Far(*script)
    settled = []
    errand = Errand(
        BATCHES, far, Progress("x", shown=False), lambda *of: settled.append(of), patience_s
    )
    errand.run("test")
    return far, errand, settled


def test_every_batch_once_in_order_and_the_end():
    far, errand, settled = walk()
    assert far.taken == BATCHES
    assert [of for of, _, _ in settled] == BATCHES
    assert (errand.refused, errand.withheld, errand.gave_up) == ([], [], None)


def test_a_far_side_that_comes_back_in_time_gets_it():
    far, errand, _ = walk(AWAY, AWAY)
    assert far.taken == BATCHES
    assert errand.gave_up is None


def test_one_that_stays_away_is_given_up_and_what_was_settled_is_known():
    far, errand, settled = walk(None, *[AWAY] * 9, patience_s=0.0)
    assert far.taken == BATCHES[:1]
    assert len(settled) == 1
    assert errand.gave_up is AWAY


def test_what_only_a_person_can_end_is_told_at_once():
    hold = Retry("wrong token", hold=True)
    _, errand, settled = walk(hold)
    assert settled == []
    assert errand.gave_up is hold


def test_our_own_rate_limit_is_no_far_side_that_is_away():
    far, errand, _ = walk(*[Paced("slowly", after=0.01)] * 5, patience_s=0.0)
    assert far.taken == BATCHES
    assert errand.gave_up is None


def test_what_is_refused_and_what_is_withheld_goes_to_who_settles():
    part = Part(BATCHES[0], NO)
    _, errand, settled = walk(PartlyRejected([part]), [OLD], NO)
    assert [(list(refused), list(withheld)) for _, refused, withheld in settled] == [
        ([BATCHES[0]], []),
        ([], [OLD]),
        ([BATCHES[2]], []),
    ]
    assert [it for it, _ in errand.refused] == [BATCHES[0], BATCHES[2]]
    assert errand.withheld == [OLD]


@pytest.mark.parametrize("total", [0, 10])
def test_progress_is_one_line_that_is_taken_away(capsys, total):
    progress = Progress("sending", total, shown=True)
    progress.at(3, "rounds")
    progress.say("waiting")
    progress.end()
    shown = capsys.readouterr().err
    assert "\n" not in shown
    assert ("sending 3 of 10 rounds (30 %)" if total else "sending 3 rounds") in shown
    assert shown.endswith("\r")


def test_nobody_looks_nothing_is_shown(capsys):
    progress = Progress("sending", 10)
    progress.at(3, "rounds")
    progress.end()
    assert capsys.readouterr().err == ""
