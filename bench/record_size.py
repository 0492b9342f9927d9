"""What a record takes in a topic's log, beyond its value: Kafka's record format v2.

A batch is 61 bytes and its records. Of a record all lengths and deltas are zigzag varints:
length, attributes (1 byte), timestamp delta, offset delta, key, value, headers.

https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.protobuf import varint, zigzag
from collector.topic.record import Header

BATCH_BYTES = 61


def record_bytes(value: bytes, headers: Sequence[Header], place: int = 0) -> int:
    """The size of a record without key; `place` counts from 0 within its batch."""
    body = (
        1  # attributes
        + _varint_bytes(0)  # timestamp delta: records of a batch are made within milliseconds
        + _varint_bytes(place)
        + _varint_bytes(-1)  # no key
        + _sized(value)
        + _varint_bytes(len(headers))
        + sum(_sized(name.encode()) + _sized(_bytes(held)) for name, held in headers)
    )
    return _varint_bytes(body) + body


def _sized(value: bytes) -> int:
    return _varint_bytes(len(value)) + len(value)


def _varint_bytes(value: int) -> int:
    return len(varint(zigzag(value)))


def _bytes(held: str | bytes | None) -> bytes:
    return held.encode() if isinstance(held, str) else held or b""
