"""Damaged and made-up answers, and a run of everything that reads them.

Two makers: one damages a captured conversation, one writes a stream by the grammar with dice, to
get deep where damage rarely gets. Both need nothing but a seed: a failure is run again by it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from collector.jmx import JmxError, Limits, ObjectName
from collector.jmx.bean import Bean
from collector.jmx.javadata import PRIMITIVES
from collector.jmx.javastream import MAGIC
from collector.jmx.jrmp import read_stub
from collector.jmx.mbeans import BeanInfo, read_bean, read_beans, read_info, read_names
from collector.jmx.templates import Budget, Shape
from collector.jmx.throwables import call_failed
from tests.unit.jmx.captures import CAPTURES, Capture, Reader

LIMITS = Limits()
RETURN = b"\x51" + MAGIC + b"\x77\x0f\x01" + bytes(14)
STEPS_PER_BYTE = 20
HELD_PER_BYTE = 64
HELD_AT_ALL = 64 << 10
TOKENS = bytes(range(0x70, 0x7F))
ODD = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\x7e\0\0")


def damaged(dice: random.Random) -> tuple[Capture, bytes]:
    """Return a capture, and its answers with one to six faults in them."""
    capture = dice.choice(CAPTURES)
    data = bytearray(capture.answered)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data))
        end = min(len(data), at + dice.choice((1, 1, 2, 4, 8, 30, 200)))
        match dice.randrange(8):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at] = dice.choice(TOKENS)
            case 2:
                data[at:end] = dice.choice(ODD)
            case 3:
                del data[at:end]
            case 4:
                data[at:at] = data[at:end] * dice.randint(1, 20)
            case 5:
                other = dice.choice(CAPTURES).answered
                start = dice.randrange(len(other))
                data[at:end] = other[start : start + dice.randint(1, 300)]
            case 6:
                reference = struct.pack(">BHH", 0x71, 0x7E, dice.randrange(60))
                data[at : at + 5] = reference
            case _:
                del data[at:]
        if not data:
            data += b"\0"
    return capture, bytes(data)


def made_up(dice: random.Random) -> tuple[Capture, bytes]:
    """Return a normal return that holds a stream by the grammar."""
    maker = _Maker(dice, size=dice.choice((50, 500, 5000)))
    maker.content(0)
    return Capture("made-up", has_handshake=False, returns=(True,)), RETURN + bytes(maker.out)


CLASSES = (
    *(b"javax.management.AttributeList", b"javax.management.Attribute", b"java.util.HashSet"),
    *(b"java.lang.Long", b"java.util.ArrayList", b"java.util.TreeMap", b"java.lang.Throwable"),
    *(b"javax.management.openmbean.CompositeDataSupport", b"javax.management.ObjectName"),
    *(b"javax.management.openmbean.TabularDataSupport", b"java.math.BigInteger", b""),
    *(b"java.rmi.server.RemoteObject", b"javax.management.MBeanInfo", b"java.util.Date"),
)
FIELDS = (b"value", b"name", b"contents", b"dataMap", b"cause", b"list", b"attributes", b"")


class _Class(NamedTuple):
    """What objects of a class need: its superclasses' fields are in `fields` too, in order."""

    name: bytes
    fields: bytes
    has_annotation: bool
    depth: int


