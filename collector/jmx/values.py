"""The answer of getAttributes: attributes into slots and values.

    number, boolean     one slot
    CompositeData       a slot for each item, its key in the path; composites inside go on
    TabularData         each row by its index columns, then the row's other items
    text, enum, date    one slot, a constant in reply templates
    null and all else   no slot

What is read is what has this shape; a budget bounds the walk, since references make it a graph.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from collector.jmx.errors import PeerBrokeProtocol
from collector.jmx.javadata import Constant, Instance, Primitives
from collector.jmx.limits import Limits

Value = int | float | bool | str

BOXES: Final = {
    "java.lang.Byte": ("b", "byte"),
    "java.lang.Short": ("h", "short"),
    "java.lang.Integer": ("i", "int"),
    "java.lang.Long": ("q", "long"),
    "java.lang.Float": ("f", "float"),
    "java.lang.Double": ("d", "double"),
    "java.lang.Boolean": ("?", "boolean"),
    "java.util.concurrent.atomic.AtomicInteger": ("i", "int"),
    "java.util.concurrent.atomic.AtomicLong": ("q", "long"),
    "java.util.concurrent.atomic.LongAdder$SerializationProxy": ("q", "long"),
    "java.util.concurrent.atomic.DoubleAdder$SerializationProxy": ("d", "double"),
}
"""Classes whose only own field is the number: its letter in `struct`, its Java type."""

_DEEPEST: Final = 8
_STEPS_PER_SLOT: Final = 16


class Row(tuple[tuple[str, str], ...]):
    """The index columns of a row, with their values as text."""

    __slots__ = ()


class Slot(NamedTuple):
    """Where a value stands: `HeapMemoryUsage` with the path `("used",)`.

    A path's parts are the keys of composite data, or a Row where a table is entered.
    """

    attribute: str
    path: tuple[str | Row, ...]
    java_type: str


class Number(NamedTuple):
    """A number with its place in the reply."""

    slot: Slot
    value: Value
    at: int
    code: str


class Attributes:
    """What one answer of getAttributes holds: numbers with their place, then constants."""

    def __init__(self, reply: object, limits: Limits) -> None:
        self.numbers: list[Number] = []
        self.constants: list[tuple[Slot, Value]] = []
        self._slots_left = limits.slots
        self._steps_left = limits.slots * _STEPS_PER_SLOT
        if not isinstance(reply, Instance) or not reply.descriptor.extends("java.util.ArrayList"):
            raise PeerBrokeProtocol("an answer without the list of attributes that it should hold")
        for item in reply.annotation:
            if isinstance(item, bytes):
                continue
            if (
                not isinstance(item, Instance)
                or item.class_name != "javax.management.Attribute"
                or not isinstance(name := item.get("name"), str)
            ):
                raise PeerBrokeProtocol("a list of attributes that holds something else")
            self._walk(name, (), item.get("value"))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Numbers first, in their order in the answer, then the others."""
        return (*(one.slot for one in self.numbers), *(slot for slot, _ in self.constants))

    @property
    def values(self) -> tuple[Value, ...]:
        return (*(one.value for one in self.numbers), *(value for _, value in self.constants))

    def _walk(self, attribute: str, path: tuple[str | Row, ...], value: object) -> None:
        self._step()
        if value is None or len(path) > _DEEPEST:
            return
        if isinstance(value, str):
            self._constant(Slot(attribute, path, "string"), value)
        elif isinstance(value, Constant):
            self._constant(Slot(attribute, path, "enum"), value.name)
        elif isinstance(value, Instance):
            box = BOXES.get(value.class_name)
            if box is not None:
                self._number(Slot(attribute, path, box[1]), value, box[0])
            elif value.descriptor.extends("javax.management.openmbean.CompositeDataSupport"):
                for key, item in self._composite(value).items():
                    self._walk(attribute, (*path, key), item)
            elif value.descriptor.extends("javax.management.openmbean.TabularDataSupport"):
                self._table(attribute, path, value)
            else:
                self._rare(attribute, path, value)

    def _step(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise PeerBrokeProtocol("an MBean with too much in its attributes")

    def _slot(self) -> None:
        self._slots_left -= 1
        if self._slots_left < 0:
            raise PeerBrokeProtocol("an MBean with too many values")

    def _number(self, slot: Slot, box: Instance, code: str) -> None:
        run = box.descriptor.runs[0] if len(box.descriptor.runs) == 1 else None
        if not isinstance(run, Struct) or run.format != f">{code}":
            raise PeerBrokeProtocol(f"a {box.class_name} that is not a number")
        self._slot()
        self.numbers.append(Number(slot, box.values[-1], box.at, code))

    def _constant(self, slot: Slot, value: Value) -> None:
        self._slot()
        self.constants.append((slot, value))

    def _composite(self, value: Instance) -> dict[str, object]:
        """Return the items of composite data in their order."""
        contents = value.get("contents")
        if not isinstance(contents, Instance):
            raise PeerBrokeProtocol("composite data without contents")
        return {key: item for key, item in self._pairs(contents) if isinstance(key, str)}

    def _pairs(self, mapping: Instance) -> list[tuple[object, object]]:
        """Return the entries of a TreeMap, HashMap or LinkedHashMap."""
        items = [item for item in mapping.annotation if not isinstance(item, bytes)]
        for _ in items:
            self._step()
        return list(zip(items[::2], items[1::2], strict=False))

    def _table(self, attribute: str, path: tuple[str | Row, ...], value: Instance) -> None:
        data, kind = value.get("dataMap"), value.get("tabularType")
        if not isinstance(data, Instance) or not isinstance(kind, Instance):
            raise PeerBrokeProtocol("a table without rows or type")
        columns = [name for name in self._list(kind.get("indexNames")) if isinstance(name, str)]
        for _, row in self._pairs(data):
            if not isinstance(row, Instance):
                continue
            items = self._composite(row)
            index = Row((name, self._index(items.get(name))) for name in columns)
            for key, item in items.items():
                if key not in columns:
                    self._walk(attribute, (*path, index, key), item)

    def _list(self, value: object) -> list[object]:
        """Return the elements of one of Java's lists, through at most three wrappers."""
        for _ in range(3):
            self._step()
            if isinstance(value, list):
                return value
            if not isinstance(value, Instance):
                break
            inner = value.get("list") or value.get("a")
            if inner is None:
                return [item for item in value.annotation if not isinstance(item, bytes)]
            value = inner
        return value if isinstance(value, list) else []

    @staticmethod
    def _index(value: object) -> str:
        """Write an index value as Java's toString does it."""
        if isinstance(value, str):
            return value
        if isinstance(value, Constant):
            return value.name
        if isinstance(value, Instance) and value.class_name in BOXES and value.values:
            number = value.values[-1]
            return str(number).lower() if isinstance(number, bool) else str(number)
        if isinstance(value, Instance) and value.class_name == "javax.management.ObjectName":
            return next((item for item in value.annotation if isinstance(item, str)), "")
        return ""

    def _rare(self, attribute: str, path: tuple[str | Row, ...], value: Instance) -> None:
        name = value.class_name
        if name == "java.util.concurrent.atomic.AtomicBoolean":
            self._constant(Slot(attribute, path, "boolean"), value.get("value") != 0)
        elif name == "java.lang.Character":
            self._constant(Slot(attribute, path, "char"), chr(value.values[-1]))
        elif name == "java.util.Date" and value.annotation:
            millis = int.from_bytes(value.annotation[0][:8], signed=True)
            self._constant(Slot(attribute, path, "date"), millis)
        elif name == "java.math.BigInteger":
            self._constant(Slot(attribute, path, "big"), _big(value))
        elif name == "java.math.BigDecimal":
            unscaled, scale = value.get("intVal"), value.get("scale")
            if isinstance(unscaled, Instance) and isinstance(scale, int) and abs(scale) < 300:
                self._constant(Slot(attribute, path, "big"), float(_big(unscaled)) / 10.0**scale)


def _big(value: Instance) -> int:
    magnitude, sign = value.get("magnitude"), value.get("signum")
    if (
        not isinstance(magnitude, Primitives)
        or not isinstance(sign, int)
        or len(magnitude.data) > 100
    ):
        raise PeerBrokeProtocol("a big integer without its digits, or with too many")
    digits = int.from_bytes(magnitude.data)
    return digits if sign > 0 else -digits
