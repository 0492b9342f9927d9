"""What a disk does to a site: it fills up, turns read-only, runs out of files, is emptied.

The collector is the real one, the disk a small one of its own, the receiver a scripted peer that
keeps what came. In each test every round taken is delivered once, in order, and has its number.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.disk import Ext4Disk, SmallDisk
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, sink
from tests.unit.sinks.peer import Peer, answer


class Round(NamedTuple):
    at_ms: int
    seq: int
    in_memory: bool


class Centre(Peer):
    """What came, by the rounds' own numbers."""

    def rounds(self) -> list[Round]:
        found = []
        for seen in self.seen:
            samples = seen.samples()
            numbers = samples.get("edgevitals_round_seq", [])
            degraded = dict(samples.get("edgevitals_spool_degraded", []))
            found += [Round(at, int(seq), degraded.get(at) == 1) for at, seq in numbers]
        return found


@contextmanager
def site(
    tmp_path: Path, disk: SmallDisk | None = None, **settings: Any
) -> Iterator[tuple[Edge, Centre]]:
    with Centre(answer(204)) as centre:
        edge = Edge(tmp_path / "edge", disk=disk, sinks=[sink(centre.url)], **settings)
        with edge:
            wait_for(lambda: len(centre.rounds()) >= 3, SOON, "the first rounds")
            yield edge, centre


def degraded(edge: Edge) -> bool:
    return bool((edge.status().get("spool") or {}).get("degraded"))


def wait_for_rounds(centre: Centre, number: int, *, in_memory: bool) -> None:
    """Return when so many more of a kind came."""

    def count() -> int:
        return sum(one.in_memory == in_memory for one in centre.rounds())

    wanted = count() + number
    wait_for(lambda: count() >= wanted, SOON, f"{number} rounds, in_memory {in_memory}")


def assert_complete(edge: Edge, centre: Centre) -> list[int]:
    """Each line is whole, times rise, nothing was missed. Return the seqs of the line on disk."""
    wait_for(
        lambda: {pump["backlog_rounds"] for pump in edge.status()["pumps"]} == {0},
        SOON,
        "no backlog",
    )
    status = edge.status()
    assert (edge.missed(), status["gaps"]) == ({}, {}), edge.log
    assert edge.terminate() == 0
    assert "Traceback" not in edge.log
    rounds = centre.rounds()
    times = [one.at_ms for one in rounds]
    assert times == sorted(set(times)), "in order, each once"
    on_disk, in_memory = ([one.seq for one in rounds if one.in_memory == kind] for kind in (0, 1))
    assert in_memory == list(range(1, len(in_memory) + 1))
    assert on_disk == list(range(1, len(on_disk) + 1)), "no hole for those in memory"
    return on_disk


def test_f08_a_full_disk_costs_nothing_and_the_spool_goes_on_when_there_is_room(
    broker: Kafka, tmp_path: Path
):
    """Through the topic, where rounds from memory are a line of their own as well."""
    topic = {"name": f"telemetry-{uuid.uuid4().hex[:8]}", "max_size": "96MiB"}
    way: dict[str, Any] = {"kafka": {"bootstrap.servers": broker.bootstrap}, "topic": topic}
    with SmallDisk(tmp_path / "disk") as disk, site(tmp_path, disk, **way) as (edge, centre):
        disk.fill()
        wait_for_rounds(centre, 3, in_memory=True)
        (problem,) = edge.problems()
        assert problem.startswith("the disk takes no rounds, "), problem
        assert "No space left on device. free space on that disk" in problem
        assert "edgevitals_spool_degraded{" in edge.metrics()
        disk.free_again()
        wait_for_rounds(centre, 3, in_memory=False)
        assert edge.problems() == []
        on_disk = assert_complete(edge, centre)
        assert edge.seqs_on_disk() == on_disk


def test_f11_a_file_system_that_turned_read_only_is_left_as_it_is_mounted_anew(tmp_path: Path):
    with Ext4Disk(tmp_path / "disk") as disk, site(tmp_path, disk) as (edge, centre):
        disk.fail()
        wait_for_rounds(centre, 3, in_memory=True)
        (problem,) = edge.problems()
        assert "Read-only file system. that file system is read-only: see dmesg" in problem
        disk.repair()
        wait_for_rounds(centre, 3, in_memory=False)
        assert edge.problems() == []
        on_disk = assert_complete(edge, centre)
        assert edge.seqs_on_disk() == on_disk


def test_f11_a_start_on_a_read_only_file_system_watches_the_site_all_the_same(tmp_path: Path):
    with Ext4Disk(tmp_path / "disk") as disk, site(tmp_path, disk) as (edge, centre):
        edge.kill()
        disk.fail()
        edge.start()
        wait_for_rounds(centre, 3, in_memory=True)
        assert degraded(edge)
        disk.repair()
        wait_for_rounds(centre, 3, in_memory=False)
        assert edge.problems() == []
        assert edge.terminate() == 0
        seqs = [one.seq for one in centre.rounds() if not one.in_memory]
        assert sorted(set(seqs)) == list(range(1, max(seqs) + 1)), "no hole over the start"


def test_f14_a_spool_that_is_removed_under_a_process_is_made_anew(tmp_path: Path):
    with site(tmp_path) as (edge, centre):
        shutil.rmtree(edge.spool)
        seq = edge.seq
        wait_for(lambda: edge.seq >= seq + 3, SOON, "rounds")
        assert edge.problems() == []
        on_disk = assert_complete(edge, centre)
        kept = edge.seqs_on_disk()
        assert kept == on_disk[-len(kept) :]


def test_f14_a_spool_that_is_removed_before_a_start_begins_a_new_line(tmp_path: Path):
    with site(tmp_path) as (edge, centre):
        assert edge.terminate() == 0
        before = len(centre.rounds())
        shutil.rmtree(edge.spool)
        edge.start()
        wait_for(lambda: len(centre.rounds()) >= before + 3, SOON, "rounds of the new line")
        rounds = centre.rounds()
        assert [one.seq for one in rounds[before:]] == list(range(1, len(rounds) - before + 1))
        assert edge.terminate() == 0


def test_f43_without_inodes_rounds_go_on_and_with_them_to_disk(tmp_path: Path):
    """The segment that grows needs none; the next one does. A start begins one."""
    with SmallDisk(tmp_path / "disk", inodes=200) as disk, site(tmp_path, disk) as (edge, centre):
        assert edge.terminate() == 0
        disk.fill_inodes()
        before = len(centre.rounds())
        edge.start()
        wait_for_rounds(centre, 3, in_memory=True)
        assert "No space left on device" in edge.problems()[0]
        disk.free_again()
        wait_for_rounds(centre, 3, in_memory=False)
        assert edge.problems() == []
        assert edge.terminate() == 0
        later = centre.rounds()[before:]
        assert [one.at_ms for one in later] == sorted({one.at_ms for one in later})


def test_f43_a_process_without_descriptors_reports_it_and_recovers(tmp_path: Path):
    with site(tmp_path) as (edge, centre):
        limit(edge, 8)
        wait_for(lambda: "open files" in edge.log, SOON, "a word about it")
        limit(edge, 1024)
        wait_for_rounds(centre, 3, in_memory=False)
        wait_for(lambda: edge.problems() == [], SOON, "no problem any more")
        assert edge.process.is_running
        assert edge.terminate() == 0
        assert "Traceback" not in edge.log


def limit(edge: Edge, files: int) -> None:
    """How many descriptors the process may have, from now on; those it has stay open."""
    subprocess.run(["prlimit", "--pid", str(edge.process.pid), f"--nofile={files}:"], check=True)
