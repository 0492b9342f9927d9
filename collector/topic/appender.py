"""The producer behind the writer: one record at a time, acknowledged, or an answer why not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer, ThrottleEvent

from collector.errors import ConfigError, Rejected, Retry
from collector.security.credentials import KafkaProperties, renewed
from collector.topic.client import Properties, TopicPlace, failure, producer, properties
from collector.topic.packing import Packed

ACK_TIMEOUT_S = 10.0
THROTTLED_TIMEOUT_S = 120.0
"""How long a record may take, and how long when the broker says that it makes us wait."""

_FLUSH_STEP_S = 0.5
_MOST_CLIENT_BYTES = 8 << 20  # of a record: brokers decide, and most take 1 MiB

# A fatal error is raised by whatever call serves callbacks. Where a delivery is told in the same
# call, its callback runs with that exception set already: a SystemError, which it is the cause of.
_BROKEN = (KafkaException, SystemError)

_Answers = list[tuple[KafkaError | None, int | None]]


class RecordTooLarge(Exception):  # noqa: N818 - it is what happened
    """Kafka refused a record for its size."""

    def __init__(self, record: Packed) -> None:
        super().__init__(record.bytes)
        self.record = record


class Appender:
    """Appends records to a partition through a producer that is made anew after any failure.

    librdkafka's own order and its "exactly once" hold for one producer alone, and end with its
    first fatal error; ours hold by round, so a new producer is always right.
    """

    def __init__(
        self,
        place: TopicPlace,
        kafka: Properties,
        why_no_answer: Callable[[str], Retry | None],
        throttled: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError for properties that can't be.

        `why_no_answer` is asked about the topic when nobody acknowledges; `throttled` is told the
        seconds that a broker makes us wait.
        """
        self._place = place
        self._why_no_answer = why_no_answer
        self._throttled = throttled
        self._clock = clock
        self._may_take_until = 0.0
        self._is_disturbed = False
        self._producer: Producer | None = None
        self._kafka = kafka
        self._own = {
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": int(THROTTLED_TIMEOUT_S * 1000),
            "linger.ms": 5,
            "batch.num.messages": 1,  # a batch that is too large tells not which record is
            "compression.type": "none",  # frames are compressed inside
            # Else its question where the topic is would make a broker make it, its own way.
            "allow.auto.create.topics": False,
            "topic.metadata.propagation.max.ms": 2000,  # a topic that is gone is made again
            "queue.buffering.max.kbytes": 16_384,
            "queue.buffering.max.messages": 2000,
            "error_cb": self._on_error,
            "throttle_cb": self._on_throttle,
        }
        self._new()  # what is wrong with them ends the program now, and not later

    @property
    def is_open(self) -> bool:
        return self._producer is not None

    def open(self) -> None:
        """Make a producer, of what the files say now. Raises Retry."""
        renewed(self._kafka)
        try:
            self._producer = self._new()
        except ConfigError as error:  # a file that they name has changed
            raise Retry(error.message, error.hint, hold=True) from error

    def renew(self) -> None:
        """Close the producer when files that it was made of are others now."""
        if self._producer is not None and renewed(self._kafka):
            self.close()

    def has_news(self) -> bool:
        """Say whether a hold may be over: the files are others now."""
        return isinstance(self._kafka, KafkaProperties) and self._kafka.changed()

    def close(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with suppress(*_BROKEN):  # of a fatal error it may tell once more
                producer.purge()
                producer.flush(0)

    def _new(self) -> Producer:
        return producer(
            properties({"message.max.bytes": _MOST_CLIENT_BYTES, **self._kafka}, self._own)
        )

    def was_disturbed(self) -> bool:
        """Say whether a connection was lost since the last call: a broker may have restarted."""
        if self._producer is not None:
            try:
                self._producer.poll(0)
            except _BROKEN:
                self._is_disturbed = True  # it is broken for good, and the next write will say so
        was, self._is_disturbed = self._is_disturbed, False
        return was

    def append(self, record: Packed) -> int:
        """Write one record and wait for it; return its offset. Raises Retry or RecordTooLarge.

        One at a time: were one refused, those behind it would be there before it. A failure closes
        the producer.
        """
        if self._producer is None:
            raise AssertionError("append before open")
        answers: _Answers = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            answers.append((error, message.offset()))

        try:
            self._producer.produce(
                self._place.topic,
                value=record.value,
                partition=self._place.partition,
                headers=record.headers,
                on_delivery=on_delivery,
            )
            self._wait_for(self._producer, answers)
        except (*_BROKEN, BufferError) as error:
            self.close()
            why = error.__cause__ if isinstance(error, SystemError) else error
            first = why.args[0] if why is not None and why.args else None
            if isinstance(first, KafkaError):
                raise self._failure(first, record) from error
            raise Retry(f"{self.doing}: {error}", reached=False) from error
        if not answers:
            self.close()
            raise self._why_no_answer(self._place.topic) or Retry(
                f"{self.doing}: no answer in {ACK_TIMEOUT_S:.0f} s",
                "the broker hangs or is overloaded: look at its log",
                reached=False,
            )
        failed, offset = answers[0]
        if failed is not None or offset is None:
            self.close()
            raise self._failure(failed or KafkaError(KafkaError.UNKNOWN), record)
        return offset

    @property
    def doing(self) -> str:
        return f"writing to {self._place.topic}"

    def _wait_for(self, producer: Producer, answers: _Answers) -> None:
        until = self._clock() + ACK_TIMEOUT_S
        while not answers and self._clock() < max(until, self._may_take_until):
            producer.flush(_FLUSH_STEP_S)

    def _failure(self, error: KafkaError, record: Packed) -> Exception:
        needs = f"--operation Write --operation Read --topic {self._place.topic}"
        found = failure(error, self.doing, needs)
        return RecordTooLarge(record) if isinstance(found, Rejected) else found

    def _on_error(self, _: KafkaError) -> None:
        self._is_disturbed = True

    def _on_throttle(self, event: ThrottleEvent) -> None:
        if event.throttle_time > 0:
            self._may_take_until = self._clock() + event.throttle_time + ACK_TIMEOUT_S
            self._throttled(event.throttle_time)
