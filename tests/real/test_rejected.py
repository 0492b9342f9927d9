"""What a real Prometheus refused for good is set aside, listed, and sent again once it takes it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, run, seqs_at, sink
from tests.unit.site import START_MS, Site


def test_rounds_that_a_receiver_without_a_window_refused_arrive_by_replay(tmp_path: Path):
    """Its newest sample of anybody is an hour ahead of them: 400, out of bounds."""
    now_s = time.time() - START_MS / 1000
    with Site(tmp_path / "edge" / "spool") as site:
        for after_s in (*range(-10_800, -10_720, 15), *range(-31, 0, 15)):
            site.take(now_s + after_s)
    with Prometheus(tmp_path / "prometheus", out_of_order=None) as prometheus:
        centre = sink(prometheus.write_url)
        edge = Edge(tmp_path / "edge", node="node-a", interval="15s", sinks=[centre])
        young = tmp_path / "young.evs"
        assert run("export", "-c", edge.file, "--from", "-10m", young).returncode == 0
        assert run("import", "-c", edge.file, young).returncode == 0
        assert seqs_at(prometheus) == [7, 8, 9]
        with edge:
            wait_for(lambda: len(seqs_at(prometheus)) >= 4, SOON, "a new round")
            listed = run("spool", "rejected", "-c", edge.file, "-o", "json")
            rows = json.loads(listed.stdout)["rejected"]
            old = {seq for row in rows for seq in range(row["first_seq"], row["last_seq"] + 1)}
            assert set(range(1, 7)) <= old, listed.stdout
            assert run("verify", "--prometheus", prometheus.url, "-c", edge.file).returncode == 1
            prometheus._config["storage"] = {"tsdb": {"out_of_order_time_window": "31d"}}
            prometheus.restart()
            done = run("spool", "rejected", "-c", edge.file, "--replay")
            assert done.returncode == 0, done.stdout + done.stderr
            assert edge.terminate() == 0
        assert seqs_at(prometheus, "4h") == edge.seqs_on_disk()
        done = run("verify", "--prometheus", prometheus.url, "-c", edge.file)
        assert done.returncode == 0, done.stdout + done.stderr
        left = run("spool", "rejected", "-c", edge.file)
        assert left.stdout == "nothing is set aside\n"
