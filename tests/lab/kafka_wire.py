"""Asks one Kafka node on the wire who leads and who coordinates what.

Without librdkafka, whose calls about groups may end the process that makes them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

_METADATA, _FIND_COORDINATOR, _DESCRIBE_GROUPS = 3, 10, 15
_TIMEOUT_S = 1.0


class Says(NamedTuple):
    """What a node knows: {topic: leaders by partition, -1 for none} and {group: coordinator}."""

    leaders: Mapping[str, Sequence[int]]
    coordinators: Mapping[str, int]


class KafkaWire:
    """A connection to one node, made anew when it broke. Calls raise OSError when it is away."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._socket: socket.socket | None = None

    def ask(self, groups: Sequence[str]) -> Says:
        """Ask for all leaders, and for the coordinators of these groups, -1 for none yet."""
        found = self._call(_METADATA, [struct.pack("!i", 0)])[0]  # no topic named: all
        answers = self._call(_FIND_COORDINATOR, [_text(group) for group in groups])
        coordinators = {}
        for group, answer in zip(groups, answers, strict=True):
            error, node = struct.unpack_from("!hi", answer)
            coordinators[group] = -1 if error else node
        return Says(dict(_leaders(found)), coordinators)

    def coordinated(self, groups: Sequence[str]) -> set[str]:
        """Return those of these groups that this node coordinates and has loaded."""
        asked = [struct.pack("!i", 1) + _text(group) for group in groups]
        answers = self._call(_DESCRIBE_GROUPS, asked)
        errors = [struct.unpack_from("!ih", answer)[1] for answer in answers]
        return {group for group, error in zip(groups, errors, strict=True) if not error}

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _call(self, api: int, bodies: Sequence[bytes]) -> list[bytes]:
        """Make calls of version 0, all on their way at once; return their answers' bodies."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, timeout=_TIMEOUT_S)
            head = struct.pack("!hhi", api, 0, 0) + _text("lab")
            requests = (head + body for body in bodies)
            self._socket.sendall(b"".join(struct.pack("!i", len(one)) + one for one in requests))
            return [self._answer(self._socket) for _ in bodies]
        except OSError:
            self.close()
            raise

    def _answer(self, connection: socket.socket) -> bytes:
        (length,) = struct.unpack("!i", _exactly(connection, 4))
        return _exactly(connection, length)[4:]  # without the correlation id


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionError("the node closed the connection")
        data += more
    return data


def _text(text: str) -> bytes:
    return struct.pack("!h", len(text)) + text.encode()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, layout: str) -> int:
        (value,) = struct.unpack_from(f"!{layout}", self._data, self._at)
        self._at += struct.calcsize(f"!{layout}")
        return int(value)

    def text(self) -> str:
        length = self.take("h")
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def skip_numbers(self) -> None:
        count = self.take("i")
        self._at += 4 * count


def _leaders(metadata: bytes) -> Iterable[tuple[str, list[int]]]:
    reader = _Reader(metadata)
    for _ in range(reader.take("i")):  # brokers: id, host, port
        reader.take("i")
        reader.text()
        reader.take("i")
    for _ in range(reader.take("i")):
        reader.take("h")
        name, leaders = reader.text(), {}
        for _ in range(reader.take("i")):
            reader.take("h")
            partition = reader.take("i")
            leaders[partition] = reader.take("i")
            reader.skip_numbers()  # replicas
            reader.skip_numbers()  # in sync
        yield name, [leaders[partition] for partition in sorted(leaders)]
