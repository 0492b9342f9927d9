"""Arguments of calls, read back by the decoder as a JVM would read them."""

from __future__ import annotations

from typing import Any

import pytest

from collector.jmx import Limits
from collector.jmx.javadata import Instance, Primitives
from collector.jmx.javastream import MAGIC, Decoder
from collector.jmx.mbeans import query


def objects(data: bytes, count: int) -> list[Any]:
    """Read so many objects, and nothing after them."""
    decoder = Decoder(Limits())
    decoder.buffer += data
    found = []
    decoder.begin()
    for _ in range(count):
        with pytest.raises(StopIteration) as stop:
            next(decoder.content())
        found.append(stop.value.value)
    assert decoder.position == len(data)
    return found


def text_of(name: Instance) -> str:
    assert name.class_name == "javax.management.ObjectName"
    (text,) = name.annotation
    return str(text)


def any_of(condition: Instance, depth: int = 1) -> tuple[list[str], int]:
    """Return the names under a tree of "or", and how deep it is."""
    if condition.class_name == "javax.management.ObjectName":
        return [text_of(condition)], depth
    assert condition.class_name == "javax.management.OrQueryExp"
    sides = [any_of(condition.get(field), depth + 1) for field in ("exp1", "exp2")]
    return sides[0][0] + sides[1][0], max(sides[0][1], sides[1][1])


def test_a_query_is_a_pattern_alone_when_nothing_is_left_out():
    name, condition, subject = objects(query("kafka*:*"), 3)
    assert text_of(name) == "kafka*:*"
    assert condition is subject is None


@pytest.mark.parametrize("count", [1, 2, 3, 17, 64])
def test_what_a_query_leaves_out_is_a_condition_of_javas_own(count: int):
    left_out = [f"kafka.log:type=Log{number},*" for number in range(count)]
    name, held, subject = objects(query("kafka*:*", left_out), 3)
    assert text_of(name) == "kafka*:*"
    assert subject is None
    assert held.class_name == "java.rmi.MarshalledObject"
    assert held.get("locBytes") is None
    inside = held.get("objBytes")
    assert isinstance(inside, Primitives)
    assert inside.data.startswith(MAGIC)
    (condition,) = objects(inside.data.removeprefix(MAGIC), 1)
    assert condition.class_name == "javax.management.NotQueryExp"
    found, depth = any_of(condition.get("exp"))
    assert found == left_out
    assert depth <= 7, "a JVM may bound how deep a stream goes"
