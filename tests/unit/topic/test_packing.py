from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.frames.frame import decode, encode_frame
from collector.topic.packing import (
    Sizes,
    after_refusal,
    is_too_large,
    join,
    pack_dictionary,
    pack_frames,
)
from tests.unit.examples import line_frame, small_dictionary

WORDS = small_dictionary()


def frame(seq, rounds=1, **of):
    return line_frame(seq, rounds, id_=WORDS.id, **of)


def spans(frames):
    return [(one.lineage.epoch, one.first_seq, one.last_seq) for one in frames]


def rounds(frames):
    return [
        (one.lineage, one.first_seq + i, one.at[i], list(row))
        for one in frames
        for i, row in enumerate(one.rows(WORDS))
    ]


def test_frames_that_follow_each_other_become_one():
    frames = [frame(4), frame(5), frame(6, 3), frame(9)]
    joined = join(frames, WORDS)
    assert spans(joined) == [(1, 4, 9)]
    assert rounds(joined) == rounds(frames)


def test_nothing_is_joined_to_nothing():
    assert join([], WORDS) == []
    assert join([frame(1)], WORDS) == [frame(1)]


def test_a_frame_holds_one_epoch_and_no_hole():
    frames = [frame(1), frame(2), frame(3, epoch=7), frame(4, epoch=7), frame(6, epoch=7)]
    assert spans(join(frames, WORDS)) == [(1, 1, 2), (7, 3, 4), (7, 6, 6)]


def test_late_rounds_stay_where_they_were():
    frames = [frame(8), frame(5), frame(6), frame(9)]
    assert spans(join(frames, WORDS)) == [(1, 8, 8), (1, 5, 6), (1, 9, 9)]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 1), st.integers(1, 3)), max_size=12))
def test_joining_changes_no_round(pieces):
    frames, seq = [], 1
    for size, skipped, epoch in pieces:
        seq += skipped
        frames.append(frame(seq, size, epoch=epoch))
        seq += size
    joined = join(frames, WORDS)
    assert rounds(joined) == rounds(frames)
    assert [decode(encode_frame(one)) for one in joined] == joined
    assert len(joined) <= len(frames)


@pytest.mark.parametrize("wanted", [200, 500, 1000, 10_000])
def test_f44_a_frame_that_is_too_large_becomes_several_in_order(wanted):
    frames = [frame(seq) for seq in range(1, 21)]
    packed = list(pack_frames(frames, WORDS, Sizes(wanted)))
    assert all(one.bytes <= wanted or one.rounds == 1 for one in packed)
    assert rounds([one.frame for one in packed if one.frame]) == rounds(frames)
    assert [decode(one.value) for one in packed] == [one.frame for one in packed]


def test_without_a_bound_a_frame_is_one_record():
    assert [one.rounds for one in pack_frames([frame(1), frame(2)], WORDS)] == [2]


@given(st.integers(150, 3000))
def test_f44_the_size_that_kafka_takes_is_found_by_its_refusals(limit):
    """A record is set aside only when one no larger was refused, alone."""
    frames = [frame(seq) for seq in range(1, 21)]
    sizes, tries = Sizes(), 0
    while True:
        tries += 1
        packed = list(pack_frames(frames, WORDS, sizes))
        tried = [one for one in packed if not is_too_large(one, sizes)]
        refused = next((one for one in tried if one.bytes > limit), None)
        if refused is None:
            break
        sizes = after_refusal(refused, sizes)
    assert tries <= 8
    assert all(one.rounds == 1 and one.bytes > limit for one in packed if one not in tried)


def test_f44_a_dictionary_can_not_be_split():
    packed = pack_dictionary(WORDS)
    sizes = after_refusal(packed, Sizes(10_000))
    assert is_too_large(packed, sizes)
