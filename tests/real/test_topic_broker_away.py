"""The telemetry topic while its broker is killed, hangs, or gives a partition to another."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from collector.admin.client import Admin
from collector.errors import Rejected, Retry
from collector.mark import Withheld
from collector.pump import Batch, Pump
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import BACK_SOON
from tests.real.topic_place import SOON, Place, batch, take
from tests.unit.site import Site
from tests.unit.topic.partition_log import A, words

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
    monkeypatch.setattr("collector.topic.appender.ACK_TIMEOUT_S", 4.0)
    with closing(doomed.writer()) as writer:
        writer.send(batch(words(A), 1))
        doomed.kafka.pause()
        try:
            with pytest.raises(Retry, match="writing to"):
                writer.send(batch(words(A), 2))
        finally:
            doomed.kafka.resume()
        writer.send(batch(words(A), 2))
        writer.send(batch(words(A), 3))
    with doomed.reader() as reader:
        assert new_ones(take(reader, 3)) == [1, 2, 3]
    assert doomed.heard.gaps == []
