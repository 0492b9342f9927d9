from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import protobuf
from collector.errors import FormatError
from collector.protobuf import as_bytes, as_int, as_text, fields, read_varint, varint
from tests.unit.examples import int64, judge, uint64


@given(uint64)
def test_a_varint_is_read_back_and_says_where_it_ends(number):
    data = b"xx" + varint(number) + b"\xff"
    assert read_varint(data, 2) == (number, len(data) - 1)


@given(int64)
def test_signed_numbers_survive_zigzag_and_twos_complement(number):
    assert protobuf.unzigzag(protobuf.zigzag(number)) == number
    assert protobuf.zigzag(number) < 2**64
    assert protobuf.signed(read_varint(varint(number), 0)[0]) == number


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\xff" * 9, b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02"]
)
def test_a_varint_that_does_not_end_or_is_too_large_is_refused(data):
    with pytest.raises(FormatError, match="does not end"):
        read_varint(data, 0)


@given(st.lists(uint64, min_size=1))
def test_packed_numbers_are_read_back(numbers):
    ((field, value),) = fields(protobuf.packed(5, numbers))
    assert field == 5
    assert protobuf.unpack(as_bytes(value)) == numbers


def test_defaults_take_no_bytes_but_an_empty_message_is_there():
    assert protobuf.uint_field(1, 0) == b""
    assert protobuf.fixed64_field(1, 0) == b""
    assert protobuf.bytes_field(1, b"") == b""
    assert protobuf.string_field(1, "") == b""
    assert protobuf.packed(1, []) == b""
    assert list(fields(protobuf.message_field(1, b""))) == [(1, b"")]


@given(st.integers(1, 2**29 - 1), uint64, uint64, st.binary(), st.text(max_size=9))
def test_fields_come_in_order_with_those_that_nobody_knows(number, a, b, data, text):
    message = (
        protobuf.tag(number, protobuf.VARINT)
        + varint(a)
        + protobuf.tag(2, protobuf.FIXED64)
        + b.to_bytes(8, "little")
        + protobuf.tag(3, protobuf.FIXED32)
        + bytes([1, 0, 0, 0])
        + protobuf.message_field(4, data)
        + protobuf.message_field(5, text.encode())
    )
    found = list(fields(message))
    assert [field for field, _ in found] == [number, 2, 3, 4, 5]
    assert [as_int(value) for _, value in found[:3]] == [a, b, 1]
    assert as_bytes(found[3][1]) == data
    assert as_text(found[4][1]) == text


@given(st.binary(max_size=40))
def test_any_bytes_are_fields_or_a_format_error(data):
    try:
        for _, value in fields(data):
            assert isinstance(value, int | bytes)
    except FormatError:
        pass


def test_a_value_of_another_wire_type_is_refused():
    with pytest.raises(FormatError, match="number where bytes"):
        as_bytes(1)
    with pytest.raises(FormatError, match="bytes where a number"):
        as_int(b"1")
    with pytest.raises(FormatError, match="UTF-8"):
        as_text(b"\xff")
    with pytest.raises(FormatError, match="wire type 3"):
        list(fields(b"\x0b"))
    with pytest.raises(FormatError, match="behind the message"):
        list(fields(b"\x0a\x05abc"))


@given(uint64, int64, uint64, st.binary())
def test_what_we_write_is_what_protobuf_writes(first, signed, fixed, data):
    """Frame has one of each kind of field that we use."""
    theirs = judge("Frame")(
        dictionary_id=fixed,
        first_seq=first,
        wall_ms=[signed],
        boot_id=data,
        volatile=True,
        clock_step={"offset_ms": signed},
    ).SerializeToString()
    ours = (
        protobuf.fixed64_field(1, fixed)
        + protobuf.uint_field(4, first)
        + protobuf.packed(7, [protobuf.zigzag(signed)])
        + protobuf.bytes_field(9, data)
        + protobuf.message_field(10, protobuf.uint_field(3, protobuf.zigzag(signed)))
        + protobuf.uint_field(11, True)
    )
    assert ours == theirs
