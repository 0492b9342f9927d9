"""The topic's near side: a Destination that joins rounds into frames and appends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from collector import frame as frames
from collector.dictionary import Dictionary
from collector.errors import ConfigError, Retry
from collector.frame import Frame, encode_dictionary, encode_frame
from collector.mark import Withheld
from collector.pump import Batch
from collector.topic.client import Properties, TopicPlace, failure, producer, properties
from collector.topic.record import Header, dictionary_headers, frame_headers

ACK_TIMEOUT_S = 10.0
DICTIONARY_EVERY_FRAMES = 60
DICTIONARY_EVERY_S = 600.0


class TopicAdmin(Protocol):
    """Makes sure that the topic is there. Raises Retry."""

    def ensure(self, topic: str) -> None: ...


class TopicWriter:
    """Appends one stream to its partition, acknowledged by all in-sync replicas.

    A batch is sent as a whole and waited for. After any failure the producer is made anew and the
    pump brings the same batch again: readers judge repeats by round, so that is harmless.
    """

    def __init__(
        self,
        place: TopicPlace,
        kafka: Properties,
        admin: TopicAdmin,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError for properties that can't be."""
        self._place = place
        self._admin = admin
        self._clock = clock
        self._properties = properties(
            kafka,
            {
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": int(ACK_TIMEOUT_S * 1000),
                "linger.ms": 5,
                "compression.type": "none",  # frames are compressed inside
                "queue.buffering.max.kbytes": 16_384,
                "queue.buffering.max.messages": 2000,
            },
        )
        producer(self._properties)  # what is wrong with them ends the program now, and not later
        self._producer: Producer | None = None
        self._dictionary_id = 0
        self._frames_since = 0
        self._written_at = 0.0

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Append the batch's rounds. Raises Retry or Rejected. A topic takes rounds of any age."""
        if self._producer is None:
            self._admin.ensure(self._place.topic)
            self._producer = self._new_producer()
            self._dictionary_id = 0  # a new connection may be to a new topic
        records: list[tuple[bytes, list[Header]]] = []
        dictionary = batch.dictionary
        with_dictionary = self._is_due(dictionary)
        if with_dictionary:
            records.append((encode_dictionary(dictionary), dictionary_headers(dictionary)))
        joined = join(batch.frames, dictionary)
        records += ((encode_frame(one), frame_headers(dictionary.stream, one)) for one in joined)
        self._append(self._producer, records)
        if with_dictionary:
            self._dictionary_id, self._frames_since = dictionary.id, 0
            self._written_at = self._clock()
        self._frames_since += len(joined)
        return ()

    def close(self) -> None:
        self._drop_producer()

    def _is_due(self, dictionary: Dictionary) -> bool:
        return dictionary.id != self._dictionary_id or (
            self._frames_since >= DICTIONARY_EVERY_FRAMES
            and self._clock() - self._written_at >= DICTIONARY_EVERY_S
        )

    def _append(self, producer: Producer, records: Sequence[tuple[bytes, list[Header]]]) -> None:
        acknowledged: list[KafkaError | None] = []

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            acknowledged.append(error)

        try:
            for value, headers in records:
                producer.produce(
                    self._place.topic,
                    value=value,
                    partition=self._place.partition,
                    headers=headers,
                    on_delivery=on_delivery,
                )
            producer.flush(ACK_TIMEOUT_S + 1)
        except (KafkaException, BufferError) as error:
            self._drop_producer()
            first = error.args[0] if error.args else None
            if isinstance(first, KafkaError):
                raise failure(first, f"writing to {self._place.topic}") from error
            raise Retry(f"writing to {self._place.topic}: {error}", reached=False) from error
        failed = next((error for error in acknowledged if error is not None), None)
        if failed is not None:
            self._drop_producer()
            raise failure(failed, f"writing to {self._place.topic}")
        if len(acknowledged) < len(records):
            self._drop_producer()
            raise Retry(
                f"writing to {self._place.topic}: no answer in {ACK_TIMEOUT_S:.0f} s", reached=False
            )

    def _new_producer(self) -> Producer:
        try:
            return producer(self._properties)
        except ConfigError as error:  # a file that they name has changed
            raise Retry(error.message, error.hint, hold=True) from error

    def _drop_producer(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(0)
            self._producer = None


def join(batch: Sequence[Frame], dictionary: Dictionary) -> list[Frame]:
    """Join frames that follow each other within an epoch into one each."""
    if not batch:
        return []
    joined: list[list[Frame]] = [[batch[0]]]
    for before, after in pairwise(batch):
        if after.lineage == before.lineage and after.first_seq == before.last_seq + 1:
            joined[-1].append(after)
        else:
            joined.append([after])
    return [_as_one(run, dictionary) for run in joined]


def _as_one(run: Sequence[Frame], dictionary: Dictionary) -> Frame:
    first = run[0]
    if len(run) == 1:
        return first
    return frames.frame(
        first.dictionary_id,
        first.lineage,
        first.first_seq,
        [at for one in run for at in one.at],
        [row for one in run for row in one.rows(dictionary)],
    )
