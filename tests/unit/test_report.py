from __future__ import annotations

import shutil
from threading import Event

import msgspec
import pytest

from collector import catalog
from collector.admin.client import Admin
from collector.config import Config
from collector.errors import ConfigError, Rejected, Retry
from collector.flow.mark import NOTHING, Gap, GapReason
from collector.reload import Reload
from collector.report import PumpView, Report
from collector.sinks.stats import SinkStats
from collector.telemetry import PumpReport
from tests.unit.site import INTERVAL_S, START_MS, TIER, Site

CONFIG = Config(site="store-1")


class Reported:
    """A site, and the report over it with one pump from the spool."""

    def __init__(self, site: Site, admin: Admin) -> None:
        self.site = site
        self.asked = Event()
        self.reload = Reload(CONFIG, self.read, self.asked)
        self.report = Report(
            site.spool, site.scraper, site.table, site.telemetry, admin, self.reload
        )
        self.pump = PumpReport("forward-centre", "spool", "https://centre", site.telemetry)
        self.cursor = site.cursor()

    def read(self) -> Config:
        raise ConfigError("line 3: no such key", "take it away")

    def begin(self) -> Report:
        """What the program does once rounds and pumps are there."""
        self.report.rounds = self.site.rounds
        self.report.pumps = [PumpView([self.pump], self.cursor.mark)]
        return self.report

    def deliver(self) -> None:
        """Deliver everything that is on disk."""
        while (batch := self.cursor.read(0.0)) is not None:
            self.pump.sending(batch)
            self.pump.delivered(batch)
            self.cursor.commit(batch)

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.report.gauges().get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def told(tmp_path):
    admin = Admin({})
    with Site(tmp_path / "spool") as site:
        one = Reported(site, admin)
        yield one
        one.cursor.close()
    admin.close()


def test_before_the_first_round_there_is_little_to_say(told):
    status = told.report.status()
    assert (status.site, status.node, status.problems) == ("store-1", "node-a", [])
    assert (status.streams, status.pumps) == ([], [])
    assert [(one.job, one.up, one.error) for one in status.targets] == [("kafka", False, None)]
    assert list(told.report.samples()) == []
    assert told.report.last_round_age() is None
    told.begin()
    assert told.report.status().pumps[0].backlog_rounds is None, "nobody knows yet"
    assert not told.report.caught_up()


def test_the_spool_tells_from_when_on_it_has_rounds(told):
    told.begin()
    assert told.gauge("edgevitals_spool_oldest_timestamp_seconds") is None
    told.site.take(0)
    assert told.gauge("edgevitals_spool_oldest_timestamp_seconds") == (
        told.site.spool.oldest_ms / 1000
    )


def test_a_site_that_is_well_has_no_problems(told):
    report = told.begin()
    told.site.take(0)
    told.site.take(15)
    told.deliver()
    told.pump.idle()
    status = report.status()
    assert status.problems == []
    assert status.interval_seconds == INTERVAL_S
    (stream,) = status.streams
    assert (stream.tier, stream.last_seq, stream.last_at) == (TIER, 2, START_MS / 1000 + 15)
    assert stream.epoch == f"{told.site.recorder.lineage.epoch:016x}"
    (pump,) = status.pumps
    assert (pump.name, pump.from_, pump.to) == ("forward-centre", "spool", "https://centre")
    assert (pump.state, pump.backlog_rounds, pump.delivered_rounds) == ("idle", 0, 2)
    assert pump.oldest_at is None
    (target,) = status.targets
    assert (target.up, target.samples, target.error) == (True, 1, None)
    assert status.spool is not None
    assert (status.spool.rounds, status.spool.writable) == (0, True)
    assert report.caught_up()
    age = report.last_round_age()
    assert age is not None
    assert age >= 0


def test_the_latest_round_is_what_a_scraper_gets(told):
    report = told.begin()
    told.site.source.value = 2.5
    told.site.take(0)
    values = {(series.name, dict(series.labels)["job"]): v for series, v in report.samples()}
    assert values["temperature", "kafka"] == 2.5
    assert values["up", "kafka"] == 1
    assert values["edgevitals_round_seq", "edgevitals"] == 1


def test_each_problem_is_a_sentence(told, tmp_path):
    report = told.begin()
    told.site.take(0)
    shutil.rmtree(tmp_path / "spool" / TIER)
    (tmp_path / "spool" / TIER).write_text("a file where the folder was")
    told.site.source.value = None
    told.site.take(15)
    told.pump.retrying(Retry("401 Unauthorized", "look at token_file", hold=True), 30.0)
    disk, pump, target = report.status().problems
    assert disk.startswith("the disk takes no rounds, 1 wait in memory: ")
    assert "does not take the round: Not a directory" in disk
    assert pump == "forward-centre is holding: 401 Unauthorized. look at token_file"
    assert target == "kafka b:9999 is down: nobody listens. start the broker"
    status = report.status()
    assert status.spool is not None
    assert not status.spool.writable
    assert (status.spool.degraded, status.spool.rounds_in_memory) == (True, 1)
    assert status.missed == {}
    assert status.pumps[0].next_try_seconds is not None


