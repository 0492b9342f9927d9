from __future__ import annotations

import struct

import cramjam
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.errors import FormatError
from collector.frames import columns
from collector.frames.columns import NO_SAMPLE, STALE, empty_row, row
from tests.unit.examples import bits, cell_bits, row_of_bits


@st.composite
def _cells(draw: st.DrawFn) -> list[list[int]]:
    """Bits of some rounds of some series; many series are whole numbers, as in a real broker."""
    rounds = draw(st.integers(1, 40))
    whole = st.integers(-(2**53), 2**53).map(lambda n: _bits(float(n)))
    pools = draw(
        st.lists(
            st.lists(cell_bits, min_size=1, max_size=4) | st.lists(whole, min_size=1, max_size=4),
            max_size=8,
        )
    )
    which = draw(st.binary(min_size=rounds * len(pools), max_size=rounds * len(pools)))
    at = iter(which)
    return [[pool[next(at) % len(pool)] for pool in pools] for _ in range(rounds)]


def _bits(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


@given(_cells())
@example([[]])
@example([[], [], []])
@example([[_bits(float(2**53))], [_bits(float(-(2**53)))]])
@example([[_bits(1.0)], [_bits(-(2.0**53))]])  # their difference is no whole double
@example([[_bits(float(2**53 + 2))]])
@example([[_bits(-0.0), 0], [0, 0]])
@example([[STALE], [NO_SAMPLE]])
@example([[_bits(1.0), STALE], [_bits(2.0), _bits(0.5)]])
def test_every_cell_comes_back_bit_by_bit(cells):
    encoded = columns.encode([row_of_bits(one) for one in cells])
    decoded = columns.decode(encoded, len(cells[0]), len(cells))
    assert [bits(one) for one in decoded] == cells


def test_whole_numbers_are_written_as_such_and_only_those():
    """What is an integer series decides over the size: a counter costs a byte plane or two."""

    def bitmap(*cells: float) -> int:
        plain = cramjam.zstd.decompress(columns.encode([row([cell]) for cell in cells]))
        return bytes(plain)[0]

    assert bitmap(1.0, 2.0**53, -(2.0**53)) == 1
    assert bitmap(0.0) == 1
    assert bitmap(1.0, 2.0**53 + 2) == 0
    assert bitmap(1.0, -0.0) == 0
    assert bitmap(1.0, 0.5) == 0
    assert bitmap(1.0, float("inf")) == 0


def test_a_counter_that_grows_costs_less_than_two_bytes_a_sample():
    rounds = [row([float(1_000_000 + i * 17 + t * i) for i in range(500)]) for t in range(6)]
    assert len(columns.encode(rounds)) < 2 * 500 * 6


def test_an_empty_row_holds_no_sample():
    assert bits(empty_row(3)) == [NO_SAMPLE] * 3


@given(st.binary(max_size=80), st.integers(0, 4), st.integers(1, 4))
def test_any_bytes_are_refused_with_a_format_error(data, size, rounds):
    with pytest.raises(FormatError):
        columns.decode(data, size, rounds)


@given(st.integers(0), st.integers(1, 255), st.integers(0, 5), st.integers(1, 6))
def test_a_damaged_byte_is_a_format_error_or_another_row_of_the_same_shape(at, flip, size, rounds):
    """Columns have no checksum of their own: the record around them has."""
    rows = [row([t * i + 0.1 * (i % 2) for i in range(size)]) for t in range(rounds)]
    data = bytearray(columns.encode(rows))
    data[at % len(data)] ^= flip
    try:
        decoded = columns.decode(bytes(data), size, rounds)
    except FormatError:
        return
    assert [len(one) for one in decoded] == [size] * rounds


@pytest.mark.parametrize("size, rounds", [(0, 3), (3, 2), (2, 3), (4, 3), (3, 4)])
def test_columns_of_another_shape_are_refused(size, rounds):
    encoded = columns.encode([row([1.0, 0.5, 3.0])] * 3)
    with pytest.raises(FormatError):
        columns.decode(encoded, size, rounds)


def test_a_mark_for_a_series_that_is_not_there_is_refused():
    plain = bytes([0b1000_0001]) + bytes(8)
    with pytest.raises(FormatError, match="mark series"):
        columns.decode(bytes(cramjam.zstd.compress(plain, 3)), 1, 1)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2))
def test_numbers_that_no_encoder_writes_are_decoded_to_something(numbers):
    """Sums beyond int64: wrong, and neither an exception nor a hang."""
    plain = bytes([1]) + bytes(
        numbers[t].to_bytes(8, "little", signed=True)[k] for k in range(8) for t in range(2)
    )
    decoded = columns.decode(bytes(cramjam.zstd.compress(plain, 3)), 1, 2)
    assert [len(one) for one in decoded] == [1, 1]


def test_a_bomb_unfolds_to_the_size_that_was_asked_for_and_no_further():
    bomb = bytes(cramjam.zstd.compress(bytes(64 << 20), 3))
    assert len(bomb) < 16 << 10
    with pytest.raises(FormatError, match="can't be decompressed"):
        columns.decode(bomb, 2, 3)
