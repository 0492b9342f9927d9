"""What the samples of a stream prove: holes, epochs, lines, edges, and what was never taken."""

from __future__ import annotations

import pytest

from collector.cli.completeness import Epoch, GapSaid, Hole, Told, Window, judge
from collector.cli.words import utc
from collector.frames.dictionary import Stream

STREAM = Stream("store-1", "edge-1", "standard")
STEP = 15_000
T0 = 1_790_000_000_000
NOW = Window(T0 - STEP, T0 + 10_000 * STEP, T0 + 10_000 * STEP)


def at(place):
    return T0 + place * STEP


def told(*parts, closing=False, **more):
    """Parts are (epoch, previous, first place, seqs): a round each step from the place on.

    The last round is a `closing` one if it has no epoch.
    """
    it = Told(STREAM, **more)
    for epoch, previous, place, seqs in parts:
        for i, seq in enumerate(seqs):
            it.rounds.append((at(place + i), seq))
            it.epochs.append((at(place + i), Epoch(epoch, previous)))
    if closing:
        it.epochs.pop()
    return it


def window(places, **more):
    """Up to right behind the last of so many rounds, and now is then."""
    end = at(places - 1) + 1
    return Window(more.pop("begin", T0 - STEP), end, more.pop("now", end), **more)


def holes(verdict):
    return [(hole.first_seq, hole.last_seq) for hole in verdict.holes]


def without(it, *places):
    """The same, but the receiver has lost these rounds."""
    lost = {at(place) for place in places}
    it.rounds = [one for one in it.rounds if one[0] not in lost]
    it.epochs = [one for one in it.epochs if one[0] not in lost]
    return it


def test_every_number_once_is_complete():
    verdict = judge(told(("a", "", 0, range(1, 11))), window(10))
    assert verdict.is_complete
    assert (verdict.rounds, verdict.first, verdict.last) == (10, (at(0), 1), (at(9), 10))
    assert (verdict.epochs, verdict.lines) == (1, 1)


@pytest.mark.parametrize("lost", [[1], [4], [4, 5, 6], [2, 7], [8]])
def test_a_round_that_the_receiver_lost_is_a_hole_of_exactly_its_numbers(lost):
    verdict = judge(without(told(("a", "", 0, range(1, 11))), *lost), window(10))
    assert not verdict.is_complete
    assert [seq for first, last in holes(verdict) for seq in range(first, last + 1)] == [
        place + 1 for place in lost
    ]
    assert verdict.holes[0].after_ms == at(lost[0] - 1)


def test_the_first_rounds_of_a_line_are_missed_too():
    verdict = judge(without(told(("a", "", 0, range(1, 11))), 0, 1), window(10))
    assert verdict.holes == [Hole(1, 2, None, at(2), ())]


def test_a_reason_that_a_reader_told_stands_by_its_hole():
    it = without(told(("a", "", 0, range(1, 11))), 3, 4)
    it.said = {GapSaid(4, 5, "spool_full"), GapSaid(1, 2, "topic_lost")}
    assert judge(it, window(10)).holes[0].reasons == ("spool_full",)


def test_epochs_that_name_the_one_before_are_one_line():
    it = told(("a", "", 0, range(1, 5)), ("b", "a", 10, range(5, 8)), ("c", "b", 20, [8, 9]))
    verdict = judge(it, window(22))
    assert verdict.is_complete, verdict
    assert (verdict.epochs, verdict.lines) == (3, 1)


def test_a_round_lost_at_a_restart_is_a_hole():
    it = told(("a", "", 0, range(1, 5)), ("b", "a", 10, range(5, 8)))
    assert holes(judge(without(it, 3), window(13))) == [(4, 4)]
    it = told(("a", "", 0, range(1, 5)), ("b", "a", 10, range(5, 8)))
    assert holes(judge(without(it, 10), window(13))) == [(5, 5)]


def test_an_epoch_that_is_lost_whole_is_a_hole_in_the_line():
    it = told(("a", "", 0, range(1, 5)), ("b", "a", 5, [5, 6]), ("c", "b", 10, range(7, 10)))
    verdict = judge(without(it, 5, 6), window(13))
    assert holes(verdict) == [(5, 6)]
    assert verdict.lines == 1


