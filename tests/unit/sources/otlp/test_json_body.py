"""JSON says the same as protobuf, and what is none is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import FormatError
from collector.sources.otlp.json_body import decode_json
from collector.sources.otlp.points import TooMany
from tests.unit.sources.otlp.sent import Kept, as_json, as_sum, gauge, groups, histogram, request

SUMMARY = {"count": 3, "sum": 6, "quantile_values": [{"quantile": 0.99, "value": 4}]}
WHOLE = request(
    as_sum("c", 5, 2, 1),
    gauge("g", float("inf"), k="v"),
    histogram("h", [1, 2, 4], 2),
    {"name": "i", "unit": "s", "gauge": {"data_points": [{"as_int": -7}]}},
    {"name": "s", "summary": {"data_points": [SUMMARY]}},
    {"name": "e", "exponential_histogram": {"data_points": [{}]}},
)
TEXT = json.dumps(as_json(WHOLE)).encode()

VALUE = b'{"resourceMetrics":[{"resource":{"attributes":[{"value":%s}]},"scopeMetrics":[{}]}]}'

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


def test_it_says_the_same_as_protobuf():
    assert decode_json(TEXT, 100) == groups(WHOLE)


@pytest.mark.parametrize("end", range(0, len(TEXT), 7))
def test_a_request_that_is_cut_is_refused(end):
    with pytest.raises(FormatError):
        decode_json(TEXT[:end], 100)


@given(
    st.sampled_from(sorted({"startTimeUnixNano", "asDouble", "asInt", "attributes", "flags"})),
    VALUES,
)
def test_values_that_are_none_are_refused(key, value):
    point = {"timeUnixNano": "1", "asDouble": 1.0, key: value}
    body = {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": [{"name": "g", "gauge": {"dataPoints": [point]}}]}]}
        ]
    }
    try:
        found = decode_json(json.dumps(body).encode(), 100)
    except FormatError:
        return
    kept = Kept()
    kept.state.take(found)
    kept.told()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"resourceMetrics":' + b"[" * 100_000,
        VALUE % (b'{"arrayValue":{"values":[' * 10 + b"{}" + b"]}}" * 10),
        VALUE % b'{"arrayValue":7}',
        VALUE % b'{"stringValue":7}',
        b"\xff",
    ],
)
def test_what_means_no_good_is_refused(body):
    with pytest.raises(FormatError):
        decode_json(body, 100)


@pytest.mark.parametrize("many", [b"{}," * 100_001, b"0," * 400_001])
def test_a_body_that_would_take_memory_is_refused_unread(many):
    with pytest.raises(TooMany):
        decode_json(b'{"resourceMetrics":[' + many + b"{}]}", 100)


def test_more_points_than_may_be_are_refused():
    with pytest.raises(TooMany):
        decode_json(TEXT, 5)
