"""What a sink tells of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.frames.dictionary import Stream


@dataclass(slots=True)
class SinkStats:
    """Counts since the start. The sink's thread writes; others read, and copy what has a size.

    `requests` by code: an HTTP status, or what happened instead (`post.Exchange`). `unsendable`
    are samples by the reason why their series is never sent (`labels.py`).
    """

    protocol: str = ""  # that is spoken now
    advice: str = ""  # what a person should do about the receiver
    fallbacks: int = 0  # how often the receiver did not take one
    request_samples: int = 0  # what one request may hold, as the link takes it
    requests: Counter[str] = field(default_factory=Counter)
    bytes_sent: int = 0  # bodies as they are sent, also those that were not taken
    samples_delivered: int = 0  # taken by the receiver, each time it took them
    already_stored: int = 0  # refused, since an attempt before had brought them
    unsendable: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)  # samples set aside, by reason
    withheld_rounds: int = 0  # not sent: older than the receiver takes
    last_success_s: float | None = None  # Unix time
    newest_ms: dict[Stream, int] = field(default_factory=dict)  # time of the newest round delivered


def total(stats: Iterable[SinkStats]) -> SinkStats:
    """The stats of one receiver that several sinks send to, as if they were one."""
    whole = SinkStats()
    for one in stats:
        whole.protocol = one.protocol
        whole.advice = whole.advice or one.advice
        whole.request_samples = max(whole.request_samples, one.request_samples)
        whole.fallbacks += one.fallbacks
        whole.rejected += Counter(dict(one.rejected))
        whole.withheld_rounds += one.withheld_rounds
        whole.requests += Counter(dict(one.requests))
        whole.bytes_sent += one.bytes_sent
        whole.samples_delivered += one.samples_delivered
        whole.already_stored += one.already_stored
        whole.unsendable += Counter(dict(one.unsendable))
        times = (whole.last_success_s, one.last_success_s)
        whole.last_success_s = max((time for time in times if time is not None), default=None)
        whole.newest_ms |= dict(one.newest_ms)
    return whole
