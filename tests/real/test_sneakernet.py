"""Rounds that are carried: from a site without a link into a real Prometheus, by both ways."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.lab import parts
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, run, seqs_at, sink
from tests.unit.site import START_MS, Site


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


def bring(text: Path, prometheus: Prometheus) -> None:
    """Make blocks of an OpenMetrics file, and give them to a Prometheus."""
    blocks = text.with_suffix(".blocks")
    tsdb = ["tsdb", "create-blocks-from", "openmetrics"]
    command: list[str | Path] = [parts.promtool(), *tsdb, text, blocks]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    prometheus.stop()
    for block in blocks.iterdir():
        shutil.move(block, prometheus.directory / "data")
    prometheus.start()


def test_what_a_sink_withheld_for_its_age_is_exported_and_brought_until_all_is_there(
    tmp_path: Path,
):
    """Rounds of three hours ago, a receiver that takes two: a site that was dark in between."""
    now_s = time.time() - START_MS / 1000
    with Site(tmp_path / "edge" / "spool") as site:
        for after_s in (*range(-10_800, -10_720, 15), *range(-31, 0, 15)):
            site.take(now_s + after_s)
    with Prometheus(tmp_path / "prometheus", out_of_order="2h") as prometheus:
        centre = sink(prometheus.write_url, out_of_order_time_window="2h")
        edge = Edge(tmp_path / "edge", node="node-a", interval="15s", sinks=[centre])
        with edge:
            wait_for(lambda: len(seqs_at(prometheus)) >= 4, SOON, "all that is young enough")
            assert edge.terminate() == 0
        on_disk = edge.seqs_on_disk()
        assert seqs_at(prometheus, "4h") == on_disk[6:]
        ask = ("verify", "--prometheus", prometheus.url, "-c", edge.file)
        done = run(*ask)
        assert done.returncode == 1
        assert "MISSING  6 rounds, 1..6, " in done.stdout
        assert ": out_of_window" in done.stdout
        text = tmp_path / "withheld.txt"
        done = run(
            "export", "-c", edge.file, "--missing", "centre", "--format", "openmetrics", text
        )
        assert done.returncode == 0, done.stdout + done.stderr
        bring(text, prometheus)
        wait_for(lambda: seqs_at(prometheus, "4h") == on_disk, SOON, "the blocks")
        done = run(*ask)
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_window_would_refuse_comes_as_blocks_by_promtool(tmp_path: Path):
    edge = Edge(tmp_path / "edge")
    with edge:
        edge.wait_for_rounds(4)
    text = tmp_path / "old.txt"
    done = run("export", "-c", edge.file, "--format", "openmetrics", text)
    assert done.returncode == 0, done.stderr
    with Prometheus(tmp_path / "prometheus", out_of_order=None) as prometheus:
        bring(text, prometheus)
        wait_for(lambda: seqs_at(prometheus), SOON, "the blocks")
        assert seqs_at(prometheus) == edge.seqs_on_disk()
        done = run("verify", "--prometheus", prometheus.url, "-c", edge.file)
        assert done.returncode == 0, done.stdout + done.stderr
        assert prometheus.samples('up{job="node"}', "1h")
