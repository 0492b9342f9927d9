"""What a stream of Java objects becomes: data of six kinds, and the text encoding of the JVM.

    null                None
    string              str
    object              Instance, its class a ClassDescriptor
    array of objects    list
    array of primitives Primitives (bytes as they came)
    enum constant       Constant
    class               ClassDescriptor
    block of raw data   bytes (only inside an object's annotation)

References make a graph, not a tree: 40 small arrays that refer to each other are a walk without
end. Whoever reads a reply follows the shape it expects, with a budget, and never prints it.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from collector.jmx.errors import PeerBrokeProtocol

PRIMITIVES: Final = {"B": "b", "C": "H", "D": "d", "F": "f", "I": "i", "J": "q", "S": "h", "Z": "?"}
"""Type letters of Java and the letters of `struct` for them."""


class ClassDescriptor:
    """A class as the stream describes it.

    `runs` are its fields in order: a Struct for primitives in a row, a number for so many objects.
    `offset` is the count of fields that all its superclasses have together.
    `chain` is the class with its superclasses, the topmost first; empty until it is complete.
    """

    __slots__ = ("chain", "fields", "flags", "name", "offset", "parent", "runs")

    def __init__(self, name: str) -> None:
        self.name = name
        self.flags = 0
        self.fields: tuple[str, ...] = ()
        self.runs: tuple[struct.Struct | int, ...] = ()
        self.parent: ClassDescriptor | None = None
        self.offset = 0
        self.chain: tuple[ClassDescriptor, ...] = ()

    def set_fields(self, fields: list[tuple[str, str]]) -> None:
        """Take (type letter, name) pairs."""
        self.fields = tuple(name for _, name in fields)
        runs: list[struct.Struct | int] = []
        letters = ""
        for code in [*(code for code, _ in fields), ""]:
            if code in PRIMITIVES:
                letters += PRIMITIVES[code]
                continue
            if letters:
                runs.append(struct.Struct(">" + letters))
                letters = ""
            if code:
                last = runs[-1] if runs else None
                if isinstance(last, int):
                    runs[-1] = last + 1
                else:
                    runs.append(1)
        self.runs = tuple(runs)

    def set_parent(self, parent: ClassDescriptor | None) -> None:
        if parent is not None:
            if not parent.chain:
                raise PeerBrokeProtocol("a class is its own superclass")
            self.parent = parent
            self.offset = parent.offset + len(parent.fields)
        self.chain = (*(parent.chain if parent else ()), self)

    def extends(self, name: str) -> bool:
        return any(one.name == name for one in self.chain)


class Instance:
    """An object: its fields from the topmost class down, then what its writeObject methods added.

    `at` is where the fields of its own class begin, counted from the start of the reply.
    """

    __slots__ = ("annotation", "at", "descriptor", "values")

    def __init__(self, descriptor: ClassDescriptor, values: list[Any]) -> None:
        self.descriptor = descriptor
        self.values = values
        self.annotation: list[Any] = NOTHING
        self.at = 0

    @property
    def class_name(self) -> str:
        return self.descriptor.name

    def get(self, field: str) -> Any:
        """Return a field's value, None when no class of the object has such a field."""
        one: ClassDescriptor | None = self.descriptor
        while one is not None:
            if field in one.fields:
                return self.values[one.offset + one.fields.index(field)]
            one = one.parent
        return None


NOTHING: Final[list[Any]] = []
"""Shared by all objects without fields or annotation; never changed."""


class Constant:
    """A constant of an enum."""

    __slots__ = ("class_name", "name")

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name
        self.name = ""


class Primitives:
    """An array of primitives: its type letter and its elements' bytes."""

    __slots__ = ("code", "data")

    def __init__(self, code: str) -> None:
        self.code = code
        self.data = b""


def decode_utf(data: bytes) -> str:
    """Read modified UTF-8: NUL is C0 80, a character beyond 16 bits a pair of surrogates.

    What is not modified UTF-8 becomes U+FFFD: names of MBeans come from users.
    """
    if data.isascii():
        return data.decode("ascii")
    try:
        text = data.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


def encode_utf(text: str) -> bytes:
    """Write modified UTF-8."""
    if text.isascii() and "\0" not in text:
        return text.encode("ascii")
    data = text.encode("utf-16-be", "surrogatepass")
    units = struct.unpack(f">{len(data) // 2}H", data)
    plain = "".join(map(chr, units)).encode("utf-8", "surrogatepass")
    return plain.replace(b"\0", b"\xc0\x80")
