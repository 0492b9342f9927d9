"""Every metric of the catalogue is emitted by a collector that runs, with the labels it says."""

from __future__ import annotations

import sys
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

import pytest

from collector.catalog import OWN
from collector.catalog.links import LINKS
from tests.lab.kafka import Kafka
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.waiting import wait_for
from tests.unit.sinks.peer import Judged, Peer, Seen, answer

EVENTS = {
    **dict.fromkeys((metric.name for metric in LINKS), "a link"),
    "edgevitals_round_missed_total": "a round that was not taken",
    "edgevitals_gap_rounds_total": "a gap",
    "edgevitals_gap_first_seq": "a gap",
    "edgevitals_gap_last_seq": "a gap",
    "edgevitals_gap_closed_rounds_total": "a gap that closes",
    "edgevitals_spool_dropped_segments_total": "a spool that is full",
    "edgevitals_pump_waiting_streams": "a forwarder",
    "edgevitals_pump_refused_records_total": "a record that is not ours",
    "edgevitals_pump_repeated_rounds_total": "a topic that tells a round twice",
    "edgevitals_pump_rewinds_total": "a topic that lost what it had",
    "edgevitals_pump_detour": "a topic",
    "edgevitals_topic_problem": "a topic that is not set up as it should be",
    "edgevitals_topic_throttled_seconds_total": "a broker with a quota for us",
    "edgevitals_clock_step_seconds": "a step of the clock",
    "edgevitals_clock_steps_total": "a step of the clock",
    "edgevitals_unstamped_rounds": "a machine that starts without a clock",
    "edgevitals_traces_lost_spans_total": "a receiver of traces that is away",
    "edgevitals_kafka_failures": "a call that Kafka refuses",
    "edgevitals_kafka_right_missing": "a user that lacks a right",
    "edgevitals_log_directory_runway_seconds": "ten minutes, and a disk that fills",
    "edgevitals_topic_retention_bytes": "a topic with a bound on its size",
    "edgevitals_otlp_points_total": "an application that sends",
    "edgevitals_otlp_refused_points_total": "an application that sends what is not taken",
    "edgevitals_otlp_refused_requests_total": "an application that sends what is no request",
    "edgevitals_scrape_duplicates": "a page that is scraped",
    "edgevitals_scrape_not_carried": "a page that is scraped",
    "edgevitals_scrape_refused_total": "a page that is over a limit",
    "edgevitals_sink_canary": "a receiver that answers one batch with 5xx",
    "edgevitals_host_filesystem_runway_seconds": "ten minutes in which a disk fills",
    "edgevitals_host_throttled": "a Raspberry Pi",
    "edgevitals_host_throttled_since_boot": "a Raspberry Pi",
    "edgevitals_cgroup_memory_bytes": "a control group that has one",
    "edgevitals_cgroup_memory_limit_bytes": "a control group that has one",
    "edgevitals_cgroup_oom_kills_total": "a control group that has one",
    "edgevitals_cgroup_cpu_limit": "a control group that has one",
    "edgevitals_cgroup_cpu_periods_total": "a control group that has one",
    "edgevitals_cgroup_cpu_throttled_periods_total": "a control group that has one",
    "edgevitals_cgroup_cpu_throttled_seconds_total": "a control group that has one",
    "edgevitals_cgroup_pids": "a control group that has one",
    "edgevitals_cgroup_pids_limit": "a control group that has one",
    "edgevitals_sink_pulses_total": "a pulse, which the scripted sink would take for a round",
    "edgevitals_sink_unsendable_samples_total": "a series that no receiver takes",
}
"""Emitted from the first time that this happens, which it does not here."""

PEM = Path(__file__).parents[1] / "data/certificates/odd-names.pem"
OF_EVERYTHING = {"__name__", "site", "node", "job", "instance"}

CONFIG = """
site: a
interval: 1s
kafka: {{bootstrap.servers: "{kafka}"}}
sources: {{jmx: [{{address: "{jmx}"}}], host: true, kafka: {{partitions: [".*"]}},
          certificates: {{files: ["{pem}"]}}}}
spool: {{path: spool, max_size: 64MiB, min_free: 1MiB}}
sinks: [{{name: centre, url: "{sink}", protocol: remote_write_1, out_of_order_time_window: 1h,
         rounds_per_request: 1, pulse: false}}]
status: {{listen: "127.0.0.1:{port}"}}
"""


class Told:
    """The metrics of ours that came, each with the names of the labels it came with."""

    def __init__(self, peer: Peer) -> None:
        self.label_names: dict[str, set[frozenset[str]]] = {}
        self._peer = peer
        self._read = 0

    def has(self, names: AbstractSet[str]) -> bool:
        while self._read < len(self._peer.seen):
            request = self._peer.seen[self._read].write_request()
            self._read += 1
            for series in request.timeseries:
                labels = {label.name: label.value for label in series.labels}
                name = labels["__name__"]
                if name in OWN or name.startswith("edgevitals_"):
                    own = frozenset(labels.keys() - OF_EVERYTHING)
                    self.label_names.setdefault(name, set()).add(own)
        return names <= self.label_names.keys()


class Trouble:
    """Refuses a sample of the first round, until it comes alone; then is away for some requests."""

    def __init__(self) -> None:
        self._refuses = True
        self._away = 3

    def judge(self, seen: Seen) -> bytes:
        names = seen.samples().keys()
        if self._refuses and "edgevitals_series" in names:
            self._refuses = len(names) > 1
            return answer(400)
        if not self._refuses and self._away:
            self._away -= 1
            return answer(503)
        return answer(204)


@pytest.mark.usefixtures("traffic")
def test_every_metric_of_the_catalogue_is_emitted(tmp_path: Path, broker: Kafka):
    """The sink refuses a sample at first, then is away for some, so that this is told too."""
    config = tmp_path / "c.yaml"
    expected = OWN.keys() - EVENTS.keys()
    with Peer(Judged(Trouble().judge)) as peer:
        told = Told(peer)
        config.write_text(
            CONFIG.format(
                kafka=broker.bootstrap,
                jmx=broker.jmx_address,
                sink=peer.url,
                port=free_port(),
                pem=PEM,
            )
        )
        command: list[str | Path] = [sys.executable, "-m", "collector", "run", "-c", config]
        with Process("edgevitals", command, tmp_path / "log"), suppress(TimeoutError):
            wait_for(lambda: told.has(expected))
    assert sorted(expected - told.label_names.keys()) == []
    assert told.label_names.keys() - OWN.keys() == set()
    for name, label_names in told.label_names.items():
        # An empty value is no label: the first epoch has none before it.
        most = frozenset(OWN[name].labels)
        assert label_names <= {most, most - {"previous_epoch"}}, name
