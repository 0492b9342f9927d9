"""What the captured answers hold, and what their templates make of them."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.jmx import Limits, PeerBrokeProtocol, Row, Slot
from collector.jmx.javadata import ClassDescriptor, Constant, Instance, Primitives
from collector.jmx.mbeans import read_bean, read_beans, read_info, read_names
from collector.jmx.templates import LONGEST, MOST, Budget, Shape, Template
from collector.jmx.values import BOXES, Attributes
from tests.unit.jmx.captures import BY_NUMBER, read


def answer(number: str) -> Any:
    capture = BY_NUMBER[number]
    return read(capture, [capture.answered])[0].value


def attributes(number: str) -> Attributes:
    return Attributes(answer(number), Limits())


def flat(found: Attributes) -> dict[tuple[Any, ...], Any]:
    return {
        (s.attribute, *s.path): value for s, value in zip(found.slots, found.values, strict=True)
    }


def test_composite_data():
    values = flat(attributes("04"))
    assert values == {
        ("HeapMemoryUsage", "committed"): 0x20000000,
        ("HeapMemoryUsage", "init"): 0x10000000,
        ("HeapMemoryUsage", "max"): 0x20000000,
        ("HeapMemoryUsage", "used"): 0x123F3870,
        ("NonHeapMemoryUsage", "committed"): 0x056F0000,
        ("NonHeapMemoryUsage", "init"): 0x00750000,
        ("NonHeapMemoryUsage", "max"): -1,
        ("NonHeapMemoryUsage", "used"): 0x053DBA48,
        ("ObjectPendingFinalizationCount",): 0,
    }


def test_a_meter_of_a_broker():
    found = attributes("05")
    values = flat(found)
    assert isinstance(values["Count",], int)
    assert all(isinstance(values[f"{name}Rate",], float) for name in ("Mean", "OneMinute"))
    assert values["EventType",] == "bytes"
    assert values["RateUnit",] == "SECONDS"
    assert {slot.java_type for slot in found.slots} == {"long", "double", "string", "enum"}


def test_a_histogram_of_a_broker():
    assert len(attributes("06").numbers) == len(attributes("06").slots) > 5


def test_odd_values():
    found = attributes("11")
    values = list(found.values)
    numbers = [value for value in values if not isinstance(value, str)]
    assert any(isinstance(v, float) and math.isnan(v) for v in numbers)
    assert {math.inf, -math.inf, 2**63 - 1, -(2**63), True} <= set(numbers)
    assert any(isinstance(v, str) and "\0" in v for v in values)
    shared = [one for one in found.numbers if one.value == 100 and one.slot.java_type == "long"]
    assert len(shared) == 2
    assert len({one.at for one in shared}) == 1


@pytest.mark.parametrize("number", ["04", "05", "06", "11"])
@settings(max_examples=25)
@given(data=st.data())
def test_a_template_reads_other_numbers_as_the_decoder_does(number: str, data: st.DataObject):
    capture = BY_NUMBER[number]
    raw = capture.answered
    found = attributes(number)
    template = Template(raw, found.numbers, found.constants)
    assert repr(template.values(bytearray(raw), 0)) == repr(found.values)

    other = bytearray(raw)
    other[8:22] = data.draw(st.binary(min_size=14, max_size=14))
    for one in found.numbers:
        size = struct.calcsize(f">{one.code}")
        other[one.at : one.at + size] = data.draw(st.binary(min_size=size, max_size=size))
    assert template.is_at(other, 0)
    assert template.is_at(bytearray(b"xyz") + other + b"more", 3)
    assert all(template.begins_with(other[:n]) for n in range(len(raw)))
    decoded = Attributes(read(capture, [bytes(other)])[0].value, Limits())
    assert repr(template.values(other, 0)) == repr(decoded.values)


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_template_refuses_any_other_difference(at: int, flip: int):
    raw = BY_NUMBER["04"].answered
    found = attributes("04")
    template = Template(raw, found.numbers, found.constants)
    at %= len(raw)
    is_number = any(one.at <= at < one.at + 8 for one in found.numbers)
    other = bytearray(raw)
    other[at] ^= flip
    assert template.is_at(other, 0) == (8 <= at < 22 or is_number)
    assert not template.is_at(other[:-1], 0)
    assert not template.begins_with(bytearray(raw))


def test_a_shape_keeps_so_many_templates_and_gives_room_back():
    raw = BY_NUMBER["04"].answered
    budget = Budget(1 << 20)
    shape = Shape(["a"], budget)
    kept = []
    for number in range(MOST + 3):
        found = attributes("04")
        found.constants = [(Slot("State", (), "string"), f"state {number}")]
        template, slots = shape.learn(raw, found)
        assert template is not None
        assert template.slots is slots
        kept.append(slots)
    assert len(shape.templates) == MOST
    assert len({id(slots) for slots in kept}) == 1
    shape.forget()
    assert budget.left == 1 << 20


def test_a_shape_without_room_learns_nothing():
    raw = BY_NUMBER["04"].answered
    found = attributes("04")
    assert Shape(["a"], Budget(100)).learn(raw, found) == (None, found.slots)
    assert Shape(["a"], Budget(1 << 30)).learn(bytes(LONGEST + 1), found) == (None, found.slots)


def test_names_of_beans():
    names = sorted(read_names(answer("03")))
    assert len(names) == 2
    assert all("GarbageCollector" in name for name in names)


def test_what_a_bean_has():
    info = read_info(answer("08"))
    assert info.is_of_class
    assert {one.name: one.java_type for one in info.attributes} == {
        "HeapMemoryUsage": "javax.management.openmbean.CompositeData",
        "NonHeapMemoryUsage": "javax.management.openmbean.CompositeData",
        "ObjectPendingFinalizationCount": "int",
        "ObjectName": "javax.management.ObjectName",
        "Verbose": "boolean",
    }
    assert {one.name for one in info.attributes if one.may_be_number} == {
        *("HeapMemoryUsage", "NonHeapMemoryUsage", "ObjectPendingFinalizationCount", "Verbose"),
    }


# ---- shapes that no JVM sends -------------------------------------------------------------------


def described(name: str, *fields: tuple[str, str]) -> ClassDescriptor:
    one = ClassDescriptor(name)
    one.set_fields(list(fields))
    one.set_parent(None)
    return one


def instance(class_name: str, annotation: list[Any] | None = None, /, **fields: Any) -> Instance:
    one = Instance(
        described(class_name, *(("L", field) for field in fields)), list(fields.values())
    )
    one.annotation = annotation or []
    return one


def in_list(value: object) -> Instance:
    attribute = instance("javax.management.Attribute", name="A", value=value)
    return instance("java.util.ArrayList", [b"\0\0\0\1", attribute])


def boxed(value: object, code: str = "J", name: str = "java.lang.Long") -> Instance:
    return Instance(described(name, (code, "value")), [value])


def composite(**items: object) -> Instance:
    pairs = [part for pair in items.items() for part in pair]
    contents = instance("java.util.TreeMap", [b"\0", *pairs])
    return instance("javax.management.openmbean.CompositeDataSupport", contents=contents)


def table(rows: list[Any], names: object) -> Instance:
    entries: list[Any] = [part for row in rows for part in (None, row)]
    data = instance("java.util.LinkedHashMap", entries)
    kind = instance("javax.management.openmbean.TabularType", indexNames=names)
    return instance("javax.management.openmbean.TabularDataSupport", dataMap=data, tabularType=kind)


@pytest.mark.parametrize(
    "value",
    [
        None,
        instance("java.util.HashSet"),
        instance("java.util.ArrayList", [None]),
        instance("java.util.ArrayList", [instance("javax.management.Attribute", name=None)]),
        in_list(boxed(1, code="B")),
        in_list(instance("java.lang.Long")),
        in_list(instance("javax.management.openmbean.CompositeDataSupport", contents=None)),
        in_list(instance("javax.management.openmbean.TabularDataSupport", dataMap=None)),
        in_list(instance("java.math.BigInteger", magnitude=None, signum=1)),
    ],
)
def test_what_is_no_list_of_attributes_is_refused(value: object):
    with pytest.raises(PeerBrokeProtocol):
        Attributes(value, Limits())


@pytest.mark.parametrize(
    "value",
    [
        [],
        Primitives("I"),
        instance("java.util.ArrayList"),
        instance("java.util.Date"),
        instance("javax.management.ObjectName", ["a:b=c"]),
        instance("java.math.BigDecimal", intVal=None, scale=1),
        composite(),
        composite(item=None),
    ],
)
def test_what_is_no_value_gives_no_slot(value: object):
    assert Attributes(in_list(value), Limits()).slots == ()


def test_row_indexes_are_written_as_java_does_it():
    columns = {
        "bool": (boxed(True, "Z", "java.lang.Boolean"), "true"),
        "long": (boxed(7), "7"),
        "enum": (Constant("E"), ""),
        "name": (instance("javax.management.ObjectName", ["a:b=c"]), "a:b=c"),
        "null": (None, ""),
    }
    row = composite(**{key: value for key, (value, _) in columns.items()}, value=boxed(1))
    wrapped = instance("java.util.Collections$UnmodifiableList", list=list(columns))
    for names in (
        list(columns),
        wrapped,
        instance("java.util.ArrayList", [b"\0", *columns]),
        instance("java.util.Arrays$ArrayList", a=list(columns)),
    ):
        found = Attributes(in_list(table([row, None], names)), Limits())
        (slot,) = found.slots
        assert isinstance(slot.path[0], Row)
        assert dict(slot.path[0]) == {key: text for key, (_, text) in columns.items()}
        assert slot.path[1:] == ("value",)


def test_a_graph_is_not_walked_for_ever():
    value: Any = boxed(1)
    for _ in range(40):
        value = composite(a=value, b=value)
    assert Attributes(in_list(value), Limits()).slots == ()
    value = boxed(1)
    for _ in range(7):
        value = composite(**{f"k{number}": value for number in range(10)})
    with pytest.raises(PeerBrokeProtocol, match="too many"):
        Attributes(in_list(value), Limits(slots=100))
    rows = table([composite(a=None)] * 400, ["a"])
    for _ in range(3):
        rows = composite(**{f"k{number}": rows for number in range(40)})
    with pytest.raises(PeerBrokeProtocol, match="too much"):
        Attributes(in_list(rows), Limits(slots=100))


def test_lists_that_wrap_each_other_are_not_followed_for_ever():
    wrapped: Any = ["a"]
    for _ in range(9):
        wrapped = instance("java.util.Collections$UnmodifiableList", list=wrapped)
    found = Attributes(in_list(table([composite(v=boxed(1))], wrapped)), Limits())
    assert found.slots[0].path == ((), "v")


def test_every_box_is_a_number_of_struct():
    assert all(struct.calcsize(f">{code}") for code, _ in BOXES.values())


@pytest.mark.parametrize(
    "take, value",
    [
        (read_names, instance("java.util.HashSet", [None])),
        (read_names, instance("java.util.HashSet", [instance("javax.management.ObjectName")])),
        (read_beans, instance("java.util.TreeSet")),
        (read_info, instance("javax.management.MBeanInfo", attributes=None)),
        (read_info, instance("javax.management.MBeanInfo", attributes=[None])),
    ],
)
def test_other_answers_of_another_shape_are_refused(take: Any, value: object):
    with pytest.raises(PeerBrokeProtocol):
        take(value)


def test_an_attribute_that_cannot_be_read_is_left_out():
    hidden = instance(
        "javax.management.MBeanAttributeInfo", name="A", attributeType="int", isRead=False
    )
    info = read_info(instance("javax.management.MBeanInfo", attributes=[hidden]))
    assert info == ("", "", (), False)


def test_a_bean_without_a_class_has_an_empty_one():
    name = instance("javax.management.ObjectName", ["a:b=c"])
    assert read_bean(instance("javax.management.ObjectInstance", name=name)) == ("a:b=c", "")
