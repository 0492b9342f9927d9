"""MirrorMaker's topic of offset syncs: how far each partition is mirrored, and what was skipped.

A record says that the source's offset `upstream` is `downstream` at the target. With
`offset.lag.max=0` there is one for nearly each record, by default one for each 100: the position is
a lower bound, at most so many records too low.

MirrorMaker tells in no metric when records went before it could read them. Here it shows: between
two syncs of a partition `upstream` grows by more than `downstream`. Compaction and the markers of
transactions make such jumps too, so one counts only while it is new, and when the source's log
begins behind the record that was mirrored last.

A connection that ends is opened again behind the record that was taken last, so that a jump
meanwhile is as new as any. Only where the topic itself was made anew is it read from its beginning.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from collector.errors import SourceError

MOST_A_READ = 20_000
MOST_PARTITIONS = 10_000
_AT_ONCE = 1_000
_END_S = 2.0
_BEGINNING = -2  # librdkafka's OFFSET_BEGINNING


class Sync(NamedTuple):
    """The newest sync of one partition."""

    upstream: int
    downstream: int


class Jump(NamedTuple):
    """Offsets of the source that were not mirrored, behind the one that was mirrored last."""

    topic: str
    partition: int
    behind: int
    offsets: int


class OffsetSyncs:
    """Reads the topic from its beginning, then its tail. Joins no group, commits nothing.

    What it knows outlasts a connection.
    """

    def __init__(self, topic: str, kafka: Callable[[], Mapping[str, Any]]) -> None:
        self.of: dict[tuple[str, int], Sync] = {}
        self.jumps: list[Jump] = []
        """Those that came since the caller took the last; none of what was there before us."""
        self.new_from: int | None = None
        """The offset of the topic's end when we began to look."""
        self._topic = topic
        self._kafka = kafka
        self._consumer: Consumer | None = None
        self._next = _BEGINNING  # the offset to go on from

    def read(self, deadline: float) -> None:
        """Take in what is new. Raises SourceError when the topic can't be read."""
        consumer = self._connected(deadline)
        taken = 0
        # With a busy mirror there is always one more: librdkafka's end of partition never comes.
        while taken < MOST_A_READ and (left := deadline - time.monotonic()) > 0:
            messages = consumer.consume(_AT_ONCE, min(left, 0.2))
            if not messages:
                break
            for message in messages:
                error = message.error()
                if error is None:
                    key, value = bytes(message.key() or b""), bytes(message.value() or b"")
                    self.take(message.offset() or 0, key, value)
                    taken += 1
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    return
                else:
                    self.close()
                    raise self._failed(error)
            if self._next >= (self.new_from or 0) and len(messages) < _AT_ONCE:
                break

    def take(self, offset: int, key: bytes, value: bytes) -> None:
        """Take in one record; what is none of MirrorMaker's is passed over."""
        self._go_on(offset)
        try:
            (length,) = struct.unpack_from(">h", key)
            topic = key[2 : 2 + length].decode()
            (partition,) = struct.unpack_from(">i", key, 2 + length)
            upstream, downstream = struct.unpack_from(">qq", value)
        except (struct.error, UnicodeDecodeError):
            return
        at = topic, partition
        if at not in self.of and len(self.of) >= MOST_PARTITIONS:
            return
        before = self.of.get(at)
        self.of[at] = Sync(upstream, downstream)
        if before is None or downstream <= before.downstream:
            return
        if self.new_from is None or offset < self.new_from:
            return  # it was there before us
        gap = (upstream - before.upstream) - (downstream - before.downstream)
        if gap > 0 and len(self.jumps) < MOST_PARTITIONS:
            self.jumps.append(Jump(topic, partition, before.upstream, gap))

    def _go_on(self, offset: int) -> None:
        """Note where the next read begins. A topic that begins again is another, and all new."""
        if offset < self._next:
            self.of.clear()
            self.new_from = 0
        self._next = offset + 1

    def close(self) -> None:
        """End the connection; the next read goes on from what is known."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _connected(self, deadline: float) -> Consumer:
        if self._consumer is None:
            own = {
                "group.id": "edgevitals.offset-syncs",  # librdkafka wants a name
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                "queued.max.messages.kbytes": 1024,
                "log_level": 0,
                "error_cb": lambda _: None,
            }
            try:
                self._consumer = Consumer({**self._kafka(), **own})
                place = TopicPartition(self._topic, 0, self._next)
                if self.new_from is None:
                    left = min(_END_S, max(0.1, deadline - time.monotonic()))
                    _, self.new_from = self._consumer.get_watermark_offsets(place, left)
                self._consumer.assign([place])
            except KafkaException as error:
                self.close()
                raise self._failed(error.args[0]) from error
        return self._consumer

    def _failed(self, error: KafkaError) -> SourceError:
        return SourceError(
            f"reading {self._topic}: {error.str()} ({error.name()})",
            "correct offset_syncs of this link; the right it takes: kafka-acls.sh --add "
            f"--operation Read --topic {self._topic}",
        )
