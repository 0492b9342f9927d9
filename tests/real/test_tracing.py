"""Rounds as traces in a real Jaeger: from the scrape to the delivery, also hours later."""

from __future__ import annotations

import uuid
from pathlib import Path

from collector.rounds.spans import round_ids
from tests.lab.jaeger import Jaeger, Span
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, STREAM, TIER, Edge, frames_of, sink, to_centre

AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "100"}


def asking(receiver: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver, **AT_ONCE}


def trace_of(jaeger: Jaeger, edge: Edge, seq: int) -> list[Span]:
    paths = sorted((edge.spool / TIER).iterdir())
    lines = {frame.lineage.line for path in paths for frame in frames_of(path)}
    [line] = lines
    return jaeger.trace(round_ids(STREAM, line, seq)[0])


def test_a_trace_a_round_from_the_scrape_to_a_delivery_in_a_later_life(
    broker: Kafka, prometheus: Prometheus, tmp_path: Path
):
    with Jaeger(tmp_path / "jaeger") as jaeger, Proxy(prometheus.port) as link:
        edge = Edge(
            tmp_path,
            asking(jaeger.otlp_url),
            kafka={"bootstrap.servers": broker.bootstrap},
            topic={"name": f"telemetry-{uuid.uuid4().hex[:8]}", "max_size": "96MiB"},
            sinks=[to_centre(link)],
        )
        link.cut()
        with edge:
            edge.wait_for_rounds(2)
            of_the_cut = edge.seq
            wait_for(lambda: len(trace_of(jaeger, edge, of_the_cut)) == 4, SOON, "the round")
            edge.kill()
            edge.start()
            link.restore()
            wait_for(lambda: len(trace_of(jaeger, edge, of_the_cut)) == 6, SOON, "its delivery")
            spans = trace_of(jaeger, edge, of_the_cut)
        assert jaeger.services() == ["edgevitals"]
    root = spans[0]
    by_name = {span.name: span for span in spans if span.name != "send"}
    assert set(by_name) == {"round", "scrape node", "publish", "forward-centre"}
    assert root.name == "round"
    assert root.tags["edgevitals.seq"] == of_the_cut
    for name in ("scrape node", "publish", "forward-centre"):
        assert by_name[name].parent == root.id
    assert by_name["scrape node"].start == root.start
    sends = sorted(span.parent or "" for span in spans if span.name == "send")
    assert sends == sorted([by_name["publish"].id, by_name["forward-centre"].id])
    assert by_name["forward-centre"].start > root.end, "another life delivered it"


def test_a_receiver_of_traces_that_is_away_costs_spans_and_nothing_else(
    prometheus: Prometheus, tmp_path: Path
):
    nobody = "http://127.0.0.1:9"
    with Edge(tmp_path, asking(nobody), sinks=[sink(prometheus.write_url)]) as edge:
        wait_for(lambda: "edgevitals_traces_lost_spans_total" in edge.metrics(), SOON)
        edge.wait_for_rounds(2)
        wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
        assert edge.terminate() == 0
    assert edge.log.count("spans could not be sent") == 1
    assert "Traceback" not in edge.log
