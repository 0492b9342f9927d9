"""MirrorMaker 2: by JMX of its workers; how far it has come also by Connect, or its offset syncs.

It has no metric of the position. In this order that one is taken which there is: Connect's
`/offsets` (KIP-875; written each `offset.flush.interval.ms`), the topic of offset syncs, and the
lag of MirrorMaker's own consumer, which is ahead by what is on its way to the target.

A cut doesn't show in the state of tasks: they stay `running`, or vanish when a worker loses its
group at the target. It shows in connections: clients keep none to a cluster that they can't reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collector.cluster.view import TopicView
from collector.errors import SourceError
from collector.jmx import BeanInfo, Client, ObjectName, unquote
from collector.sources.links.connect import Connector
from collector.sources.links.offset_syncs import OffsetSyncs
from collector.sources.links.reading import LinkReading, State, Topic
from collector.sources.links.scraping import scrape

_TASKS = "connector-%s-task-count"
TASK_STATES = ("running", "paused", "failed", "unassigned")

_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "MirrorSourceConnector": ("record-age-ms", "replication-latency-ms", "byte-rate"),
    "MirrorCheckpointConnector": ("checkpoint-latency-ms",),
    "connect-worker-metrics": tuple(_TASKS % state for state in TASK_STATES),
    "consumer-fetch-manager-metrics": ("records-lag",),
    "consumer-metrics": ("connection-count",),
    "producer-metrics": ("connection-count",),
}
PATTERNS = (
    "kafka.connect.mirror:type=MirrorSourceConnector,*",
    "kafka.connect.mirror:type=MirrorCheckpointConnector,*",
    "kafka.connect:type=connect-worker-metrics,*",
    "kafka.consumer:type=consumer-fetch-manager-metrics,*",
    "kafka.consumer:type=consumer-metrics,*",
    "kafka.producer:type=producer-metrics,*",
)
CONNECTOR = "MirrorSourceConnector"


class Wanted:
    """The few MBeans that say how a mirror is; see `collector.jmx.Selection`."""

    patterns: Sequence[str] = PATTERNS

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        keys = name.properties
        if keys.get("type") == "consumer-fetch-manager-metrics":
            return "partition" in keys and "replication-consumer" in keys.get("client-id", "")
        return True

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:
        wanted = _ATTRIBUTES.get(name.properties.get("type", ""), ())
        have = {one.name for one in info.attributes}
        return [one for one in wanted if one in have]


class Flow(NamedTuple):
    """Which flow of a worker is meant; None: any."""

    source: str | None
    target: str | None
    connector: str = CONNECTOR
    """What the connector is called in Connect; MirrorMaker itself calls it by its kind."""

    def is_of(self, source: str, target: str) -> bool:
        return self.source in (None, source) and self.target in (None, target)

    def has_client(self, client_id: str) -> bool:
        """Whether a client's id can be one of this flow: Connect names clients `SOURCE->TARGET`."""
        if self.source is None or self.target is None or "->" not in client_id:
            return True
        return f"{self.source}->{self.target}" in client_id


class MirrorMaker2:
    """One flow, read from all its workers."""

    def __init__(
        self,
        workers: Sequence[Client],
        flow: Flow,
        connector: Connector | None = None,
        syncs: OffsetSyncs | None = None,
    ) -> None:
        self._workers = workers
        self._flow = flow
        self._connector = connector
        self._syncs = syncs
        self._lost: dict[str, int] = {}

    def read(self, topics: Mapping[str, TopicView], deadline: float) -> LinkReading:
        """Read it once. Raises SourceError when no worker answers."""
        beans = Beans(self._flow)
        scrape(self._workers, beans.add, deadline)
        state = beans.state()
        tasks: Mapping[str, int] = beans.tasks
        failures: dict[str, str] = {}
        positions: Mapping[str, Mapping[int, int]] | None = None
        try:
            if self._connector is not None:
                told_by_connect = self._connector.read(deadline)
                state = told_by_connect.state or state
                tasks = told_by_connect.tasks
                positions = self._connector.positions(self._flow.source, deadline)
        except SourceError as error:
            failures["connect"] = str(error)
        try:
            if self._syncs is not None:
                positions = {**self._synced(deadline), **(positions or {})}
        except SourceError as error:
            failures["offset_syncs"] = str(error)
        self._count_lost(topics)
        found = {name: beans.topic(name, positions) for name in topics.keys() | beans.topics}
        return LinkReading(state, found, self._lost, beans.checkpoint_latency_s, tasks, failures)

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        if self._syncs is not None:
            self._syncs.close()
        if self._connector is not None:
            self._connector.close()

    def _synced(self, deadline: float) -> Mapping[str, Mapping[int, int]]:
        """The positions that the syncs tell, by topic of the source and partition."""
        assert self._syncs is not None
        self._syncs.read(deadline)
        found: dict[str, dict[int, int]] = {}
        for (topic, partition), sync in self._syncs.of.items():
            found.setdefault(topic, {})[partition] = sync.upstream + 1
        return found

    def _count_lost(self, topics: Mapping[str, TopicView]) -> None:
        """Count what MirrorMaker skipped because the source's log had dropped it."""
        if self._syncs is None or not topics:
            return  # while the cluster is away nobody can tell: the jumps wait, bounded
        for name in topics:
            self._lost.setdefault(name, 0)
        jumps, self._syncs.jumps = self._syncs.jumps, []
        for topic, partition, behind, offsets in jumps:
            view = topics.get(topic)
            oldest = view.logs[partition].oldest if view and partition in view.logs else None
            if oldest is not None and oldest > behind + 1:
                self._lost[topic] += min(offsets, oldest - behind - 1)