def test_a_pump_that_waits_is_a_problem_until_it_delivers(told):
    report = told.begin()
    told.site.take(0)
    told.pump.retrying(Retry("connection refused"), 1.0)
    assert report.status().problems == ["forward-centre is waiting: connection refused"]
    batch = told.cursor.read(0.0)
    assert batch is not None
    told.pump.sending(batch)
    assert report.status().problems == ["forward-centre tries again: connection refused"]
    told.pump.delivered(batch)
    assert report.status().problems == []
    assert report.status().pumps[0].last_error is None


def test_what_is_owed_is_counted_in_rounds_and_from_the_newest_that_is_delivered(told):
    report = told.begin()
    for i in range(4):
        told.site.take(15 * i)
    assert told.gauge("edgevitals_pump_backlog_rounds", pump="forward-centre") == 4
    told.deliver()
    for i in range(4, 7):
        told.site.take(15 * i)
    (pump,) = report.status().pumps
    assert (pump.backlog_rounds, pump.oldest_at) == (3, START_MS / 1000 + 45)
    status = report.status()
    assert status.spool is not None
    assert (status.spool.rounds, status.spool.oldest_at) == (3, pump.oldest_at)
    assert told.gauge("edgevitals_pump_backlog_rounds", pump="forward-centre") == 3
    assert not report.caught_up()


def test_marks_of_another_line_say_that_everything_is_owed(told):
    told.site.take(0)
    told.report.rounds = told.site.rounds
    told.report.pumps = [PumpView([told.pump], lambda _: NOTHING._replace(line=99, seq=500))]
    assert told.gauge("edgevitals_pump_backlog_rounds", pump="forward-centre") == 1


def test_without_pumps_there_is_nothing_to_wait_for(told):
    told.report.rounds = told.site.rounds
    assert told.report.caught_up()


def test_everything_that_is_told_of_the_collector_is_in_the_catalogue(told):
    report = told.begin()
    stats = SinkStats(bytes_sent=10, samples_delivered=5)
    stats.requests["204"] = 3
    stats.unsendable["label_size"] = 2
    report.sinks = {"centre": [stats]}
    told.site.take(0)
    told.deliver()
    told.pump.retrying(Retry("503"), 1.0)
    told.site.take(15)
    batch = told.cursor.read(0.0)
    assert batch is not None
    told.pump.rejected(batch, Rejected("400", reason="http_400"))
    told.pump.met([Gap(8, 9, 0, 0, GapReason.SPOOL_FULL)], 1, 1)
    gauges = report.gauges()
    for name, labels in gauges:
        assert name in catalog.OWN, name
        assert {label for label, _ in labels} == set(catalog.OWN[name].labels), name
    assert gauges["edgevitals_sink_requests_total", (("code", "204"), ("sink", "centre"))] == 3
    unsendable = (("reason", "label_size"), ("sink", "centre"))
    assert gauges["edgevitals_sink_unsendable_samples_total", unsendable] == 2
    assert gauges["edgevitals_sink_already_stored_samples_total", (("sink", "centre"),)] == 0
    assert gauges["edgevitals_config_info", (("hash", CONFIG.hash),)] == 1
    way = (("kind", "edgevitals"), ("link", "centre"), ("state", "disconnected"))
    assert gauges["edgevitals_link_state", way] == 1
    states = {
        s: told.gauge("edgevitals_pump_state", pump="forward-centre", state=s)
        for s in catalog.PUMP_STATES
    }
    assert sum(value or 0 for value in states.values()) == 1
    memory = told.gauge("edgevitals_process_resident_memory_bytes", process="main")
    assert memory is not None
    assert memory > 1 << 20
    assert told.gauge("edgevitals_process_cpu_seconds_total", process="admin") is None
    assert report.status().gaps == {"spool_full": 2}


def test_the_status_can_be_written_and_read_as_json(told):
    report = told.begin()
    told.site.take(0)
    status = report.status()
    again = msgspec.json.decode(msgspec.json.encode(status), type=type(status))
    assert again == status


def test_a_refused_configuration_is_a_number_and_a_problem(told):
    report = told.report
    assert told.gauge("edgevitals_config_last_reload_successful") == 1
    told.asked.set()
    told.reload.look(lambda _: None)
    assert told.gauge("edgevitals_config_last_reload_successful") == 0
    assert told.gauge("edgevitals_config_info", hash=CONFIG.hash) == 1
    assert report.status().problems == [
        "the new configuration is refused, the one before stays: line 3: no such key. take it away"
    ]
