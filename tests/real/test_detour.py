"""The broker is away and the link is up: a site's own rounds reach the centre all the same."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from collector.frames.frame import Frame, decode
from collector.topic.site import LOOK_EVERY_S
from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import BACK_SOON, SOON, Edge, jmx, seqs_at, seqs_of, to_centre
from tests.real.test_line import assert_in_order, complete, link_to, topic

AWAY_S = float(os.environ.get("SOAK_AWAY_S", "60"))
"""How long the broker is away; 600 in `make soak`."""

DETOUR = 'edgevitals_pump_detour{job="edgevitals",pump="forward-centre"}'


def test_f04_while_the_broker_is_away_rounds_reach_the_centre_and_later_the_topic(
    prometheus: Prometheus, tmp_path: Path
):
    """A SIGKILL in the middle: the mark of the stream is in the spool too."""
    name = topic()
    own_broker = Kafka(tmp_path / "kafka", properties=BACK_SOON)
    with own_broker, link_to(prometheus) as link:
        edge = Edge(
            tmp_path,
            kafka={"bootstrap.servers": own_broker.bootstrap},
            sources={"jmx": jmx(own_broker), "host": True},
            topic=name,
            sinks=[to_centre(link)],
        )
        with edge:
            wait_for(lambda: len(seqs_at(prometheus)) >= 3, SOON, "the first rounds")
            own_broker.kill()
            half = int(AWAY_S / 2)
            for _ in range(2):
                wait_for(lambda: at_most_behind(edge, prometheus, 2), SOON, "the detour")
                edge.wait_for_rounds(half)
                # Nobody but the detour could bring them, and a machine at rest has each by then.
                wait_for(lambda: at_most_behind(edge, prometheus, 2), SOON, "each round")
                edge.kill()
                edge.start()
                edge.wait_for_rounds(1)
            wait_for(lambda: at_most_behind(edge, prometheus, 2), SOON, "the detour once more")
            down_at = edge.seq
            own_broker.start()
            wait_for(lambda: edge.pump("publish").get("backlog_rounds") == 0, SOON, "the topic")
            wait_for(lambda: prometheus.query(f"{DETOUR} == 0"), SOON, "the end of the detour")
            edge.wait_for_rounds(3)
            wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
            assert edge.terminate() == 0
        on_disk = edge.seqs_on_disk()
        assert complete(on_disk)
        assert len(on_disk) > down_at + 3
        assert seqs_at(prometheus) == on_disk
        report = link.report()
        assert_in_order(report)
        assert report.repeats <= report.samples / 10, "what came by both ways was sent once"
        assert sorted(set(seqs_in(own_broker, name["name"]))) == on_disk, "the topic has everything"
        assert "Traceback" not in edge.log
        assert "are missing" not in edge.log, "and nobody thought that anything was"


def at_most_behind(edge: Edge, centre: Prometheus, rounds: int) -> bool:
    newest = edge.seq
    return bool(newest) and max(seqs_at(centre)) >= newest - rounds


def seqs_in(broker: Kafka, topic: str) -> list[int]:
    """The rounds that lie in the topic."""
    properties = {"bootstrap.servers": broker.bootstrap, "group.id": "nobody"}
    with closing(Consumer(properties)) as consumer:
        place = TopicPartition(topic, 1, 0)
        _, end = consumer.get_watermark_offsets(place, timeout=SOON)
        consumer.assign([place])
        found: list[int] = []
        offset = 0
        while offset < end:
            for message in consumer.consume(1000, timeout=1.0):
                offset = (message.offset() or 0) + 1
                body = decode(message.value() or b"")
                if isinstance(body, Frame):
                    found += seqs_of(body)
        return found


def test_f04_a_collector_whose_rounds_another_one_delivers_takes_the_detour_too(
    prometheus: Prometheus, tmp_path: Path
):
    """One of two has the partition. The other begins behind what the group's commits say."""
    name = topic()
    own_broker = Kafka(tmp_path / "kafka", properties=BACK_SOON)
    with own_broker, link_to(prometheus) as link:
        edges = {
            node: Edge(
                tmp_path / node,
                node=node,
                kafka={"bootstrap.servers": own_broker.bootstrap},
                topic=name,
                sinks=[to_centre(link)],
            )
            for node in ("edge-1", "edge-2")
        }

        def at_centre(node: str) -> list[int]:
            tracks = prometheus.samples(f'edgevitals_round_seq{{node="{node}"}}', "1h")
            return [int(value) for track in tracks for _, value in track.points]

        def is_close(rounds: int) -> bool:
            return all(
                max(at_centre(node), default=0) >= edge.seq - rounds > 0
                for node, edge in edges.items()
            )

        with edges["edge-1"], edges["edge-2"]:
            wait_for(lambda: all(len(at_centre(node)) >= 3 for node in edges), SOON, "rounds")
            edges["edge-2"].wait_for_rounds(int(LOOK_EVERY_S) + 2)  # it has asked the group
            own_broker.kill()
            edges["edge-2"].wait_for_rounds(6)
            wait_for(lambda: is_close(2), SOON, "both by the detour")
            edges["edge-2"].wait_for_rounds(3)
            wait_for(lambda: is_close(2), SOON, "and what was taken since")
            own_broker.start()
            wait_for(
                lambda: all(
                    edge.pump("publish").get("backlog_rounds") == 0 for edge in edges.values()
                ),
                SOON,
                "the topic",
            )
            wait_for(
                lambda: len(prometheus.query("edgevitals_pump_detour == 0")) == len(edges),
                SOON,
                "the end of the detours",
            )
            for edge in edges.values():
                edge.wait_for_rounds(2)
            wait_for(lambda: is_close(1), SOON)
            for edge in edges.values():
                assert edge.terminate() == 0
        for node, edge in edges.items():
            on_disk = edge.seqs_on_disk()
            assert complete(on_disk)
            found = at_centre(node)
            assert found == on_disk[: len(found)], "the last may wait for who has the partition"
            assert len(found) >= len(on_disk) - 2
            assert "Traceback" not in edge.log
        assert_in_order(link.report())
