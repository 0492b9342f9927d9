"""Looks at every remote write request on its way and remembers what was accepted, in order.

    witness = RemoteWriteWitness()
    with witness, Proxy(prometheus.port, witness.tap) as link: ...
    witness.report()

Remote write 1.0 and 2.0. Only requests that were answered with 2xx count: what the receiver refused
was not delivered; nor was a body of 2.0 when the answer doesn't say what was written.
"""

from __future__ import annotations

import struct
from collections import Counter
from queue import Queue
from threading import Lock, Thread
from typing import Any, NamedTuple

from cramjam import snappy

from tests.lab.conversation import Conversation, Exchange
from tests.lab.part import Part
from tests.lab.protos import request_2_class, write_request_class

Labels = tuple[tuple[str, str], ...]

FINDINGS = 100  # kept word for word; all are counted
REMEMBERED = 4096  # times of a series that are known by value; older ones are forgotten
WRITTEN = "x-prometheus-remote-write-samples-written"
WAITING = 256  # requests not yet decoded; then the link becomes slower

_bits = struct.Struct("<d").pack  # NaN is not equal to itself, and 0.0 is to -0.0: bytes tell


class Finding(NamedTuple):
    """A sample that should not have come; `time` in ms, `beside` says what it clashes with."""

    labels: Labels
    time: int
    value: float
    beside: str


class Report(NamedTuple):
    """What was seen so far."""

    requests: int  # answered with 2xx
    refused: dict[int, int]  # status -> requests, those not answered with 2xx
    bytes: int  # of the bodies accepted, as on the wire
    series: int
    samples: int  # all of the below
    repeats: int  # the same value for a time once more: allowed
    out_of_order: int  # a new time, older than the newest of its series
    conflicts: int  # a second value for a time
    unreadable: int  # accepted bodies that are not remote write
    findings: list[Finding]  # the first ones of those two


class RemoteWriteWitness(Part):
    """Decodes in a thread of its own, in the order in which the receiver answered."""

    def __init__(self) -> None:
        self._accepted: Queue[tuple[bytes, bool] | None] = Queue(WAITING)
        self._thread = Thread(target=self._decode_all, name="witness", daemon=True)
        self._classes = {False: write_request_class(), True: request_2_class()}  # by: is it 2.0?
        self._seen: dict[Labels, _Seen] = {}
        self._counts: Counter[str] = Counter()
        self._refused: Counter[int] = Counter()
        self._findings: list[Finding] = []
        self._counting = Lock()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._accepted.put(None)
        self._thread.join()

    def tap(self) -> Conversation:
        """Return the observer of one connection, for Proxy."""
        return Conversation(self._answered)

    def report(self) -> Report:
        """Return what was seen, when all that was accepted until now is decoded."""
        self._accepted.join()
        with self._counting:
            counts = self._counts
            return Report(
                requests=counts["requests"],
                refused=dict(self._refused),
                bytes=counts["bytes"],
                series=len(self._seen),
                samples=counts["samples"],
                repeats=counts["repeats"],
                out_of_order=counts["out of order"],
                conflicts=counts["conflicts"],
                unreadable=counts["unreadable"],
                findings=list(self._findings),
            )

    def _answered(self, exchange: Exchange) -> None:
        if not exchange.request.start.startswith("POST"):
            return
        is_2 = "write.v2" in exchange.request.headers.get("content-type", "")
        if 200 <= exchange.status < 300 and not (is_2 and WRITTEN not in exchange.answer.headers):
            self._accepted.put((exchange.request.body, is_2))
        else:
            with self._counting:
                self._refused[exchange.status] += 1

    def _decode_all(self) -> None:
        while (accepted := self._accepted.get()) is not None:
            body, is_2 = accepted
            with self._counting:
                self._counts["requests"] += 1
                self._counts["bytes"] += len(body)
                try:
                    request = self._classes[is_2].FromString(bytes(snappy.decompress_raw(body)))
                except Exception:  # whatever it is, it is not remote write
                    self._counts["unreadable"] += 1
                else:
                    self._look(request)
            self._accepted.task_done()
        self._accepted.task_done()

    def _look(self, request: Any) -> None:
        counts = self._counts
        for series in request.timeseries:
            labels = _labels(request, series)
            seen = self._seen.get(labels)
            if seen is None:
                seen = self._seen[labels] = _Seen()
            counts["samples"] += len(series.samples)
            for sample in series.samples:
                time, value = sample.timestamp, sample.value
                verdict, beside = seen.judge(time, _bits(value))
                if verdict == "new":
                    continue
                counts[verdict] += 1
                if verdict != "repeats" and len(self._findings) < FINDINGS:
                    self._findings.append(Finding(labels, time, value, beside))


def _labels(request: Any, series: Any) -> Labels:
    if not hasattr(request, "symbols"):
        return tuple([(label.name, label.value) for label in series.labels])
    texts = [request.symbols[ref] for ref in series.labels_refs]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


class _Seen:
    """One series: the bytes of its values by time, in the order of arrival."""

    __slots__ = ("newest", "values")

    def __init__(self) -> None:
        self.newest = -(1 << 63)
        self.values: dict[int, bytes] = {}

    def judge(self, time: int, bits: bytes) -> tuple[str, str]:
        known = self.values.get(time)
        if known is not None:
            if known == bits:
                return "repeats", ""
            return "conflicts", f"{struct.unpack('<d', known)[0]!r} came before"
        self.values[time] = bits
        if len(self.values) > REMEMBERED:
            del self.values[next(iter(self.values))]
        if time < self.newest:
            return "out of order", f"{self.newest} came before"
        self.newest = time
        return "new", ""
