"""Several readers of one consumer group on a real broker: rebalances, kills, one that stood still.

What arrives at the far side is written down as it arrives, by each process: the order of the
lines is the order of the deliveries.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from collector.admin.client import Admin
from collector.flow.mark import GapReason
from tests.lab.kafka import Kafka
from tests.lab.process import Process
from tests.lab.waiting import wait_for
from tests.real.topic_place import SOON, Place, take
from tests.unit.examples import wall_of
from tests.unit.topic.partition_log import A, words

KILLS = int(os.environ.get("SOAK_KILLS", "12"))
"""Of a forwarder; 1,000 in `make soak`."""

REBALANCES = int(os.environ.get("SOAK_REBALANCES", "4"))

SESSION = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


@pytest.fixture(scope="module")
def admin(broker: Kafka) -> Iterator[Admin]:
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as one:
        yield one


@pytest.fixture
def place(broker: Kafka, admin: Admin) -> Place:
    return Place(broker, admin, f"telemetry-{uuid.uuid4().hex[:8]}")


class Forwarders:
    """Processes that read the group and append what they deliver to one file."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place = place
        self._folder = folder
        self.file = folder / "delivered"
        self.file.touch()
        self._number = 0

    def make(self, instance: str, *ways: str) -> Process:
        """`ways`: where it is slow, between receiving a batch, delivering and committing it."""
        self._number += 1
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.real.forwarder",
            self._place.kafka.bootstrap,
            self._place.name,
            self._place.group,
            instance,
            self.file,
            *ways,
        ]
        return Process(instance, command, self._folder / f"{instance}-{self._number}.log")

    def delivered(self) -> list[tuple[str, int, int]]:
        """(instance, seq, time) in the order of their arrival."""
        lines = self.file.read_text().splitlines()
        return [(it[0], int(it[1]), int(it[2])) for it in map(str.split, lines) if len(it) == 3]

    def seqs(self) -> list[int]:
        return [seq for _, seq, _ in self.delivered()]


def assert_only_repeats(found: Sequence[tuple[str, int, int]], last: int) -> None:
    """New ones rise without a hole; what comes late came before, with the same time."""
    newest = 0
    times: dict[int, int] = {}
    for instance, seq, time in found:
        if seq > newest:
            assert seq == newest + 1, f"{instance} brings {seq} behind {newest}"
            newest = seq
        assert times.setdefault(seq, time) == time
    assert newest == last


def test_f30_two_readers_that_take_turns_and_one_that_stood_still_bring_repeats_at_worst(
    place: Place, tmp_path: Path
):
    forwarders = Forwarders(place, tmp_path)
    written = 0

    def write(rounds: int) -> None:
        nonlocal written
        place.write(words(A), *[(seq, 1) for seq in range(written + 1, written + rounds + 1)])
        written += rounds

    write(20)
    first = forwarders.make("a", "slow")
    first.start()
    try:
        wait_for(lambda: len(forwarders.seqs()) >= 5, SOON, "the first rounds")
        first.send(signal.SIGSTOP)  # in the middle, with rounds in hand
        before = len(forwarders.seqs())
        second = forwarders.make("b")
        second.start()
        try:
            wait_for(lambda: written in forwarders.seqs(), SOON, "the other one has taken over")
            write(5)
            wait_for(lambda: written in forwarders.seqs(), SOON)
            first.send(signal.SIGCONT)
            write(5)
            wait_for(lambda: written in forwarders.seqs(), SOON)
            for turn in range(REBALANCES):
                third = forwarders.make(f"c{turn}")
                third.start()
                write(3)
                wait_for(lambda: written in forwarders.seqs(), SOON, "whoever has it")
                third.kill() if turn % 2 else third.stop()
            write(3)
            wait_for(lambda: written in forwarders.seqs(), SOON)
        finally:
            second.stop()
    finally:
        first.send(signal.SIGCONT)
        first.stop()
    found = forwarders.delivered()
    assert_only_repeats(found, written)
    late = {instance for instance, _, _ in found[before:]}
    assert "b" in late


