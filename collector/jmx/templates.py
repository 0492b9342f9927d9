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
from collector.jmx.mbeans import NULL, strings
from collector.jmx.values import Attributes, Number, Slot, Value

MOST: Final = 16
"""Templates that one shape keeps; the oldest goes. A bean keeps its own beyond that."""

LONGEST: Final = 1 << 16
"""Bytes of an answer that gets a template. The longest in a broker has about 8,000."""

_SLOT_COST: Final = 200


class Budget:
    """Bytes that all templates of a client may take: a JVM's answers could differ without end.

    A broker's take about 1 MB. When the budget is used up, answers are decoded each time.
    """

    def __init__(self, left: int) -> None:
        self.left = left


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
            size = struct.calcsize(f">{code}")
            form += f"{at - end}x{code}"
            end = at + size
            mask[at:end] = bytes(size)
        self._struct = struct.Struct(form)
        position = {place: index for index, place in enumerate(places)}
        order = [position[number.at, number.code] for number in numbers]
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

    @property
    def cost(self) -> int:
        return 3 * self.length + _SLOT_COST * len(self.slots)

    def is_at(self, buffer: bytearray, position: int) -> bool:
        """Say whether an answer of this form stands there, whole."""
        end = position + self.length
        return (
            end <= len(buffer) and int.from_bytes(buffer[position:end]) & self.mask == self.masked
        )

    def begins_with(self, data: bytearray) -> bool:
        """Say whether an answer of this form may begin so. None is the beginning of another."""
        missing = 8 * (self.length - len(data))
        return (
            missing > 0 and int.from_bytes(data) & (self.mask >> missing) == self.masked >> missing
        )

    def values(self, buffer: bytearray, position: int) -> tuple[Value, ...]:
        numbers = self._struct.unpack_from(buffer, position)
        if self._order is not None:
            numbers = tuple([numbers[place] for place in self._order])
        return numbers + self.constants if self.constants else numbers


class Shape:
    """What is asked of a bean: attribute names, their bytes as arguments, known answers."""

    __slots__ = ("_budget", "attributes", "encoded", "templates")

    def __init__(self, attributes: Sequence[str], budget: Budget) -> None:
        self.attributes = tuple(attributes)
        self.encoded = strings(self.attributes) + NULL
        self.templates: list[Template] = []
        self._budget = budget

    def learn(self, raw: bytes, attributes: Attributes) -> tuple[Template | None, tuple[Slot, ...]]:
        """Return the template of a new answer, None when there is no room for it, and its slots."""
        if len(raw) > LONGEST:
            return None, attributes.slots
        template = Template(raw, attributes.numbers, attributes.constants)
        for known in self.templates:
            if known.slots == template.slots:
                template.slots = known.slots  # one tuple in memory for all
                break
        if len(self.templates) == MOST:
            self._budget.left += self.templates.pop(0).cost
        if template.cost > self._budget.left:
            return None, template.slots
        self._budget.left -= template.cost
        self.templates.append(template)
        return template, template.slots

    def forget(self) -> None:
        """Give the templates' room back: no bean has this shape any more."""
        self._budget.left += sum(template.cost for template in self.templates)
        self.templates = []
