"""Two collectors with one name, and two with names of their own, beside one broker."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from collector.frames.frame import Frame, Rejection
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.lab.witness import Finding
from tests.real.edge import (
    SITE,
    SOON,
    Edge,
    records_of,
    seqs_at,
    seqs_of,
    to_centre,
)
from tests.real.test_line import link_to, topic


def test_f39_a_copied_disk_is_noticed_and_what_it_says_is_set_aside(
    broker: Kafka, prometheus: Prometheus, tmp_path: Path
):
    name = topic()
    kafka = {"bootstrap.servers": broker.bootstrap}
    with link_to(prometheus) as link:
        first = Edge(tmp_path / "a", kafka=kafka, topic=name, sinks=[to_centre(link)])
        with first:
            wait_for(lambda: len(seqs_at(prometheus)) >= 3, SOON, "the first rounds")
            assert first.terminate() == 0
        shutil.copytree(first.spool, tmp_path / "b" / "spool")
        clone = Edge(tmp_path / "b", kafka=kafka, topic=name, sinks=[to_centre(link)])
        with first, clone:
            both = (first, clone)
            wait_for(lambda: any(said(edge) for edge in both), SOON, "somebody notices")
            for edge in both:
                edge.wait_for_rounds(3)
            problem = next(said(edge) for edge in both if said(edge))
            assert f"site {SITE}, node edge-1" in problem
            assert "another node: and an empty spool.path" in problem
            assert clone.terminate() == 0
            had = handled(first)
            wait_for(lambda: handled(first) > had + 3, SOON, "the one that is left goes on")
            so_far = committed(broker, name["name"])
            wait_for(lambda: committed(broker, name["name"]) > so_far, SOON, "in the group too")
            assert first.terminate() == 0
        kept = [
            one
            for edge in both
            for file in (edge.spool / "rejected").iterdir()
            for one in records_of(file)
        ]
        assert {one.reason for one in kept if isinstance(one, Rejection)} == {"conflict"}
        assert [seq for one in kept if isinstance(one, Frame) for seq in seqs_of(one)]
        report = link.report()
        assert report.samples
        assert not [one for one in report.findings if not is_of_now(one)]
        assert "Traceback" not in first.log + clone.log


def committed(broker: Kafka, topic: str) -> int:
    """How far the group of the sink has come in the topic."""
    properties = {"bootstrap.servers": broker.bootstrap, "group.id": "edgevitals.centre"}
    with closing(Consumer(properties)) as consumer:
        (found,) = consumer.committed([TopicPartition(topic, 1)], timeout=SOON)
        return int(found.offset)


def is_of_now(finding: Finding) -> bool:
    """Of the pulse: each of them says how it is just now, under the one name that they share."""
    return dict(finding.labels)["__name__"].startswith("edgevitals_pulse_")


def handled(edge: Edge) -> int:
    pump = edge.pump("forward-centre")
    return int(pump["delivered_rounds"] + pump["rejected_rounds"])


def said(edge: Edge) -> str:
    found = (it for it in edge.status().get("problems", []) if "clash" in it)
    return next(found, "")
