"""docs/completeness.md: every command in it is run, in its order, at a site with a centre."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.lab import parts
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import PROGRAM, SOON, Edge, environment, seqs_at, sink

PAGE = Path(__file__).parents[2] / "docs" / "completeness.md"
NOTHING_IS_MISSING = "--missing centre"
"""Where nothing is, there is nothing to export: 1."""


def commands() -> list[str]:
    fenced = PAGE.read_text().split("```")[1::2]
    lines = [line for block in fenced for line in block.splitlines()]
    return [line for line in lines if line.split(" ")[0] in {"edgevitals", "promtool", "mv"}]


def test_every_command_of_the_page_does_what_it_says(prometheus: Prometheus, tmp_path: Path):
    edge = Edge(tmp_path / "edge", sinks=[sink(prometheus.write_url)])
    here = tmp_path / "here"
    here.mkdir()
    (here / "config.yaml").write_text(edge.file.read_text())
    centre = {
        "site": "centre",
        "spool": {"path": str(here / "central")},
        "sinks": [sink(prometheus.write_url)],
    }
    (here / "centre.yaml").write_text(json.dumps(centre))
    path = f"{PROGRAM.parent}:{parts.promtool().parent}:{os.environ['PATH']}"
    ran = []
    with edge:
        wait_for(lambda: len(seqs_at(prometheus)) >= 3, SOON, "the first rounds")
        assert edge.terminate() == 0
    for command in commands():
        line = command.replace("http://centre:9090", prometheus.url)
        line = line.replace("/var/lib/prometheus/", str(prometheus.directory / "data"))
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=here,
            env={**os.environ, **environment(), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        expected = 1 if NOTHING_IS_MISSING in command else 0
        assert done.returncode == expected, (command, done.stdout, done.stderr)
        ran.append(command.split(" ")[0])
    assert len(ran) >= 14
    assert set(ran) == {"edgevitals", "promtool", "mv"}
    prometheus.restart()
    assert seqs_at(prometheus) == edge.seqs_on_disk()
