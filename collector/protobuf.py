"""The few parts of the protobuf encoding that our formats and remote write need.

Generated classes were tried: they cost 2 to 5 microseconds a sample and several MiB. Written by
hand, most bytes come from caches. The tests hold this against protoc's own classes.

Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collector.errors import FormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_MAX_SHIFT = 63


def varint(value: int) -> bytes:
    """Encode an unsigned integer; a negative one as its 64-bit two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """Map a signed integer to an unsigned one, small for small absolute values (sint64)."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(value: int) -> int:
    """Undo `zigzag`."""
    return value >> 1 if not value & 1 else -(value >> 1) - 1


def signed(value: int) -> int:
    """Read a decoded varint as int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)


def uint_field(field: int, value: int) -> bytes:
    """A varint field; nothing for 0, which is proto3's default."""
    return tag(field, VARINT) + varint(value) if value else b""


def fixed64_field(field: int, value: int) -> bytes:
    """A fixed64 field; nothing for 0."""
    return tag(field, FIXED64) + value.to_bytes(8, "little") if value else b""


def bytes_field(field: int, value: bytes) -> bytes:
    """A length-delimited field; nothing when empty."""
    return tag(field, BYTES) + varint(len(value)) + value if value else b""


def message_field(field: int, value: bytes) -> bytes:
    """A submessage; written when empty too, since its presence says something."""
    return tag(field, BYTES) + varint(len(value)) + value


def string_field(field: int, value: str) -> bytes:
    return bytes_field(field, value.encode())


def packed(field: int, values: Iterable[int]) -> bytes:
    """A packed repeated varint field. Signed numbers go through `zigzag` first."""
    return bytes_field(field, b"".join(map(varint, values)))


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `at` and where it ends. Raises FormatError."""
    value = shift = 0
    for position in range(at, min(at + _MAX_VARINT_BYTES, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, position + 1
        shift += 7
    raise FormatError(f"a varint at byte {at} does not end")


def unpack(data: bytes) -> list[int]:
    """Read a packed field's varints. Raises FormatError."""
    values = []
    value = shift = 0
    for byte in data:
        if byte < 0x80:
            values.append(value | byte << shift)
            value = shift = 0
        else:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > _MAX_SHIFT:
                break
    if shift or any(value >> 64 for value in values):
        raise FormatError("a varint of a packed field does not end within 64 bits")
    return values


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a message in order: bytes for length-delimited fields.

    Unknown fields come too: a reader skips what it does not know. Raises FormatError.
    """
    at = 0
    end = len(data)
    while at < end:
        key, at = read_varint(data, at)
        field, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, at = read_varint(data, at)
            yield field, value
            continue
        if wire_type == BYTES:
            size, at = read_varint(data, at)
        elif wire_type == FIXED64:
            size = 8
        elif wire_type == FIXED32:
            size = 4
        else:
            raise FormatError(f"wire type {wire_type} at byte {at} is not protobuf's")
        if at + size > end:
            raise FormatError(f"field {field} ends {at + size - end} bytes behind the message")
        chunk = data[at : at + size]
        yield field, chunk if wire_type == BYTES else int.from_bytes(chunk, "little")
        at += size


def as_bytes(value: int | bytes) -> bytes:
    """The value of a length-delimited field. Raises FormatError for another wire type."""
    if isinstance(value, int):
        raise FormatError("a number where bytes belong")
    return value


def as_int(value: int | bytes) -> int:
    """The value of a numeric field. Raises FormatError for another wire type."""
    if isinstance(value, bytes):
        raise FormatError("bytes where a number belongs")
    return value


def as_text(value: int | bytes) -> str:
    """The value of a string field. Raises FormatError when it isn't UTF-8."""
    try:
        return as_bytes(value).decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"a string is not UTF-8: {error.reason}") from error
