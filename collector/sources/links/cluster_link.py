"""A Cluster Link of Confluent Server: by JMX of the brokers that have it.

The link's coordinator alone counts it: `link-count` is 1 there and 0 on all other brokers, so that
a state is the maximum over brokers, and a 0 says nothing. Lag is told at the destination, by each
broker for the partitions that it leads.

A cut is `unavailable`, after five failed checks a minute apart (availability.check.ms and
availability.check.consecutive.failure.threshold); that no fetcher has a connection says it sooner.
While a link is cut its fetchers keep the lag that they saw last, which no longer says where they
are: only the lags of a link that runs are made positions of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.cluster.view import TopicView
from collector.jmx import BeanInfo, Client, ObjectName, unquote
from collector.sources.links.reading import LinkReading, State, Topic
from collector.sources.links.scraping import scrape

_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "ClusterLinkFetcherManager": ("Value",),
    "FetcherLagMetrics": ("Value",),
    "FetcherStats": ("OneMinuteRate",),
    "cluster-link-metrics": (
        "link-count",
        "link-task-count",
        "mirror-topic-count",
        "mirror-topic-lag",
    ),
    "cluster-link-fetcher-metrics": ("incoming-byte-rate", "connection-count"),
}
PATTERNS = (
    "kafka.server.link:type=ClusterLinkFetcherManager,*",
    "kafka.server:type=FetcherLagMetrics,name=ConsumerLag,*",
    "kafka.server:type=FetcherStats,name=BytesPerSec,*",
    "kafka.server:type=cluster-link-metrics,*",
    "kafka.server:type=cluster-link-fetcher-metrics,*",
    "kafka.server:type=cluster-link-source-metrics,*",
)
OF_ANY_LINK = "cluster-link-source-metrics"
"""What the source of a link has that was made at the destination; it knows no link by its name."""

_TASKS = {"in-error": "failed", "active": "running"}
"""Our words for states of tasks, the same for all kinds of links; others keep theirs."""


class Wanted:
    """The MBeans of one link; see `collector.jmx.Selection`."""

    patterns: Sequence[str] = PATTERNS

    def __init__(self, link: str) -> None:
        self._link = link

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        keys = name.properties
        if keys.get("type") == OF_ANY_LINK:
            return True
        return unquote(keys.get("link-name", "")) == self._link

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:
        have = [one.name for one in info.attributes]
        kind = name.properties.get("type", "")
        if kind == OF_ANY_LINK:
            return have[:1]  # that it is there is all we ask
        return [one for one in _ATTRIBUTES.get(kind, ()) if one in have]


class ClusterLink:
    """One link, read from all its brokers."""

    def __init__(self, name: str, brokers: Sequence[Client]) -> None:
        self._name = name
        self._brokers = brokers

    def read(self, topics: Mapping[str, TopicView], deadline: float) -> LinkReading:
        """Read it once. Raises SourceError when no broker answers."""
        beans = Beans()
        errors = scrape(self._brokers, beans.add, deadline)
        failures: dict[str, str] = {}
        if errors:
            failures["jmx"] = str(errors[0])
        elif not beans.has_link and not beans.is_source:
            failures["link"] = (
                f"no broker that was asked has a link {self._name}: name is to be the link's own, "
                "and jmx its brokers"
            )
        return beans.reading(is_source=bool(topics), is_whole=not errors)._replace(
            failures=failures
        )

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()


class Beans:
    """What the brokers' MBeans say of one link."""

    def __init__(self) -> None:
        self.has_link = False
        self.is_source = False
        self._counts: dict[str, float] = {}
        self._tasks: dict[str, int] = {}
        self._broken = 0.0
        self._max_lag: float | None = None
        self._lags: dict[str, dict[int, float]] = {}
        self._topic_lags: dict[str, float] = {}
        self._connections: list[float] = []
        self._fetched: list[float] = []
        self._received: list[float] = []

    def add(self, keys: Mapping[str, str], told: Mapping[str, float]) -> None:
        """Take in one MBean of one broker."""
        kind = keys.get("type", "")
        if kind == OF_ANY_LINK:
            self.is_source = True
            return
        self.has_link = True
        if kind == "FetcherLagMetrics":
            self._add_lag(keys, told)
        elif kind == "ClusterLinkFetcherManager":
            self._add_manager(keys.get("name", ""), told.get("Value", 0.0))
        elif kind == "FetcherStats":
            self._fetched += [told[name] for name in ("OneMinuteRate",) if name in told]
        elif kind == "cluster-link-fetcher-metrics":
            self._received += [told[name] for name in ("incoming-byte-rate",) if name in told]
            self._connections += [told[name] for name in ("connection-count",) if name in told]
        else:
            self._add_link(keys, told)

    def _add_lag(self, keys: Mapping[str, str], told: Mapping[str, float]) -> None:
        lag = told.get("Value", -1.0)
        if lag >= 0:  # a fetcher that has not fetched yet says -1
            of_topic = self._lags.setdefault(unquote(keys["topic"]), {})
            partition = int(keys["partition"])
            of_topic[partition] = max(lag, of_topic.get(partition, 0.0))

    def _add_manager(self, name: str, value: float) -> None:
        if name in ("FailedPartitionsCount", "DeadThreadCount"):
            self._broken += value
        elif name == "MaxLag" and value >= 0:
            self._max_lag = max(value, self._max_lag or 0.0)

    def _add_link(self, keys: Mapping[str, str], told: Mapping[str, float]) -> None:
        state = keys.get("state", "")
        if "link-count" in told:
            self._counts[state] = max(told["link-count"], self._counts.get(state, 0.0))
        if "link-task-count" in told:
            task = _TASKS.get(state, state)
            self._tasks[task] = self._tasks.get(task, 0) + int(told["link-task-count"])
        if state.lower().startswith("failed"):  # for good: such a mirror is to be made anew
            self._broken += told.get("mirror-topic-count", 0.0)
        if told.get("mirror-topic-lag", -1.0) >= 0 and "topic" in keys:
            topic = unquote(keys["topic"])
            self._topic_lags[topic] = max(
                told["mirror-topic-lag"], self._topic_lags.get(topic, 0.0)
            )

    def state(self) -> State:
        """What needs a person comes first.

        Tasks of a link that is cut are in error for that reason: it is disconnected all the same.
        """
        if self._broken:
            return State.BROKEN
        if self._counts.get("unavailable"):
            return State.DISCONNECTED
        if self._tasks.get("failed"):
            return State.BROKEN
        if self._counts.get("paused"):
            return State.PAUSED
        if not self._counts.get("active"):
            return State.UNKNOWN  # its coordinator was not asked, or did not answer
        return State.DISCONNECTED if self._is_cut() else State.CONNECTED

    def _is_cut(self) -> bool:
        """Whether fetchers have partitions to fetch, and no connection to do it over."""
        return bool(self._lags and self._connections) and not any(self._connections)

    def reading(self, *, is_source: bool, is_whole: bool) -> LinkReading:
        """Return what is known.

        At the source a link that doesn't run tells no lags. At the target the sum over a part of
        its brokers would be too little, and none is told.
        """
        state = self.state()
        runs = state in (State.CONNECTED, State.BROKEN) and not self._is_cut()
        lags, topic_lags = self._lags, self._topic_lags
        if is_source and not runs:
            lags, topic_lags = {}, {}
        elif not is_source and not is_whole:
            lags = {}
        found = {
            name: Topic(lags=lags.get(name), lag=topic_lags.get(name))
            for name in lags.keys() | topic_lags.keys()
        }
        rates = self._received or self._fetched
        return LinkReading(
            state,
            found,
            tasks=self._tasks,
            bytes_per_second=sum(rates) if rates else None,
            max_lag=self._max_lag if runs or not is_source else None,
        )
