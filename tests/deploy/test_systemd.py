"""The unit of deploy/systemd under a real systemd, with a real Kafka and a real Prometheus.

One machine from its first start to its end: each test goes on where the one before it ended.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import parts
from tests.lab.booted import INSTALLED, Booted, install
from tests.lab.kafka import Kafka
from tests.lab.pages import commands
from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import HOST, NODE, SITE, SOON, TIER, frames_of, seqs_at, seqs_of

UNIT = "edgevitals.service"
CONFIG = "etc/edgevitals/config.yaml"
WATCHDOG_SECONDS = 5  # instead of 120, to see it bite


class Site(Booted):
    """A machine with what an administrator has in hand, before the page is typed."""

    def __init__(self, folder: Path, kafka: Kafka, centre: Prometheus) -> None:
        self.url = f"http://{HOST}:{free_port()}"
        self.settings: dict[str, Any] = {
            "site": SITE,
            "node": NODE,
            "preset": "lan",
            "interval": "1s",
            "kafka": {"bootstrap.servers": kafka.bootstrap},
            "sources": {"host": True, "jmx": [{"address": kafka.jmx_address, "job": "kafka"}]},
            "spool": {"path": "/var/lib/edgevitals", "max_size": "64MiB", "min_free": "1MiB"},
            "topic": {},
            "sinks": [
                {
                    "name": "centre",
                    "url": centre.write_url,
                    "token_file": f"/run/credentials/{UNIT}/token",
                    "out_of_order_time_window": "31d",
                }
            ],
            "status": {"listen": self.url.removeprefix("http://")},
        }
        added = f"""
            [Service]
            LoadCredential=token:/etc/edgevitals/token
            WatchdogSec={WATCHDOG_SECONDS}
            RestartSec=1
        """
        files = {
            f"root/deploy/systemd/{UNIT}": (parts.PROJECT / "deploy/systemd" / UNIT).read_text(),
            f"etc/systemd/system/{UNIT}.d/here.conf": added,
            "root/config.yaml": json.dumps(self.settings),
            "etc/edgevitals/token": "a-secret",
        }
        super().__init__(folder, files)
        (folder / "etc/edgevitals/token").chmod(0o600)
        install(folder)

    def configure(self, **settings: Any) -> None:
        (self.root / CONFIG).write_text(json.dumps({**self.settings, **settings}))

    def page(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5.0) as answer:
                return bytes(answer.read()).decode()
        except OSError:
            return ""

    def up(self, job: str) -> bool | None:
        """How a target did in the latest round; None while nobody says so."""
        return self.one_of("targets", job, key="job").get("up")

    def one_of(self, what: str, name: str, key: str = "name") -> dict[str, Any]:
        """One of a list in /status.json; empty while nobody says so."""
        said = json.loads(self.page("/status.json") or "{}")
        return next((one for one in said.get(what, []) if one[key] == name), {})

    @property
    def pid(self) -> int:
        """The collector's number outside; 0 while it has none."""
        inside = self.show(UNIT, "MainPID")
        return next((pid for pid, number in self.processes(UNIT).items() if number == inside), 0)

    def seqs(self) -> list[int]:
        """The rounds of the spool."""
        segments = sorted((self.state / TIER).iterdir(), key=lambda path: path.name)
        frames = [frame for path in segments for frame in frames_of(path)]
        return [seq for frame in frames for seq in seqs_of(frame)]

    @property
    def state(self) -> Path:
        return self.root / "var/lib/private/edgevitals"


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with Prometheus(tmp_path_factory.mktemp("centre")) as prometheus:
        yield prometheus


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that nobody has started yet."""
    one = Kafka(tmp_path_factory.mktemp("kafka"))
    yield one
    one.stop()


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    kafka: Kafka,
    centre: Prometheus,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    folder.chmod(0o755)
    (folder / "root").mkdir()
    with Site(folder / "root", kafka, centre) as one:
        yield one
        if request.session.testsfailed:
            print(one.journal(UNIT)[-20_000:])


def test_it_starts_before_kafka_does_by_what_the_page_says(site, kafka):
    install, typed = commands("systemd.md").split("\n", 1)
    assert install.startswith(f"python3 -m venv /{INSTALLED} && "), "it is there already"
    done = site.run("sh", "-exc", f"cd /root\n{typed}")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{site.journal(UNIT)}"
    wait_for(lambda: site.up("kafka") is False, SOON, "a round that says that Kafka is away")
    assert site.show(UNIT, "ActiveState") == "active"
    wait_for(lambda: "1 of 2 targets up" in site.show(UNIT, "StatusText"), SOON, "it says so")
    kafka.start()
    wait_for(lambda: site.up("kafka"), SOON, "the broker is read")


def test_it_delivers_by_the_topic_with_a_secret_that_is_its_own(site, centre):
    wait_for(lambda: site.one_of("pumps", "publish").get("backlog_rounds") == 0, SOON, "the topic")
    newest = site.seqs()[-1]
    wait_for(lambda: newest in seqs_at(centre), SOON, f"round {newest} at the centre")
    assert centre.query(f'up{{job="kafka",site="{SITE}"}} == 1')


def test_the_sandbox_holds_and_leaves_open_what_is_needed(site):
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{site.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert {int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert 0 not in {*map(int, status["Uid"].split())}
    assert stat.S_IMODE(site.state.stat().st_mode) == 0o700
    limits = Path(f"/proc/{site.pid}/limits").read_text()
    assert "Max core file size        0" in limits
    most = int(site.show(UNIT, "MemoryMax"))
    assert most == 160 << 20
    taken = sum(map(peak, site.processes(UNIT)))
    print(f"\nmemory of the service at its peak: {taken >> 20} MiB, limit {most >> 20} MiB")
    assert taken < most
    metrics = site.page("/metrics")
    assert 'node_scrape_collector_success{collector="timex"' in metrics, "adjtimex is allowed"
    failed = [
        line
        for line in metrics.splitlines()
        if line.startswith("node_scrape_collector_success{") and not line.endswith(" 1")
    ]
    assert not failed, "the host is read as outside of the sandbox"


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


def test_a_reload_changes_the_sources_and_a_bad_file_changes_nothing(site):
    before = site.pid
    page = {"job": "itself", "url": f"{site.url}/metrics"}
    sources = {**site.settings["sources"], "scrape": [page]}
    site.configure(sources=sources)
    done = site.ctl("reload", UNIT)
    assert done.returncode == 0, f"{done.stderr}\n{site.journal(UNIT)}"
    wait_for(lambda: site.up("itself"), SOON, "the new source")
    site.configure(sources={"hosst": True})
    assert site.ctl("reload", UNIT).returncode != 0
    assert 'unknown key (did you mean "host"?)' in site.journal(UNIT)
    assert site.show(UNIT, "ActiveState") == "active"
    assert site.up("itself")
    site.configure(sources=sources)
    assert site.pid == before


def test_a_signal_by_hand_is_sent_as_the_page_says(site):
    before = site.pid
    site.configure()
    done = site.run("sh", "-exc", f"PATH=/{INSTALLED}/bin:$PATH\n{commands('reload.md')}")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    wait_for(lambda: site.up("kafka") and site.up("itself") is None, SOON, "the first sources")
    assert site.pid == before


def test_the_watchdog_starts_one_that_hangs_anew_and_no_round_is_lost(site, centre):
    before = site.pid
    last = site.seqs()[-1]
    os.kill(before, signal.SIGSTOP)
    wait_for(lambda: site.pid not in {0, before}, SOON, "another process")
    assert "Watchdog timeout" in site.journal(UNIT)
    wait_for(lambda: site.up("kafka"), SOON, "rounds")
    wait_for(lambda: last + 2 in seqs_at(centre), SOON, "rounds at the centre")
    seqs = site.seqs()
    assert seqs == list(range(1, len(seqs) + 1)), "one line of rounds"
    newest = seqs[-1]
    wait_for(lambda: newest in seqs_at(centre), SOON, f"round {newest} at the centre")
    assert {*range(1, newest + 1)} <= {*seqs_at(centre)}


def test_a_kill_is_a_restart(site):
    before = site.pid
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: site.pid not in {0, before}, SOON, "another process")
    assert int(site.show(UNIT, "NRestarts")) == 2
    wait_for(lambda: site.up("kafka"), SOON, "rounds")


def test_a_stop_is_in_order_and_all_is_delivered(site, centre):
    done = site.ctl("stop", UNIT)
    assert done.returncode == 0, done.stderr
    assert site.show(UNIT, "Result") == "success"
    assert site.show(UNIT, "ExecMainStatus") == "0"
    newest = site.seqs()[-1]
    wait_for(lambda: newest in seqs_at(centre), SOON, f"round {newest} at the centre")
