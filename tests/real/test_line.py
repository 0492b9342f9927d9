"""The whole line as people run it: one process beside a broker, a centre, and a link between."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, Rejection
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Cut, Proxy
from tests.lab.waiting import wait_for
from tests.lab.witness import RemoteWriteWitness, Report
from tests.real.edge import (
    BACK_SOON,
    NODE,
    SITE,
    SOON,
    Edge,
    jmx,
    records_of,
    seqs_at,
    sink,
    to_centre,
)
from tests.unit.sinks.peer import Judged, Peer, Seen, answer

OFFLINE = "kafka_controller_kafkacontroller_offlinepartitionscount"
STORED = answer(204)


class Link(Proxy):
    """The way to a centre, and what was seen on it."""

    def __init__(self, centre: Prometheus, witness: RemoteWriteWitness) -> None:
        super().__init__(centre.port, witness.tap)
        self._witness = witness

    def report(self) -> Report:
        return self._witness.report()


@contextmanager
def link_to(centre: Prometheus) -> Iterator[Link]:
    with RemoteWriteWitness() as witness, Link(centre, witness) as link:
        yield link


def topic() -> dict[str, str]:
    return {"name": f"telemetry-{uuid.uuid4().hex[:8]}", "max_size": "96MiB"}


def complete(seqs: list[int]) -> bool:
    return seqs == list(range(1, len(seqs) + 1))


def assert_in_order(report: Report) -> None:
    """Nothing new came behind something newer, and no time had two values."""
    found = report.out_of_order, report.conflicts, report.unreadable
    assert found == (0, 0, 0), report.findings


def test_f01_f02_a_kill_in_the_middle_of_a_cut_loses_nothing_and_keeps_the_order(
    broker: Kafka, prometheus: Prometheus, tmp_path: Path
):
    with link_to(prometheus) as link:
        edge = Edge(
            tmp_path,
            kafka={"bootstrap.servers": broker.bootstrap},
            sources={"jmx": jmx(broker), "host": True, "kafka": True},
            topic=topic(),
            sinks=[to_centre(link)],
        )
        with edge:
            wait_for(lambda: len(seqs_at(prometheus)) >= 3, SOON, "the first rounds")
            link.cut()
            edge.wait_for_rounds(3)
            edge.kill()
            at_kill = edge.seqs_on_disk()
            assert complete(at_kill), "what is on disk is whole, whenever it was killed"
            edge.start()
            edge.wait_for_rounds(3)
            wait_for(lambda: edge.pump("forward-centre").get("backlog_rounds"), SOON, "a backlog")
            assert max(seqs_at(prometheus)) < max(at_kill)
            link.restore()
            wait_for(lambda: max(seqs_at(prometheus)) > max(at_kill) + 3, SOON, "the backlog")
            wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
            assert prometheus.query('up{job="node"}')
            assert edge.terminate() == 0
        on_disk = edge.seqs_on_disk()
        assert complete(on_disk)
        assert seqs_at(prometheus) == on_disk, "with the round that ended all series"
        assert_in_order(link.report())
    tracks = prometheus.samples("edgevitals_epoch_info", "1h")
    first, second = sorted((track.labels for track in tracks), key=len)
    assert "previous_epoch" not in first
    assert second["previous_epoch"] == first["epoch"]
    ended = ("up", OFFLINE, f'edgevitals_epoch_info{{epoch="{second["epoch"]}"}}')
    for series in ended:
        assert prometheus.query(series) == [], "nobody takes the last values for present ones"


def test_a_broker_that_goes_takes_nothing_along_and_a_stop_waits_for_nobody(
    prometheus: Prometheus, tmp_path: Path
):
    """Rounds wait in the spool while it is away: up 0, its series ended, the host's go on."""
    own_broker = Kafka(tmp_path / "kafka", properties=BACK_SOON)
    with own_broker, link_to(prometheus) as link:
        edge = Edge(
            tmp_path,
            kafka={"bootstrap.servers": own_broker.bootstrap},
            sources={"jmx": jmx(own_broker), "host": True},
            topic=topic(),
            sinks=[to_centre(link)],
        )
        with edge:
            wait_for(lambda: prometheus.query(OFFLINE), SOON, "a first value of the broker's")
            own_broker.kill()
            wait_for(lambda: edge.target("kafka")["up"] is False, SOON)
            down_at = edge.seq
            edge.wait_for_rounds(3)
            problems = edge.status()["problems"]
            assert any(problem.startswith("kafka ") for problem in problems), problems
            assert edge.pump("publish")["backlog_rounds"] > 0
            own_broker.start()
            wait_for(lambda: edge.target("kafka")["up"] is True, SOON)
            up_at = edge.seq
            wait_for(lambda: len(seqs_at(prometheus)) > up_at, SOON, "what the spool kept")
            assert complete(seqs_at(prometheus))

            own_broker.pause()
            link.cut(Cut.HANG)
            edge.wait_for_rounds(2)
            assert edge.terminate() == 0, "f41: in order, whatever hangs; how soon is in test_stops"
            own_broker.resume()
        assert "Traceback" not in edge.log
        assert complete(edge.seqs_on_disk())
        assert_in_order(link.report())
    (up,) = prometheus.samples('up{job="kafka"}', "1h")
    before, while_down, after = (
        up.points[: down_at - 1],
        [time for time, value in up.points[down_at - 1 : up_at] if value == 0.0],
        up.points[up_at - 1 :],
    )
    assert 1.0 in {value for _, value in before}
    assert len(while_down) >= 3
    assert 1.0 in {value for _, value in after}
    (series,) = prometheus.samples(OFFLINE, "1h")
    assert not {time for time, _ in series.points} & set(while_down)
    assert prometheus.query(OFFLINE, at=while_down[-1]) == [], "stale at once, not in 5 minutes"
    (host,) = prometheus.samples("node_load1", "1h")
    assert {time for time, _ in host.points} & set(while_down), "the others went on"


