"""The telemetry topic on a real broker: what is written, what is read, what a commit keeps."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    ConsumerGroupTopicPartitions,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from collector.admin.client import Admin
from collector.dictionary import Dictionary
from collector.errors import Rejected, Retry
from collector.frame import Frame, decode
from collector.mark import GapReason, Marks, from_metadata
from collector.pump import Appetite, Batch, Pump
from collector.topic.creation import PARTITIONS, TopicCreation
from collector.topic.reader import Member, TopicReader
from collector.topic.record import read_headers
from collector.topic.writer import TopicPlace, TopicWriter
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import BACK_SOON
from tests.unit.examples import line_frame
from tests.unit.site import Site
from tests.unit.topic.partition_log import A, B, rounds_of, seqs, words

SOON = 60.0
STANDARD = 1  # the partition of a tier
EAGER = Appetite(1, 0.0)
SHORT_SESSION = {
    "session.timeout.ms": "1500",
    "heartbeat.interval.ms": "300",
    "max.poll.interval.ms": "1500",
}


class Heard:
    """Notices of a reader, kept."""

    def __init__(self) -> None:
        self.gaps: list[tuple[int, int, GapReason]] = []
        self.closed = 0
        self.repeated = 0
        self.others: list[str] = []

    def met(self, gaps, closed, repeated):
        self.gaps += [(gap.first_seq, gap.last_seq, gap.reason) for gap in gaps]
        self.closed += closed
        self.repeated += repeated

    def held(self, why):
        self.others.append(str(why))

    def damaged(self, why):
        self.others.append(str(why))

    def away(self, why):
        self.others.append(why)


class Place:
    """A topic of one test, with its writers, readers and the consumer group that they share."""

    def __init__(self, kafka: Kafka, admin: Admin, name: str) -> None:
        self.kafka = kafka
        self.name = name
        self.group = f"edgevitals.{name}"
        self.heard = Heard()
        self._properties = {"bootstrap.servers": kafka.bootstrap}
        self._creation = TopicCreation(admin, 96 << 20)
        self._client = AdminClient({**self._properties, "log_level": 0})

    def writer(self) -> TopicWriter:
        return TopicWriter(TopicPlace(self.name, STANDARD), self._properties, self._creation)

    def write(self, of: Dictionary, *frames: tuple[int, int]) -> None:
        """Append rounds, (first seq, number) a batch, by a writer of their own."""
        with closing(self.writer()) as writer:
            for seq, rounds in frames:
                writer.send(batch(of, seq, rounds))

    @contextmanager
    def reader(
        self, instance: str = "a", properties: dict[str, str] | None = None
    ) -> Iterator[TopicReader]:
        all_properties = {**self._properties, **(properties or {})}
        member = Member(self.group, instance)
        with closing(TopicReader(self.name, all_properties, member, EAGER, self.heard)) as one:
            yield one

    def records(self) -> list[Message]:
        """What any consumer finds in the partition, from its start."""
        consumer = Consumer({**self._properties, "group.id": "nobody"})
        try:
            place = TopicPartition(self.name, STANDARD, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=SOON)
            consumer.assign([place])
            found: list[Message] = []
            while len(found) < end:
                found += consumer.consume(end - len(found), timeout=1.0)
            return found
        finally:
            consumer.close()

    def committed(self) -> tuple[int, Marks]:
        """The group's offset, and the marks beside it."""
        consumer = Consumer({**self._properties, "group.id": self.group})
        try:
            place = TopicPartition(self.name, STANDARD)
            (found,) = consumer.committed([place], timeout=SOON)
            return found.offset, from_metadata(found.metadata)
        finally:
            consumer.close()

    def forget_marks(self, offset: int) -> None:
        """Commit an offset alone, as a tool that moves a group does it."""
        place = TopicPartition(self.name, STANDARD, offset)
        request = ConsumerGroupTopicPartitions(self.group, [place])
        (future,) = self._client.alter_consumer_group_offsets([request]).values()
        future.result(SOON)

    def delete_before(self, offset: int) -> None:
        """What retention does."""
        place = TopicPartition(self.name, STANDARD, offset)
        for future in self._client.delete_records([place]).values():
            future.result(SOON)

    def config(self) -> dict[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, self.name)
        (future,) = self._client.describe_configs([resource]).values()
        return {name: str(entry.value) for name, entry in future.result(SOON).items()}

    def partitions(self) -> int:
        return len(self._client.list_topics(self.name, timeout=SOON).topics[self.name].partitions)


def batch(of: Dictionary, seq: int, rounds: int = 1) -> Batch:
    """Rounds as the spool brings them: a frame each."""
    size = len(of.series)
    frames = [line_frame(s, values=size, id_=of.id) for s in range(seq, seq + rounds)]
    return Batch(of, tuple(frames), None)


def take(reader: TopicReader, rounds: int, *, commit: bool = True) -> list[int]:
    """Read until so many rounds have come, and commit each batch."""
    found: list[int] = []
    deadline = time.monotonic() + SOON
    while len(found) < rounds:
        assert time.monotonic() < deadline, found
        one = reader.read(0.2)
        if one is not None:
            found += seqs(one)
            if commit:
                reader.commit(one)
    return found


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
    assert (offset, marks.of[A.key].seq, marks.dictionary_offset) == (3, 4, 0)
    with place.reader() as reader:
        assert take(reader, 0) == []
        assert reader.read(0.5) is None
    assert place.committed() == (offset, marks), "one that delivered nothing forgets nothing"
    place.write(words(A), (5, 1))
    with place.reader() as reader:
        assert take(reader, 1) == [5]
        assert reader._searched == set(), "no look back: the dictionary's place is in the commit"
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
        assert reader._searched == {(STANDARD, words(A).id)}
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
        wait_for(lambda: reader.read(0.2) is None and reader._searched, SOON)
        place.write(words(A), (5, 1))
        assert take(reader, 4) == [2, 3, 4, 5]


