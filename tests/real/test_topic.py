"""The telemetry topic on a real broker: what is written, what is read, what a commit keeps."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
)

from collector.admin.client import Admin
from collector.flow.mark import GapReason
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, decode
from collector.topic.client import TopicPlace
from collector.topic.record import read_headers
from collector.topic.settings import PARTITIONS
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.topic_place import SOON, STANDARD, Place, batch, take
from tests.unit.topic.partition_log import A, B, rounds_of, words


@pytest.fixture(scope="module")
def admin(broker: Kafka) -> Iterator[Admin]:
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as one:
        yield one


@pytest.fixture
def place(broker: Kafka, admin: Admin) -> Place:
    return Place(broker, admin, f"telemetry-{uuid.uuid4().hex[:8]}")


def test_the_topic_is_bounded_by_bytes_alone_and_stamped_by_the_broker(place):
    place.write(words(A), (1, 1))
    assert place.partitions() == PARTITIONS == 3
    config = place.config()
    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == "-1"
    assert config["retention.bytes"] == str(32 << 20), "of a partition"
    assert config["segment.bytes"] == str(8 << 20)
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert config["message.timestamp.after.max.ms"] == str((1 << 63) - 1)
    assert config["compression.type"] == "producer"
    assert config["min.insync.replicas"] == "1"
    assert config["flush.ms"] == "1000"


def test_records_can_be_counted_without_decoding_and_lie_in_the_partition_of_their_tier(place):
    place.write(words(A), (1, 1), (2, 4), (6, 1))
    records = place.records()
    headers = [dict(record.headers() or []) for record in records]
    assert [one.get("seq") for one in headers] == [None, b"1", b"2-5", b"6"]
    assert {one["stream"] for one in headers} == {b"store-1/node-a/standard"}
    assert {one["dictionary"] for one in headers} == {words(A).id.to_bytes(8, "big")}
    assert {one["min_reader"] for one in headers} == {b"1"}
    assert {record.timestamp()[0] for record in records} == {TIMESTAMP_LOG_APPEND_TIME}
    bodies = [decode(record.value() or b"") for record in records]
    assert [type(body) for body in bodies] == [Dictionary, Frame, Frame, Frame]
    assert all(read_headers(list(one.items())).stream == A for one in headers)


def test_what_is_written_is_read_by_stream_in_order(place):
    place.write(words(A), (1, 3))
    place.write(words(B), (101, 2))
    place.write(words(A), (4, 2))
    with place.reader() as reader:
        assert reader.mark(A.key) is None, "nobody knows yet"
        found: list[tuple[int, int]] = []
        while len(found) < 7:
            one = reader.read(0.2)
            if one is not None:
                found += [(it.stream, it.seq) for it in rounds_of(one)]
                reader.commit(one)
        assert [seq for stream, seq in found if stream == A.key] == [1, 2, 3, 4, 5]
        assert [seq for stream, seq in found if stream == B.key] == [101, 102]
        mark = reader.mark(A.key)
        assert mark is not None
        assert mark.seq == 5
    assert (place.heard.gaps, place.heard.repeated) == ([], 0)


def test_a_commit_has_all_that_the_next_reader_needs(place):
    place.write(words(A), (1, 3), (4, 1))
    with place.reader() as reader:
        assert take(reader, 4) == [1, 2, 3, 4]
    offset, marks = place.committed()
    assert (offset, marks.of[A.key][-1].seq, marks.dictionary_offset) == (3, 4, 0)
    with place.reader() as reader:
        assert take(reader, 0) == []
        assert reader.read(0.5) is None
    assert place.committed() == (offset, marks), "one that delivered nothing forgets nothing"
    place.write(words(A), (5, 1))
    with place.reader() as reader:
        assert take(reader, 1) == [5]
        assert reader._assigned.searched == set(), (
            "no look back: the dictionary's place is in the commit"
        )
    assert place.heard.repeated == 0


def test_what_was_not_committed_comes_again_and_nothing_else(place):
    place.write(words(A), *[(seq, 1) for seq in range(1, 6)])
    with place.reader() as reader:
        assert take(reader, 5, commit=False) == [1, 2, 3, 4, 5]
    with place.reader() as reader:
        assert take(reader, 5) == [1, 2, 3, 4, 5]


def test_without_its_marks_a_reader_looks_back_for_the_dictionary(place):
    place.write(words(A), *[(seq, 1) for seq in range(1, 6)])
    place.forget_marks(4)
    with place.reader() as reader:
        assert take(reader, 2) == [4, 5]
        assert reader._assigned.searched == {(TopicPlace(place.name, STANDARD), words(A).id)}
    assert place.committed()[1].dictionary_offset == 0


def test_rounds_that_are_written_again_are_dropped_however_they_are_cut(place):
    place.write(words(A), (1, 4))
    place.write(words(A), (1, 1), (2, 2), (3, 4))
    with place.reader() as reader:
        assert take(reader, 6) == [1, 2, 3, 4, 5, 6]
    assert (place.heard.gaps, place.heard.repeated) == ([], 5)


def test_f29_what_retention_ate_unread_is_a_gap_with_exact_numbers(place):
    place.write(words(A), (1, 1), (2, 1))
    with place.reader() as reader:
        assert take(reader, 2) == [1, 2]
    place.write(words(A), *[(seq, 1) for seq in range(3, 9)])
    place.write(words(A), *[(seq, 1) for seq in range(9, 12)])  # begins with its dictionary
    place.delete_before(8)  # of the writing before it, all but rounds 7 and 8
    with place.reader() as reader:
        assert take(reader, 5) == [7, 8, 9, 10, 11]
    assert place.heard.gaps == [(3, 6, GapReason.TOPIC_LOST)]


def test_frames_whose_dictionary_retention_ate_wait_for_the_next_copy(place):
    place.write(words(A), *[(seq, 1) for seq in range(1, 5)])
    place.delete_before(2)
    with place.reader() as reader:
        assert reader.read(0.2) is None
        wait_for(lambda: reader.read(0.2) is None and reader._assigned.searched, SOON)
        place.write(words(A), (5, 1))
        assert take(reader, 4) == [2, 3, 4, 5]


def test_records_of_others_are_told_and_passed_over(place):
    place.write(words(A), (1, 1))
    with closing(place.writer()) as writer:
        writer.send(batch(words(A), 2))
        producer = writer._appender._producer
        assert producer is not None
        producer.produce(place.name, value=b"somebody else's", partition=STANDARD)
        writer.send(batch(words(A), 3))
    with place.reader() as reader:
        assert take(reader, 3) == [1, 2, 3]
    assert len(place.heard.others) == 1
