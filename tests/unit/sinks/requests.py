"""What a body says, by protobuf's own classes, whatever the dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.lab.protos import request_2_class, write_request_class


def samples_of(plain: bytes, headers: Mapping[str, str]) -> dict[str, list[tuple[int, float]]]:
    """The (ms, value) pairs of each series, by metric name, of an uncompressed body."""
    return {dict(labels)["__name__"]: points for labels, points in series_of(plain, headers)}


def series_of(
    plain: bytes, headers: Mapping[str, str]
) -> Sequence[tuple[tuple[tuple[str, str], ...], list[tuple[int, float]]]]:
    if "v2" not in headers["Content-Type"]:
        request = write_request_class().FromString(plain)
        return [
            (tuple((label.name, label.value) for label in one.labels), _points(one))
            for one in request.timeseries
        ]
    request = request_2_class().FromString(plain)
    assert request.symbols[0] == ""
    return [(_labels(request.symbols, one), _points(one)) for one in request.timeseries]


def _labels(symbols: Sequence[str], one: Any) -> tuple[tuple[str, str], ...]:
    texts = [symbols[place] for place in one.labels_refs]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _points(one: Any) -> list[tuple[int, float]]:
    return [(sample.timestamp, sample.value) for sample in one.samples]
