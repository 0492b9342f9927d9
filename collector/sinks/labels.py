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
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from collector.frames.dictionary import Dictionary
from collector.protobuf import bytes_field
from collector.series import Series

MAX_NAME_BYTES = 1024
MAX_VALUE_BYTES = 4096

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
METRIC = "__name__"
_OBJECT_BYTES = 40  # of a bytes object, without its bytes
Pair = tuple[str, str]


class EncodedLabels(NamedTuple):
    """One entry a series, in the dictionary's order.

    `encoded[i]` are the Label fields of a TimeSeries, empty when series i is never sent:
    then `unsendable[i]` has the reason as a short code.
    """

    encoded: Sequence[bytes]
    unsendable: Mapping[int, str]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(map(len, self.encoded)) + _OBJECT_BYTES * len(self.encoded)


class Sized(Protocol):
    @property
    def size(self) -> int: ...


T = TypeVar("T", bound=Sized)


class LabelCache(Generic[T]):
    """What a body needs of the dictionaries met lately, as many as fit into `max_bytes`."""

    def __init__(self, encode: Callable[[Sequence[Series]], T], max_bytes: int = 16 << 20) -> None:
        self._encode = encode
        self._max_bytes = max_bytes
        self._bytes = 0
        self._known: OrderedDict[int, T] = OrderedDict()

    def of(self, dictionary: Dictionary) -> T:
        known = self._known.get(dictionary.id)
        if known is not None:
            self._known.move_to_end(dictionary.id)
            return known
        made = self._encode(dictionary.series)
        self._known[dictionary.id] = made
        self._bytes += made.size
        while self._bytes > self._max_bytes and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= oldest.size
        return made


def encode_labels(series: Sequence[Series]) -> EncodedLabels:
    """Encode the labels of each series; what must not be sent gets a reason instead."""
    pairs: dict[Pair, bytes] = {}  # most labels are on many series

    def encoded(labels: Sequence[Pair]) -> bytes:
        fields = []
        for pair in labels:
            field = pairs.get(pair)
            if field is None:
                name, value = pair
                field = bytes_field(
                    1, bytes_field(1, name.encode()) + bytes_field(2, value.encode())
                )
                pairs[pair] = field
            fields.append(field)
        return b"".join(fields)

    sendable, unsendable = sendable_labels(series)
    return EncodedLabels([encoded(labels) for labels in sendable], unsendable)


def sendable_labels(series: Sequence[Series]) -> tuple[list[Sequence[Pair]], dict[int, str]]:
    """Return the sorted labels of each series with `__name__`, and why some are never sent.

    Those have no labels in the first list. Empty values are left out.
    """
    sendable: list[Sequence[Pair]] = []
    unsendable: dict[int, str] = {}
    known: dict[Pair, bool] = {}  # is there a value?
    seen: set[tuple[Pair, ...]] = set()
    for i, one in enumerate(series):
        try:
            labels = _checked(one, known)
        except _UnsendableError as why:
            unsendable[i] = str(why)
            labels = ()
        if labels in seen:
            unsendable[i] = "duplicate_series"
            labels = ()
        elif labels:
            seen.add(labels)
        sendable.append(labels)
    return sendable, unsendable


class _UnsendableError(Exception):
    """A receiver would not keep this series; the message is the reason's code."""


def _checked(series: Series, known: dict[Pair, bool]) -> tuple[Pair, ...]:
    # Sorted by bytes: __name__ stands behind names that begin with an upper-case letter. All
    # names are ASCII, or they are refused, so the order of str is the order of their bytes.
    labels = sorted(((METRIC, series.name), *series.labels))
    if len({name for name, _ in labels}) < len(labels):
        raise _UnsendableError("duplicate_label")
    for pair in labels:
        if pair not in known:
            known[pair] = _has_value(*pair)
    return tuple(pair for pair in labels if known[pair])


def _has_value(name: str, value: str) -> bool:
    if name == METRIC:
        if not _METRIC_NAME.fullmatch(value):
            raise _UnsendableError("metric_name")
    elif not _LABEL_NAME.fullmatch(name):
        raise _UnsendableError("label_name")
    if not value:
        return False  # in Prometheus's data model the same as no such label
    try:
        value_bytes = value.encode()
    except UnicodeEncodeError as error:
        raise _UnsendableError("label_value") from error
    if len(name) > MAX_NAME_BYTES or len(value_bytes) > MAX_VALUE_BYTES:
        raise _UnsendableError("label_size")
    return True
