"""Reply templates: most of the reader's speed.

Two answers for the same attributes differ only in the id in their head and in the bytes of their
numbers. So the first answer is decoded, and a template keeps its bytes with those places masked:
the next answer is compared in one operation on big integers, and its numbers unpacked in one.
Whatever else differs (a type, a length, a text, which boxes are shared) makes it another answer:
it is decoded and gets a template of its own.

Names of MBeans don't stand in answers: all MBeans with the same attributes share their templates.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from collector.jmx.jrmp import UID_END, UID_START
from collector.jmx.mbeans import strings
from collector.jmx.values import Attributes, Number, Slot, Value

MOST: Final = 16
"""Templates that one shape keeps; the oldest goes. A bean keeps its own beyond that."""


class Template:
    """One form of answer.

    `slots` are those of the numbers in their order in the reply, then those of `constants`.
    """

    __slots__ = ("_order", "_struct", "constants", "length", "mask", "masked", "slots")

    def __init__(
        self,
        raw: bytes,
        numbers: Sequence[Number] = (),
        constants: Sequence[tuple[Slot, Value]] = (),
    ) -> None:
        places = sorted({(number.at, number.code) for number in numbers})
        mask = bytearray(b"\xff" * len(raw))
        mask[UID_START:UID_END] = bytes(UID_END - UID_START)
        form = ">"
        end = 0
        for at, code in places:
            size = struct.calcsize(code)
            form += f"{at - end}x{code}"
            end = at + size
            mask[at:end] = bytes(size)
        self._struct = struct.Struct(form)
        order = [places.index((number.at, number.code)) for number in numbers]
        # Two attributes may refer to one box: the JVM keeps small numbers as shared objects.
        self._order = None if order == list(range(len(places))) else order
        self.length = len(raw)
        self.mask = int.from_bytes(mask)
        self.masked = int.from_bytes(raw) & self.mask
        self.constants: tuple[Value, ...] = tuple(value for _, value in constants)
        self.slots: tuple[Slot, ...] = (
            *(number.slot for number in numbers),
            *(slot for slot, _ in constants),
        )

    def matches(self, data: bytearray) -> bool:
        """Say whether these bytes, as many as `length`, are an answer of this form."""
        return int.from_bytes(data) & self.mask == self.masked

    def begins_with(self, data: bytearray) -> bool:
        """Say whether an answer of this form may begin so. None is the beginning of another."""
        missing = 8 * (self.length - len(data))
        return int.from_bytes(data) & (self.mask >> missing) == self.masked >> missing

    def values(self, buffer: bytearray, position: int) -> tuple[Value, ...]:
        numbers = self._struct.unpack_from(buffer, position)
        if self._order is not None:
            numbers = tuple([numbers[place] for place in self._order])
        return numbers + self.constants if self.constants else numbers


class Shape:
    """What is asked of a bean: attribute names, their bytes as an argument, known answers."""

    __slots__ = ("attributes", "encoded", "templates")

    def __init__(self, attributes: Sequence[str]) -> None:
        self.attributes = tuple(attributes)
        self.encoded = strings(self.attributes)
        self.templates: list[Template] = []

    def learn(self, raw: bytes, attributes: Attributes) -> Template:
        template = Template(raw, attributes.numbers, attributes.constants)
        for known in self.templates:
            if known.slots == template.slots:
                template.slots = known.slots  # one tuple in memory for all
                break
        self.templates.append(template)
        if len(self.templates) > MOST:
            del self.templates[0]
        return template
