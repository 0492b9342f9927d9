"""The pulse where a linker carries the data: a small topic beside the telemetry.

A pulse is two records, its dictionary and a frame of one round, so that whoever begins to read
understands the very next one. Nothing is kept for long, nothing is committed, nothing is read
again: a reader sends on the newest pulse of each node, and drops those that newer ones have
overtaken.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from collector.admin.client import Admin
from collector.errors import FormatError, Retry
from collector.flow.mark import Withheld
from collector.flow.pump import Batch
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, decode, encode_dictionary, encode_frame
from collector.security.credentials import renewed
from collector.topic.client import Properties, consumer, failure, producer, properties
from collector.topic.making import found_or_made
from collector.topic.names import TopicNames
from collector.topic.record import dictionary_headers, frame_headers

MOST_BYTES = 4 << 20
KEPT_MS = 3_600_000
"""Of the topic. An hour is more than anybody reads, and enough for a mirror that falls behind."""

SEND_S = 5.0

OLDEST_MS = 300_000
"""A pulse that is older says nothing: queries look back five minutes at most."""

FURTHEST_MS = 300_000
"""Ahead of our clock: its site's is wrong, and the receiver would take no older sample any more."""

MOST_NODES = 20_000
_PARTITIONS = 1
_MOST_MESSAGES = 500
_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": str(KEPT_MS),
    "retention.bytes": str(MOST_BYTES),
    "segment.bytes": str(1 << 20),
}


class PulseTopic:
    """A destination for pulses: appends each once. Belongs to one thread."""

    def __init__(self, topic: str, kafka: Properties, admin: Admin) -> None:
        """Raises ConfigError for properties that can't be."""
        self._topic = topic
        self._admin = admin
        self._kafka = kafka
        self._producer = self._new()
        self._is_there = False

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Append one pulse. Raises Retry."""
        if renewed(self._kafka):
            self.close()
            self._producer = self._new()
        if not self._is_there:
            found_or_made(self._admin, self._topic, _PARTITIONS, lambda _: dict(_SETTINGS))
            self._is_there = True
        failed: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        words, (one,) = batch.dictionary, batch.frames
        for value, headers in (
            (encode_dictionary(words), dictionary_headers(words)),
            (encode_frame(one), frame_headers(words.stream, one)),
        ):
            try:
                self._producer.produce(
                    self._topic, value=value, headers=headers, partition=0, on_delivery=on_delivery
                )
            except (KafkaException, BufferError) as error:
                raise Retry(f"writing to {self._topic}: {error}", reached=False) from error
        left = self._producer.flush(SEND_S + 1)
        if failed or left:
            self._is_there = False
            self._producer.purge()  # what comes late is no pulse any more
            self._producer.flush(0)
            says = f"writing to {self._topic}"
            needs = f"--operation Write --topic {self._topic}"
            raise (
                failure(failed[0], says, needs) if failed else Retry(f"{says}: no answer in time")
            )
        return ()

    def close(self) -> None:
        self._producer.purge()
        self._producer.flush(0)

    def _new(self) -> Producer:
        own = {"message.timeout.ms": int(SEND_S * 1000), "linger.ms": 0, "acks": "1"}
        return producer(properties(self._kafka, own))


class Heard(NamedTuple):
    """A pulse of some node."""

    dictionary: Dictionary
    frame: Frame

    @property
    def at_ms(self) -> int:
        return self.frame.at[-1].wall_ms or 0

    def batch(self) -> Batch:
        return Batch(self.dictionary, (self.frame,), None)


class Newest:
    """The newest pulse of each node among the records that came."""

    def __init__(self, names: TopicNames, tier: str) -> None:
        self.dropped = 0
        self._names = names
        self._tier = tier
        self._words: dict[int, Dictionary] = {}
        self._of: dict[Stream, Heard] = {}
        self._sent_ms: dict[Stream, int] = {}

    def take(self, record: bytes, topic: str) -> None:
        """Look at a record; what is no pulse of a site that belongs there is dropped."""
        try:
            body = decode(record, self._words)
        except FormatError:
            self.dropped += 1
            return
        if isinstance(body, Dictionary):
            is_ours = body.stream.tier == self._tier and self._names.belongs(body.stream, topic)
            if is_ours and len(self._words) < MOST_NODES:
                self._words[body.id] = body
            elif not is_ours:
                self.dropped += 1
            return
        words = self._words.get(body.dictionary_id) if isinstance(body, Frame) else None
        if words is None or not isinstance(body, Frame) or len(body.at) != 1:
            self.dropped += 1
            return
        heard = Heard(words, body)
        before = self._of.get(words.stream)
        if before is not None:
            self.dropped += 1
        if before is None or heard.at_ms > before.at_ms:
            self._of[words.stream] = heard

    def due(self, now_ms: int) -> list[Heard]:
        """Return what is to be sent on, each pulse once; what says nothing of now is dropped."""
        found, self._of = self._of, {}
        due = []
        for stream, heard in found.items():
            is_of_now = -OLDEST_MS <= heard.at_ms - now_ms <= FURTHEST_MS
            if is_of_now and heard.at_ms > self._sent_ms.get(stream, 0):
                self._sent_ms[stream] = heard.at_ms
                due.append(heard)
            else:
                self.dropped += 1
        self._words = {heard.dictionary.id: heard.dictionary for heard in found.values()} | {
            key: words for key, words in self._words.items() if words.stream not in found
        }
        return due


class PulseReader:
    """Reads the pulses of all sites, from now on. One of a group; belongs to one thread."""

    def __init__(self, topic: str, kafka: Properties, group: str, tier: str) -> None:
        """Raises ConfigError for properties that can't be."""
        names = TopicNames(topic)
        self.newest = Newest(names, tier)
        self._subscription = names.subscription
        self._is_subscribed = False
        self._own: Mapping[str, object] = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "latest",
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": 1024,
            "topic.metadata.refresh.interval.ms": 10_000,
        }
        self._kafka = kafka
        self._consumer: Consumer = consumer(properties(kafka, self._own))

    def read(self, wait_s: float) -> list[Heard]:
        """Return the newest pulses of those that came within so many seconds."""
        if renewed(self._kafka):
            self._consumer.close()
            self._consumer = consumer(properties(self._kafka, self._own))
            self._is_subscribed = False
        if not self._is_subscribed:
            self._consumer.subscribe([self._subscription])
            self._is_subscribed = True
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0:
            for message in self._consumer.consume(_MOST_MESSAGES, min(left, 1.0)):
                value, topic = message.value(), message.topic()
                if message.error() is None and value is not None and topic is not None:
                    self.newest.take(value, topic)
        return self.newest.due(time.time_ns() // 1_000_000)

    def close(self) -> None:
        self._consumer.close()
