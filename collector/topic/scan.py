"""The scan: a topic read once from a time on, by nobody's group; and what a group has committed.

For a person who asks what the topic still holds. Nothing is committed, no reader is disturbed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from collector.errors import FormatError
from collector.flow.mark import Marks, from_metadata
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, decode
from collector.topic.client import Properties, TopicPlace, failure, onlooker
from collector.topic.names import TopicNames

CALL_S = 10.0
_AT_ONCE = 100
_GROUP = "edgevitals.scan"


def scan(topic: str, kafka: Properties, since_ms: int | None) -> Iterator[tuple[Dictionary, Frame]]:
    """The frames that were written since a time (None: all), partition by partition.

    `topic` may hold {site}: the topics of all sites. Up to what they have at the start. Rounds may
    come twice, and some of before. Frames whose dictionary is nowhere, and those of a site that the
    topic isn't of, are left out. Raises Retry when Kafka gives no answer, ConfigError.
    """
    names = TopicNames(topic)
    with closing(onlooker(kafka, _GROUP)) as client:
        for place in _places(client, names):
            for dictionary, frame in _Partition(client, *place).frames(since_ms):
                if names.belongs(dictionary.stream, place.topic):
                    yield dictionary, frame


def committed(topic: str, kafka: Properties, group: str) -> list[Marks]:
    """What a consumer group has committed as its marks, by partition; those that have some.

    Raises Retry, ConfigError.
    """
    with closing(onlooker(kafka, group)) as client:
        places = [TopicPartition(*place) for place in _places(client, TopicNames(topic))]
        try:
            found = client.committed(places, timeout=CALL_S)
        except KafkaException as error:
            raise failure(error.args[0], f"reading the marks of {group}") from error
    marks = []
    for place in found:
        try:
            marks.append(from_metadata(place.metadata))
        except FormatError:
            continue
    return [one for one in marks if one.of]


class _Partition:
    def __init__(self, client: Consumer, topic: str, partition: int) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition
        self._known: dict[int, Dictionary] = {}
        self._has_looked_back = False

    def frames(self, since_ms: int | None) -> Iterator[tuple[Dictionary, Frame]]:
        low, high = self._bounds()
        begin = low if since_ms is None else self._offset_at(since_ms, low, high)
        for message in self._read(begin, high):
            body = self._decode(message)
            if isinstance(body, Frame):
                dictionary = self._known.get(body.dictionary_id)
                if dictionary is None and not self._has_looked_back:
                    self._has_looked_back = True
                    self._learn(low, begin)
                    dictionary = self._known.get(body.dictionary_id)
                if dictionary is not None:
                    yield dictionary, body

    def _learn(self, begin: int, end: int) -> None:
        """Read the dictionaries of before: equal ids are equal content, so any copy will do."""
        with closing(self._read(begin, end)) as messages:
            for message in messages:
                self._decode(message)

    def _decode(self, message: Message) -> Frame | None:
        try:
            body = decode(message.value() or b"", self._known)
        except FormatError:  # not ours, or a newer version's
            return None
        if isinstance(body, Dictionary):
            self._known.setdefault(body.id, body)
        return body if isinstance(body, Frame) else None

    def _read(self, begin: int, end: int) -> Generator[Message]:
        """The records of a part of the log, by many short windows: another may be read between."""
        at = begin
        while at < end:
            self._client.assign([TopicPartition(self._topic, self._partition, at)])
            messages = self._client.consume(min(_AT_ONCE, end - at), timeout=CALL_S)
            if not messages:
                raise self._failed(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
            for message in messages:
                error, offset = message.error(), message.offset()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                        return  # the log ended sooner than it said
                    raise self._failed(error)
                if offset is not None:
                    at = offset + 1
                    if offset < end:
                        yield message

    def _bounds(self) -> tuple[int, int]:
        place = TopicPartition(self._topic, self._partition)
        try:
            found: tuple[int, int] = self._client.get_watermark_offsets(place, timeout=CALL_S)
        except KafkaException as error:
            raise self._failed(error.args[0]) from error
        return found

    def _offset_at(self, ms: int, low: int, high: int) -> int:
        """The first record appended at or after a time: none of before holds a later round."""
        try:
            place = TopicPartition(self._topic, self._partition, max(0, ms))
            (found,) = self._client.offsets_for_times([place], timeout=CALL_S)
        except KafkaException as error:
            raise self._failed(error.args[0]) from error
        return high if found.offset < 0 else max(low, found.offset)

    def _failed(self, error: KafkaError) -> Exception:
        topic = self._topic
        return failure(error, f"reading {topic}", f"--operation Read --topic {topic}")


def _places(client: Consumer, names: TopicNames) -> list[TopicPlace]:
    """All partitions of the topics that are meant."""
    try:
        topics = client.list_topics(timeout=CALL_S).topics
    except KafkaException as error:
        raise failure(error.args[0], f"reading {names.name}") from error
    return [
        TopicPlace(topic, partition)
        for topic, known in sorted(topics.items())
        if topic == names.name or names.site_of(topic) is not None
        for partition in sorted(known.partitions)
    ]
