"""No answer, however broken, does more than end in an error: bounded by counts, not by time.

$SOAK_MUTATIONS sets the number of damaged answers, with half as many made-up ones; $JMX_SEED where
they begin.
"""

from __future__ import annotations

import os
import random
import tracemalloc

import pytest

from tests.unit.jmx.captures import CAPTURES, Capture, Reader
from tests.unit.jmx.mutation import (
    HELD_AT_ALL,
    HELD_PER_BYTE,
    RETURN,
    STEPS_PER_BYTE,
    damaged,
    made_up,
    survive,
)

INPUTS = int(os.environ.get("SOAK_MUTATIONS", "2000"))
SEED = int(os.environ.get("JMX_SEED", "0"))


@pytest.mark.timeout(60 + INPUTS // 50)
@pytest.mark.parametrize("make, inputs", [(damaged, INPUTS), (made_up, INPUTS // 2)])
def test_a_broken_answer_ends_in_an_error_within_bounds(make, inputs: int):
    for seed in range(SEED, SEED + inputs):
        dice = random.Random(seed)
        capture, data = make(dice)
        steps, held = survive(capture, data, dice)
        assert steps <= STEPS_PER_BYTE * len(data), f"seed {seed}"
        assert held <= HELD_PER_BYTE * len(data) + HELD_AT_ALL, f"seed {seed}"


def test_the_worst_that_the_grammar_allows_stays_within_the_bounds():
    """Objects of six bytes whose class has 32 superclasses, none of them with a field."""
    classes = b"".join(b"\x72\0\0" + bytes(8) + b"\2\0\0\x78" for _ in range(32)) + b"\x70"
    data = RETURN + b"\x75\x72\0\4[La;" + bytes(8) + b"\2\0\0\x78\x70" + b"\0\0\x27\x11"
    data += b"\x73" + classes + b"\x73\x71\0\x7e\0\2" * 10_000
    reader = Reader(Capture("worst", has_handshake=False, returns=(True,)))
    assert reader.feed(data)
    assert 5 < reader.steps / len(data) < STEPS_PER_BYTE
    assert 10 < reader.held / len(data) < HELD_PER_BYTE


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda c: c.name)
def test_what_the_decoder_says_it_holds_is_what_it_holds(capture: Capture):
    reader = Reader(capture)
    reader.decoder.buffer += capture.answered
    tracemalloc.start()
    try:
        reader.feed(b"")
        really, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert really < 2 * reader.held + 16_384  # between a conversation's replies nothing is freed
