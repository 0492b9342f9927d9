"""The whole line over a topic that loses what no sink had read yet."""

from __future__ import annotations

import shutil
import uuid
from contextlib import closing
from pathlib import Path

from collector.admin.client import Admin
from tests.lab.kafka import Kafka
from tests.lab.kafka_log import cut
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import BACK_SOON, SOON, Edge, seqs_at, to_centre
from tests.real.test_line import assert_in_order, complete, link_to
from tests.real.topic_place import STANDARD, Place

UNREAD = 5


def test_f06_f28_a_topic_made_anew_and_then_cut_with_the_marks_of_its_readers_costs_nothing(
    prometheus: Prometheus, tmp_path: Path
):
    name = f"telemetry-{uuid.uuid4().hex[:8]}"
    with (
        Kafka(tmp_path / "kafka", properties=BACK_SOON) as kafka,
        link_to(prometheus) as link,
        closing(Admin({"bootstrap.servers": kafka.bootstrap})) as admin,
    ):
        place = Place(kafka, admin, name)
        edge = Edge(
            tmp_path,
            kafka={"bootstrap.servers": kafka.bootstrap},
            topic={"name": name, "max_size": "96MiB"},
            sinks=[to_centre(link)],
        )

        def wait_for_topic() -> None:
            wait_for(lambda: edge.pump("publish")["backlog_rounds"] == 0, SOON, "the topic")

        with edge:
            wait_for(lambda: len(seqs_at(prometheus)) >= 2, SOON, "the first rounds")
            link.cut()
            edge.wait_for_rounds(UNREAD)
            wait_for_topic()
            place.delete()
            wait_for(lambda: "was deleted and made anew" in edge.log, SOON, "a look at the topic")
            edge.wait_for_rounds(UNREAD)
            wait_for_topic()
            records = len(place.records())
            kafka.kill()
            cut(kafka.directory / "data" / f"{name}-{STANDARD}", records - UNREAD + 2)
            for folder in (kafka.directory / "data").glob("__consumer_offsets-*"):
                shutil.rmtree(folder)
            kafka.start()
            wait_for(lambda: "came back shorter" in edge.log, SOON, "a look at the log")
            newest = edge.seq
            link.restore()
            wait_for(lambda: max(seqs_at(prometheus)) > newest, SOON, "the backlog")
            assert edge.terminate() == 0
        assert complete(edge.seqs_on_disk())
        assert seqs_at(prometheus) == edge.seqs_on_disk()
        assert_in_order(link.report())
