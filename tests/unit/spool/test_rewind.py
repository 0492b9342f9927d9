"""A reader that must go back: its far side has lost what it had taken."""

from __future__ import annotations

import pytest

from collector.flow.mark import GapReason
from tests.unit.examples import wall_of
from tests.unit.spool.site import Site, drain, round_of


def place_of(seq: int, line: int = 1) -> tuple[int, int, int, int]:
    return line, line, seq, wall_of(line, seq)


@pytest.mark.parametrize("seq", [1, 7, 29, 30])
def test_what_follows_a_round_comes_again_and_nothing_else(site, seq):
    site.append(30)
    cursor, told = site.reader()
    assert drain(cursor) == list(range(1, 31))
    cursor.rewind(place_of(seq))
    site.append(2)
    assert drain(cursor) == list(range(seq + 1, 33))
    assert (told.gaps, told.closed, told.repeated) == ([], 0, 0)


def test_with_nothing_left_at_the_far_side_everything_comes_again(site):
    site.append(30)
    cursor, told = site.reader()
    drain(cursor)
    cursor.rewind(None)
    assert drain(cursor) == list(range(1, 31))
    assert told.gaps == []


def test_going_back_is_durable(site):
    site.append(30)
    drain(site.reader()[0])
    site.reader()[0].rewind(place_of(12))
    site.reopen()
    assert drain(site.reader()[0]) == list(range(13, 31))
    site.reader()[0].rewind(None)
    site.reopen()
    assert drain(site.reader()[0]) == list(range(1, 31))


def test_what_was_read_and_not_delivered_is_forgotten(site):
    site.append(10)
    cursor, _ = site.reader()
    assert cursor.read(0) is not None
    cursor.rewind(place_of(4))
    assert drain(cursor) == [5, 6, 7, 8, 9, 10]


def test_what_the_spool_no_longer_has_is_a_gap_with_exact_numbers(site):
    site.append(30)
    cursor, told = site.reader()
    drain(cursor)
    site.chain.drop_oldest()
    oldest = drain(site.reader("other")[0])[0]
    assert oldest > 2
    cursor.rewind(place_of(1))
    assert drain(cursor) == list(range(oldest, 31))
    (gap,) = told.gaps
    assert (gap.first_seq, gap.last_seq) == (2, oldest - 1)
    assert (gap.after_ms, gap.before_ms) == (wall_of(1, 1), wall_of(1, oldest))
    assert gap.reason is GapReason.TOPIC_LOST


def test_how_much_is_missing_before_the_spool_begins_is_not_known(site):
    site.append(30)
    cursor, told = site.reader()
    drain(cursor)
    site.chain.drop_oldest()
    cursor.rewind(None)
    seqs = drain(cursor)
    assert seqs[-1] == 30
    (gap,) = told.gaps
    assert (gap.first_seq, gap.last_seq, gap.reason) == (0, 0, GapReason.TOPIC_LOST)
    assert gap.before_ms == wall_of(1, seqs[0])


def test_gaps_that_were_told_are_not_told_again(site):
    site.append(3)
    site.next_seq = 6
    site.append(3)
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2, 3, 6, 7, 8]
    assert [(gap.first_seq, gap.last_seq) for gap in told.gaps] == [(4, 5)]
    cursor.rewind(place_of(2))
    assert drain(cursor) == [3, 6, 7, 8]
    cursor.rewind(place_of(7))
    assert drain(cursor) == [8]
    assert len(told.gaps) == 1
    mark = cursor.mark(site.chain.stream.key)
    assert mark is not None
    assert [(gap.first_seq, gap.last_seq) for gap in mark.gaps] == [(4, 5)]


def test_rounds_of_a_later_line_come_again_with_those_before_them(site):
    site.append(3)
    for seq in (1, 2, 3):
        site.chain.append(site.known, round_of(2, seq, site.known))
    cursor, told = site.reader()
    assert drain(cursor) == [1, 2, 3, 1, 2, 3]
    cursor.rewind(place_of(2))
    assert drain(cursor) == [3, 1, 2, 3]
    cursor.rewind(place_of(1, line=2))
    assert drain(cursor) == [2, 3]
    assert {gap.reason for gap in told.gaps} == {GapReason.NEW_LINE}


def test_an_empty_spool_has_nothing_to_bring(site: Site):
    cursor, told = site.reader()
    cursor.rewind(None)
    assert drain(cursor) == []
    site.append(2)
    assert drain(cursor) == [1, 2]
    assert told.gaps == []
