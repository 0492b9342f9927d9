"""The unit in deploy/systemd by systemd's own tools, and what the collector tells systemd."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.lab import parts
from tests.lab.process import Process
from tests.lab.waiting import wait_for
from tests.real.edge import PROGRAM, SOON, Edge, environment

UNIT = parts.PROJECT / "deploy/systemd/edgevitals.service"
INSTALLED = "/opt/edgevitals/bin/edgevitals"
MOST_EXPOSED = 2.0


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = parts.need("systemd-analyze", "systemd")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def test_the_unit_is_one_that_systemd_takes(tmp_path):
    here = tmp_path / UNIT.name
    text = UNIT.read_text()
    assert text.count(INSTALLED) == 2
    here.write_text(text.replace(INSTALLED, str(PROGRAM)))
    done = analyze("verify", "--man=no", here)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_is_hardened():
    done = analyze("security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"exposure level for edgevitals.service: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED


def test_the_unit_holds_what_every_manifest_holds():
    lines = UNIT.read_text().splitlines()
    assert {"MemoryMax=160M", "Type=notify", "Restart=always", "After=network.target"} <= {*lines}
    assert not [line for line in lines if line.startswith(("ProtectClock", "ProcSubset"))]


def test_it_starts_without_a_network_and_tells_systemd_how_it_is(tmp_path):
    """In a network namespace with a loopback and nothing else: no Kafka, no names, no centre."""
    edge = Edge(
        tmp_path,
        kafka={"bootstrap.servers": "kafka.invalid:9092"},
        sources={"host": True, "kafka": {"topics": [".*"]}},
        topic={},
        sinks=[
            {
                "name": "centre",
                "url": "https://metrics.invalid/api/v1/write",
                "out_of_order_time_window": "31d",
            }
        ],
    )
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        address = tmp_path / "notify"
        systemd.bind(str(address))
        systemd.settimeout(SOON)
        alone = 'ip link set lo up && exec "$@"'
        process = Process(
            "collector",
            ["unshare", "--net", "sh", "-c", alone, "sh", PROGRAM, "run", "-c", edge.file],
            tmp_path / "alone.log",
            {**environment(), "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"},
        )
        process.start()
        try:
            assert heard(systemd, lambda said: "READY=1" in said) == "READY=1"
            said = heard(systemd, lambda said: "1 of 2 targets up" in said)
            assert said.startswith("WATCHDOG=1\nSTATUS=round ")
            wait_for(lambda: len(edge.seqs_on_disk()) >= 2, SOON, "rounds on disk")
        finally:
            process.stop()
        assert heard(systemd, lambda said: "STOPPING=1" in said)
        assert process.returncode == 0


def heard(systemd: socket.socket, is_it: Callable[[str], bool]) -> str:
    """The first datagram that is what is waited for; those before it are dropped."""
    while True:
        said = systemd.recv(4096).decode()
        if is_it(said):
            return said
