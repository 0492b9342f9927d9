"""A start goes on where the stream stands: by the spool, or by the topic when that is lost."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from tests.lab.kafka import Kafka
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, TIER, Edge, frames_of, seqs_at, sink
from tests.real.test_line import topic


def test_a_collector_whose_spool_is_lost_goes_on_behind_the_topics_last_round(
    broker: Kafka, prometheus: Prometheus, tmp_path: Path
):
    centre = {**sink(prometheus.write_url), "name": f"centre-{uuid.uuid4().hex[:8]}"}
    edge = Edge(
        tmp_path,
        kafka={"bootstrap.servers": broker.bootstrap},
        topic=topic(),
        sinks=[centre],
    )
    with edge:
        edge.wait_for_rounds(3)
        assert edge.terminate() == 0, "all is in the topic"
    before = edge.seqs_on_disk()
    (line,) = {
        frame.lineage.line for path in (edge.spool / TIER).iterdir() for frame in frames_of(path)
    }
    shutil.rmtree(edge.spool)
    with edge:
        edge.wait_for_rounds(2)
        newest = edge.seq
        wait_for(lambda: newest in seqs_at(prometheus), SOON, "the rounds behind them")
        assert edge.status()["gaps"] == {}
        assert edge.terminate() == 0
    after = [frame for path in sorted((edge.spool / TIER).iterdir()) for frame in frames_of(path)]
    assert {frame.lineage.line for frame in after} == {line}
    assert after[0].first_seq == before[-1] + 1
    assert after[0].lineage.previous is not None
    assert after[0].lineage.previous[1] == before[-1]
    wait_for(lambda: len(seqs_at(prometheus)) == after[-1].last_seq, SOON, "every round")
    assert seqs_at(prometheus) == list(range(1, after[-1].last_seq + 1))
