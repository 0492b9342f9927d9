"""The topic's near side: a Destination that joins rounds into frames and appends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from collector.errors import Rejected, Retry
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, Part, PartlyRejected
from collector.frames.dictionary import Dictionary, Stream
from collector.topic.appender import Appender, RecordTooLarge
from collector.topic.client import Properties, TopicPlace
from collector.topic.creation import Found
from collector.topic.packing import (
    Packed,
    Sizes,
    after_refusal,
    is_too_large,
    pack_dictionary,
    pack_frames,
)
from collector.topic.readback import Acknowledged, Attempt, ReadBack, decode, encode
from collector.topic.tail import Tail

LOOK_EVERY_S = 45.0
"""How often the topic's id is asked for: a topic that was made anew is noticed within a minute."""

REFUSED_FOR_S = 600.0
"""How long a record that was too large is not tried again."""

DICTIONARY_EVERY_FRAMES = 60
DICTIONARY_EVERY_S = 600.0


class TopicAdmin(Protocol):
    """Looks after the topic itself."""

    def ensure(self, topic: str) -> Found:
        """Make sure that it is there. Raises Retry."""
        ...

    def topic_id(self, topic: str) -> str | None:
        """Its id as of now, None when it is gone. Raises Retry."""
        ...

    def why_no_answer(self, topic: str) -> Retry | None:
        """What Kafka says of a write that wasn't acknowledged."""
        ...


class Memory(Protocol):
    """Keeps a note with the position of who reads for us: a spool's cursor."""

    def keep(self, note: Callable[[], bytes]) -> bytes:
        """Keep this with each position from now on; return what was kept last."""
        ...


