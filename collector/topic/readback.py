"""Reading back what the topic acknowledged: an acknowledged record may be gone all the same.

Brokers acknowledge from the page cache: after a power cut, or with its disk exchanged, a log comes
back shorter, and takes new records at old offsets without a word. A topic may be deleted and made
anew. Offsets alone don't show it, since other nodes write to the same partition: what lies at the
offset is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from collector.errors import FormatError, Rewind
from collector.frames.dictionary import Stream
from collector.protobuf import (
    as_bytes,
    as_int,
    fields,
    fixed64_field,
    string_field,
    uint_field,
    unzigzag,
    zigzag,
)
from collector.topic.client import TopicPlace
from collector.topic.tail import Seen, Tail

Attempt = tuple[int, int]
"""Line and first seq of what is about to be written."""


class Acknowledged(NamedTuple):
    """The last record that the topic has taken of a stream, kept with the spool's position."""

    topic_id: str
    offset: int
    line: int
    epoch: int
    seq: int
    wall_ms: int


def encode(it: Acknowledged) -> bytes:
    """The Acknowledged message of frame.proto."""
    return (
        string_field(1, it.topic_id)
        + uint_field(2, it.offset)
        + fixed64_field(3, it.line)
        + fixed64_field(4, it.epoch)
        + uint_field(5, it.seq)
        + uint_field(6, zigzag(it.wall_ms))
    )


def decode(note: bytes) -> Acknowledged | None:
    """Read it back; None when there is none, or none that can be read."""
    numbers = dict.fromkeys((2, 3, 4, 5, 6), 0)
    topic_id = ""
    try:
        for field, value in fields(note):
            if field == 1:
                topic_id = as_bytes(value).decode(errors="replace")
            elif field in numbers:
                numbers[field] = as_int(value)
    except FormatError:
        return None
    if not topic_id:
        return None
    return Acknowledged(
        topic_id, numbers[2], numbers[3], numbers[4], numbers[5], unzigzag(numbers[6])
    )


class ReadBack:
    """Holds a stream's last acknowledged record against its partition."""

    def __init__(self, place: TopicPlace, open_tail: Callable[[], Tail]) -> None:
        self._place = place
        self._open_tail = open_tail

    def compare(
        self, stream: Stream, acked: Acknowledged, topic_id: str, attempt: Attempt | None
    ) -> tuple[Acknowledged | None, Rewind | None]:
        """Return the last record that is certain, and a Rewind when that is an earlier one.

        `attempt` is what may have been written behind it and counts for nothing yet: a producer
        that doesn't know that the log is shorter appends to its new end. Raises Retry.
        """
        with closing(self._open_tail()) as tail:
            if acked.topic_id == topic_id:
                start = tail.start()
                if start is not None and acked.offset < start:
                    return acked, None  # retention had it: a log that is cut ends before it
                seen = tail.frame_at(acked.offset, stream)
                if seen and (seen.epoch, seen.last_seq) == (acked.epoch, acked.seq):
                    return acked, None
            there = _last_certain(tail, stream, acked, attempt)
        certain = there and Acknowledged(
            topic_id, there.offset, there.line, there.epoch, there.last_seq, there.wall_ms
        )
        if certain and (certain.line, certain.seq) == (acked.line, acked.seq):
            return certain, None
        return certain, self._rewind(acked, topic_id, certain)

    def _rewind(self, acked: Acknowledged, topic_id: str, there: Acknowledged | None) -> Rewind:
        what = (
            f"{self._place.topic} was deleted and made anew"
            if acked.topic_id != topic_id
            else f"partition {self._place.partition} of {self._place.topic} came back shorter than "
            f"it was"
        )
        if there is None:
            return Rewind(
                f"{what}: it has none of our rounds, round {acked.seq} was the last",
                "all that the spool holds is written again",
                to=None,
            )
        return Rewind(
            f"{what}: it has our rounds up to {there.seq}, round {acked.seq} was the last",
            "what follows is written again from the spool",
            to=(there.line, there.epoch, there.seq, there.wall_ms),
        )


def _last_certain(
    tail: Tail, stream: Stream, acked: Acknowledged, attempt: Attempt | None
) -> Seen | None:
    """The last record that is there in its order, by offset.

    Not the highest round: what was written by a producer that didn't know lies behind a hole. Nor
    one that was in memory only: the spool has no place to go back to for it.
    """
    for window in tail.frames_of(stream):
        for seen in reversed(window):
            is_tried = attempt and seen.line == attempt[0] and seen.first_seq >= attempt[1]
            is_newer = seen.line == acked.line and seen.first_seq > acked.seq
            if not is_tried and not is_newer and not seen.volatile:
                return seen
    return None
