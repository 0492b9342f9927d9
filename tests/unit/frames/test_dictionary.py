from __future__ import annotations

import hashlib
from contextlib import suppress

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import protobuf
from collector.errors import FormatError
from collector.frames import dictionary
from collector.frames.dictionary import Stream, unpack_dictionary
from collector.series import Family, Kind, Series
from tests.unit import examples
from tests.unit.examples import MESSAGES, SERIES, SIZES, STREAM, judge


def _packed(plain: bytes) -> bytes:
    compressed = bytes(cramjam.zstd.compress(plain, 3))
    return protobuf.uint_field(1, len(plain)) + protobuf.bytes_field(2, compressed)


def _plain(packed: bytes) -> bytes:
    outer = judge("PackedDictionary").FromString(packed)
    plain = bytes(cramjam.zstd.decompress(outer.zstd))
    assert outer.size == len(plain)
    return plain


def test_protobuf_reads_what_we_write():
    built = dictionary.build(STREAM, SERIES)
    plain = _plain(built.packed)
    read = judge("Dictionary").FromString(plain)
    assert (read.site, read.node, read.tier) == STREAM
    assert [(f.name, f.kind, f.unit, f.help) for f in read.families] == [
        tuple(MESSAGES),
        tuple(SIZES),
        ("up", Kind.GAUGE, "", ""),
    ]
    texts = list(read.symbols)
    assert [texts[place] for place in read.common] == ["job", "kafka"]
    assert [
        (one.family, one.suffix, [texts[place] for place in one.labels]) for one in read.series
    ] == [
        (0, "", ["topic", "orders"]),
        (0, "", ["topic", "stöck"]),
        (1, "_bucket", ["le", "+Inf"]),
        (2, "", []),
    ]
    assert read.SerializeToString() == plain
    assert built.id == int.from_bytes(hashlib.sha256(plain).digest()[:8], "little")


@settings(max_examples=50)
@given(examples.streams, st.lists(examples.series, max_size=4))
def test_a_dictionary_is_read_back(stream, series):
    built = dictionary.build(stream, series)
    read = unpack_dictionary(built.packed)
    assert read.stream == stream
    assert list(read.series) == series
    assert read.id == built.id
    assert judge("Dictionary").FromString(_plain(built.packed)).site == stream.site


def test_we_read_what_protobuf_writes_and_skip_what_we_do_not_know():
    theirs = judge("Dictionary")(
        site="s",
        node="n",
        tier="vital",
        symbols=["a", "1", "b", "2"],
        families=[{"name": "f", "kind": "HISTOGRAM", "unit": "bytes", "help": "h"}],
        common=[2, 3],
        series=[{"suffix": "_sum", "labels": [0, 1]}, {}],
    )
    theirs.families.add(name="g").MergeFromString(b"\x10\x07")  # a kind of a later version: 7
    theirs.series.add(family=1)
    unknown = protobuf.bytes_field(99, b"later") + protobuf.uint_field(98, 1)
    read = unpack_dictionary(_packed(theirs.SerializeToString() + unknown))
    family = Family("f", Kind.HISTOGRAM, "bytes", "h")
    assert read.stream == Stream("s", "n", "vital")
    assert list(read.series) == [
        Series("f_sum", (("a", "1"), ("b", "2")), family),
        Series("f", (("b", "2"),), family),
        Series("g", (("b", "2"),), Family("g", Kind.UNKNOWN)),
    ]


def test_the_kinds_are_those_of_the_format():
    assert {kind.name: kind.value for kind in Kind} == examples.number_of_enum("Family", "kind")


def test_equal_content_has_an_equal_id_and_anything_else_another():
    built = dictionary.build(STREAM, SERIES)
    assert dictionary.build(STREAM, list(SERIES)).id == built.id
    others = [
        dictionary.build(STREAM._replace(node="node-2"), SERIES),
        dictionary.build(STREAM, SERIES[::-1]),
        dictionary.build(STREAM, SERIES[:-1]),
        dictionary.build(
            STREAM, [one._replace(family=MESSAGES._replace(help="")) for one in SERIES[:1]]
        ),
    ]
    assert len({built.id, *(other.id for other in others)}) == 5