class TopicWriter:
    """Appends one stream to its partition, acknowledged by all in-sync replicas.

    A batch is sent as a whole and waited for. After any failure the producer is made anew and the
    pump brings the same batch again: readers judge repeats by round, so that is harmless.

    An acknowledgement is no proof for ever. Whenever the connection is new, was lost meanwhile, or
    offsets don't rise, the last acknowledged record is read back; and the topic's id is looked at.
    What isn't there any more is asked of the spool again: Rewind.
    """

    def __init__(
        self,
        place: TopicPlace,
        kafka: Properties,
        admin: TopicAdmin,
        memory: Memory | None = None,
        throttled: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError for properties that can't be.

        `throttled` is told the seconds that a broker makes us wait.
        """
        self._place = place
        self._admin = admin
        self._clock = clock
        self._appender = Appender(place, kafka, admin.why_no_answer, throttled, clock)
        self._read_back = ReadBack(place, lambda: Tail(place, kafka))
        self._stream: Stream | None = None
        self._topic_id = ""
        self._looked_at = 0.0
        self._is_sure = False  # that the topic has what it acknowledged
        self._record_bytes: int | None = None  # what the topic's config says
        self._sizes = Sizes()
        self._refused_at = 0.0
        self._dictionary_id = 0
        self._frames_since = 0
        self._written_at = 0.0
        self._acked: Acknowledged | None = None
        if memory is not None:
            self._acked = decode(memory.keep(self._note))

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Append the batch's rounds, of whatever age. Raises Retry, Rejected, or Rewind."""
        try:
            return self._send(batch)
        except Retry as why:
            if why.hold:
                why.renewed = self._appender.has_news
            raise

    def _send(self, batch: Batch) -> Sequence[Withheld]:
        self._stream = batch.dictionary.stream
        attempt = (batch.frames[0].lineage.line, batch.frames[0].first_seq)
        self._connect()
        self._make_sure(attempt)
        while True:
            try:
                self._write(batch, attempt)
            except RecordTooLarge as refused:
                self._sizes = after_refusal(refused.record, self._sizes)
                self._refused_at = self._clock()
                if refused.record.frame is None:
                    raise self._too_large(refused.record) from refused
                self._connect()
            else:
                return ()

    def look(self) -> None:
        """Notice what happened to the topic while there is nothing to write. Raises Rewind."""
        if self._appender.is_open and self._clock() - self._looked_at >= LOOK_EVERY_S:
            with suppress(Retry):  # the next write will tell
                self._connect()
                self._make_sure(None)

    def close(self) -> None:
        self._appender.close()

    def _connect(self) -> None:
        """Have a producer; a new one, and a topic that is there, when there was none. Raises Retry.

        A topic that was made anew takes a new producer: the old one has the old one's places.
        """
        now = self._clock()
        self._appender.renew()
        if self._appender.is_open and now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            if self._is_another_topic():
                self._appender.close()
        if not self._appender.is_open:
            found = self._admin.ensure(self._place.topic)
            if found.record_bytes != self._record_bytes or now - self._refused_at >= REFUSED_FOR_S:
                # Somebody was told to raise it, and may have.
                self._record_bytes, self._sizes = found.record_bytes, Sizes(found.record_bytes)
            self._appender.open()
            self._topic_id, self._looked_at = found.topic_id, self._clock()
            self._dictionary_id = 0  # it may be another topic
            self._is_sure = False
        self._is_sure &= not self._appender.was_disturbed()

    def _is_another_topic(self) -> bool:
        try:
            return self._admin.topic_id(self._place.topic) != self._topic_id
        except Retry:
            return False  # nobody knows: the next write will tell

    def _make_sure(self, attempt: Attempt | None) -> None:
        """Hold what was acknowledged against the topic. Raises Retry or Rewind."""
        if self._is_sure or self._acked is None or self._stream is None:
            return
        try:
            there, lost = self._read_back.compare(
                self._stream, self._acked, self._topic_id, attempt
            )
        except Retry:
            self._appender.close()  # the next try begins with the broker itself
            raise
        self._acked, self._is_sure = there, True
        if lost is not None:
            # The broker has no memory of this producer either: it would refuse what follows.
            self._appender.close()
            raise lost

    def _write(self, batch: Batch, attempt: Attempt) -> None:
        records: list[Packed] = []
        too_large: list[Packed] = []
        for record in pack_frames(batch.frames, batch.dictionary, self._sizes):
            (too_large if is_too_large(record, self._sizes) else records).append(record)
        if records:
            if self._is_due(batch.dictionary):
                self._appender.append(pack_dictionary(batch.dictionary))
                self._dictionary_id, self._frames_since = batch.dictionary.id, 0
                self._written_at = self._clock()
            offsets = [self._appender.append(one) for one in records]
            self._accept(records[-1], offsets, attempt)
        parts = [
            Part(Batch(batch.dictionary, (one.frame,), None), self._too_large(one))
            for one in too_large
            if one.frame
        ]
        if parts:
            raise PartlyRejected(parts)

    def _accept(self, last: Packed, offsets: Sequence[int], attempt: Attempt) -> None:
        """Take an acknowledgement, if what was acknowledged before is there too. Raises Rewind."""
        acked = self._acked
        if self._appender.was_disturbed() or (acked and offsets[0] <= acked.offset):
            self._is_sure = False
        self._make_sure(attempt)
        self._frames_since += len(offsets)
        if last.frame is not None:
            lineage, wall_ms = last.frame.lineage, last.frame.at[-1].wall_ms or 0
            self._acked = Acknowledged(
                self._topic_id,
                offsets[-1],
                lineage.line,
                lineage.epoch,
                last.frame.last_seq,
                wall_ms,
            )
            self._is_sure = True

    def _is_due(self, dictionary: Dictionary) -> bool:
        return dictionary.id != self._dictionary_id or (
            self._frames_since >= DICTIONARY_EVERY_FRAMES
            and self._clock() - self._written_at >= DICTIONARY_EVERY_S
        )

    def _too_large(self, record: Packed) -> Rejected:
        what = "a dictionary" if record.frame is None else f"round {record.frame.first_seq}"
        return Rejected(
            f"{self._appender.doing}: {what} takes {record.bytes} bytes, more than it allows",
            f"kafka-configs.sh --alter --topic {self._place.topic} --add-config "
            f"max.message.bytes={2 * record.bytes}",
            reason="too_large",
        )

    def _note(self) -> bytes:
        return b"" if self._acked is None else encode(self._acked)
