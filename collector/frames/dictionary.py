"""A dictionary: the series that frames refer to, with kind, unit and help.

Written at start, on change, at the head of each segment and every so often in the topic; a frame
can be read by whoever has the dictionary of its id, and its id is a hash of its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import cramjam

from collector.errors import FormatError
from collector.protobuf import (
    as_bytes,
    as_int,
    as_text,
    bytes_field,
    fields,
    message_field,
    packed,
    string_field,
    uint_field,
    unpack,
)
from collector.series import Family, Kind, Labels, Series

MAX_BYTES = 64 << 20
MAX_SERIES = 1_000_000
MAX_SYMBOLS = 2_000_000
MAX_UNFOLDED_BYTES = 256 << 20
"""Roughly, of all series in memory: a few bytes on the wire could name a long text each time."""

_MAX_REFERENCE_BYTES = 8 << 10
_PAIR_BYTES = 80
_ZSTD_LEVEL = 15  # written seldom: a fifth smaller than level 3, for 40 ms at 4,000 series


class Stream(NamedTuple):
    """The unit of order: what one node's tier says, one round after the other."""

    site: str
    node: str
    tier: str

    @property
    def key(self) -> int:
        """64 bits that name the stream in marks."""
        digest = hashlib.sha256("\0".join(self).encode()).digest()
        return int.from_bytes(digest[:8], "little")


class Dictionary(NamedTuple):
    """Series in the order of a frame's cells. `packed` is the record body that others can read."""

    id: int
    stream: Stream
    series: Sequence[Series]
    packed: bytes


def build(stream: Stream, series: Sequence[Series]) -> Dictionary:
    """Make the dictionary of these series, in this order."""
    plain = _encode(stream, series)
    body = uint_field(1, len(plain)) + bytes_field(
        2, bytes(cramjam.zstd.compress(plain, _ZSTD_LEVEL))
    )
    return Dictionary(_id(plain), stream, series, body)


def unpack_dictionary(
    body: bytes, known: Mapping[int, Dictionary] = MappingProxyType({})
) -> Dictionary:
    """Read a PackedDictionary, or give back the known one of its content. Raises FormatError.

    4,000 series take 50 ms to read, and a topic brings a copy of the same every so often.
    """
    size = 0
    compressed = b""
    for field, value in fields(body):
        if field == 1:
            size = as_int(value)
        elif field == 2:
            compressed = as_bytes(value)
    if size > MAX_BYTES:
        raise FormatError(f"a dictionary of {size} bytes, more than {MAX_BYTES}")
    plain = bytearray(size)
    try:
        written = cramjam.zstd.decompress_into(compressed, plain) if size else 0
    except cramjam.DecompressionError as error:
        raise FormatError(f"a dictionary can't be decompressed: {error}") from error
    if written != size:
        raise FormatError(f"a dictionary has {written} bytes where {size} belong")
    its_id = _id(plain)
    if its_id in known:
        return known[its_id]
    stream, series = _decode(bytes(plain))
    return Dictionary(its_id, stream, series, body)


def _id(plain: bytes | bytearray) -> int:
    return int.from_bytes(hashlib.sha256(plain).digest()[:8], "little")


def _encode(stream: Stream, series: Sequence[Series]) -> bytes:
    symbols: dict[str, int] = {}
    families: dict[Family, int] = {}
    common = _common_labels(series)

    def references(labels: Iterable[tuple[str, str]]) -> list[int]:
        return [symbols.setdefault(text, len(symbols)) for pair in labels for text in pair]

    common_field = packed(6, references(sorted(common)))
    bodies = [
        message_field(
            7,
            uint_field(1, families.setdefault(one.family, len(families)))
            + string_field(2, one.name[len(one.family.name) :])
            + packed(3, references(pair for pair in one.labels if pair not in common)),
        )
        for one in series
    ]
    return b"".join(
        [
            string_field(1, stream.site),
            string_field(2, stream.node),
            string_field(3, stream.tier),
            *(message_field(4, text.encode()) for text in symbols),
            *(message_field(5, _family(family)) for family in families),
            common_field,
            *bodies,
        ]
    )


def _family(family: Family) -> bytes:
    return (
        string_field(1, family.name)
        + uint_field(2, family.kind)
        + string_field(3, family.unit)
        + string_field(4, family.help)
    )


def _common_labels(series: Sequence[Series]) -> frozenset[tuple[str, str]]:
    common = frozenset(series[0].labels) if series else frozenset()
    for one in series:
        if not common:
            break
        common = common.intersection(one.labels)
    return common


def _decode(plain: bytes) -> tuple[Stream, list[Series]]:
    names = ["", "", ""]
    symbols: list[str] = []
    families: list[Family] = []
    common: Labels = ()
    series: list[Series] = []
    unfolded = 0
    # The same labels are on many series. As objects of each series' own they would take 1 to 3
    # MiB in 4,000 series, and a quarter more time.
    pairs: dict[tuple[str, str], tuple[str, str]] = {}
    sets: dict[bytes, Labels] = {}

    def labels(references: bytes) -> Labels:
        if len(references) > _MAX_REFERENCE_BYTES:
            raise FormatError(f"labels that take {len(references)} bytes in a dictionary")
        places = unpack(references)
        if len(places) % 2:
            raise FormatError("a label without a value in a dictionary")
        texts = [symbols[place] for place in places]
        own = zip(texts[::2], texts[1::2], strict=True)
        return tuple(pairs.setdefault(pair, pair) for pair in own)

    def all_labels(references: bytes) -> Labels:
        known = sets.get(references)
        if known is None:
            known = sets[references] = tuple(sorted(common + labels(references)))
        return known

    try:
        for field, value in fields(plain):
            if len(symbols) + len(families) > MAX_SYMBOLS or unfolded > MAX_UNFOLDED_BYTES:
                raise FormatError("a dictionary that unfolds to more than any site has")
            if 1 <= field <= 3:
                names[field - 1] = as_text(value)
            elif field == 4:
                symbols.append(as_text(value))
            elif field == 5:
                families.append(_read_family(as_bytes(value)))
            elif field == 6:
                common = labels(as_bytes(value))
                sets.clear()
            elif field == 7:
                if len(series) >= MAX_SERIES:
                    raise FormatError(f"a dictionary of more than {MAX_SERIES} series")
                one = _read_series(as_bytes(value), families, all_labels)
                series.append(one)
                own = len(one.labels) - len(common)
                unfolded += len(one.name) + 8 * len(common) + _PAIR_BYTES * own
    except IndexError as error:
        raise FormatError("a dictionary refers to a symbol or family it doesn't have") from error
    return Stream(*names), series


def _read_series(
    data: bytes,
    families: Sequence[Family],
    labels: Callable[[bytes], Labels],
) -> Series:
    family = 0
    suffix = ""
    references = b""
    for field, value in fields(data):
        if field == 1:
            family = as_int(value)
        elif field == 2:
            suffix = as_text(value)
        elif field == 3:
            references = as_bytes(value)
    of = families[family]
    return Series(of.name + suffix, labels(references), of)


def _read_family(data: bytes) -> Family:
    texts = {1: "", 3: "", 4: ""}
    kind = Kind.UNKNOWN
    for field, value in fields(data):
        if field == 2:
            number = as_int(value)
            # A kind that a later version adds: its numbers are still numbers.
            kind = Kind(number) if number in set(Kind) else Kind.UNKNOWN
        elif field in texts:
            texts[field] = as_text(value)
    return Family(texts[1], kind, texts[3], texts[4])
