from __future__ import annotations

import struct
from collections.abc import Sequence
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.frames.columns import NO_SAMPLE, STALE, row
from collector.series import Family, Kind
from collector.sinks import blocks
from collector.sinks.body import metadata_request, write_request
from collector.sinks.labels import encode_labels
from tests.lab.protos import write_request_class
from tests.unit.sinks.batches import NOW_MS, STEP_MS, series


def double(bits: int) -> float:
    value: float = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return value


def bits(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


def decoded(plain: bytes | bytearray) -> dict[str, list[tuple[int, int]]]:
    """The (ms, bits) of each series of a body, by metric name."""
    request = write_request_class().FromString(bytes(plain))
    found = {one.labels[0].value: one.samples for one in request.timeseries}
    assert len(found) == len(request.timeseries)
    return {name: [(s.timestamp, bits(s.value)) for s in of] for name, of in found.items()}


def labels_of(count: int) -> Sequence[bytes]:
    # Of many lengths, so that heads of series have one, two and three bytes.
    return encode_labels([series(f"s{i}_{'x' * (i * 37 % 300)}") for i in range(count)]).encoded


def expected(
    labels: Sequence[bytes], at_ms: Sequence[int], cells: Sequence[Sequence[int]]
) -> dict[str, list[tuple[int, int]]]:
    found = {}
    for i, one in enumerate(labels):
        samples = [
            (ms, line[i]) for ms, line in zip(at_ms, cells, strict=True) if line[i] != NO_SAMPLE
        ]
        if one and samples:
            found[f"s{i}_{'x' * (i * 37 % 300)}"] = samples
    return found


values = st.one_of(
    st.sampled_from([NO_SAMPLE, NO_SAMPLE, STALE, bits(0.0), bits(-0.0), bits(float("inf"))]),
    st.floats(allow_nan=False).map(bits),
    st.integers(0x7FF0000000000001, 0x7FFFFFFFFFFFFFFF),  # NaNs with any payload
    st.integers(0xFFF0000000000001, 0xFFFFFFFFFFFFFFFF),
)
moments = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 300),
    st.integers(2**42 - 3, 2**42 + 3),  # in 2109 a timestamp needs one byte more
    st.integers(NOW_MS, NOW_MS + 10**9),
)


@given(
    data=st.data(),
    at_ms=st.lists(moments, min_size=1, max_size=9, unique=True).map(sorted),
    size=st.integers(1, 12),
    block_bytes=st.sampled_from([1, 200, 1000, 96 << 10]),
)
def test_a_body_says_what_protobuf_reads_from_it(data, at_ms, size, block_bytes):
    line = st.lists(values, min_size=size, max_size=size)
    cells = data.draw(st.lists(line, min_size=len(at_ms), max_size=len(at_ms)))
    hidden = data.draw(st.sets(st.integers(0, size - 1), max_size=2))
    labels = [b"" if i in hidden else one for i, one in enumerate(labels_of(size))]
    rows = [row(list(map(double, line))) for line in cells]
    with mock.patch.object(blocks, "_BLOCK_BYTES", block_bytes):
        made = write_request(labels, at_ms, rows)
    wanted = expected(labels, at_ms, cells)
    assert decoded(made.plain) == wanted
    assert made.samples == sum(map(len, wanted.values()))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 20])
def test_bodies_of_thousands_of_series_are_the_same_as_protobufs_own(count):
    labels = labels_of(3000)
    at_ms = [NOW_MS + STEP_MS * t for t in range(count)]
    rows = [row([i + t / 4 for i in range(3000)]) for t in range(count)]
    judge = write_request_class()()
    for i, one in enumerate(labels):
        entry = judge.timeseries.add()
        entry.MergeFromString(one)
        for ms, line in zip(at_ms, rows, strict=True):
            # A value of 0.0 is written by us and left out by protobuf: the only difference.
            entry.samples.add(timestamp=ms, value=line[i] or 1.0)
    rows[0][0] = 1.0
    made = write_request(labels, at_ms, rows)
    assert bytes(made.plain) == judge.SerializeToString()
    assert made.samples == 3000 * count


def test_nothing_to_send_is_an_empty_body():
    hole = double(NO_SAMPLE)
    made = write_request(labels_of(2), [NOW_MS], [row([hole, hole])])
    assert (bytes(made.plain), made.samples) == (b"", 0)


def test_metadata_says_kind_unit_and_help():
    families = [
        Family("a_total", Kind.COUNTER, "", "how often"),
        Family("b_bytes", Kind.GAUGE, "bytes", ""),
        Family("c", Kind.HISTOGRAM, "", "ünits"),
        Family("d", Kind.SUMMARY),
        Family("e_info", Kind.INFO),
        Family("f", Kind.UNKNOWN),
    ]
    request = write_request_class().FromString(metadata_request(families))
    assert not request.timeseries
    told = [(m.metric_family_name, m.type, m.unit, m.help) for m in request.metadata]
    kinds = request.metadata[0]
    assert told == [
        ("a_total", kinds.COUNTER, "", "how often"),
        ("b_bytes", kinds.GAUGE, "bytes", ""),
        ("c", kinds.HISTOGRAM, "", "ünits"),
        ("d", kinds.SUMMARY, "", ""),
        ("e_info", kinds.INFO, "", ""),
        ("f", kinds.UNKNOWN, "", ""),
    ]


def test_every_kind_has_a_type():
    for kind in Kind:
        assert metadata_request([Family("a", kind)])
