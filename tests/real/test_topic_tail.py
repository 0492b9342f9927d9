"""How far a stream has come in a real topic, read from its end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from collector.admin.client import Admin
from collector.errors import Retry
from collector.frames.dictionary import Stream
from collector.topic.client import TopicPlace
from collector.topic.tail import Last, Tail, last_of
from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port
from tests.real.topic_place import STANDARD, Place
from tests.unit.examples import wall_of
from tests.unit.topic.partition_log import A, B, C, words


@pytest.fixture(scope="module")
def admin(broker: Kafka) -> Iterator[Admin]:
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as one:
        yield one


@pytest.fixture
def place(broker: Kafka, admin: Admin) -> Place:
    return Place(broker, admin, f"telemetry-{uuid.uuid4().hex[:8]}")


def last(place: Place, stream: Stream) -> Last | None:
    properties = {"bootstrap.servers": place.kafka.bootstrap}
    return last_of(stream, TopicPlace(place.name, STANDARD), properties)


def test_the_newest_round_of_a_stream_is_found_among_those_of_others(place):
    place.write(words(A), (1, 3), (4, 2))
    place.write(words(B), *[(seq, 1) for seq in range(101, 201)])
    place.write(words(C), (7, 1))
    assert last(place, A) == Last(1, 1, 5, wall_of(1, 5), 2)
    found = last(place, B)
    assert found is not None
    assert found.seq == 200
    assert last(place, Stream("store-9", "node-z", "standard")) is None


def test_rounds_that_were_begun_again_do_not_hide_those_before_them(place):
    place.write(words(A), (1, 3), (4, 2))
    place.write(words(A), (2, 1))
    found = last(place, A)
    assert found is not None
    assert found.seq == 5


def test_where_nothing_was_written_nothing_is_found(place):
    assert last(place, A) is None, "no topic"
    place.write(words(B), (1, 1))
    assert last(place, A) is None, "no record"
    place.delete_before(2)
    assert last(place, B) is None, "retention had them"


def test_a_record_is_read_back_by_its_offset(place):
    place.write(words(A), (1, 3), (4, 2))
    place.write(words(B), (101, 1))
    properties = {"bootstrap.servers": place.kafka.bootstrap}
    with closing(Tail(TopicPlace(place.name, STANDARD), properties)) as tail:
        seen = tail.frame_at(2, A)
        assert seen is not None
        assert (seen.line, seen.first_seq, seen.last_seq) == (1, 4, 5)
        assert tail.frame_at(0, A) is None, "a dictionary"
        assert tail.frame_at(4, A) is None, "another node's"
        assert tail.frame_at(5, A) is None, "the log ends before it"


def test_a_search_is_bounded(place, monkeypatch):
    monkeypatch.setattr("collector.topic.tail.MOST_RECORDS", 100)
    place.write(words(A), (1, 1))
    place.write(words(B), *[(seq, 1) for seq in range(101, 221)])
    assert last(place, A) is None
    monkeypatch.setattr("collector.topic.tail.MOST_RECORDS", 200)
    assert last(place, A) is not None


def test_without_a_broker_nobody_can_tell(place):
    properties = {"bootstrap.servers": f"{HOST}:{free_port()}"}
    with pytest.raises(Retry, match="check that the broker runs"):
        last_of(A, TopicPlace(place.name, STANDARD), properties, seconds=1.0)
