"""Pages of others: real exporters, and servers that mean no good."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import urllib3
from prometheus_client import CollectorRegistry, Counter, Enum, Histogram, Info, Summary
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.openmetrics.exposition import generate_latest

from collector.config import ScrapeConfig
from collector.series import Kind, SeriesTable, TargetSeries
from collector.sources.scrape import ScrapeSource
from collector.telemetry import Telemetry
from tests.lab import parts
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge
from tests.unit.sources.pages import Samples, bits, theirs

MIB = 1 << 20
ROUNDS = 2
SERIES = 1_000_000
GOOD = b"# TYPE good gauge\ngood 1\n"

Write = Callable[[bytes], object]


class Ours:
    """A page by our source."""

    def __init__(self, url: str) -> None:
        self.table = SeriesTable()
        page = ScrapeConfig(url=url, job="j")
        self.source = ScrapeSource(page, Telemetry(), TargetSeries(self.table, {}))

    def samples(self) -> Samples:
        reading = self.source.read(time.monotonic() + 30)
        pairs = zip(map(self.table.__getitem__, reading.series), reading.values, strict=True)
        return {
            (one.name, one.labels): bits(value)
            for one, value in pairs
            if not one.name.startswith("edgevitals_")
        }


def test_node_exporter_is_read_as_prometheus_client_reads_it(tmp_path: Path):
    url = f"http://127.0.0.1:{(port := free_port())}/metrics"
    command: list[str | Path] = [parts.node_exporter(), f"--web.listen-address=127.0.0.1:{port}"]

    def answers() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return urllib3.request("GET", url, retries=False, timeout=5.0).status == 200
        return False

    with Process("node_exporter", command, tmp_path / "node_exporter.log") as process:
        process.wait_until(answers, 30.0)
        ours = Ours(url)
        with closing(ours.source):
            first, second = ours.samples(), ours.samples()
        expected = theirs(urllib3.request("GET", url, timeout=30.0).data.decode())
    assert expected.keys() == second.keys()
    assert len(first) > 300
    still = [key for key in first if first[key] == second[key]]
    same = [key for key in still if expected[key] == second[key]]
    assert len(same) > len(still) * 0.9
    kinds = {one.family.name: one.family.kind for one in map(ours.table.__getitem__, range(500))}
    assert kinds["node_cpu_seconds_total"] is Kind.COUNTER
    assert kinds["go_gc_duration_seconds"] is Kind.SUMMARY
    assert kinds["node_uname_info"] is Kind.GAUGE


def test_openmetrics_of_a_python_program_is_read_whole():
    registry = CollectorRegistry()
    counter = Counter("jobs", "Jobs.", ["kind"], registry=registry)
    counter.labels('a "b"\n\\c').inc(3, exemplar={"trace_id": "x # {y}"})
    Histogram("took_seconds", "Time.", registry=registry).observe(0.3, {"trace_id": "z"})
    Summary("size", "Size.", registry=registry).observe(4)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Enum("state", "State.", states=["on", "off"], registry=registry).state("off")
    expected = theirs(generate_latest(registry).decode(), is_openmetrics=True)

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=Quiet) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        ours = Ours(f"http://127.0.0.1:{server.server_port}/metrics")
        with closing(ours.source):
            assert ours.samples() == ours.samples() == expected
        server.shutdown()


@contextmanager
def site(pages: dict[str, Callable[[Write, Event], object]]) -> Iterator[str]:
    """A server with these pages, each written as its function says; the address of its root."""
    stop = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                pages[self.path.removeprefix("/")](self.wfile.write, stop)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def page(body: bytes, *headers: bytes) -> Callable[[Write, Event], object]:
    head = b"".join(header + b"\r\n" for header in headers)
    return lambda write, _: write(b"HTTP/1.0 200 OK\r\n" + head + b"\r\n" + body)


def endless(part: bytes, times: int = 1 << 30) -> Callable[[Write, Event], object]:
    def run(write: Write, stop: Event) -> None:
        write(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(times):
            if stop.is_set():
                return
            write(part)

    return run


def drip(write: Write, stop: Event) -> None:
    write(b"HTTP/1.0 200 OK\r\n\r\n")
    while not stop.wait(0.05):
        write(b"#")


HOSTILE = {
    "gigabyte": (endless(b"a 1\n" * 16_384, 16_384), "more than 16777216 bytes"),
    "bomb": (
        page(gzip.compress(b"a 1\n" * (16 * MIB)), b"Content-Encoding: gzip"),
        "more than 16777216 bytes",
    ),
    "line": (endless(b"x" * 65_536), "line 1 has more than 65536 bytes"),
    "help": (page(GOOD + b"# HELP a " + b"h" * 10_000_000 + b"\na 1\n"), "line 3 has more than"),
    "binary": (page(bytes(range(256)) * 1000), "line 1: "),
    "drip": (drip, "no whole page from"),
    "name": (page(GOOD + b'a{__name__="up"} 1\n'), "line 3: a label may not be __name__"),
    "broken": (page(GOOD + b"a 1", b"Content-Length: 10000"), "in the middle of the page"),
}
"""Pages that are refused, and why."""

ODD = {
    "future": page(b"future 5 32503680000000\n"),
    "twice": page(b"twice 1\ntwice 2\n" * 100),
    "ours": page(b"up 0\nscrape_samples_scraped 1e9\n" + GOOD),
}
"""Pages of which the good part is taken."""


def scraped(root: str, *names: str, **keys: object) -> list[dict[str, object]]:
    return [{"url": root + name, "job": name, **keys} for name in names]


def test_f35_hostile_pages_are_refused_whole_in_time_and_in_bounds(tmp_path: Path):
    pages = {name: one for name, (one, _) in HOSTILE.items()} | ODD | {"good": page(GOOD)}
    with (
        site(pages) as root,
        Edge(
            tmp_path,
            interval="3s",  # half of it is there to read a page
            sources={"host": True, "scrape": scraped(root, *pages)},
        ) as edge,
    ):
        said: dict[str, set[str]] = {name: set() for name in HOSTILE}

        def are_refused() -> bool:
            for name, errors in said.items():
                if target := edge.target(name):
                    assert not target["up"], name
                    errors.add(target["error"] or "")
            return edge.seq >= ROUNDS and all(
                any(says in error for error in said[name]) for name, (_, says) in HOSTILE.items()
            )

        wait_for(are_refused, SOON, f"what is wrong with each page, not {said}")
        lines = lines_with(edge, "good", "node", *ODD)
        peak = most_memory(edge)
        edge.wait_for_rounds(1)
    assert peak < 128 * MIB
    assert one_of(lines, "future{") == 5
    assert one_of(lines, "twice{") == 1
    assert one_of(lines, "edgevitals_scrape_duplicates{", 'job="twice"') == 199
    assert one_of(lines, "edgevitals_scrape_not_carried{", 'job="future"', '"timestamps"') == 1
    assert one_of(lines, "up{", 'job="ours"') == 1
    assert one_of(lines, "scrape_samples_scraped{", 'job="ours"') == 4
    for limit in ("body_size", "line", "syntax"):
        assert one_of(lines, "edgevitals_scrape_refused_total{", f'limit="{limit}"') >= 1


def most_memory(edge: Edge) -> int:
    """The most bytes that the collector had at any time."""
    status = Path(f"/proc/{edge.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def lines_with(edge: Edge, *jobs: str) -> list[str]:
    """The samples of a round in which each of these was read: a busy machine may be late in one."""
    lines: list[str] = []

    def are_read() -> bool:
        lines[:] = [line for line in edge.metrics().splitlines() if not line.startswith("#")]
        return all(one_of(lines, "up{", f'job="{job}"') == 1 for job in jobs)

    wait_for(are_read, SOON, f"a round with {jobs}")
    return lines


def one_of(lines: list[str], *words: str) -> float:
    """The value of the only series with these words in it."""
    (found,) = (
        line for line in lines if line.startswith(words[0]) and all(word in line for word in words)
    )
    return float(found.rpartition("}")[2].split()[0])


def test_f33_a_million_series_of_one_target_are_refused_and_the_others_untouched(tmp_path: Path):
    flood = b"".join(b'flood{i="%d"} 1\n' % i for i in range(SERIES))
    with site({"flood": page(flood), "good": page(GOOD)}) as root:
        sources = scraped(root, "flood", body_size_limit="64MiB") + scraped(root, "good")
        with Edge(tmp_path, interval="3s", sources={"scrape": sources}) as edge:
            errors: set[str] = set()

            def is_refused() -> bool:
                if target := edge.target("flood"):
                    assert not target["up"]
                    errors.add(target["error"] or "")
                says = "line 50001 holds sample 50001, one too many"
                return edge.seq >= ROUNDS and any(says in error for error in errors)

            wait_for(is_refused, SOON, f"a refusal, not {errors}")
            lines = lines_with(edge, "good")
            peak = most_memory(edge)
    assert any("raise sample_limit of this target" in error for error in errors)
    assert not [line for line in lines if line.startswith("flood")]
    assert one_of(lines, "good{") == 1
    assert one_of(lines, "edgevitals_scrape_refused_total{", 'limit="sample"') >= 1
    assert peak < 128 * MIB
