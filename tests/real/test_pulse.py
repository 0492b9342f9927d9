"""The pulse on real parts: the present arrives before the past, and never in its way."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from collector.catalog import PULSE
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Proxy
from tests.lab.waiting import wait_for
from tests.lab.witness import RemoteWriteWitness
from tests.real.edge import NODE, SITE, SOON, Edge, seqs_at, sink

OF_SITE = f'site="{SITE}",node="{NODE}",job="edgevitals",instance="{NODE}"'


def pulses_at(centre: Prometheus, since: float = 0.0, of: str = OF_SITE) -> list[float]:
    """The times of the pulses that the centre has."""
    tracks = centre.samples(f"edgevitals_pulse_timestamp_seconds{{{of}}}", "1h")
    return [at for track in tracks for at, _ in track.points if at > since]


def test_the_centre_sees_the_present_while_the_backlog_is_still_coming(
    prometheus: Prometheus, tmp_path: Path
):
    """The link is cut, and then so thin for the rounds that they take long."""
    with RemoteWriteWitness() as witness, Proxy(prometheus.port, witness.tap) as link:
        url = f"http://{link.address}/api/v1/write"
        edge = Edge(tmp_path, sinks=[sink(url, pulse=True, rate_limit="2kB/s")])
        link.cut()
        with edge:
            edge.wait_for_rounds(12)
            restored = time.time()
            link.restore()
            wait_for(lambda: pulses_at(prometheus, restored), SOON, "a pulse")
            (behind,) = prometheus.query(
                f'edgevitals_pulse_backlog_rounds{{{OF_SITE},pump="forward-centre"}}'
            )
            assert behind.value >= 12
            assert max(seqs_at(prometheus), default=0) < 12
            named = {
                one.labels["__name__"] for one in prometheus.query('{__name__=~".*_pulse_.*"}')
            }
            wait_for(lambda: len(seqs_at(prometheus)) >= 12, SOON, "the backlog")
            wait_for(lambda: len(pulses_at(prometheus, restored)) >= 3, SOON, "more of them")
            assert edge.terminate() == 0
        stored = seqs_at(prometheus)
        assert stored == edge.seqs_on_disk()[: len(stored)], "the rest is for the next start"
        report = witness.report()
        assert (report.out_of_order, report.conflicts, report.unreadable) == (0, 0, 0)
    late = {"edgevitals_pulse_eta_seconds"}  # said once the backlog has begun to shrink
    assert PULSE.keys() - late <= named
    assert named <= PULSE.keys()


def test_a_receiver_that_takes_nothing_late_gets_no_pulse(tmp_path: Path):
    with Prometheus(tmp_path / "strict", out_of_order=None) as strict:
        edge = Edge(
            tmp_path,
            sinks=[sink(strict.write_url, pulse=True, out_of_order_time_window="0s")],
        )
        with edge:
            wait_for(lambda: len(seqs_at(strict)) >= 4, SOON, "rounds")
            assert edge.terminate() == 0
        assert strict.samples('{__name__=~"edgevitals_pulse.*"}', "1h") == []


def test_where_a_linker_carries_the_data_the_pulse_goes_through_a_topic(
    broker: Kafka, prometheus: Prometheus, tmp_path: Path
):
    """The forwarder's sink is so thin for rounds that these take long."""
    name = uuid.uuid4().hex[:8]
    shared: dict[str, Any] = {
        "kafka": {"bootstrap.servers": broker.bootstrap},
        "topic": {"name": f"{name}.telemetry.{{site}}", "max_size": "96MiB"},
    }
    site = Edge(tmp_path / "site", **shared)
    thin = sink(prometheus.write_url, pulse=True, rate_limit="1kB/s")
    centre = Edge(tmp_path / "centre", site="centre", node="f1", sources={}, sinks=[thin], **shared)
    with site:
        site.wait_for_rounds(10)
        with centre:
            wait_for(lambda: len(pulses_at(prometheus)) >= 3, SOON, "pulses of the site")
            wait_for(lambda: pulses_at(prometheus, of='site="centre"'), SOON, "its own")
            assert len(seqs_at(prometheus)) < site.seq
            site.terminate()
            ended = time.time()
            assert centre.terminate() == 0
    times = pulses_at(prometheus)
    assert times == sorted(set(times))
    assert ended - times[-1] < 60
    assert "edgevitals_pulse_targets" in {
        one.labels["__name__"] for one in prometheus.query(f'{{__name__=~".*_pulse_.*",{OF_SITE}}}')
    }