def test_without_a_topic_the_spool_feeds_the_sink_and_what_is_refused_is_set_aside(
    tmp_path: Path,
):
    bad: list[int] = []  # the times of the one sample that is refused
    taken: list[Seen] = []

    def judge(seen: Seen) -> bytes:
        points = seen.samples().get("node_load1", [])
        if len(taken) > 1 and not bad and points:
            bad.append(points[0][0])
        if any(ms in bad for ms, _ in points):
            return answer(400, b"label value too long")
        taken.append(seen)
        return STORED

    with Peer(Judged(judge)) as centre:
        edge = Edge(tmp_path, sinks=[sink(centre.url, protocol="remote_write_1")])
        with edge:
            wait_for(lambda: edge.pump("forward-centre").get("rejected_rounds"), SOON)
            counted = "edgevitals_sink_rejected_samples_total{"
            wait_for(lambda: counted in edge.metrics(), SOON)
            edge.wait_for_rounds(2)
            (pump,) = edge.status()["pumps"]
            assert pump["from"] == "spool"
            assert edge.terminate() == 0
    found = {
        name: [point for seen in taken for point in seen.samples().get(name, [])]
        for name in ("edgevitals_round_seq", "node_load1")
    }
    seqs = [int(value) for _, value in found["edgevitals_round_seq"]]
    assert seqs == edge.seqs_on_disk(), "each once and in order, also beside what is refused"
    assert len(found["node_load1"]) == len(seqs) - 1
    (file,) = (edge.spool / "rejected").iterdir()
    kept = records_of(file)
    (dictionary,) = (one for one in kept if isinstance(one, Dictionary))
    assert [series.name for series in dictionary.series] == ["node_load1"]
    (frame,) = (one for one in kept if isinstance(one, Frame))
    assert [at.wall_ms for at in frame.at] == bad
    (rejection,) = (one for one in kept if isinstance(one, Rejection))
    assert (rejection.sink, rejection.reason) == ("forward-centre", "http_400")
    assert "label value too long" in rejection.detail
    assert pump["rejected_rounds"] == 1
    assert "set 1 rounds of 1 series aside" in edge.log
    assert "Traceback" not in edge.log


def test_without_sinks_and_topic_it_is_an_exporter(broker: Kafka, tmp_path: Path):
    sources = {"jmx": jmx(broker), "host": True}
    with Edge(tmp_path, sources=sources, labels={"region": "emea"}) as edge:
        wait_for(lambda: f"{OFFLINE}{{" in edge.metrics(), SOON)
        found = {
            (sample.name, sample.labels["job"]): (sample.labels, sample.value)
            for family in text_string_to_metric_families(edge.metrics())
            for sample in family.samples
        }
        labels, value = found[OFFLINE, "kafka"]
        assert labels == {
            "site": SITE,
            "node": NODE,
            "region": "emea",
            "job": "kafka",
            "instance": broker.jmx_address,
        }
        assert value == 0.0
        assert found["up", "node"][0]["instance"] == NODE
        assert found["edgevitals_build_info", "edgevitals"][1] == 1.0
        assert ("node_load1", "node") in found
        assert edge.status()["pumps"] == []
        assert edge.terminate() == 0
    assert edge.seqs_on_disk()[-1] >= 2, "kept all the same: sinks may come later"
