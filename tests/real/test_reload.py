"""SIGHUP while the collector runs: what changes, what stays, and what is refused."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader

from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import HOST, SITE, SOON, Edge, sink

RELOADED = "edgevitals_config_last_reload_successful"


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    with Prometheus(tmp_path_factory.mktemp("centre")) as prometheus:
        yield prometheus


def hup(edge: Edge, **settings: Any) -> None:
    """Change the file and send the signal."""
    edge.file.write_text(json.dumps({**edge.settings, **settings}))
    edge.process.send(signal.SIGHUP)


def test_sources_and_labels_change_between_two_rounds(tmp_path, centre):
    to_centre = sink(centre.write_url, pulse=True)
    otlp = {"listen": f"{HOST}:{free_port()}"}
    first = {"host": True, "otlp": otlp}
    exporter = OTLPMetricExporter(
        f"http://{otlp['listen']}/v1/metrics",
        preferred_temporality={Counter: AggregationTemporality.DELTA},
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    application = MeterProvider([reader])
    orders = application.get_meter("shop").create_counter("orders")

    def ordered(number: int) -> None:
        orders.add(1)
        application.force_flush()
        wait_for(lambda: f"}} {number}" in line_of("orders_total"), SOON, f"{number} orders")

    def line_of(name: str) -> str:
        lines = edge.metrics().splitlines()
        return next((line for line in lines if line.startswith(f"{name}{{")), "")

    with Edge(tmp_path, sources=first, sinks=[to_centre]) as edge:
        wait_for(lambda: edge.target("otlp").get("up"), SOON, "the port is open")
        ordered(1)
        page = {"job": "till", "url": f"{centre.url}/metrics"}
        hup(edge, sources={"otlp": otlp, "scrape": [page]})
        wait_for(lambda: edge.target("till").get("up"), SOON, "the new source is read")
        assert edge.target("node") == {}
        wait_for(
            lambda: "node_cpu_seconds_total" not in edge.metrics(), SOON, "the host's series end"
        )
        ordered(2)  # so its receiver is the same one, and counts on

        hup(edge, sources={"otlp": otlp, "scrape": [page]}, labels={"region": "emea"})
        wait_for(lambda: 'region="emea"' in line_of("edgevitals_round_seq"), SOON, "labels")
        assert 'region="emea"' in line_of("up")
        edge.wait_for_rounds(2)
        seqs = edge.seqs_on_disk()
        assert seqs == list(range(1, len(seqs) + 1)), "no round is missing"
        assert edge.missed() == {}
        newest = f'max without (region) (edgevitals_round_seq{{site="{SITE}"}})'
        wait_for(lambda: value_of(centre, newest) >= seqs[-1], SOON, "delivered")
        assert value_of(centre, f'count(up{{site="{SITE}",region=""}}) or vector(0)') == 0
        wait_for(
            lambda: value_of(centre, 'count(edgevitals_pulse_targets{region="emea"})') == 2,
            SOON,
            "the pulse has the new labels too",
        )
    application.shutdown()


def value_of(centre: Prometheus, query: str) -> float:
    found = centre.query(query)
    return found[0].value if found else 0.0


def test_a_file_that_is_wrong_or_needs_a_restart_is_refused(tmp_path):
    with Edge(tmp_path) as edge:
        edge.wait_for_rounds(1)
        hup(edge, sources={"hosst": True})
        wait_for(lambda: f"{RELOADED}{{" in edge.metrics() and is_refused(edge), SOON, "refused")
        (problem,) = edge.problems()
        assert problem.startswith("the new configuration is refused, the one before stays: ")
        assert problem.endswith('sources.hosst: unknown key (did you mean "host"?)')

        hup(edge, interval="2s", labels={"region": "emea"})
        wait_for(lambda: "running: interval" in "".join(edge.problems()), SOON, "refused")
        (problem,) = edge.problems()
        assert problem == (
            "the new configuration is refused, the one before stays: these keys can't change "
            "while running: interval. restart edgevitals, or take that change back and send "
            "SIGHUP again"
        )
        assert "emea" not in edge.metrics()
        hup(edge)
        wait_for(lambda: not is_refused(edge), SOON, "in force again")
        assert edge.problems() == []
        wait_for(lambda: edge.target("node")["up"], SOON, "the host")


def is_refused(edge: Edge) -> bool:
    return any(
        line.startswith(RELOADED) and line.endswith(" 0") for line in edge.metrics().splitlines()
    )
