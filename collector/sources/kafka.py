"""Topics, consumer groups and their lag, under the names of danielqsj's kafka_exporter.

Where that one is wrong, this one differs: no commit is no series (there: lag -1), lag is read in
the order that can't make it negative (there: #76, #169, #437), and a group without members keeps
its series (there: #509).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence

from collector import catalog
from collector.admin.client import Admin, Snapshot, hint
from collector.admin.wire import Failure
from collector.errors import ConfigError, SourceError
from collector.series import Family, Kind, TargetSeries
from collector.target import Reading

MAX_PARTITIONS = 10_000
MAX_GROUPS = 500
MAX_COMMITS = 20_000
"""Of one read. What is over them is counted in `edgevitals_kafka_left_out` and said in the log."""

MOST_REPEATS = 3
"""Reads in a row that may repeat the last good values because our admin process died."""


def _gauge(name: str, text: str) -> Family:
    # kafka_exporter's offsets are gauges too: they go back when a topic is made anew.
    return Family(name, Kind.GAUGE, help=text)


BROKERS = _gauge("kafka_brokers", "Brokers that are alive in the cluster.")
BROKER_INFO = _gauge("kafka_broker_info", "1 for each broker that is alive.")
PARTITIONS = _gauge("kafka_topic_partitions", "Partitions of the topic.")
OLDEST = _gauge("kafka_topic_partition_oldest_offset", "Offset of the oldest record kept.")
END = _gauge("kafka_topic_partition_current_offset", "End offset: that of the next record.")
LEADER = _gauge("kafka_topic_partition_leader", "Id of the leading broker; absent without one.")
PREFERRED = _gauge(
    "kafka_topic_partition_leader_is_preferred", "1 if the first of the replicas leads."
)
REPLICAS = _gauge("kafka_topic_partition_replicas", "Replicas of the partition.")
IN_SYNC = _gauge("kafka_topic_partition_in_sync_replica", "Replicas that are in sync.")
UNDER_REPLICATED = _gauge(
    "kafka_topic_partition_under_replicated_partition", "1 if a replica is not in sync."
)
MEMBERS = _gauge("kafka_consumergroup_members", "Members of the group.")
COMMITTED = _gauge("kafka_consumergroup_current_offset", "Offset that the group committed.")
COMMITTED_SUM = _gauge(
    "kafka_consumergroup_current_offset_sum", "Committed offsets, all partitions of the topic."
)
LAG = _gauge("kafka_consumergroup_lag", "Records between the commit and the end offset.")
LAG_SUM = _gauge("kafka_consumergroup_lag_sum", "Lag, all partitions of the topic.")
AGE = catalog.OWN["edgevitals_kafka_age_seconds"].family
FAILURES = catalog.OWN["edgevitals_kafka_failures"].family
LEFT_OUT = catalog.OWN["edgevitals_kafka_left_out"].family

_OF_PARTITION = (OLDEST, END, LEADER, PREFERRED, REPLICAS, IN_SYNC, UNDER_REPLICATED)

log = logging.getLogger(__name__)


class KafkaSource:
    """Reads a cluster through the admin process.

    All topics and groups that match are read, whoever leads or coordinates them: right for a site
    of one broker, and for one collector beside a cluster.
    """

    def __init__(
        self, admin: Admin, series: TargetSeries, groups: Sequence[str], topics: Sequence[str]
    ) -> None:
        """`groups` and `topics` are patterns of whole names. Raises ConfigError for a bad one."""
        for pattern in (*groups, *topics):
            _check_pattern(pattern)
        self._admin = admin
        self._series = series
        self._groups = tuple(groups)
        self._topics = tuple(topics)
        self._partition_ids: dict[tuple[str, int], list[int]] = {}
        self._commit_ids: dict[tuple[str, str, int], list[int]] = {}
        self._sum_ids: dict[tuple[str, str], list[int]] = {}
        self._topic_part = _Part("topics")
        self._group_part = _Part("groups")
        self._last_left_out: dict[str, int] = {}

    def read(self, deadline: float) -> Reading:
        """Read the cluster once; see `collector.target.Source`.

        While our own admin process fails, what it did not tell is repeated, at most MOST_REPEATS
        times in a row; its age says so. After that there are no groups, or, when there are no
        topics either, a SourceError.
        """
        snapshot = self._admin.snapshot(
            self._groups,
            self._topics,
            deadline,
            max_partitions=MAX_PARTITIONS,
            max_groups=MAX_GROUPS,
            max_commits=MAX_COMMITS,
        )
        now = time.monotonic()
        lost = snapshot.failure
        if lost is None and not snapshot.is_topics_whole:
            self._topic_part.forget()
            self._group_part.forget()
            raise _down(snapshot.failures)
        if snapshot.is_topics_whole:
            self._topic_part.take(self._topic_values(snapshot), now)
        elif not self._topic_part.repeat():
            assert lost is not None
            raise _down([lost])
        if lost is None:
            self._group_part.take(self._group_values(snapshot), now)
        else:
            self._group_part.repeat()
        values = self._topic_part.values | self._group_part.values
        for part in (self._topic_part, self._group_part):
            if part.taken_at is not None:
                values[self._id(AGE, part=part.name)] = now - part.taken_at
        for failure in (*snapshot.failures, *([lost] if lost else [])):
            values[self._id(FAILURES, call=failure.call, error=failure.code)] = failure.count
        self._say_left_out(snapshot.left_out)
        return Reading(list(values), list(map(float, values.values())))

    def close(self) -> None:
        """Nothing is held: the admin process belongs to the program, which ends it."""

    def _topic_values(self, snapshot: Snapshot) -> dict[int, float]:
        values: dict[int, float] = {
            self._id(BROKERS): len(snapshot.brokers),
            self._id(LEFT_OUT, what="partitions"): snapshot.left_out.get("partitions", 0),
        }
        for broker in snapshot.brokers:
            host = f"[{broker.host}]" if ":" in broker.host else broker.host
            address = f"{host}:{broker.port}"
            values[self._id(BROKER_INFO, id=str(broker.id), address=address)] = 1
        for topic in snapshot.topics:
            values[self._id(PARTITIONS, topic=topic.name)] = len(topic.partitions)
            for partition in topic.partitions:
                at = (topic.name, partition.id)
                ids = self._partition_ids.get(at)
                if ids is None:
                    labels = {"topic": topic.name, "partition": str(partition.id)}
                    ids = [self._series.intern(family, labels) for family in _OF_PARTITION]
                    self._partition_ids[at] = ids
                oldest, end, leader, preferred, replicas, in_sync, under_replicated = ids
                first_offset, end_offset = snapshot.offsets.get(at, (-1, -1))
                if first_offset >= 0:
                    values[oldest] = first_offset
                if end_offset >= 0:
                    values[end] = end_offset
                if partition.leader >= 0:
                    values[leader] = partition.leader
                values[preferred] = partition.replicas[:1] == [partition.leader]
                values[replicas] = len(partition.replicas)
                values[in_sync] = len(partition.in_sync)
                values[under_replicated] = len(partition.in_sync) < len(partition.replicas)
        return values

    def _group_values(self, snapshot: Snapshot) -> dict[int, float]:
        values: dict[int, float] = {
            self._id(LEFT_OUT, what=what): snapshot.left_out.get(what, 0)
            for what in ("groups", "commits")
        }
        for group in snapshot.groups:
            values[self._id(MEMBERS, consumergroup=group.name)] = group.members
        committed_sums: dict[tuple[str, str], int] = {}
        lag_sums: dict[tuple[str, str], int] = {}
        unknown: set[tuple[str, str]] = set()
        for at, (committed, end) in snapshot.commits.items():
            group_name, topic, partition = at
            ids = self._commit_ids.get(at)
            if ids is None:
                labels = {
                    "consumergroup": group_name,
                    "topic": topic,
                    "partition": str(partition),
                }
                ids = [self._series.intern(family, labels) for family in (COMMITTED, LAG)]
                self._commit_ids[at] = ids
            committed_id, lag_id = ids
            values[committed_id] = committed
            where = group_name, topic
            committed_sums[where] = committed_sums.get(where, 0) + committed
            if end < 0:
                unknown.add(where)
                continue
            lag = max(0, end - committed)  # below 0 only when the topic was cut or made anew
            values[lag_id] = lag
            lag_sums[where] = lag_sums.get(where, 0) + lag
        for where, committed_sum in committed_sums.items():
            ids = self._sum_ids.get(where)
            if ids is None:
                labels = {"consumergroup": where[0], "topic": where[1]}
                ids = [self._series.intern(family, labels) for family in (COMMITTED_SUM, LAG_SUM)]
                self._sum_ids[where] = ids
            committed_sum_id, lag_sum_id = ids
            values[committed_sum_id] = committed_sum
            if where not in unknown:  # a sum without one of its partitions would be too low
                values[lag_sum_id] = lag_sums[where]
        return values

    def _id(self, family: Family, **labels: str) -> int:
        return self._series.intern(family, labels)

    def _say_left_out(self, left_out: dict[str, int]) -> None:
        """Log what is over a bound, when that changes."""
        now_left_out = {what: count for what, count in left_out.items() if count}
        if now_left_out != self._last_left_out:
            self._last_left_out = now_left_out
            if now_left_out:
                what = ", ".join(f"{count} {what}" for what, count in now_left_out.items())
                log.warning(
                    "kafka: %s were not read: a read takes at most %d partitions, %d groups and "
                    "%d commits. Name fewer in sources.kafka.topics or sources.kafka.groups",
                    what,
                    MAX_PARTITIONS,
                    MAX_GROUPS,
                    MAX_COMMITS,
                )


class _Part:
    """Values that may be repeated a few times while our own admin process fails."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[int, float] = {}
        self.taken_at: float | None = None
        self._repeats = 0

    def take(self, values: dict[int, float], now: float) -> None:
        self.values, self.taken_at, self._repeats = values, now, 0

    def repeat(self) -> bool:
        """Say whether the values may be told once more; forget them when not."""
        if self.taken_at is None or self._repeats >= MOST_REPEATS:
            self.forget()
            return False
        self._repeats += 1
        return True

    def forget(self) -> None:
        self.values, self.taken_at, self._repeats = {}, None, 0


def _down(failures: Sequence[Failure]) -> SourceError:
    if not failures:
        return SourceError("Kafka told nothing", "report this with the broker's version")
    return SourceError(str(failures[0]), hint(failures[0]))


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{pattern!r} is not a pattern: {error}",
            "sources.kafka takes Python's regular expressions, each of a whole name",
        ) from error
