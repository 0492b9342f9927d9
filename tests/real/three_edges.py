"""The collectors beside three brokers as processes, and what they tell of what is shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.real.edge import Edge
from tests.real.three_brokers import GROUPS, TOPICS, Brokers

GROUP, TOPIC = "kafka_consumergroup_members", "kafka_topic_partitions"
"""Of each group and of each topic there is one."""

Shared = dict[tuple[str, ...], float]
"""Values by name and all labels but node and instance."""

WHOLE: Shared = {
    **{(GROUP, name): 0.0 for name in GROUPS},
    **{(TOPIC, name): 3.0 for name in TOPICS},
}
"""What `max without (node, instance)` comes to while nothing is missing or counted twice."""


def beside(brokers: Brokers, node: int, folder: Path, **keys: Any) -> Edge:
    """The collector of one broker, configured as the docs say."""
    jmx = {"address": brokers.nodes[node].jmx_address, "names": ["jvm"]}
    kafka = {"groups": ["reads-.*"], "topics": ["shared-.*"], **keys}
    return Edge(
        folder / str(node),
        node=f"edge-{node}",
        kafka={"bootstrap.servers": brokers.bootstrap},
        sources={"jmx": [jmx], "kafka": kafka},
    )


class Edges:
    """One beside each broker, by its node id."""

    def __init__(self, edges: Mapping[int, Edge]) -> None:
        self._edges = edges
        self.seen: dict[int, Shared] = {}

    def __getitem__(self, node: int) -> Edge:
        return self._edges[node]

    def look(self) -> dict[int, Shared]:
        """What each tells now: never more than there is, told by however many."""
        self.seen = {node: _shared_of(edge) for node, edge in self._edges.items()}
        assert max_of(self.seen).items() <= WHOLE.items()
        return self.seen

    def is_whole(self) -> bool:
        """All is told, each by one collector."""
        found = self.look()
        return sum(map(len, found.values())) == len(WHOLE) and max_of(found) == WHOLE


@contextmanager
def three_edges(brokers: Brokers, folder: Path) -> Iterator[Edges]:
    """Start one beside each broker, all at once; they end with it."""
    edges = {node: beside(brokers, node, folder) for node in brokers.nodes}
    try:
        for edge in edges.values():
            edge.process.start()
        yield Edges(edges)
    finally:
        for edge in edges.values():
            edge.kill()


def max_of(found: Mapping[int, Shared]) -> Shared:
    """What `max without (node, instance)` would be."""
    together: Shared = {}
    for shared in found.values():
        for key, value in shared.items():
            together[key] = max(value, together.get(key, value))
    return together


def _shared_of(edge: Edge) -> Shared:
    if not edge.process.is_running:
        return {}
    lines = [line for line in edge.metrics().splitlines() if line.startswith((GROUP, TOPIC))]
    found: Shared = {}
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("node") == edge.settings["node"]
            assert labels.pop("instance") == edge.settings["node"]
            assert labels.pop("site") == edge.settings["site"]
            assert labels.pop("job") == "kafka_exporter"
            found[sample.name, *labels.values()] = sample.value
    return found