class _Maker:
    """Writes contents. References are likely: they make a graph of a tree."""

    def __init__(self, dice: random.Random, size: int) -> None:
        self.out = bytearray()
        self._dice = dice
        self._size = size
        self._handles: list[_Class | None] = []

    def content(self, depth: int) -> None:
        dice, out = self._dice, self.out
        choice = dice.randrange(12) if len(out) < self._size and depth < 62 else 0
        if choice == 1 and self._handles:
            self._reference(dice.randrange(len(self._handles)))
        elif choice == 2:
            self._string(dice.choice(FIELDS))
        elif choice in (3, 4, 5):
            out.append(0x75)
            self._class(depth + 1, array=True)
            self._handles.append(None)
            count = dice.choice((0, 1, 2, 2, 40))
            out += struct.pack(">i", count)
            for _ in range(count):
                self.content(depth + 1)
        elif choice == 6:
            out.append(dice.choice((0x76, 0x7E)))
            token = out[-1]
            self._class(depth + 1)
            self._handles.append(None)
            if token == 0x7E:
                self._string(b"x")
        elif choice > 6:
            self._object(depth)
        else:
            out.append(0x70)
        if dice.random() < 0.001:
            out.append(dice.randrange(256))

    def _reference(self, index: int) -> None:
        self.out += struct.pack(">BHH", 0x71, 0x7E, index)

    def _string(self, text: bytes) -> None:
        self.out += struct.pack(">BH", 0x74, len(text)) + text
        self._handles.append(None)

    def _object(self, depth: int) -> None:
        dice, out = self._dice, self.out
        out.append(0x73)
        described = self._class(depth + 1)
        self._handles.append(None)
        for code in described.fields.decode():
            if code in PRIMITIVES:
                out += dice.randbytes(struct.calcsize(">" + PRIMITIVES[code]))
            elif code == "/":
                self._annotation(depth)
            else:
                self.content(depth + 1)

    def _annotation(self, depth: int) -> None:
        for _ in range(self._dice.randrange(4)):
            if self._dice.random() < 0.3:
                self.out += bytes((0x77, 4, 0, 0, 0, self._dice.randrange(9)))
            else:
                self.content(depth + 1)
        self.out.append(0x78)

    def _class(self, depth: int, *, array: bool = False) -> _Class:
        """Write a class descriptor, or refer to one; return what its objects need."""
        dice, out = self._dice, self.out
        known = [
            (index, one)
            for index, one in enumerate(self._handles)
            if one is not None and one.name.startswith(b"[") == array
        ]
        if known and dice.random() < 0.7:
            index, one = dice.choice(known)
            self._reference(index)
            return one
        name = dice.choice((b"[La;", b"[[J")) if array else dice.choice(CLASSES)
        out += struct.pack(">BH", 0x72, len(name)) + name + bytes(8)
        place = len(self._handles)
        self._handles.append(None)  # not to be used before it is complete
        has_annotation = dice.random() < 0.5
        out.append(3 if has_annotation else 2)
        codes = "".join(dice.choice("LLJI[ZD") for _ in range(dice.choice((0, 0, 1, 1, 2, 30))))
        out += struct.pack(">H", len(codes))
        for code in codes:
            text = dice.choice(FIELDS)
            out += code.encode() + struct.pack(">H", len(text)) + text
            if code in "L[":
                self._string(b"")
        out.append(0x78)
        above = b""
        parent = 0
        if dice.random() < 0.5 or depth > 62:
            out.append(0x70)
        else:
            inherited = self._class(depth + 1)
            above, parent = inherited.fields, inherited.depth
        own = codes.encode() + (b"/" if has_annotation else b"")
        one = _Class(name, above + own, has_annotation, parent + 1)
        self._handles[place] = one
        return one


def survive(capture: Capture, data: bytes, dice: random.Random) -> tuple[int, int]:
    """Read the answers and take them for everything that they could be.

    Returns steps and bytes held, of the reply with the most. Whatever is not a JmxError escapes.
    """
    reader = Reader(capture, LIMITS)
    cut = dice.randrange(len(data) + 1)
    try:
        if not reader.feed(data[:cut]):
            reader.feed(data[cut:])
    except JmxError:
        reader.note()
    for reply in reader.replies:
        if reply.thrown is not None:
            str(call_failed(reply.thrown))
        for take in (read_stub, read_names, read_beans, read_bean, read_info, _take_attributes):
            _try(take, reply.value)
    return reader.steps, reader.held


def _try(take: Callable[[Any], Any], value: object) -> None:
    try:
        take(value)
    except JmxError as error:
        text = str(error)
        if len(text) > 600:
            raise AssertionError(f"an error of {len(text)} letters") from error


def _take_attributes(value: object) -> None:
    """Answer a bean with it; the bytes for its template are of no meaning, but long enough."""
    info = BeanInfo("", "", (), is_of_class=True)
    bean = Bean(ObjectName("a:b=c"), info, Shape(["x"], Budget(1 << 20)), LIMITS)
    layout, values = bean.answered(value, bytes(60_000))
    assert len(layout.slots) == len(values)
