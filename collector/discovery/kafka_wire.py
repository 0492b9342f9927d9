"""Three questions of Kafka's protocol that need no login: bytes there and back, no socket.

    request     size i32 | api key i16 | version i16 | correlation id i32 | client id string | body
    answer      size i32 | correlation id i32 | body

ApiVersions tells a broker from a KRaft controller: a controller takes no records and gives no
metadata of topics. SaslHandshake, with a mechanism that nobody has, is answered by the list of
those that a listener has, or that it has none. Metadata, of no topic, names the brokers.

The versions are the oldest that Kafka 4 still has and Kafka 1.0 had already. Source: the schemas
in clients/src/main/resources/common/message, and captured answers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from collector.config import Address

PRODUCE, METADATA, SASL_HANDSHAKE, API_VERSIONS, VOTE = 0, 3, 17, 18, 52
SASL_HANDSHAKE_VERSION, METADATA_VERSION = 1, 4
NO_MECHANISM = "EDGEVITALS-LOOKS"

HEAD_BYTES = 4
MOST_BYTES = 64 << 10
"""Of an answer: 300 API versions have 2 KiB, 500 brokers 40 KiB."""

CORRELATION = 0x0D0A0D0A
"""An empty line: a web server that is asked answers at once, and does not wait for the rest."""

_CLIENT = "edgevitals"
_UNSUPPORTED_VERSION, _UNSUPPORTED_MECHANISM, _ILLEGAL_SASL_STATE = 35, 33, 34


class NotKafka(Exception):  # noqa: N818 - it is what a caller asks
    """Bytes that no Kafka node sends."""


class Metadata(NamedTuple):
    cluster_id: str
    brokers: Mapping[int, Address]


def api_versions() -> bytes:
    return _request(API_VERSIONS, 0, b"")


def sasl_handshake() -> bytes:
    return _request(SASL_HANDSHAKE, SASL_HANDSHAKE_VERSION, _string(NO_MECHANISM))


def metadata() -> bytes:
    """Ask for the brokers: no topic is named, and none may be made."""
    return _request(METADATA, METADATA_VERSION, struct.pack(">i?", 0, False))


def body_size(head: bytes) -> int:
    """Return the size of an answer from its first 4 bytes. Raises NotKafka."""
    size = int.from_bytes(head, signed=True)
    if not 4 < size <= MOST_BYTES:
        raise NotKafka
    return size


def read_api_versions(body: bytes) -> dict[int, tuple[int, int]]:
    """Return the least and the highest version of each API. Raises NotKafka."""
    reader = _Reader(body)
    error = reader.number(">h")
    apis = {}
    for _ in range(reader.count(6)):
        key, least, most = reader.numbers(">hhh")
        apis[key] = (least, most)
    reader.ends()
    if error not in {0, _UNSUPPORTED_VERSION} or API_VERSIONS not in apis:
        raise NotKafka
    return apis


def is_broker(apis: Mapping[int, tuple[int, int]]) -> bool:
    return PRODUCE in apis and METADATA in apis


def read_sasl_handshake(body: bytes) -> tuple[str, ...] | None:
    """Return the mechanisms of a listener, None for one without SASL. Raises NotKafka."""
    reader = _Reader(body)
    error = reader.number(">h")
    mechanisms = tuple(reader.string() for _ in range(reader.count(2)))
    reader.ends()
    if error == _ILLEGAL_SASL_STATE:
        return None
    if error != _UNSUPPORTED_MECHANISM:
        raise NotKafka
    return mechanisms


def read_metadata(body: bytes) -> Metadata:
    """Return the cluster and its brokers' addresses. Raises NotKafka."""
    reader = _Reader(body)
    reader.number(">i")  # how long the request was held up by a quota
    brokers = {}
    for _ in range(reader.count(12)):
        node = reader.number(">i")
        host = reader.string()
        port = reader.number(">i")
        reader.nullable_string()  # its rack
        if not 0 < port <= 0xFFFF:
            raise NotKafka
        brokers[node] = Address(host, port)
    cluster = reader.nullable_string() or ""
    _controller, topics = reader.numbers(">ii")
    if topics:
        raise NotKafka  # none was asked for
    reader.ends()
    return Metadata(cluster, brokers)


def _request(key: int, version: int, body: bytes) -> bytes:
    head = struct.pack(">hhi", key, version, CORRELATION) + _string(_CLIENT)
    return struct.pack(">i", len(head) + len(body)) + head + body


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


class _Reader:
    """Takes an answer apart, from its correlation id on. Raises NotKafka."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        if self.number(">i") != CORRELATION:
            raise NotKafka

    def numbers(self, form: str) -> tuple[int, ...]:
        end = self._at + struct.calcsize(form)
        if end > len(self._body):
            raise NotKafka
        found: tuple[int, ...] = struct.unpack_from(form, self._body, self._at)
        self._at = end
        return found

    def number(self, form: str) -> int:
        return self.numbers(form)[0]

    def count(self, least_bytes: int) -> int:
        """Return the length of an array whose elements have so many bytes at least."""
        count = self.number(">i")
        if not 0 <= count <= (len(self._body) - self._at) // least_bytes:
            raise NotKafka
        return count

    def nullable_string(self) -> str | None:
        size = self.number(">h")
        if size == -1:
            return None
        end = self._at + size
        if size < 0 or end > len(self._body):
            raise NotKafka
        text = self._body[self._at : end]
        self._at = end
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise NotKafka from None

    def string(self) -> str:
        text = self.nullable_string()
        if text is None:
            raise NotKafka
        return text

    def ends(self) -> None:
        if self._at != len(self._body):
            raise NotKafka
