"""Protobuf, against the classes of opentelemetry-proto, and against bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import FormatError
from collector.sources.otlp.points import TooMany
from collector.sources.otlp.protobuf_body import decode_protobuf
from tests.unit.sources.otlp.sent import Kept, as_sum, gauge, groups, histogram, request

WHOLE = request(
    as_sum("c", 5, 2, 1), gauge("g", -1.5, k="v", é="ü"), histogram("h", [1, 2, 4], 2)
).SerializeToString()


def test_what_the_classes_write_is_read():
    (group,) = decode_protobuf(WHOLE, 10)
    assert group.resource == (("service.name", "pay"), ("service.instance.id", "1"))
    c, g, h = group.metrics
    assert (c.what, c.temporality, c.is_monotonic, c.points[0].values) == ("sum", 2, True, (5.0,))
    assert (g.points[0].attributes, g.points[0].values) == ((("k", "v"), ("é", "ü")), (-1.5,))
    assert (h.points[0].values, h.points[0].bounds, h.points[0].sum) == (
        (1.0, 2.0, 4.0),
        (0.5, 10.0),
        3.5,
    )


def test_values_of_attributes_are_text():
    message = request({"name": "g", "gauge": {"data_points": [{"as_int": -7}]}})
    scope = message.resource_metrics[0].scope_metrics[0]
    scope.scope.name, scope.scope.version = "lib", "1"
    point = scope.metrics[0].gauge.data_points[0]
    for key, value in {
        "b": {"bool_value": True},
        "i": {"int_value": -3},
        "d": {"double_value": 0.5},
        "a": {"array_value": {"values": [{"int_value": 1}, {"string_value": "x"}]}},
        "m": {"kvlist_value": {"values": [{"key": "k", "value": {"int_value": 2}}]}},
        "y": {"bytes_value": b"\xff"},
        "n": {},
    }.items():
        point.attributes.add(key=key, value=value)
    (group,) = groups(message)
    assert group.scope == (("otel_scope_name", "lib"), ("otel_scope_version", "1"))
    (read,) = group.metrics[0].points
    assert read.values == (-7.0,)
    assert dict(read.attributes) == {
        "b": "true",
        "i": "-3",
        "d": "0.5",
        "a": '[1,"x"]',
        "m": '{"k":2}',
        "y": "/w==",
        "n": "",
    }


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_a_request_that_is_cut_is_refused_or_is_a_shorter_one(end):
    taken_or_refused(WHOLE[:end])


@given(st.binary(max_size=200))
def test_bytes_that_are_none_are_refused(body):
    taken_or_refused(body)


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4))
def test_damage_is_refused_or_taken(at, damage):
    taken_or_refused(WHOLE[:at] + damage + WHOLE[at + len(damage) :])


def test_nesting_without_end_is_refused():
    value = b""
    for _ in range(2000):
        inner = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(inner)) + inner
    pair = b"\x0a\x01k\x12" + varint(len(value)) + value
    resource = b"\x0a" + varint(len(pair)) + pair
    one = b"\x0a" + varint(len(resource)) + resource
    with pytest.raises(FormatError, match="too deep"):
        decode_protobuf(b"\x0a" + varint(len(one)) + one, 10)


def test_more_points_than_may_be_are_refused_before_they_are_made():
    points: list[dict[str, int]] = [{} for _ in range(11)]
    message = request({"name": "g", "gauge": {"data_points": points}})
    with pytest.raises(TooMany):
        decode_protobuf(message.SerializeToString(), 10)
    metrics = request(*points)
    with pytest.raises(TooMany):
        decode_protobuf(metrics.SerializeToString(), 10)


def test_scopes_without_end_are_refused():
    with pytest.raises(TooMany):
        decode_protobuf(b"\x0a\x16" + b"\x12\x00" * 11, 10)


def taken_or_refused(body: bytes) -> None:
    try:
        found = decode_protobuf(body, 100)
    except FormatError:
        return
    kept = Kept()
    kept.state.take(found)
    kept.told()


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