class Beans:
    """What the workers' MBeans say of one flow."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._of_topic: dict[str, dict[int, Mapping[str, float]]] = {}
        self._lags: dict[str, dict[int, float]] = {}
        self._connections: list[float] = []
        self._counts: dict[str, float] = {}
        self.checkpoint_latency_s: float | None = None

    @property
    def topics(self) -> set[str]:
        """Topics of the source that the beans tell of.

        Kafka's clients have each topic with a dot twice, the second time with `_` for it.
        """
        twins = {topic.replace(".", "_") for topic in self._lags if "." in topic}
        return self._of_topic.keys() | (self._lags.keys() - twins)

    @property
    def tasks(self) -> dict[str, int]:
        return {state: int(self._counts.get(_TASKS % state, 0)) for state in TASK_STATES}

    def add(self, keys: Mapping[str, str], told: Mapping[str, float]) -> None:
        kind = keys.get("type", "")
        if not self._is_of_flow(keys):
            return
        if kind == CONNECTOR:
            topic = unquote(keys["topic"]).removeprefix(f"{keys['source']}.")
            self._of_topic.setdefault(topic, {})[int(keys["partition"])] = told
        elif kind == "MirrorCheckpointConnector":
            found = told.get("checkpoint-latency-ms", 0.0) / 1000
            self.checkpoint_latency_s = max(found, self.checkpoint_latency_s or 0.0)
        elif kind == "connect-worker-metrics" and keys.get("connector") == self._flow.connector:
            for attribute, value in told.items():
                self._counts[attribute] = self._counts.get(attribute, 0.0) + value
        elif "connection-count" in told:
            self._connections.append(told["connection-count"])
        elif "records-lag" in told:
            lags = self._lags.setdefault(unquote(keys["topic"]), {})
            lags[int(keys["partition"])] = max(0.0, told["records-lag"])

    def _is_of_flow(self, keys: Mapping[str, str]) -> bool:
        if "client-id" in keys:
            return self._flow.has_client(unquote(keys["client-id"]))
        return "source" not in keys or self._flow.is_of(keys["source"], keys["target"])

    def state(self) -> State:
        tasks = self.tasks
        if tasks["failed"]:
            return State.BROKEN
        if not self._connections or min(self._connections) == 0:
            return State.DISCONNECTED if self._connections else State.UNKNOWN
        if tasks["paused"] and not tasks["running"]:
            return State.PAUSED
        return State.CONNECTED if tasks["running"] else State.UNKNOWN

    def topic(self, name: str, positions: Mapping[str, Mapping[int, int]] | None) -> Topic:
        """Return what is known of a topic, by its name at the source."""
        partitions = self._of_topic.get(name, {}).values()

        def worst(attribute: str) -> float | None:
            found = [one[attribute] / 1000 for one in partitions if attribute in one]
            return max(found, default=None)

        rates = [one["byte-rate"] for one in partitions if "byte-rate" in one]
        return Topic(
            positions.get(name) if positions is not None else None,
            self._lags.get(name),
            sum(rates) if rates else None,
            worst("record-age-ms"),
            worst("replication-latency-ms"),
        )
