"""JRMP, the wire of Java RMI: handshake, calls, returns, stubs. Bytes only, no socket.

    client: "JRMI" version StreamProtocol      server: ProtocolAck, our address as it sees it
    client: an address (never used)
    client: Call ...                           server: Return ...     in order, on one socket

Source: "Java Remote Method Invocation Specification", chapter 10, and captured conversations.
Each call and each return is an object stream of its own. Only methods that read are listed here:
a client without the others can't change the JVM it reads. There is no distributed garbage
collection either: a client that never took a lease can't lose one, while the server keeps its
session alive for 120 s after each call.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from collector.jmx.errors import PeerBrokeProtocol
from collector.jmx.javadata import Instance, encode_utf
from collector.jmx.javastream import BLOCK, LONG_BLOCK, MAGIC, Decoder, Reading

HANDSHAKE: Final = b"JRMI\x00\x02\x4b"
ACK, NOT_SUPPORTED = 0x4E, 0x4F
CALL, RETURN = b"\x50", 0x51
NORMAL, EXCEPTIONAL = 1, 2
TLS_ALERT: Final = 0x15

UID_START, UID_END = 8, 22
"""Where a return has the id that differs each time."""

REGISTRY: Final = bytes(22)
"""The well-known object id of the registry."""

REGISTRY_HASH: Final = 4905912898345647071
REGISTRY_LIST, REGISTRY_LOOKUP = 1, 2

# First 8 bytes of SHA-1 over name and descriptor, read little-endian: equal to what the JDK's
# stubs send. Constants, so that no SHA-1 runs where a policy forbids it.
NEW_CLIENT: Final = -1089742558549201240
GET_ATTRIBUTES: Final = 6285293806596348999
QUERY_NAMES: Final = 9152567528369059802
QUERY_MBEANS: Final = 2915881009400597976
GET_MBEAN_INFO: Final = -7404813916326233354
GET_OBJECT_INSTANCE: Final = 6950095694996159938
CLOSE: Final = -4742752445160157748

TLS_SOCKET_FACTORY: Final = "javax.rmi.ssl.SslRMIClientSocketFactory"


class Reply(NamedTuple):
    """What a call gave. `thrown` is the Java exception when it failed."""

    value: Any
    thrown: Any = None


class Stub(NamedTuple):
    """Where a remote object lives."""

    object_id: bytes
    host: str
    port: int
    has_tls: bool


def address_after_ack() -> bytes:
    """Our own address: any text is accepted, none is used."""
    return b"\x00\x00" + bytes(4)


def call(object_id: bytes, method: int, operation: int = -1) -> bytes:
    """Return a call up to its arguments, 41 bytes."""
    return CALL + MAGIC + bytes((BLOCK, 34)) + object_id + struct.pack(">iq", operation, method)


def string(text: str) -> bytes:
    data = encode_utf(text)
    if len(data) > 0xFFFF:
        return b"\x7c" + struct.pack(">q", len(data)) + data
    return b"\x74" + struct.pack(">H", len(data)) + data


def read_ack(decoder: Decoder) -> Reading:
    """Read the answer to the handshake."""
    first = (yield from decoder.take(1))[0]
    if first == TLS_ALERT:
        raise PeerBrokeProtocol(
            "the port speaks TLS, not plain RMI",
            "Set TLS for this target, and for its registry",
            wants_tls=True,
        )
    if first == NOT_SUPPORTED:
        raise PeerBrokeProtocol("the server refuses RMI's stream protocol", "Is it a JMX port?")
    if first != ACK:
        raise PeerBrokeProtocol("not a JMX port: the server does not speak Java RMI", _WHICH_PORT)
    yield from decoder.text()
    yield from decoder.take(4)


_WHICH_PORT: Final = "Use the port of -Dcom.sun.management.jmxremote.port (Kafka: JMX_PORT)"


def read_return(decoder: Decoder, *, has_value: bool = True) -> Reading:
    """Read one return. Raises Aborted when the server breaks it off and closes the socket."""
    if (yield from decoder.take(1))[0] != RETURN or (yield from decoder.take(4)) != MAGIC:
        raise PeerBrokeProtocol("an answer that is not a return of Java RMI")
    token, size = yield from decoder.take(2)
    if token == LONG_BLOCK:
        raise PeerBrokeProtocol("a return with too long a head")
    if token != BLOCK or size < 15:
        raise PeerBrokeProtocol("a return without a head")
    kind, *_ = yield from decoder.take(size)
    if kind == EXCEPTIONAL:
        return Reply(None, (yield from decoder.content()))
    if kind != NORMAL:
        raise PeerBrokeProtocol("a return that is neither a result nor an exception")
    if not has_value:
        return Reply(None)
    return Reply((yield from decoder.content()))


def read_stub(value: object) -> Stub:
    """Take a remote object's address from the stub that stands for it."""
    if isinstance(value, Instance) and value.descriptor.extends("java.lang.reflect.Proxy"):
        value = value.get("h")
    if not isinstance(value, Instance) or not value.descriptor.extends(
        "java.rmi.server.RemoteObject"
    ):
        raise PeerBrokeProtocol("an answer that is not a remote object")
    data = b"".join(part for part in value.annotation if isinstance(part, bytes))
    objects = [part for part in value.annotation if not isinstance(part, bytes)]
    kind, data = _cut_text(data)
    has_factory = False
    if kind == b"UnicastRef2":
        has_factory, data = data[:1] == b"\x01", data[1:]
    elif kind != b"UnicastRef":
        raise PeerBrokeProtocol("a remote object of an unknown kind")
    host, data = _cut_text(data)
    if len(data) < 26:
        raise PeerBrokeProtocol("a remote object without an address")
    if has_factory:
        factory = objects[0] if objects else None
        if not isinstance(factory, Instance) or factory.class_name != TLS_SOCKET_FACTORY:
            raise PeerBrokeProtocol(
                "the server wants a socket factory of its own",
                f"Only {TLS_SOCKET_FACTORY} is known here: remove the other from the JVM's setup",
            )
    port = int.from_bytes(data[:4])
    if not 0 < port <= 0xFFFF:
        raise PeerBrokeProtocol("a remote object with an impossible port")
    return Stub(data[4:26], host.decode("utf-8", "replace"), port, has_factory)


def _cut_text(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:2])
    return data[2 : 2 + size], data[2 + size :]