def test_f02_a_forwarder_that_is_killed_anywhere_repeats_a_batch_at_most(
    place: Place, tmp_path: Path
):
    """Kills between receiving, delivering, being answered and committing."""
    forwarders = Forwarders(place, tmp_path)
    stop = Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            place.write(words(A), *[(seq, 1) for seq in range(written + 1, written + 11)])
            written += 10
            stop.wait(0.2)

    writer = Thread(target=write)
    writer.start()
    try:
        for kill in range(KILLS):
            forwarder = forwarders.make("a", random.choice(["received", "delivered", "committed"]))
            before = len(forwarders.seqs())
            forwarder.start()
            wait_for(
                lambda: len(forwarders.seqs()) > before or forwarder.returncode is not None,  # noqa: B023
                SOON,
                f"life {kill}",
            )
            wait_for(lambda: forwarder.returncode is not None, SOON, "its end")  # noqa: B023
    finally:
        stop.set()
        writer.join()
    last = forwarders.make("a")
    last.start()
    try:
        wait_for(lambda: written in forwarders.seqs(), SOON, "the rest")
    finally:
        last.stop()
    found = forwarders.delivered()
    assert_only_repeats(found, written)
    repeats = len(found) - written
    assert repeats <= KILLS * 20, "a batch a kill"


def test_f30_a_cut_of_hours_is_waited_through_and_the_group_stays_as_it_is(place: Place):
    """Hours are played by a small max.poll.interval.ms, many times over."""
    place.write(words(A), (1, 1))
    quick = {**SESSION, "max.poll.interval.ms": "6000"}
    stop = Event()
    with place.reader("a", quick) as reader:
        batch = None
        while batch is None:
            batch = reader.read(0.2)
        assigned = dict(reader._assigned.partitions)
        for _ in range(3):
            assert reader.wait(3.0, stop), "it is still ours"
        assert reader._assigned.partitions == assigned, "and was never taken away and given back"
        reader.commit(batch)
    assert place.committed()[1].of[A.key][-1].seq == 1


def test_f29_what_retention_ate_unread_is_told_with_its_seqs_and_times(place: Place):
    """Real retention by bytes, with the reader off: Kafka deletes whole segments."""
    place.write(words(A), (1, 2))
    with place.reader() as reader:
        assert take(reader, 2) == [1, 2]
    place.alter(**{"segment.ms": "200", "retention.bytes": "1"})
    seq = 3

    def is_eaten() -> bool:
        nonlocal seq
        place.write(words(A), (seq, 1))  # begins with its dictionary
        seq += 1
        return place.bounds()[0] > 4

    wait_for(is_eaten, SOON, "retention")
    place.alter(**{"segment.ms": "600000", "retention.bytes": "-1"})
    place.write(words(A), (seq, 1))
    with place.reader() as reader:
        found = take(reader, 1)
        while found[-1] != seq:
            found += take(reader, 1)
    assert found == list(range(found[0], seq + 1)), "all that is left"
    assert place.heard.gaps == [(3, found[0] - 1, GapReason.TOPIC_LOST)], "exactly what is not"
    (gap,) = place.committed()[1].of[A.key][-1].gaps
    assert (gap.after_ms, gap.before_ms) == (wall_of(1, 2), wall_of(1, found[0]))


def test_f39_a_reader_whose_place_another_one_took_joins_again(place: Place, monkeypatch):
    """Two collectors with one name push each other out of the group: whoever is left reads on."""
    monkeypatch.setattr("collector.topic.membership._JOIN_AGAIN_S", 1.0)
    place.write(words(A), (1, 2))
    with place.reader("a", SESSION) as first:
        assert take(first, 2) == [1, 2]
        with place.reader("a", SESSION) as second:
            place.write(words(A), (3, 1))
            assert take(second, 1) == [3]
        place.write(words(A), (4, 1))
        wait_for(
            lambda: first.read(0.2) is None and first._group._died_at, SOON, "it is pushed out"
        )
        found: list[int] = []
        while 4 not in found:
            found += take(first, 1)
        place.write(words(A), (5, 1))
        while 5 not in found:
            found += take(first, 1)
        wait_for(
            lambda: first.read(0.2) is None and place.committed()[1].of[A.key][-1].seq == 5, SOON
        )