def test_the_closing_round_has_no_epoch_and_is_no_hole():
    it = told(("a", "", 0, range(1, 6)), closing=True)
    verdict = judge(it, Window(T0 - STEP, at(100_000), at(100_000)))
    assert verdict.is_complete
    assert verdict.closed
    restarted = told(("a", "", 0, range(1, 6)), closing=True)
    more = told(("b", "a", 9, range(6, 8)))
    restarted.rounds += more.rounds
    restarted.epochs += more.epochs
    verdict = judge(restarted, window(11))
    assert verdict.is_complete
    assert not verdict.closed


def test_a_lost_closing_round_is_a_hole_once_the_next_epoch_is_there():
    it = told(("a", "", 0, range(1, 6)), ("b", "a", 9, [7, 8]))
    assert holes(judge(it, window(11))) == [(6, 6)]


def test_a_new_line_hides_what_the_one_before_it_lacks():
    it = told(("a", "", 0, range(1, 5)), ("x", "", 10, range(1, 4)))
    verdict = judge(it, window(13))
    assert not verdict.is_complete
    assert verdict.holes == []
    assert verdict.lines == 2
    (problem,) = verdict.problems
    assert problem.startswith(f"a new line begins at {utc(at(10))}: how many rounds")


def test_a_new_line_behind_one_that_was_closed_hides_nothing():
    it = told(("a", "", 0, range(1, 5)), closing=True)
    more = told(("x", "", 10, range(1, 4)))
    it.rounds += more.rounds
    it.epochs += more.epochs
    assert judge(it, window(13)).is_complete


def test_rounds_held_in_memory_are_a_line_between_and_the_first_goes_on_behind_it():
    it = told(("a", "", 0, range(1, 5)), ("ring", "", 4, range(1, 4)), ("b", "a", 7, range(5, 9)))
    verdict = judge(it, window(11))
    assert verdict.is_complete, verdict
    assert verdict.lines == 2
    lost = judge(without(it, 4), window(11))
    assert holes(lost) == [(1, 1)]


def test_rounds_held_in_memory_say_so_while_their_line_is_the_last():
    it = told(("a", "", 0, range(1, 5)), ("ring", "", 4, range(1, 4)))
    assert not judge(it, window(7)).is_complete
    it.degraded = {at(4), at(5), at(6)}
    assert judge(it, window(7)).is_complete


def test_a_disk_that_takes_some_rounds_and_refuses_others_makes_no_hole():
    parts = [("a", "x", 0, [11, 12]), ("ring", "", 2, [1]), ("a", "x", 3, [13])]
    it = told(*parts, ("ring", "", 4, [2, 3]), ("a", "x", 6, [14]), closing=True, before=10)
    verdict = judge(it, window(7))
    assert verdict.is_complete, verdict
    assert verdict.closed


def test_the_edge_of_the_window_is_held_against_what_is_before_it():
    it = told(("b", "a", 0, range(11, 16)), before=10)
    assert judge(it, window(5, begin=T0)).is_complete
    it.before = 8
    assert holes(judge(it, window(5, begin=T0))) == [(9, 10)]


def test_a_window_that_begins_with_nothing_is_not_proven():
    it = told(("b", "a", 10, range(11, 16)))
    (problem,) = judge(it, Window(T0, at(14) + 1, at(14) + 1)).problems
    assert problem.startswith(f"it begins at {utc(at(10))} with round 11: nothing is known")
    assert judge(it, Window(at(10), at(14) + 1, at(14) + 1)).is_complete


def test_the_end_of_a_window_is_held_against_what_is_behind_it():
    it = told(("a", "", 0, range(1, 6)), behind=(at(5), 6))
    ended = Window(T0 - STEP, at(4) + 1, at(1000))
    assert judge(it, ended).is_complete
    it = without(told(("a", "", 0, range(1, 6)), behind=(at(5), 6)), 2, 3, 4)
    assert holes(judge(it, ended)) == [(3, 5)]


