"""The image: what is in it, and a container of it beside a real broker and a real Prometheus."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.lab.container import MEMORY_LIMIT, USER, Container, Image, build
from tests.lab.kafka import Kafka
from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import HOST, SOON

MIB = 1 << 20
MOST_PACKED = 90 * MIB
INSIDE = "/var/lib/edgevitals"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    built = build(tmp_path_factory.mktemp("image"))
    print(f"\nimage: {built.size / MIB:.0f} MiB, {built.packed / MIB:.0f} MiB compressed")
    return built


def test_there_is_nothing_in_it_to_run_but_python_and_ours(image: Image):
    folders = [image.root / name for name in ("usr/bin", "usr/sbin", "opt/edgevitals/bin")]
    programs = {path.name for folder in folders for path in folder.iterdir()}
    assert programs == {"python", "python3", "python3.11", "edgevitals"}
    assert image.packed < MOST_PACKED
    assert image.labels["org.opencontainers.image.title"] == "EdgeVitals"
    assert image.labels["org.opencontainers.image.version"] == "0.1.0"


@pytest.mark.timeout(300)
def test_a_container_scrapes_spools_publishes_and_delivers(image: Image, tmp_path: Path):
    status = f"{HOST}:{free_port()}"
    spool, file = tmp_path / "spool", tmp_path / "config.yaml"
    spool.mkdir()
    os.chown(spool, USER, USER)
    with Kafka(tmp_path / "kafka") as broker, Prometheus(tmp_path / "centre") as centre:
        to_centre = {"name": "centre", "url": centre.write_url, "out_of_order_time_window": "31d"}
        config = {
            "site": "store-1",
            "preset": "lan",
            "interval": "1s",
            "kafka": {"bootstrap.servers": broker.bootstrap},
            "sources": {
                "jmx": [{"address": broker.jmx_address}],
                "host": True,
                "kafka": {"topics": [".*"]},
            },
            "spool": {"min_free": "1MiB", "max_size": "64MiB"},
            "topic": {"max_size": "64MiB"},
            "sinks": [to_centre],
            "status": {"listen": status},
        }
        file.write_text(json.dumps(config))
        mounts = [(file, "/etc/edgevitals/config.yaml", "ro"), (spool, INSIDE, "rw")]

        def seqs() -> list[int]:
            tracks = centre.samples('edgevitals_round_seq{site="store-1"}', "1h")
            return [int(value) for track in tracks for _, value in track.points]

        def up() -> set[str]:
            with urllib.request.urlopen(f"http://{status}/status.json", timeout=5) as answer:
                return {target["job"] for target in json.load(answer)["targets"] if target["up"]}

        with Container(image, tmp_path / "first", "edge-1", mounts) as container:
            wait_for(lambda: len(seqs()) >= 10, SOON, "ten rounds at the centre")
            assert up() == {"kafka", "node", "kafka_exporter"}
            assert centre.query('kafka_server_replicamanager_partitioncount{node="edge-1"}')
            process = psutil.Process(container.pid)
            assert_is_confined(process)
            used = sum(one.memory_full_info().pss for one in [process, *process.children()])
            print(f"memory of the container: {used / MIB:.1f} MiB PSS, limit 160 MiB")
            assert used < MEMORY_LIMIT
            asked = time.monotonic()
        print(f"stopped in order within {time.monotonic() - asked:.1f} s")
        assert container.process.returncode == 0
        before = max(seqs())
        with Container(image, tmp_path / "second", "edge-1", mounts):
            wait_for(lambda: max(seqs()) >= before + 5, SOON, "five more rounds")
        found = seqs()
        assert sorted(found) == list(range(1, len(found) + 1)), "none is missing, none told twice"
    print(f"{len(found)} rounds through the topic at the centre, over two containers, none missing")


def assert_is_confined(process: psutil.Process) -> None:
    """Nobody's root, no capability, a root that is read-only."""
    assert {*process.uids()} == {USER}
    place = Path("/proc", str(process.pid))
    lines = (place / "status").read_text().splitlines()
    assert {"CapEff:\t0000000000000000", "NoNewPrivs:\t1"} <= {*lines}
    (root,) = (
        fields[5].split(",")
        for line in (place / "mountinfo").read_text().splitlines()
        if (fields := line.split())[4] == "/"
    )
    assert "ro" in root
