"""The labels of a dictionary's series as remote write has them: checked, sorted, encoded once.

A receiver is no judge of labels: Prometheus answers 204 to a request with an illegal name and
drops those samples, or 500 to one with a name twice and drops everything. So what it would not
keep is never sent, and counted here.

The limits of size are those above which known receivers drop a sample and still answer 204
(VictoriaMetrics: values of more than 4 KiB) or refuse it (Mimir: names of more than 1 KiB).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collector.dictionary import Dictionary
from collector.protobuf import bytes_field
from collector.series import Series

MAX_NAME_BYTES = 1024
MAX_VALUE_BYTES = 4096

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = "__name__"


class EncodedLabels(NamedTuple):
    """One entry a series, in the dictionary's order.

    `encoded[i]` are the Label fields of a TimeSeries, empty when series i is never sent:
    then `unsendable[i]` has the reason as a short code.
    """

    encoded: Sequence[bytes]
    unsendable: Mapping[int, str]


class LabelCache:
    """The encoded labels of the dictionaries met lately, as many as fit into `max_bytes`."""

    def __init__(self, max_bytes: int = 16 << 20) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._known: OrderedDict[int, EncodedLabels] = OrderedDict()

    def of(self, dictionary: Dictionary) -> EncodedLabels:
        known = self._known.get(dictionary.id)
        if known is not None:
            self._known.move_to_end(dictionary.id)
            return known
        made = encode_labels(dictionary.series)
        self._known[dictionary.id] = made
        self._bytes += _size(made)
        while self._bytes > self._max_bytes and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= _size(oldest)
        return made


def encode_labels(series: Sequence[Series]) -> EncodedLabels:
    """Encode the labels of each series; what must not be sent gets a reason instead."""
    encoded: list[bytes] = []
    unsendable: dict[int, str] = {}
    pairs: dict[tuple[str, str], bytes] = {}  # most labels are on many series
    seen: set[bytes] = set()
    for i, one in enumerate(series):
        try:
            labels = _encode(one, pairs)
        except _UnsendableError as why:
            unsendable[i] = str(why)
            labels = b""
        if labels in seen:
            unsendable[i] = "duplicate_series"
            labels = b""
        elif labels:
            seen.add(labels)
        encoded.append(labels)
    return EncodedLabels(encoded, unsendable)


class _UnsendableError(Exception):
    """A receiver would not keep this series; the message is the reason's code."""


def _encode(series: Series, pairs: dict[tuple[str, str], bytes]) -> bytes:
    # Sorted by bytes: __name__ stands behind names that begin with an upper-case letter. All
    # names are ASCII, or they are refused, so the order of str is the order of their bytes.
    labels = sorted(((_METRIC, series.name), *series.labels))
    if len({name for name, _ in labels}) < len(labels):
        raise _UnsendableError("duplicate_label")
    encoded = []
    for pair in labels:
        known = pairs.get(pair)
        if known is None:
            known = pairs[pair] = _encode_pair(*pair)
        encoded.append(known)
    return b"".join(encoded)


def _encode_pair(name: str, value: str) -> bytes:
    if name == _METRIC:
        if not _METRIC_NAME.fullmatch(value):
            raise _UnsendableError("metric_name")
    elif not _LABEL_NAME.fullmatch(name):
        raise _UnsendableError("label_name")
    if not value:
        return b""  # in Prometheus's data model the same as no such label
    try:
        value_bytes = value.encode()
    except UnicodeEncodeError as error:
        raise _UnsendableError("label_value") from error
    if len(name) > MAX_NAME_BYTES or len(value_bytes) > MAX_VALUE_BYTES:
        raise _UnsendableError("label_size")
    return bytes_field(1, bytes_field(1, name.encode()) + bytes_field(2, value_bytes))


def _size(labels: EncodedLabels) -> int:
    """Bytes of memory, roughly: what CPython adds to a bytes object is 33."""
    return sum(map(len, labels.encoded)) + 41 * len(labels.encoded)
