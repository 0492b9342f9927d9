"""Views of a cluster whose admin process is written down."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast
from weakref import ref

from collector.admin.told import Snapshot
from collector.admin.wire import Partition, Topic
from collector.cluster.reading import Cluster, Patterns


class Partitions(list[Partition]):
    """A list that can be watched."""


class Paper:
    """Tells of one topic, and counts how many it told of are still held when it is asked."""

    def __init__(self) -> None:
        self.told: list[ref[Partitions]] = []
        self.held: list[int] = []

    def snapshot(self, _wanted: object, _deadline: float) -> Snapshot:
        self.held.append(sum(one() is not None for one in self.told))
        partitions = Partitions([Partition(0, 1, [1], [1])])
        self.told.append(ref(partitions))
        return Snapshot(topics=[Topic("orders", partitions)], is_topics_whole=True)

    def topic_configs(
        self, _names: Sequence[str], _deadline: float
    ) -> tuple[dict[str, Any], list[Any]]:
        return {}, []

    broker_configs = topic_configs


def test_a_view_is_let_go_of_before_the_next_one_is_read():
    paper = Paper()
    reader = Cluster(cast("Any", paper), Patterns([".*"], [".*"])).reader()
    for _ in range(3):
        view = reader.view(time.monotonic() + 10)
        assert [topic.name for topic in view.topics] == ["orders"]
        del view
    assert paper.held == [0, 0, 0], "two of 10,000 partitions are 7 MiB more than one"
