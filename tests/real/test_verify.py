"""`edgevitals verify` against a real Prometheus: whole, with samples lost behind its 204, whole."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from tests.lab.disk import SmallDisk
from tests.lab.kafka import Kafka
from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import (
    NODE,
    SITE,
    SOON,
    TIER,
    Edge,
    frames_of,
    run,
    seqs_at,
    seqs_of,
    sink,
)


def verify(prometheus: Prometheus, *args: object) -> tuple[int, dict[str, Any]]:
    done = run("verify", "--prometheus", prometheus.url, *args, "-o", "json")
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def forget(prometheus: Prometheus) -> None:
    """It is killed and loses its log: what it had acknowledged is gone."""
    prometheus.kill()
    for part in ("wal", "chunks_head", "wbl"):
        shutil.rmtree(prometheus.directory / "data" / part, ignore_errors=True)
    prometheus.start()


def test_what_prometheus_lost_behind_its_204_is_found_and_sent_again(
    prometheus: Prometheus, tmp_path: Path
):
    edge = Edge(tmp_path / "edge", sinks=[sink(prometheus.write_url)])
    with edge:
        wait_for(lambda: len(seqs_at(prometheus)) >= 4, SOON, "the first rounds")
        code, said = verify(prometheus, "-c", edge.file)
        assert code == 0, said
        (stream,) = said["streams"]
        assert (stream["site"], stream["node"], stream["tier"]) == (SITE, NODE, TIER)
        assert (stream["first_seq"], stream["missing"], stream["epochs"]) == (1, [], 1)
        lost = seqs_at(prometheus)[-1]
        forget(prometheus)
        wait_for(lambda: len(seqs_at(prometheus)) >= 2, SOON, "rounds behind the loss")
        code, said = verify(prometheus, "-c", edge.file)
        assert code == 1
        (hole,) = said["streams"][0]["missing"]
        assert hole["first_seq"] == 1
        assert hole["last_seq"] >= lost
        done = run("verify", "--prometheus", prometheus.url, "-c", edge.file, "--repair")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{SITE}/{NODE}/{TIER}: complete from " in done.stdout
        there = seqs_at(prometheus)
        assert there == list(range(1, len(there) + 1))
        assert edge.terminate() == 0
    code, said = verify(prometheus, "--site", SITE)
    assert code == 0, said
    assert said["streams"][0]["closed"]
    assert seqs_at(prometheus) == edge.seqs_on_disk()


def test_a_site_whose_spool_is_lost_is_repaired_from_its_topic(
    broker: Kafka, prometheus: Prometheus, tmp_path: Path
):
    topic = f"telemetry-{uuid.uuid4().hex[:8]}.{{site}}"
    kafka = {"bootstrap.servers": broker.bootstrap}
    edge = Edge(
        tmp_path / "edge",
        kafka=kafka,
        topic={"name": topic, "max_size": "96MiB"},
        sinks=[sink(prometheus.write_url)],
    )
    with edge:
        wait_for(lambda: len(seqs_at(prometheus)) >= 4, SOON, "the first rounds")
        assert edge.terminate() == 0
        on_disk = edge.seqs_on_disk()
        assert seqs_at(prometheus) == on_disk
        shutil.rmtree(edge.spool)
        forget(prometheus)
        site = ("-c", edge.file)
        done = run("verify", "--prometheus", prometheus.url, *site)
        assert done.returncode == 3, "Prometheus knows nothing of anybody"
        carried = tmp_path / "from-topic.evs"
        done = run("export", *site, "--from-topic", carried)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [seq for frame in frames_of(carried) for seq in seqs_of(frame)] == on_disk
        forwarder = tmp_path / "forwarder.yaml"
        tree = {"site": "hq", "kafka": kafka, "topic": {"name": topic}, "sinks": [sink("http://x")]}
        forwarder.write_text(json.dumps({**tree, "spool": {"path": str(tmp_path / "none")}}))
        again = tmp_path / "at-the-centre.evs"
        done = run("export", "-c", forwarder, "--from-topic", again)
        assert done.returncode == 0, done.stdout + done.stderr
        assert again.read_bytes() == carried.read_bytes(), "by the topics of any site"
        edge.start()
        wait_for(lambda: len(seqs_at(prometheus)) >= 2, SOON, "rounds behind the loss")
        code, said = verify(prometheus, *site)
        assert code == 1
        assert said["streams"][0]["problems"]
        code, said = verify(prometheus, *site, "--repair")
        there = seqs_at(prometheus)
        assert there == list(range(1, len(there) + 1)), "numbers go on, by the topic's word"
        assert said["repaired"][0]["rounds"] >= len(on_disk)
        assert said["streams"][0]["missing"] == []


def test_f08_rounds_that_were_held_in_memory_while_the_disk_was_full_are_proven_too(
    prometheus: Prometheus, tmp_path: Path
):
    def rounds(*, held: bool) -> int:
        tracks = prometheus.samples("edgevitals_spool_degraded", "1h")
        return sum(value == held for track in tracks for _, value in track.points)

    with SmallDisk(tmp_path / "disk") as disk:
        edge = Edge(tmp_path / "edge", disk=disk, sinks=[sink(prometheus.write_url)])
        with edge:
            wait_for(lambda: rounds(held=False) >= 3, SOON, "the first rounds")
            disk.fill()
            wait_for(lambda: rounds(held=True) >= 3, SOON, "rounds from memory")
            code, said = verify(prometheus, "--spool", edge.spool)
            assert code == 0, said
            assert said["streams"][0]["lines"] == 2
            disk.free_again()
            before = rounds(held=False)
            wait_for(lambda: rounds(held=False) >= before + 2, SOON, "rounds by the disk")
            assert edge.terminate() == 0
        code, said = verify(prometheus, "--spool", edge.spool)
        assert code == 0, said
        assert said["streams"][0]["closed"]
        assert said["streams"][0]["lines"] == 2


def test_nobody_at_the_address_is_3():
    done = run("verify", "--prometheus", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 3
    assert "can't be reached" in done.stderr
    assert "Traceback" not in done.stderr
