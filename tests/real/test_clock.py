"""The real program under a clock that is wrong, and is set right or wrong while it runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from collector.frames.frame import Rejection
from tests.lab.faketime import WallClock
from tests.lab.kafka import Kafka
from tests.lab.process import Process
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.waiting import wait_for
from tests.lab.witness import RemoteWriteWitness, Report
from tests.real.edge import SITE, SOON, TIER, Edge, environment, frames_of, records_of, to_centre
from tests.real.test_line import topic

HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0
NOW_ONLY = 300.0


class Site:
    """An edge with a clock of its own, its centre, and what was seen between them."""

    def __init__(self, folder: Path, centre: Prometheus, **settings: Any) -> None:
        self.centre = centre
        self.clock = WallClock(folder / "clock")
        self._witness = RemoteWriteWitness()
        self.link = Proxy(centre.port, self._witness.tap)
        # A name of its own is a consumer group of its own: all share a broker.
        name = f"centre-{uuid.uuid4().hex[:8]}"
        self.edge = Edge(folder, sinks=[{**to_centre(self.link), "name": name}], **settings)
        self._pump = f"forward-{name}"
        process = self.edge.process
        self.edge.process = Process(
            process.name,
            process.command,
            process.log,
            {**environment(), **self.clock.environment},
        )

    @contextmanager
    def running(self) -> Iterator[Edge]:
        with self._witness, self.link, self.edge:
            yield self.edge

    def stored(self) -> dict[int, float]:
        """The rounds at the centre: their times, by number."""
        selector = f'edgevitals_round_seq{{site="{SITE}",tier="{TIER}"}}'
        tracks = self.centre.samples(selector, "2d", at=time.time() + DAY / 2)
        return {int(value): at for track in tracks for at, value in track.points}

    @property
    def state(self) -> str:
        """Of the pump to the centre."""
        return str(self.edge.pump(self._pump)["state"])

    def report(self) -> Report:
        return self._witness.report()

    def set_aside(self) -> dict[int, str]:
        """The rounds that the pump set aside, and why."""
        found: dict[int, str] = {}
        for file in sorted((self.edge.spool / "rejected").iterdir()):
            why = ""
            for record in records_of(file):
                if isinstance(record, Rejection):
                    why = record.reason
            found |= {
                seq: why
                for frame in frames_of(file)
                for seq in range(frame.first_seq, frame.last_seq + 1)
            }
        return found

    def arrives(self, seq: int) -> None:
        wait_for(lambda: seq in self.stored(), SOON, f"round {seq} at the centre")

    def sets_aside(self, seq: int) -> None:
        wait_for(lambda: seq in self.set_aside(), SOON, f"round {seq} set aside")

    def assert_balanced(self) -> None:
        """Every round that was written is stored or set aside, and none is out of order."""
        on_disk, stored, aside = self.edge.seqs_on_disk(), self.stored(), self.set_aside()
        assert on_disk == list(range(1, len(on_disk) + 1))
        assert sorted([*stored, *aside]) == on_disk
        times = [stored[seq] for seq in sorted(stored)]
        assert all(before < after for before, after in pairwise(times))
        found = self.report()
        assert (found.out_of_order, found.conflicts, found.unreadable) == (0, 0, 0), found.findings


@pytest.fixture(params=["spool", "topic"])
def site(request, tmp_path: Path, prometheus: Prometheus) -> Site:
    if request.param == "spool":
        return Site(tmp_path, prometheus)
    broker: Kafka = request.getfixturevalue("broker")
    kafka = {"bootstrap.servers": broker.bootstrap}
    return Site(tmp_path, prometheus, kafka=kafka, topic=topic())


def test_f15_rounds_of_a_clock_that_ran_ahead_arrive_once_it_is_right_at_their_right_times(
    site: Site,
):
    began = time.time()
    with site.running() as edge:
        site.arrives(2)
        for ahead in (HOUR, DAY, YEAR):
            site.clock.set(ahead)
            edge.wait_for_rounds(3)
            wait_for(lambda: site.state == "holding", SOON, "rounds held back")
            last = edge.seq
            assert max(site.stored().values()) < time.time() + NOW_ONLY
            assert last not in site.stored()
            assert any("in the future" in problem for problem in edge.problems())
            site.clock.set(0)
            site.arrives(last + 1)
        assert edge.terminate() == 0
    site.assert_balanced()
    assert site.set_aside() == {}
    times = site.stored().values()
    assert began - 1 < min(times)
    assert max(times) < time.time() + 1
    assert max(after - before for before, after in pairwise(sorted(times))) < 5 * NOW_ONLY / 100


def test_f15_a_start_under_a_clock_that_is_ahead_sends_nothing_from_the_future(
    tmp_path: Path, prometheus: Prometheus
):
    site = Site(tmp_path, prometheus)
    with site.running() as edge:
        site.arrives(2)
        edge.kill()
        site.clock.set(DAY)
        edge.start()
        edge.wait_for_rounds(2)
        wait_for(lambda: site.state == "holding", SOON, "rounds held back")
        assert max(site.stored().values()) < time.time() + NOW_ONLY
        last = edge.seq
        site.clock.set(0)
        site.arrives(last + 1)
        assert edge.terminate() == 0
    site.assert_balanced()
    assert site.set_aside() == {}
    assert max(site.stored().values()) < time.time() + 1


def test_f16_behind_a_clock_that_was_set_back_times_never_fall_at_the_centre(
    tmp_path: Path, prometheus: Prometheus
):
    site = Site(tmp_path, prometheus)
    with site.running() as edge:
        site.arrives(2)
        for back in (HOUR, DAY):
            site.clock.set(-back)
            edge.wait_for_rounds(3)
            last_behind = edge.seq
            site.clock.set(0)
            edge.wait_for_rounds(2)
            site.arrives(edge.seq)
            site.sets_aside(last_behind)
        assert edge.status()["missed"].get("clock", 0) == 0
        steps = 'edgevitals_clock_steps_total{direction="back"'
        wait_for(lambda: steps in edge.metrics(), SOON, "the step as a sample")
        assert edge.terminate() == 0
    site.assert_balanced()
    assert set(site.set_aside().values()) == {"order"}
    steps_told = {
        frame.lineage.clock_step
        for path in (edge.spool / TIER).iterdir()
        for frame in frames_of(path)
    } - {None}
    told = sorted(step.offset_ms / 1000 for step in steps_told if step)
    assert told == [pytest.approx(-DAY, abs=2), pytest.approx(-HOUR, abs=2)]


def test_f17_rounds_of_a_boot_without_a_clock_get_their_times_when_it_is_set(
    tmp_path: Path, prometheus: Prometheus
):
    site = Site(tmp_path, prometheus)
    site.clock.set(-time.time())
    began = time.time()
    with site.running() as edge:
        edge.wait_for_rounds(3)
        edge.kill()
        edge.start()
        edge.wait_for_rounds(2)
        assert any("the clock is not set" in problem for problem in edge.problems())
        assert site.stored() == {}
        assert edge.seqs_on_disk() == []
        without_clock = edge.seq
        site.clock.set(0)
        site.arrives(without_clock + 2)
        assert edge.problems() == []
        assert edge.terminate() == 0
    site.assert_balanced()
    assert site.set_aside() == {}
    times = site.stored()
    assert set(range(1, without_clock)) <= set(times)
    assert all(began - 1 < at < time.time() + 1 for at in times.values())