def test_records_of_others_are_told_and_passed_over(place):
    place.write(words(A), (1, 1))
    with closing(place.writer()) as writer:
        writer.send(batch(words(A), 2))
        assert writer._producer is not None
        writer._producer.produce(place.name, value=b"somebody else's", partition=STANDARD)
        writer.send(batch(words(A), 3))
    with place.reader() as reader:
        assert take(reader, 3) == [1, 2, 3]
    assert len(place.heard.others) == 1


# With a broker that goes away


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that may be killed; sessions in it may be short."""
    folder = tmp_path_factory.mktemp("mortal")
    properties = {**BACK_SOON, "group.min.session.timeout.ms": 500}
    with Kafka(folder, properties=properties) as kafka:
        yield kafka


@pytest.fixture
def doomed(mortal: Kafka) -> Iterator[Place]:
    with closing(Admin({"bootstrap.servers": mortal.bootstrap})) as admin:
        yield Place(mortal, admin, f"telemetry-{uuid.uuid4().hex[:8]}")


def test_a_reader_that_waits_keeps_its_place_in_the_group(doomed):
    doomed.write(words(A), (1, 1))
    stop = Event()
    with doomed.reader("a", SHORT_SESSION) as reader:
        one = None
        while one is None:
            one = reader.read(0.2)
        assert reader.wait(3.0, stop), "longer than a member may be silent"
        doomed.write(words(A), (2, 1))
        assert reader.wait(0.5, stop)
        reader.commit(one)
        assert take(reader, 1) == [2], "what came meanwhile is not lost by the pause"
        stop.set()
        assert not reader.wait(60.0, stop)
    assert doomed.heard.repeated == 0


def test_a_batch_whose_partition_went_to_another_is_given_up(doomed):
    doomed.write(words(A), (1, 1))
    with doomed.reader("a", SHORT_SESSION) as reader:
        one = None
        while one is None:
            one = reader.read(0.2)
        with doomed.reader("b", SHORT_SESSION) as other:
            joining = Thread(target=lambda: other.read(2.0))
            joining.start()
            assert not reader.wait(SOON, Event())
            joining.join()
        assert take(reader, 1) == [1]


class FarSide:
    """A sink that keeps everything, and refuses now and then."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self._turns = itertools.count(1)

    def send(self, batch: Batch) -> None:
        if next(self._turns) % 7 == 0:
            raise Retry("busy", after=0.05)
        for frame in batch.frames:
            self.seqs += range(frame.first_seq, frame.last_seq + 1)


class Quiet:
    """Counts of a pump, and its rejected store: of no interest here."""

    def __getattr__(self, name):
        return lambda *_: None

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        raise AssertionError(f"{sink} refused for good: {why}")


def new_ones(found: Sequence[int]) -> list[int]:
    """The rounds in the order in which each came for the first time."""
    return list(dict.fromkeys(found))


def test_f05_a_broker_that_is_killed_while_rounds_are_written_loses_none_and_keeps_their_order(
    doomed: Place, tmp_path: Path
):
    far, stop = FarSide(), Event()
    quiet = Quiet()
    with (
        Site(tmp_path / "spool") as site,
        closing(doomed.writer()) as writer,
        doomed.reader() as reader,
    ):
        publish = Pump("publish", site.cursor("topic"), writer, quiet, quiet)
        forward = Pump("forward", reader, far, quiet, quiet)
        rooms = [Thread(target=pump.run, args=[stop]) for pump in (publish, forward)]
        for room in rooms:
            room.start()
        taken = 0

        def take_rounds(number: int) -> None:
            nonlocal taken
            for _ in range(number):
                taken += 1
                site.take(taken)

        try:
            for _ in range(3):
                take_rounds(10)
                wait_for(lambda: len(far.seqs) > taken - 10, SOON)
                take_rounds(10)
                doomed.kafka.kill()
                take_rounds(10)
                doomed.kafka.start()
            wait_for(lambda: far.seqs and far.seqs[-1] == taken, SOON, "the last round")
        finally:
            stop.set()
            for room in rooms:
                room.join()
    assert new_ones(far.seqs) == list(range(1, taken + 1))
    assert doomed.heard.gaps == []


def test_a_broker_that_hangs_is_a_retry_and_then_takes_the_same_batch(doomed, monkeypatch):
    monkeypatch.setattr("collector.topic.writer.ACK_TIMEOUT_S", 4.0)
    with closing(doomed.writer()) as writer:
        writer.send(batch(words(A), 1))
        doomed.kafka.pause()
        try:
            with pytest.raises(Retry, match="Message timed out"):
                writer.send(batch(words(A), 2))
        finally:
            doomed.kafka.resume()
        writer.send(batch(words(A), 2))
        writer.send(batch(words(A), 3))
    with doomed.reader() as reader:
        assert new_ones(take(reader, 3)) == [1, 2, 3]
    assert doomed.heard.gaps == []
