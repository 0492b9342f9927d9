"""The telemetry topic while its broker is killed, hangs, or gives a partition to another."""

from __future__ import annotations

import itertools
import os
import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from collector.admin.client import Admin
from collector.errors import Rejected, Retry
from collector.flow.mark import Withheld
from collector.flow.pump import LONGEST_UNREACHED_WAIT_S, Batch, Pump
from collector.topic.appender import Appender
from collector.topic.client import TopicPlace
from collector.topic.packing import Packed, pack_dictionary, pack_frames
from tests.lab.kafka import Kafka
from tests.lab.kafka_log import cut
from tests.lab.parts import run
from tests.lab.waiting import wait_for
from tests.real.edge import BACK_SOON
from tests.real.publishing import Publishing
from tests.real.topic_place import SOON, STANDARD, Place, batch, take
from tests.unit.site import Site
from tests.unit.topic.partition_log import A, words

KILLS = int(os.environ.get("SOAK_BROKER_KILLS", "3"))
OUTAGE_ROUNDS = int(os.environ.get("SOAK_OUTAGE_ROUNDS", "500"))
"""At 15 s a round: two hours. `make soak` has more of both."""

SHORT_SESSION = {
    "session.timeout.ms": "1500",
    "heartbeat.interval.ms": "300",
    "max.poll.interval.ms": "1500",
}


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
        # Beside it, for a reader that isn't asked is silent: that is what is judged.
        writing = Thread(target=doomed.write, args=[words(A), (2, 1)])
        writing.start()
        assert reader.wait(3.0, stop), "longer than a member may be silent"
        while writing.is_alive():
            assert reader.wait(0.1, stop)
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

    def send(self, batch: Batch) -> Sequence[Withheld]:
        if next(self._turns) % 7 == 0:
            raise Retry("busy", after=0.05)
        for frame in batch.frames:
            self.seqs += range(frame.first_seq, frame.last_seq + 1)
        return ()


class Quiet:
    """Counts of a pump, and its rejected store: of no interest here."""

    def __getattr__(self, name):
        return lambda *_: None

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        raise AssertionError(f"{sink} refused for good: {why}")


def new_ones(found: Sequence[int]) -> list[int]:
    """The rounds in the order in which each came for the first time."""
    return list(dict.fromkeys(found))


@pytest.mark.timeout(600 + 20 * KILLS)
def test_f05_a_broker_that_is_killed_while_rounds_are_written_loses_none_and_keeps_their_order(
    doomed: Place, tmp_path: Path
):
    far, stop, pause = FarSide(), Event(), Event()
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
            for _ in range(KILLS):
                take_rounds(10)
                wait_for(lambda: len(far.seqs) > taken - 10, SOON)
                take_rounds(10)
                pause.wait(random.uniform(0.0, 0.05))  # somewhere in the middle of a write
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


def is_taken(writer, one):
    """Whether it is; a broker that hung or was away has no controller for a moment."""
    try:
        writer.send(one)
    except Retry:
        return False
    return True


def test_a_broker_that_hangs_is_a_retry_and_then_takes_the_same_batch(doomed, monkeypatch):
    monkeypatch.setattr("collector.topic.appender.ACK_TIMEOUT_S", 4.0)
    with closing(doomed.writer()) as writer:
        wait_for(lambda: is_taken(writer, batch(words(A), 1)), SOON, "the first batch")
        doomed.kafka.pause()
        try:
            with pytest.raises(Retry, match="writing to"):
                writer.send(batch(words(A), 2))
        finally:
            doomed.kafka.resume()
        wait_for(lambda: is_taken(writer, batch(words(A), 2)), SOON, "the same batch")
        wait_for(lambda: is_taken(writer, batch(words(A), 3)), SOON, "the next one")
    with doomed.reader() as reader:
        assert new_ones(take(reader, 3)) == [1, 2, 3]
    assert doomed.heard.gaps == []


@pytest.mark.timeout(600 + OUTAGE_ROUNDS // 20)
def test_f04_the_backlog_of_a_long_outage_follows_in_order_soon_after_the_broker_is_back(
    doomed: Place, tmp_path: Path
):
    with Publishing(doomed, tmp_path, least=20) as site:
        site.start().publish(3)
        doomed.kafka.kill()
        site.take(OUTAGE_ROUNDS)
        wait_for(lambda: len(site.account.retried) >= 3, SOON)
        doomed.kafka.start()
        site.wait(SOON + OUTAGE_ROUNDS / 100)
        waits = [wait for _, wait in site.account.retried]
        assert max(waits) <= LONGEST_UNREACHED_WAIT_S <= 15.0
        assert set(site.balance()) <= set(range(4, 24)), "of the batch that was on its way"
        assert len(site.frames()) <= 5 + OUTAGE_ROUNDS // 20 + 3, "joined"


def test_f07_a_producer_that_is_broken_for_good_is_made_anew_at_once(doomed: Place):
    """The broker lost the end of its log, and refuses all that this producer ever sends again."""
    doomed.create()
    place = TopicPlace(doomed.name, STANDARD)
    records = list(pack_dictionary_and_rounds(6))
    with closing(Appender(place, doomed.properties, lambda _: None, lambda _: None)) as appender:
        appender.open()
        assert [appender.append(one) for one in records] == list(range(7))
        doomed.kafka.kill()
        cut(doomed.kafka.directory / "data" / f"{doomed.name}-{STANDARD}", 3)
        doomed.kafka.start()
        with pytest.raises(Retry, match="OUT_OF_ORDER_SEQUENCE_NUMBER"):
            [appender.append(one) for one in records[3:]]
        assert not appender.is_open
        assert appender.was_disturbed()
        appender.open()
        assert [appender.append(one) for one in records[3:]] == [3, 4, 5, 6]


def pack_dictionary_and_rounds(rounds: int) -> Iterator[Packed]:
    yield pack_dictionary(words(A))
    for seq in range(1, rounds + 1):
        yield from pack_frames(batch(words(A), seq).frames, words(A))


def test_f09_a_full_disk_ends_the_broker_and_loses_nothing(tmp_path: Path):
    folder = tmp_path / "kafka"
    with (
        small_disk(folder / "data", "64m") as disk,
        Kafka(folder, properties=BACK_SOON) as kafka,
        closing(Admin({"bootstrap.servers": kafka.bootstrap})) as admin,
        Publishing(Place(kafka, admin, "telemetry"), tmp_path) as site,
    ):
        site.site.source.is_noisy = True  # each round takes a new page
        site.start().publish(5)
        fill(disk / "others")
        site.take(5)
        kafka.process.wait(SOON)
        (disk / "others").unlink()
        kafka.start()
        site.publish(5)
        site.balance()


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place])
    try:
        yield place
    finally:
        run(["umount", "--lazy", place])


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(1 << 12))
