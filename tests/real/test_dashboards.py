"""The boards, each question of theirs asked of a Prometheus that a real collector filled.

What shows faults has data because the fault happened: links that were cut, rounds that were too old
for a receiver, a sample that one refused, a collector that was not running, disks that fill.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

import pytest

from dashboards.__main__ import boards
from dashboards.selectors import counted_down, grown_in_range, of
from tests.lab.disk import SmallDisk
from tests.lab.kafka import HOST, Kafka
from tests.lab.mirror import MirrorMaker
from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.traffic import Traffic
from tests.lab.waiting import wait_for
from tests.real.edge import SITE, SOON, Edge, jmx, sink, to_centre
from tests.real.grafana import Asked, Viewer
from tests.real.test_catalog import PEM, Trouble
from tests.unit.sinks.peer import Judged, Peer, Seen, answer
from tests.unit.site import START_MS, Site

LOOK_S = 6 * 3600.0  # as the boards open
REGION, NODE = "emea", "node-a"
HAPPENED = {
    "Rounds missing A",
    "Rounds missing B",
    "Rounds lost on the way A",
    "Rounds never taken A",
    "Samples refused for good A",
    "Rounds set aside A",
    "Rounds set aside B",
    "Tries that failed A",
    "Links: behind by A",
    "Links: records behind A",
    "Consumer groups: behind by A",
    "Consumer groups: records behind A",
    "Disks: full in A",
    "Disks: full in B",
    "annotation Link down",
    "annotation Rounds lost",
}
"""What was not only told, but was above 0."""

# How long a disk lasts is told after ten minutes: by the clocks of Python that aren't those of
# rounds. They are behind, until they are set right. (libfaketime would be nearer to the truth, but
# librdkafka never gets ready under a clock that is behind.)
CLOCKS = """
import pathlib, time
seconds, uptime, right = time.time, time.monotonic, pathlib.Path(__file__).with_name("right")
time.time = lambda: seconds() - 900 * (not right.exists())
time.monotonic = lambda: uptime() - 900 * (not right.exists())
"""


class Fussy:
    """A receiver that refuses one sample for good, and is away for some requests."""

    def __init__(self) -> None:
        self._judge = Trouble().judge

    def judge(self, seen: Seen) -> bytes:
        # Asked what time it is there: its window is short.
        return (
            self._judge(seen) if seen.body else answer(204, b"", f"Date: {formatdate(usegmt=True)}")
        )


class Line:
    """A site with a broker and a mirror, its centre, and a second receiver that is hard to please.

    It has taken rounds three hours ago, which the second one finds too old.
    """

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        port = free_port()  # the central broker names it to its clients
        own = {"advertised.listeners": f"PLAINTEXT://{HOST}:{port}"}
        self._folder = folder
        self.broker = Kafka(folder / "kafka")
        central = Kafka(folder / "central", properties=own)
        for kafka in (self.broker, central):
            parts.callback(kafka.kill)
            kafka.start(wait=False)
        self.centre = parts.enter_context(Prometheus(folder / "prometheus"))
        self.link = parts.enter_context(Proxy(self.centre.port))
        self.mirror_link = parts.enter_context(Proxy(central.port, port=port))
        self.second = parts.enter_context(Peer(Judged(Fussy().judge)))
        self.disk = parts.enter_context(SmallDisk(folder / "disk", "64m"))
        self.broker.wait_until_ready()
        self.mirror = MirrorMaker(
            folder / "mirror",
            {"site": self.broker},
            central,
            "orders",
            {
                "central.bootstrap.servers": self.mirror_link.address,
                "central.scheduled.rebalance.max.delay.ms": 0,
                "site->central.offset.lag.max": 0,
            },
        )
        parts.callback(self.mirror.process.kill)
        self.mirror.start(wait=False)
        parts.enter_context(Traffic(self.broker.bootstrap))
        self._take_rounds_of_earlier()
        clocks = folder / "clocks"
        clocks.mkdir()
        (clocks / "sitecustomize.py").write_text(CLOCKS)
        self._right = clocks / "right"
        self.edge = Edge(
            folder / "edge",
            {"PYTHONPATH": str(clocks)},
            self.disk,
            node=NODE,
            interval="2s",
            labels={"region": REGION},
            kafka={"bootstrap.servers": self.broker.bootstrap},
            sources={
                "jmx": jmx(self.broker),
                "host": True,
                "kafka": True,
                "certificates": {"files": [str(PEM)]},
            },
            links=[
                {
                    "name": "hq",
                    "kind": "mirrormaker2",
                    "topics": ["orders"],
                    "jmx": [{"address": self.mirror.jmx_address}],
                    "offset_syncs": "mm2-offset-syncs.central.internal",
                }
            ],
            topic={"name": "edgevitals.telemetry", "max_size": "96MiB"},
            sinks=[
                to_centre(self.link),
                {
                    **sink(self.second.url, out_of_order_time_window="1h"),
                    "name": "second",
                    "protocol": "remote_write_1",
                },
            ],
        )
        parts.callback(self.edge.kill)

    def _take_rounds_of_earlier(self) -> None:
        now_s = time.time() - START_MS / 1000
        with Site(self.disk.seen / "spool") as site:
            for after_s in range(-10_800, -10_740, 15):
                site.take(now_s + after_s)

    def live(self) -> None:
        """All that happens."""
        self.edge.start()
        self.mirror.wait_until_ready()
        self._wait_for("edgevitals_link_bytes_per_second", 'kind="mirrormaker2"')
        self.disk.fill(leave=40 << 20)
        with (self._folder / "ballast").open("wb") as ballast:  # on the disk of Kafka's logs
            os.posix_fallocate(ballast.fileno(), 0, 256 << 20)
        self._right.touch()
        self.link.cut()
        self.mirror_link.cut()
        self.edge.wait_for_rounds(4)
        self.cut_at = time.time()
        self.link.restore()
        self.mirror_link.restore()
        self._wait_for("edgevitals_log_directory_runway_seconds")
        self._wait_for("edgevitals_host_filesystem_runway_seconds")
        self._wait_for("edgevitals_link_state", 'kind="mirrormaker2",state="disconnected"', "== 1")

    def _wait_for(self, name: str, labels: str = "", condition: str = "") -> None:
        promql = f"max_over_time({name}{{{labels}}}[10m]) {condition}"
        wait_for(lambda: self.centre.query(promql), SOON, promql)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with ExitStack() as parts:
        one = Line(tmp_path_factory.mktemp("boards"), parts)
        one.live()
        yield one


def test_every_question_of_every_board_has_an_answer(line: Line):
    """Seen twice: now, and as of the cut, whose rounds came later.

    Now is the next whole minute: what is summed up is, minute by minute.
    """
    now = 60.0 * math.ceil(time.time() / 60)
    shown: list[Asked] = []
    highest: dict[str, float] = {}
    for name, board in boards().items():
        viewer = Viewer(line.centre, board, now, LOOK_S)
        viewer.choose(site=SITE)
        assert viewer.offered == {"region": [REGION], "site": [SITE], "node": [NODE]}
        asked = [*viewer.panels(), *viewer.annotations()]
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        print(
            f"{name}: {len(panels)} panels, {len(asked)} queries, {len(viewer.offered)} variables"
        )
        shown += asked
        then = viewer.at(line.cut_at)
        for one in (*asked, *then.panels(), *then.annotations()):
            highest[one.where] = max(highest.get(one.where, 0.0), one.highest)
    assert [f"{it.where}: {it.expr}" for it in shown if not it.series] == []
    assert highest.keys() >= HAPPENED
    assert {where for where in HAPPENED if highest[where] == 0.0} == set()


class Case(NamedTuple):
    """What promtool is to find: an expression of a board, and its value at a time."""

    expr: str
    at: str
    value: float | None


def judge(promtool: Path, folder: Path, history: dict[str, str], *cases: Case) -> None:
    """Let promtool ask for the cases where one site has told `history`, a value a minute."""
    expected = []
    for case in cases:
        promql = case.expr
        for variable, value in (("$site", "a"), ("$node", ".*"), ("$__range", "2h")):
            promql = promql.replace(variable, value)
        samples = [] if case.value is None else [{"labels": "{}", "value": case.value}]
        expected.append({"expr": promql, "eval_time": case.at, "exp_samples": samples})
    series = [
        {"series": f'{name}{{site="a",node="n"}}', "values": values}
        for name, values in history.items()
    ]
    told = {"interval": "1m", "input_series": series, "promql_expr_test": expected}
    (folder / "cases.yaml").write_text(json.dumps({"tests": [told]}))
    command: list[str | Path] = [promtool, "test", "rules", folder / "cases.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_goes_wrong_is_counted_once_from_the_first_time_and_over_restarts(
    promtool: Path, tmp_path: Path
):
    """5 at first, 2 more; a restart that counts 7 again, as many as were counted before it."""
    history = {
        "edgevitals_gap_rounds_total": "_x4 5x3 7x3 _x1 7x8",
        "edgevitals_process_start_time_seconds": "100x13 900x9",
    }
    grown = grown_in_range(of("edgevitals_gap_rounds_total"))
    judge(promtool, tmp_path, history, Case(grown, "3m", None), Case(grown, "20m", 14))


def test_what_is_left_gets_less_while_the_site_is_dark(promtool: Path, tmp_path: Path):
    """An hour was left when the site went dark; what ended before that is no longer told."""
    history = {
        "edgevitals_round_seq": "0+1x20",
        "edgevitals_link_time_to_loss_seconds": "3600x20",
        "edgevitals_log_directory_runway_seconds": "3600x5",
    }
    left = f"min({counted_down('edgevitals_link_time_to_loss_seconds')})"
    ended = f"min({counted_down('edgevitals_log_directory_runway_seconds')})"
    judge(
        promtool,
        tmp_path,
        history,
        Case(left, "20m", 3600),
        Case(left, "50m", 1800),
        Case(left, "90m", -600),
        Case(ended, "5m", 3600),
        Case(ended, "50m", None),
    )


@pytest.mark.parametrize("panel", ["Last heard from", "Age of what you see"])
def test_the_age_of_what_is_seen_is_told_when_nothing_else_is(
    promtool: Path, tmp_path: Path, panel: str
):
    """Of a site that sends no pulse, and has been silent for half an hour, an hour, too long."""
    (age,) = (
        target["expr"]
        for one in boards()["ev-site.json"]["panels"]
        if one["title"] == panel
        for target in one["targets"]
    )
    judge(
        promtool,
        tmp_path,
        {"edgevitals_round_seq": "0+1x20"},
        Case(age, "20m", 0),
        Case(age, "24m", 240),
        Case(age, "50m", 1800),
        Case(age, "80m", 3600),
        Case(age, "150m", None),
    )
