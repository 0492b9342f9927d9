"""Java serialization: bytes to data (`javadata`). No class is looked up, loaded or run.

The grammar is that of the "Java Object Serialization Specification", chapter 6, in protocol
version 1, which is what RMI writes. A stream has no length in front and RMI adds none, so a reply
ends where its last object ends: the reader is a generator that can stop at any byte. Each `yield`
means "feed me more"; the value that the generator returns is the content.

The decoder counts its steps and the bytes that it holds, and ends at a bound of `Limits`.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from sys import getsizeof
from typing import Any, Final

from collector.jmx.errors import PeerBrokeProtocol
from collector.jmx.javadata import (
    NOTHING,
    PRIMITIVES,
    ClassDescriptor,
    Constant,
    Instance,
    Primitives,
    decode_utf,
)
from collector.jmx.limits import Limits

NULL, REFERENCE, CLASS_DESCRIPTOR, OBJECT, STRING, ARRAY = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75
CLASS, BLOCK, END, RESET, LONG_BLOCK, EXCEPTION = 0x76, 0x77, 0x78, 0x79, 0x7A, 0x7B
LONG_STRING, PROXY_DESCRIPTOR, ENUM = 0x7C, 0x7D, 0x7E

FIRST_HANDLE: Final = 0x7E0000
MAGIC: Final = b"\xac\xed\x00\x05"

WRITE_METHOD, SERIALIZABLE, EXTERNALIZABLE, BLOCK_DATA = 1, 2, 4, 8

# What each takes in CPython 3.11, with its places in the handle table and in its parent.
OBJECT_COST: Final = 112
LIST_COST: Final = 88
VALUE_COST: Final = 40
CLASS_COST: Final = 264
FIELD_COST: Final = 72

Reading = Generator[None, None, Any]

_U1 = struct.Struct(">B")
_U2 = struct.Struct(">H")
_I4 = struct.Struct(">i")
_I8 = struct.Struct(">q")


class Aborted(Exception):  # noqa: N818 - not an error of ours: the server took its answer back
    """The server broke its answer off; `thrown` is the exception that it met while writing."""

    def __init__(self, thrown: object) -> None:
        super().__init__()
        self.thrown = thrown


class _End:
    """What `_content` returns for the end mark of an annotation."""


_END: Final = _End()


class Decoder:
    """Reads one object stream after the other from the bytes it was fed."""

    def __init__(self, limits: Limits) -> None:
        self.buffer = bytearray()
        self.position = 0
        self.start = 0  # of the reply that is being read
        self.steps = 0
        self.held = 0
        self._limits = limits
        self._handles: list[Any] = []

    def compact(self) -> None:
        """Let go of the bytes that were read. Only between two replies."""
        del self.buffer[: self.position]
        self.position = 0

    def begin(self) -> None:
        """Start the next reply here."""
        self.start = self.position
        self.steps = 0
        self.held = 0
        self._handles = []

    def content(self) -> Reading:
        """Read one object. Raises Aborted when the server breaks it off."""
        value = yield from self._content(0)
        if value is _END:
            raise PeerBrokeProtocol("an end mark where an object should be")
        return value

    def take(self, size: int) -> Reading:
        """Read that many bytes."""
        end = self.position + size
        if end > len(self.buffer):
            yield from self._need(size)
        data = bytes(self.buffer[self.position : end])
        self.position = end
        return data

    def number(self, form: struct.Struct) -> Reading:
        position = self.position
        if position + form.size > len(self.buffer):
            yield from self._need(form.size)
        self.position = position + form.size
        return form.unpack_from(self.buffer, position)[0]

    def text(self) -> Reading:
        """Read a string with its length in two bytes in front."""
        size = yield from self.number(_U2)
        return decode_utf((yield from self.take(size)))

    def _need(self, size: int) -> Generator[None, None, None]:
        end = self.position + size
        if end - self.start > self._limits.reply_bytes:
            raise _over("bytes in one reply", self._limits.reply_bytes)
        while len(self.buffer) < end:
            yield

    def _keep(self, value: object, cost: int) -> None:
        """Give a value its handle."""
        self._handles.append(value)
        if len(self._handles) > self._limits.items:
            raise _over("objects in one reply", self._limits.items)
        self._hold(cost)

    def _hold(self, cost: int) -> None:
        self.held += cost
        if self.held > self._limits.held_bytes:
            raise _over("bytes of memory for one reply", self._limits.held_bytes)

    def _content(self, depth: int) -> Reading:
        if depth > self._limits.depth:
            raise _over("objects inside each other", self._limits.depth)
        if self.position >= len(self.buffer):
            yield from self._need(1)
        token = self.buffer[self.position]
        self.position += 1
        self.steps += 1
        if token == REFERENCE:
            return (yield from self._reference())
        if token == OBJECT:
            return (yield from self._object(depth))
        if token == STRING:
            return (yield from self._string(_U2))
        if token == NULL:
            return None
        if token == END:
            return _END
        if token == ARRAY:
            return (yield from self._array(depth))
        if token == BLOCK:
            return (yield from self._block(_U1))
        if token == ENUM:
            return (yield from self._enum(depth))
        if token in (CLASS_DESCRIPTOR, PROXY_DESCRIPTOR):
            return (yield from self._class_descriptor(token, depth))
        if token == LONG_STRING:
            return (yield from self._string(_I8))
        if token == LONG_BLOCK:
            return (yield from self._block(_I4))
        if token == CLASS:
            described = yield from self._described(depth)
            self._keep(described, 0)
            return described
        if token == EXCEPTION:
            self._handles = []
            raise Aborted((yield from self._content(depth + 1)))
        raise PeerBrokeProtocol(f"unexpected byte 0x{token:02x} in an answer of the JVM")

    def _reference(self) -> Reading:
        index = (yield from self.number(_I4)) - FIRST_HANDLE
        if not 0 <= index < len(self._handles):
            raise PeerBrokeProtocol("a reference to an object that was not sent")
        return self._handles[index]

    def _string(self, form: struct.Struct) -> Reading:
        size = yield from self.number(form)
        if not 0 <= size <= self._limits.text:
            raise _over("bytes in one string", self._limits.text)
        text = decode_utf((yield from self.take(size)))
        self._keep(text, getsizeof(text) + 24)
        return text

    def _block(self, form: struct.Struct) -> Reading:
        size = yield from self.number(form)
        if not 0 <= size <= self._limits.text:
            raise _over("bytes in one block", self._limits.text)
        data = yield from self.take(size)
        self._hold(size + 48)
        return data

    def _enum(self, depth: int) -> Reading:
        constant = Constant((yield from self._described(depth)).name)
        self._keep(constant, OBJECT_COST)
        name = yield from self._content(depth + 1)
        if not isinstance(name, str):
            raise PeerBrokeProtocol("an enum constant without a name")
        constant.name = name
        return constant

    def _array(self, depth: int) -> Reading:
        described = yield from self._described(depth)
        code = described.name[1:2]
        if code in PRIMITIVES:
            raw = Primitives(code)
            self._keep(raw, OBJECT_COST)
            size = yield from self.number(_I4)
            self._check_array(size)
            raw.data = yield from self.take(size * struct.calcsize(">" + PRIMITIVES[code]))
            self._hold(len(raw.data))
            return raw
        if described.name[:1] != "[" or code not in ("L", "["):
            raise PeerBrokeProtocol("an array of an unknown type")
        elements: list[Any] = []
        self._keep(elements, LIST_COST)
        size = yield from self.number(_I4)
        self._check_array(size)
        for _ in range(size):
            element = yield from self._content(depth + 1)
            if element is _END or type(element) is bytes:
                raise PeerBrokeProtocol("an array with a hole")
            elements.append(element)
            self._hold(10)
        return elements

    def _check_array(self, size: int) -> None:
        if not 0 <= size <= self._limits.array:
            raise _over("elements in one array", self._limits.array)

    def _object(self, depth: int) -> Reading:
        described = yield from self._described(depth)
        count = described.offset + len(described.fields)
        values: list[Any] = [] if count else NOTHING
        instance = Instance(described, values)
        self._keep(instance, OBJECT_COST + (LIST_COST if count else 0))
        if described.flags & EXTERNALIZABLE:
            if not described.flags & BLOCK_DATA or count:
                # Protocol version 1: raw bytes without a length. Only its class could read them.
                raise PeerBrokeProtocol(
                    f"an attribute of the class {described.name[:200]}, whose bytes have no length"
                )
            yield from self._annotation(instance, depth)
            return instance
        buffer = self.buffer
        for one in described.chain:
            self.steps += 1
            if not one.flags & SERIALIZABLE:
                raise PeerBrokeProtocol("an object of a class that is not serializable")
            instance.at = self.position - self.start
            for run in one.runs:
                if isinstance(run, int):
                    for _ in range(run):
                        value = yield from self._content(depth + 1)
                        if value is _END or type(value) is bytes:
                            raise PeerBrokeProtocol("an object with a field missing")
                        values.append(value)
                        self._hold(10)
                else:
                    position = self.position
                    if position + run.size > len(buffer):
                        yield from self._need(run.size)
                    numbers = run.unpack_from(buffer, position)
                    self.position = position + run.size
                    values.extend(numbers)
                    self.steps += len(numbers)
                    self._hold(VALUE_COST * len(numbers))
            if one.flags & WRITE_METHOD:
                yield from self._annotation(instance, depth)
        return instance

    def _annotation(self, instance: Instance, depth: int) -> Reading:
        """Read what a writeObject method added, up to its end mark."""
        while (value := (yield from self._content(depth + 1))) is not _END:
            if instance.annotation is NOTHING:
                instance.annotation = []
                self._hold(LIST_COST)
            instance.annotation.append(value)
            self._hold(10)

    def _described(self, depth: int) -> Reading:
        """Read the class of something; it must be complete."""
        described = yield from self._content(depth + 1)
        if not isinstance(described, ClassDescriptor) or not described.chain:
            raise PeerBrokeProtocol("an object without a class")
        return described

    def _class_descriptor(self, token: int, depth: int) -> Reading:
        if token == PROXY_DESCRIPTOR:
            described = ClassDescriptor("proxy")
            described.flags = SERIALIZABLE
            self._keep(described, CLASS_COST)
            count = yield from self.number(_I4)
            if not 0 <= count <= self._limits.fields:
                raise _over("interfaces of one class", self._limits.fields)
            for _ in range(count):
                self.steps += 1
                yield from self.text()
        else:
            described = ClassDescriptor((yield from self.text()))
            yield from self.take(8)  # the serialVersionUID; nothing is ever instantiated from it
            self._keep(described, CLASS_COST + getsizeof(described.name))
            yield from self._fields(described, depth)
        while (yield from self._content(depth + 1)) is not _END:
            pass  # a codebase, from which Java would load code
        parent = yield from self._content(depth + 1)
        if parent is not None and not isinstance(parent, ClassDescriptor):
            raise PeerBrokeProtocol("a superclass that is not a class")
        described.set_parent(parent)
        if len(described.chain) > self._limits.superclasses:
            raise _over("superclasses", self._limits.superclasses)
        self._hold(8 * len(described.chain))
        return described

    def _fields(self, described: ClassDescriptor, depth: int) -> Reading:
        described.flags = yield from self.number(_U1)
        count = yield from self.number(_U2)
        if count > self._limits.fields:
            raise _over("fields of one class", self._limits.fields)
        fields = []
        for _ in range(count):
            self.steps += 1
            code = chr((yield from self.number(_U1)))
            name = yield from self.text()
            if code in ("L", "["):
                if not isinstance((yield from self._content(depth + 1)), str):
                    raise PeerBrokeProtocol("a field without a type")
            elif code not in PRIMITIVES:
                raise PeerBrokeProtocol("a field of an unknown type")
            fields.append((code, name))
            self._hold(FIELD_COST + len(name) * 4)
        described.set_fields(fields)


def _over(what: str, limit: int) -> PeerBrokeProtocol:
    return PeerBrokeProtocol(
        f"more than {limit} {what}, or a negative number of them",
        "If this server is to be trusted, raise the limit; else it is not the JVM you meant",
    )
