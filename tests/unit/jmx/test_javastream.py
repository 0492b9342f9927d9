from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.jmx.errors import PeerBrokeProtocol
from collector.jmx.javadata import Constant, Instance, Primitives, decode_utf, encode_utf
from collector.jmx.javastream import Decoder
from collector.jmx.jrmp import string
from collector.jmx.limits import Limits
from tests.unit.jmx.captures import CAPTURES, Capture, read

PLAIN = b"\x78\x70"


def shape(value, seen):
    """The tree of a captured answer, to compare two readings of it; what comes again, by number."""
    if isinstance(value, str | bytes | int | float | None):
        return repr(value)
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, Instance):
        inside = [shape(v, seen) for v in (*value.values, *value.annotation)]
        return (value.class_name, value.at, *inside)
    if isinstance(value, list):
        return [shape(v, seen) for v in value]
    if isinstance(value, Constant):
        return (value.class_name, value.name)
    assert isinstance(value, Primitives)
    return (value.code, value.data)


def shapes(replies):
    return [(shape(reply.value, {}), shape(reply.thrown, {})) for reply in replies]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda c: c.name)
def test_a_conversation_reads_the_same_whole_and_byte_by_byte(capture: Capture):
    data = capture.answered
    whole = shapes(read(capture, [data]))
    assert len(whole) == len(capture.returns)
    assert shapes(read(capture, [data[i : i + 1] for i in range(len(data))])) == whole


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda c: c.name)
@settings(max_examples=25)
@given(cuts=st.lists(st.floats(0, 1), max_size=12))
def test_a_conversation_reads_the_same_cut_anywhere(capture: Capture, cuts: list[float]):
    data = capture.answered
    places = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert shapes(read(capture, pieces)) == shapes(read(capture, [data]))


@given(st.text())
def test_text_survives_modified_utf8(text: str):
    assert decode_utf(encode_utf(text)) == text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


def test_modified_utf8_is_not_utf8():
    assert encode_utf("a\0😀") == b"a\xc0\x80\xed\xa0\xbd\xed\xb8\x80"


@given(st.binary())
def test_bytes_that_are_not_text_become_text(data: bytes):
    decode_utf(data).encode()


def decode(data: bytes, limits: Limits | None = None):
    decoder = Decoder(limits or Limits())
    decoder.buffer += data
    reading = decoder.content()
    try:
        next(reading)
    except StopIteration as stop:
        return stop.value
    pytest.fail("it wants more bytes")


def described(name: bytes, flags: int = 2, fields: bytes = b"\0\0", parent: bytes = b"\x70"):
    return (
        b"\x72"
        + struct.pack(">H", len(name))
        + name
        + bytes(8)
        + bytes([flags])
        + fields
        + (b"\x78" + parent)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x78",
        b"\x79",
        b"\x71\x00\x7e\x00\x00",
        b"\x71\x00\x00\x00\x00",
        b"\x73\x70",
        b"\x73\x74\x00\x01a",
        b"\x73" + described(b"a", flags=0),
        b"\x73" + described(b"a", flags=4),
        b"\x73" + described(b"a", parent=b"\x71\x00\x7e\x00\x00"),
        b"\x73" + described(b"a", parent=b"\x74\x00\x00"),
        b"\x73" + described(b"a", fields=b"\0\1V\0\0"),
        b"\x73" + described(b"a", fields=b"\0\1L\0\0\x70"),
        b"\x73" + described(b"a", fields=b"\0\1L\0\0\x74\0\0") + b"\x78",
        b"\x73" + described(b"a", fields=b"\0\1L\0\0\x74\0\0") + b"\x77\0",
        b"\x75" + described(b"x") + bytes(4),
        b"\x75" + described(b"[Q") + bytes(4),
        b"\x75" + described(b"[I") + b"\xff\xff\xff\xff",
        b"\x75" + described(b"[La;") + b"\0\0\0\1\x78",
        b"\x7e" + described(b"e") + b"\x70",
        b"\x7c" + b"\xff" * 8,
        b"\x7a" + b"\xff" * 4,
        b"\x7d" + b"\xff" * 4,
    ],
    ids=lambda data: data.hex(),
)
def test_what_breaks_the_grammar_is_refused(data: bytes):
    with pytest.raises(PeerBrokeProtocol):
        decode(data)


NESTED = b"\x75" + described(b"[La;") + b"\0\0\0\1"


@pytest.mark.parametrize(
    "data, limits",
    [
        (b"\x74\x00\x64", Limits(text=99)),
        (b"\x75" + described(b"[I") + b"\0\0\0\x64", Limits(array=99)),
        (b"\x75" + described(b"[La;") + b"\0\0\0\x64", Limits(array=99)),
        (b"\x74\x00\x64", Limits(reply_bytes=50)),
        (b"\x75" + described(b"[La;") + b"\0\0\0\3" + b"\x74\0\0" * 3, Limits(items=3)),
        (b"\x75" + described(b"[La;") + b"\0\0\0\x64" + b"\x70" * 100, Limits(held_bytes=999)),
        (NESTED * 100, Limits(depth=50)),
        (b"\x73" + described(b"a", fields=b"\0\3"), Limits(fields=2)),
        (b"\x73" + described(b"a", parent=described(b"b")), Limits(superclasses=1)),
    ],
    ids=["text", "primitives", "array", "bytes", "items", "held", "depth", "fields", "parents"],
)
def test_a_limit_ends_the_reading(data: bytes, limits: Limits):
    with pytest.raises(PeerBrokeProtocol, match=r"more than \d+ "):
        decode(data, limits)


def test_an_object_with_fields_in_an_unusual_order_is_read():
    fields = b"\0\5" + b"I\0\1a" + b"L\0\1b" + string("Lx;") + b"[\0\1c" + string("[I")
    fields += b"Z\0\1d" + b"D\0\1e"
    data = b"\x73" + described(b"a", fields=fields)
    data += b"\0\0\0\7" + string("x") + b"\x70" + b"\1" + struct.pack(">d", 2.5)
    value = decode(data)
    assert [value.get(name) for name in "abcde"] == [7, "x", None, True, 2.5]
    assert value.get("f") is None


def test_a_dynamic_proxy_is_data_too():
    proxy = b"\x7d\0\0\0\1" + b"\0\1I" + b"\x78\x70"
    value = decode(b"\x73" + proxy)
    assert value.class_name == "proxy"


def test_a_class_object_takes_a_handle():
    data = b"\x75" + described(b"[La;") + b"\0\0\0\2" + b"\x76" + described(b"b")
    data += b"\x71\x00\x7e\x00\x03"
    first, second = decode(data)
    assert first is second


def test_a_superclass_has_its_fields_in_front():
    parent = described(b"p", fields=b"\0\1I\0\1x")
    value = decode(b"\x73" + described(b"c", fields=b"\0\1B\0\1x", parent=parent) + b"\0\0\0\1\2")
    assert value.values == [1, 2]
    assert value.get("x") == 2
    assert value.descriptor.extends("p")


def test_an_externalizable_object_in_blocks_is_read():
    value = decode(b"\x73" + described(b"a", flags=12) + b"\x77\1x\x7a\0\0\0\1y\x78")
    assert value.annotation == [b"x", b"y"]
