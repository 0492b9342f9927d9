"""A forwarder's lanes on a real topic: a site that isn't taken holds up only itself."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import cramjam
import pytest

from collector.admin.client import Admin
from collector.frames.dictionary import Dictionary, Stream, build
from collector.series import Family, Kind, Series
from tests.lab.kafka import Kafka
from tests.lab.ports import free_port
from tests.lab.protos import write_request_class
from tests.lab.waiting import wait_for
from tests.real.edge import HOST, SOON, Edge, sink
from tests.real.topic_place import Place

LEVEL = Family("level", Kind.GAUGE)
SITES = [f"store-{number}" for number in range(1, 7)]


def of(site: str) -> Dictionary:
    return build(Stream(site, "edge-1", "standard"), [Series("level", (("site", site),), LEVEL)])


class Choosy(ThreadingHTTPServer):
    """A receiver with an answer for each site: what it took, and how often it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, free_port()), _Handler)
        self.url = f"http://{HOST}:{self.server_address[1]}/api/v1/write"
        self.answers: dict[str, int] = {}
        self.slow: set[str] = set()
        self.taken: dict[str, list[float]] = {site: [] for site in SITES}
        self.asked: dict[str, int] = dict.fromkeys(SITES, 0)
        self.under_way: set[str] = set()
        self.clashes: list[str] = []
        self.hurry = Event()
        self.lock = Lock()

    def judge(self, body: bytes) -> int:
        request = write_request_class().FromString(bytes(cramjam.snappy.decompress_raw(body)))
        values: dict[str, list[float]] = {}
        for series in request.timeseries:
            labels = {label.name: label.value for label in series.labels}
            if labels["__name__"] == LEVEL.name:
                values[labels["site"]] = [sample.value for sample in series.samples]
        for site, found in values.items():
            return self._answer(site, found)
        return 204  # metadata, or the forwarder's own

    def _answer(self, site: str, found: list[float]) -> int:
        with self.lock:
            self.asked[site] += 1
            if site in self.under_way:
                self.clashes.append(site)
            self.under_way.add(site)
        if site in self.slow:
            self.hurry.wait(SOON)
        with self.lock:
            self.under_way.discard(site)
            status = self.answers.get(site, 204)
            if status == 204:
                self.taken[site] += found
        return status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Choosy

    def do_POST(self) -> None:
        status = self.server.judge(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def choosy() -> Iterator[Choosy]:
    with Choosy() as receiver:
        thread = Thread(target=receiver.serve_forever, args=[0.05], daemon=True)
        thread.start()
        yield receiver
        receiver.hurry.set()
        receiver.shutdown()
        thread.join(SOON)


@pytest.fixture
def place(broker: Kafka) -> Iterator[Place]:
    """One topic with the streams of all sites in one partition, as a mirror may make it."""
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as admin:
        yield Place(broker, admin, f"telemetry-{uuid.uuid4().hex[:8]}")


def forwarder(folder: Path, place: Place, receiver: Choosy, lanes: int) -> Edge:
    return Edge(
        folder,
        site="hq",
        node="forwarder-1",
        kafka={"bootstrap.servers": place.kafka.bootstrap},
        sources={},
        topic={"name": place.name},
        sinks=[sink(receiver.url, lanes=lanes, out_of_order_time_window="unlimited")],
    )


def gaps_of(site: str, running: Edge) -> int:
    """What the forwarder says is missing of a site, under that one's name."""
    name = r'edgevitals_gap_rounds_total{(?=[^}]*instance="forwarder-1")'
    found = re.search(name + f'[^}}]*site="{site}"[^}}]*}} (\\d+)', running.metrics())
    return int(found[1]) if found else 0


def test_sites_that_are_refused_for_now_or_for_good_or_slowly_hold_up_no_other(
    tmp_path: Path, place: Place, choosy: Choosy
):
    """More of them than there are lanes; and each site's rounds stay in their order."""
    throttled, broken, poisoned, slow, *well = SITES
    choosy.answers = {throttled: 429, broken: 503, poisoned: 400}
    choosy.slow = {slow}
    for site in SITES:
        place.write(of(site), *[(seq, 1) for seq in range(1, 6)])
    with forwarder(tmp_path, place, choosy, 2) as running:
        wait_for(lambda: all(len(choosy.taken[site]) == 5 for site in well), SOON, "the others")
        assert [choosy.taken[site] for site in (throttled, broken, poisoned, slow)] == [[]] * 4
        for site in well:
            place.write(of(site), (6, 1), (9, 1))
        wait_for(lambda: all(choosy.taken[site][-1] == 9 for site in well), SOON, "fresh rounds")
        wait_for(
            lambda: running.pump("forward-centre").get("rejected_rounds") == 5, SOON, "the poison"
        )
        pump = running.pump("forward-centre")
        assert pump["state"] == "waiting"
        assert re.search(f"({throttled}|{broken})/edge-1/standard: .*(429|503)", pump["last_error"])
        choosy.answers = {}
        choosy.hurry.set()
        for site in (throttled, broken, slow):
            wait_for(lambda: len(choosy.taken[site]) >= 5, SOON, f"all of {site}")  # noqa: B023
        for site in well:
            wait_for(lambda: gaps_of(site, running) == 2, SOON, f"the gap of {site}")  # noqa: B023
        assert running.terminate() == 0
    for site in well:
        assert choosy.taken[site] == [1, 2, 3, 4, 5, 6, 9]
    for site in (throttled, broken, slow):
        assert sorted(set(choosy.taken[site])) == [1, 2, 3, 4, 5]
        assert choosy.taken[site] == sorted(choosy.taken[site])
    assert choosy.clashes == []
