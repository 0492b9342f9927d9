"""The end of a partition: how far a stream has come in the topic, by the topic's own word.

Asked at a start (the spool may be gone, the seqs it gave must not be given again) and by the
writer (the log may have come back shorter). Other nodes' streams share the partition, so it is
searched backwards, in windows that grow, and bounded: what lies further back is not found.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from collector.errors import FormatError
from collector.frames.dictionary import Stream
from collector.frames.frame import Frame, decode
from collector.topic.client import Properties, TopicPlace, failure, onlooker
from collector.topic.record import read_headers

MOST_RECORDS = 20_000
MOST_BYTES = 64 << 20
MOST_SECONDS = 8.0
"""Of one search, whichever is reached first."""

_ANSWER_S = 4.0
_FIRST_WINDOW = 64
_WINDOW_GROWS = 4
_AT_ONCE = 100
_GROUP = "edgevitals.tail"

_NO_SUCH_PLACE = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own codes begin with _
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
}
_OF_NO_MEANING = {
    KafkaError._PARTITION_EOF,  # noqa: SLF001
    KafkaError.GROUP_AUTHORIZATION_FAILED,  # nobody joins the group
}


class Seen(NamedTuple):
    """A frame of the stream in the partition: rounds first_seq..last_seq of a line."""

    offset: int
    line: int
    epoch: int
    first_seq: int
    last_seq: int
    wall_ms: int
    volatile: bool = False


class Last(NamedTuple):
    """The newest round of a stream in the topic, and the offset of its record."""

    line: int
    epoch: int
    seq: int
    wall_ms: int
    offset: int


def last_of(
    stream: Stream, place: TopicPlace, kafka: Properties, seconds: float = MOST_SECONDS
) -> Last | None:
    """Return the newest round of the stream, None when the topic has none, or isn't there.

    Needs the right to Read the topic. Raises Retry when Kafka gives no answer, ConfigError for
    properties that can't be.
    """
    with closing(Tail(place, kafka, seconds)) as tail:
        return newest(tail.frames_of(stream))


def newest(seen: Iterator[list[Seen]]) -> Last | None:
    """Of the window that has any: the highest round of the line that was written last.

    Not simply the last record: rounds may be there twice, and the second time not all of them yet.
    Nor a line that was in memory only: nothing goes on behind it.
    """
    for window in seen:
        frames = [one for one in window if not one.volatile]
        if not frames:
            continue
        line = frames[-1].line
        best = max((one for one in frames if one.line == line), key=lambda one: one.last_seq)
        return Last(line, best.epoch, best.last_seq, best.wall_ms, best.offset)
    return None


class Tail:
    """Reads one partition from its end. A consumer of its own, in no group, for one search."""

    def __init__(self, place: TopicPlace, kafka: Properties, seconds: float = MOST_SECONDS) -> None:
        """Raises ConfigError for properties that can't be."""
        self._place = place
        self._until = time.monotonic() + seconds
        self._records = MOST_RECORDS
        self._bytes = MOST_BYTES
        self._consumer = onlooker(kafka, _GROUP)

    def close(self) -> None:
        self._consumer.close()

    def frames_of(self, stream: Stream) -> Iterator[list[Seen]]:
        """The stream's frames in windows from the end backwards, oldest first in each.

        Windows without any are left out. Ends at the log's start or at a bound. Raises Retry.
        """
        bounds = self._bounds()
        if bounds is None:
            return
        start, end = bounds
        size = _FIRST_WINDOW
        while end > start and self._may_go_on():
            begin = max(start, end - size, end - self._records)
            all_seen = (_seen(message, stream) for message in self._read(begin, end))
            found = [seen for seen in all_seen if seen]
            if found:
                yield found
            self._records -= end - begin
            end, size = begin, size * _WINDOW_GROWS

    def start(self) -> int | None:
        """The log's first offset; None without such a partition. Raises Retry."""
        bounds = self._bounds()
        return bounds and bounds[0]

    def frame_at(self, offset: int, stream: Stream) -> Seen | None:
        """The stream's frame at an offset; None: there is another record, or none. Raises Retry."""
        bounds = self._bounds()
        if bounds is None or not bounds[0] <= offset < bounds[1]:
            return None
        return next((_seen(one, stream) for one in self._read(offset, offset + 1)), None)

    def _bounds(self) -> tuple[int, int] | None:
        """The log's first offset and the one behind its last; None without such a partition."""
        place = TopicPartition(self._place.topic, self._place.partition)
        try:
            found: tuple[int, int] = self._consumer.get_watermark_offsets(
                place, timeout=min(_ANSWER_S, self._left())
            )
        except KafkaException as error:
            if error.args[0].code() in _NO_SUCH_PLACE:
                return None
            raise self._failure(error.args[0]) from error
        return found

    def _read(self, begin: int, end: int) -> Iterator[Message]:
        """The records of a window."""
        self._consumer.assign([TopicPartition(*self._place, begin)])
        at = begin
        while at < end:
            left = self._left()
            messages = self._consumer.consume(min(_AT_ONCE, end - at), timeout=left)
            if not messages:
                raise self._failure(_timed_out())
            for message in messages:
                error, offset = message.error(), message.offset()
                if error is not None:
                    if error.code() not in _OF_NO_MEANING:
                        raise self._failure(error)
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                        return  # the log ended sooner than it said
                elif offset is not None:
                    at = offset + 1
                    self._bytes -= len(message.value() or b"")
                    if offset < end:
                        yield message

    def _may_go_on(self) -> bool:
        return self._records > 0 and self._bytes > 0 and time.monotonic() < self._until

    def _left(self) -> float:
        return max(0.05, self._until - time.monotonic())

    def _failure(self, error: KafkaError) -> Exception:
        topic = self._place.topic
        return failure(error, f"reading the end of {topic}", f"--operation Read --topic {topic}")


def _seen(message: Message, stream: Stream) -> Seen | None:
    """What a record says of the stream; None for others' records, and for dictionaries."""
    headers = message.headers()
    pairs = headers.items() if isinstance(headers, dict) else headers
    labels = read_headers((k, v.encode() if isinstance(v, str) else v) for k, v in pairs or ())
    offset, value = message.offset(), message.value()
    if labels.stream != stream or offset is None or value is None:
        return None
    try:
        body = decode(value)
    except FormatError:  # a newer version's as well: what it says of itself is not ours to read
        return None
    if not isinstance(body, Frame):
        return None
    lineage = body.lineage
    wall = body.at[-1].wall_ms or 0
    rounds = body.first_seq, body.last_seq
    return Seen(offset, lineage.line, lineage.epoch, *rounds, wall, lineage.volatile)


def _timed_out() -> KafkaError:
    return KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
