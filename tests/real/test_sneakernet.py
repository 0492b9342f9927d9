"""Rounds that are carried: from a site without a link into a real Prometheus, by both ways."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.lab import parts
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, run, seqs_at, sink


def centre_of(folder: Path, prometheus: Prometheus, **keys: Any) -> Path:
    """The configuration of a centre that only imports."""
    file = folder / "centre.yaml"
    (folder / "central-spool").mkdir()
    tree = {
        "site": "centre",
        "spool": {"path": str(folder / "central-spool")},
        "sinks": [sink(prometheus.write_url, **keys)],
    }
    file.write_text(json.dumps(tree))
    return file


def test_a_file_from_a_dark_site_that_still_runs_closes_its_gap_at_the_centre(
    prometheus: Prometheus, tmp_path: Path
):
    edge = Edge(tmp_path / "edge")
    carried = tmp_path / "store-1.evs"
    with edge:
        edge.wait_for_rounds(4)
        assert run("spool", "verify", "-c", edge.file).returncode == 0
        done = run("export", "-c", edge.file, carried)
        assert done.returncode == 0, done.stderr
        edge.wait_for_rounds(1)
    centre = centre_of(tmp_path, prometheus)
    done = run("import", "-c", centre, carried)
    assert done.returncode == 0, done.stdout + done.stderr
    there = seqs_at(prometheus)
    assert there == list(range(1, len(there) + 1))
    assert len(there) >= 4
    rest = tmp_path / "rest.evs"
    assert run("export", "-c", edge.file, rest).returncode == 0
    done = run("import", "-c", centre, rest)
    assert done.returncode == 0, done.stdout + done.stderr
    assert seqs_at(prometheus) == edge.seqs_on_disk(), "the process is dead, its last round too"


def test_what_a_window_would_refuse_comes_as_blocks_by_promtool(tmp_path: Path):
    edge = Edge(tmp_path / "edge")
    with edge:
        edge.wait_for_rounds(4)
    text = tmp_path / "old.txt"
    done = run("export", "-c", edge.file, "--format", "openmetrics", text)
    assert done.returncode == 0, done.stderr
    with Prometheus(tmp_path / "prometheus", out_of_order=None) as prometheus:
        prometheus.stop()
        blocks = tmp_path / "blocks"
        tsdb = ["tsdb", "create-blocks-from", "openmetrics"]
        command: list[str | Path] = [parts.promtool(), *tsdb, text, blocks]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert made.returncode == 0, made.stderr
        for block in blocks.iterdir():
            shutil.move(block, prometheus.directory / "data")
        prometheus.start()
        wait_for(lambda: seqs_at(prometheus), SOON, "the blocks")
        assert seqs_at(prometheus) == edge.seqs_on_disk()
        done = run("verify", "--prometheus", prometheus.url, "-c", edge.file)
        assert done.returncode == 0, done.stdout + done.stderr
        assert prometheus.samples('up{job="node"}', "1h")
