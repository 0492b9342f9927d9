from __future__ import annotations

from collector.flow.mark import NOTHING, Mark
from collector.rounds.history import MAX_STRETCHES, History

DISK, MEMORY = 1, 2


def mark(line, seq):
    return Mark(line, line, seq, 0)


def test_what_is_behind_a_mark_is_counted_over_both_lines():
    history = History()
    taken = [(DISK, 5), (DISK, 6), (MEMORY, 1), (MEMORY, 2), (DISK, 7), (MEMORY, 3), (DISK, 8)]
    for one in taken:
        history.add(*one)
    for i, one in enumerate(taken):
        assert history.behind(mark(*one)) == len(taken) - 1 - i
    assert history.behind(mark(DISK, 3)) == 8, "rounds of the line from before the start as well"
    assert history.behind(mark(DISK, 0)) == 11


def test_a_mark_of_another_life_is_not_known_here():
    history = History()
    history.add(DISK, 1)
    assert history.behind(mark(77, 5)) is None
    assert history.behind(NOTHING) is None


def test_it_is_bounded():
    history = History()
    for seq in range(1, 10 * MAX_STRETCHES):
        history.add(DISK, seq)
        history.add(MEMORY, seq)
    assert history.behind(mark(MEMORY, 10 * MAX_STRETCHES - 1)) == 0
    assert history.behind(mark(DISK, 1)) is None