def test_the_key_of_a_stream_is_the_start_of_a_hash():
    digest = hashlib.sha256(b"store-0412\0node-1\0standard").digest()
    assert STREAM.key == int.from_bytes(digest[:8], "little")


@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_is_a_format_error_or_another_dictionary(at, flip):
    built = dictionary.build(STREAM, SERIES)
    data = bytearray(built.packed)
    data[at % len(data)] ^= flip
    try:
        read = unpack_dictionary(bytes(data))
    except FormatError:
        return
    # Only where the flip says nothing (a flag of zstd's): else the hash would not be the same.
    assert read.id != built.id or list(read.series) == list(SERIES)


@settings(max_examples=60)
@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_byte_behind_the_compression_too(at, flip):
    plain = bytearray(_plain(dictionary.build(STREAM, SERIES).packed))
    plain[at % len(plain)] ^= flip
    with suppress(FormatError):
        unpack_dictionary(_packed(bytes(plain)))


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_format_error(data):
    for body in (data, _packed(data)):
        with suppress(FormatError):
            unpack_dictionary(body)


@pytest.mark.parametrize(
    "plain",
    [
        protobuf.message_field(7, b""),  # a series without a family
        protobuf.packed(6, [0, 1]),  # labels without symbols
        protobuf.packed(6, [2**63, 2**64 - 1]),
        protobuf.message_field(4, b"a") + protobuf.packed(6, [0] * 3),  # a label without a value
        protobuf.message_field(5, b"")
        + protobuf.message_field(7, protobuf.uint_field(1, 2**64 - 1)),
        protobuf.message_field(4, b"\xff"),
    ],
)
def test_references_to_nothing_are_refused(plain):
    with pytest.raises(FormatError):
        unpack_dictionary(_packed(plain))


@pytest.mark.parametrize("size", [65 << 20, 1 << 40, 2**64 - 1])
def test_a_size_beyond_all_bounds_is_refused_before_memory_is_taken(size):
    body = protobuf.uint_field(1, size) + protobuf.bytes_field(2, b"\x28\xb5\x2f\xfd")
    with pytest.raises(FormatError, match="more than"):
        unpack_dictionary(body)


@pytest.mark.parametrize("size", [1, 99, 101, 1000])
def test_a_size_that_is_not_the_content_s_is_refused(size):
    compressed = bytes(cramjam.zstd.compress(protobuf.message_field(4, b"x" * 98), 3))
    with pytest.raises(FormatError):
        unpack_dictionary(protobuf.uint_field(1, size) + protobuf.bytes_field(2, compressed))


def test_a_small_dictionary_that_unfolds_to_gigabytes_is_refused(monkeypatch):
    """The bounds are lowered, so that the test need not carry the bomb itself."""
    monkeypatch.setattr(dictionary, "MAX_UNFOLDED_BYTES", 10_000)
    monkeypatch.setattr(dictionary, "MAX_SYMBOLS", 1000)
    monkeypatch.setattr(dictionary, "MAX_SERIES", 500)
    family = protobuf.message_field(5, protobuf.string_field(1, "f" * 5000))
    series = protobuf.message_field(7, protobuf.string_field(2, "x"))
    pair = protobuf.message_field(4, b"a") * 2 + protobuf.packed(6, [0, 1] * 100)
    for bomb in (
        family + series * 4,  # a long name, again and again
        protobuf.message_field(5, b"") + pair + series * 20,  # many common labels
        protobuf.message_field(4, b"") * 2000,
        protobuf.message_field(5, b"") * 2000,
    ):
        with pytest.raises(FormatError, match="unfolds"):
            unpack_dictionary(_packed(bomb))
    with pytest.raises(FormatError, match="more than 500 series"):
        unpack_dictionary(
            _packed(protobuf.message_field(5, b"") + protobuf.message_field(7, b"") * 501)
        )
    with pytest.raises(FormatError, match="labels that take"):
        unpack_dictionary(
            _packed(protobuf.message_field(4, b"") + protobuf.bytes_field(6, bytes(9000)))
        )