def test_a_window_of_long_ago_that_ends_with_nothing_is_not_proven():
    it = told(("a", "", 0, range(1, 6)))
    (problem,) = judge(it, Window(T0 - STEP, at(100), at(10_000))).problems
    assert problem == f"nothing is there behind {utc(at(4))}"


def test_the_newest_rounds_may_be_on_their_way_but_not_for_ever():
    it = told(("a", "", 0, range(1, 6)))
    assert judge(it, window(60)).is_complete
    (problem,) = judge(it, window(200)).problems
    assert problem.startswith(f"nothing came behind {utc(at(4))}: ")


def test_two_collectors_that_write_one_stream_are_seen():
    it = told(("a", "", 0, range(1, 6)))
    other = told(("b", "", 0, range(1, 6)))
    it.epochs += other.epochs
    assert "do two collectors write this stream" in judge(it, window(5)).problems[0]


def test_nothing_is_not_complete():
    verdict = judge(Told(STREAM), NOW)
    assert not verdict.is_complete
    assert verdict.problems == ["no round of this time is there"]


def counted(points, starts, begin=T0 - STEP):
    it = told(("a", "", 0, range(1, 11)))
    it.missed = {"overrun": [(at(place), value) for place, value in points]}
    it.starts = [(at(place), start / 1000) for place, start in starts]
    return judge(it, window(10, begin=begin)).missed.get("overrun", 0)


SAME = [(place, T0 - 500) for place in range(10)]
OLDER = [(place, T0 - 10 * STEP) for place in range(10)]
RESTARTED = [(place, T0 - 500 if place < 5 else at(5) - 500) for place in range(10)]


@pytest.mark.parametrize(
    "points,starts,rounds",
    [
        ([(0, 5), (1, 5)], SAME, 5),  # the process began in the window
        ([(0, 5), (1, 5), (2, 7)], OLDER, 2),  # what was counted before is older
        ([(4, 2), (5, 2)], OLDER, 2),  # its first count, in the window
        ([(0, 2), (4, 2), (5, 1), (9, 3)], RESTARTED, 5),
        ([(0, 2), (4, 2), (5, 3), (9, 3)], RESTARTED, 5),  # a new count that is higher
        ([(0, 0), (9, 0)], SAME, 0),
        ([(0, 4), (9, 6)], [], 2),  # nobody says when the process began
    ],
)
def test_rounds_that_were_never_taken_are_counted_over_restarts(points, starts, rounds):
    assert counted(points, starts) == rounds


def test_what_was_never_taken_is_not_complete():
    it = told(("a", "", 0, range(1, 11)))
    it.missed = {"suspended": [(at(3), 4.0)]}
    it.starts = [(at(place), (T0 - 500) / 1000) for place in range(10)]
    verdict = judge(it, window(10))
    assert verdict.missed == {"suspended": 4}
    assert not verdict.is_complete


def test_what_is_before_the_window_tells_what_its_first_rounds_follow():
    parts = [("a", "x", 0, [11, 12]), ("ring", "", 2, [1, 2]), ("a", "x", 4, range(13, 18))]
    late = window(9, begin=at(4))
    verdict = judge(told(*parts, before=10), late)
    assert verdict.is_complete, verdict
    assert (verdict.rounds, verdict.first, verdict.lines) == (5, (at(4), 13), 1)
    lost = without(told(*parts, degraded={at(2), at(3)}), 0, 1)
    assert judge(lost, late).problems == [
        f"at {utc(at(4))} rounds follow an epoch that is not there"
    ]
    assert holes(judge(without(told(*parts), 4, 5), late)) == [(13, 14)]


def test_a_hole_and_a_new_line_from_before_the_window_are_not_its_own():
    it = told(("a", "", 0, [1, 2, 5]), ("b", "", 3, range(1, 6)))
    assert judge(it, window(8, begin=at(4))).is_complete
    assert not judge(it, window(8, begin=at(3))).is_complete


def test_what_was_counted_before_the_window_is_not_its_own():
    assert counted([(0, 5), (4, 5), (6, 8)], SAME, begin=at(2)) == 3
    assert counted([(0, 5), (1, 6)], SAME, begin=at(2)) == 0
