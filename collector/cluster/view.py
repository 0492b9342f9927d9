"""What one read of the cluster gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import NamedTuple

from collector.admin.wire import Broker, Failure, Partition
from collector.cluster.own_broker import Disks
from collector.derive.loss import Position, Retention, retention
from collector.derive.offset_times import Written

Place = tuple[str, int]
"""Topic and partition."""


class Log(NamedTuple):
    """The ends of a partition's log: the oldest offset kept, the one to be written next.

    None for what Kafka did not give.
    """

    oldest: int | None
    end: int | None


class TopicView(NamedTuple):
    """A topic that is ours. `logs` is by partition id; `settings` as Kafka writes them."""

    name: str
    partitions: Sequence[Partition]
    logs: Mapping[int, Log]


class Commit(NamedTuple):
    """What a group committed, and the log's ends that were read after it."""

    offset: int
    log: Log


class GroupView(NamedTuple):
    """A group that is ours. Only partitions with a commit have one."""

    name: str
    state: str
    type: str
    members: int
    coordinator: int
    commits: Mapping[Place, Commit]


class View(NamedTuple):
    """One read of the cluster.

    `at` is when end offsets were read, seconds since 1970; `broker` the id of our own, None when
    all is ours. `lost` says how our own admin process failed, `failures` what Kafka refused.
    `settings` holds those topics' whose settings are known, `broker_settings` those of our own
    broker, or of all when all is ours. `written(topic, partition, offset)` tells when a record
    was written, None while that can't be told; a miss is remembered, and asked for at the next
    read. `rate_of(topic, partition)` is the records a second that come in. `disks` is what our own
    broker has on its own. `own_topics` and `own_groups` are the names of what is ours by this read,
    also where it broke off before it told more of them; None where it broke off before that.
    """

    at: float
    broker: int | None
    brokers: Sequence[Broker]
    topics: Sequence[TopicView]
    groups: Sequence[GroupView]
    is_topics_whole: bool
    left_out: Mapping[str, int]
    failures: Sequence[Failure]
    lost: Failure | None
    settings: Mapping[str, Mapping[str, str]]
    written: Callable[[str, int, int], Written | None]
    broker_settings: Mapping[int, Mapping[str, str]] = MappingProxyType({})
    rate_of: Callable[[str, int], float | None] = lambda _topic, _partition: None
    disks: Disks = Disks()
    own_topics: AbstractSet[str] | None = None
    own_groups: AbstractSet[str] | None = None

    def retention_of(self, topic: str) -> Retention | None:
        """Return how long the topic keeps records, None while its settings are not known."""
        settings = self.settings.get(topic)
        return None if settings is None else retention(settings)

    def position(self, topic: str, partition: int, offset: int, log: Log) -> Position:
        """Return where a reader stands that reads `offset` next.

        Bytes are those of the log in proportion to its records: as true as records are alike.
        """
        oldest, end = log
        if end is None:
            return Position()
        first = max(offset, oldest or 0)
        age = most_age = None
        if first >= end:
            age = most_age = 0.0
        elif written := self.written(topic, partition, first):
            age, most_age = max(0.0, self.at - written.at), max(0.0, self.at - written.after)
        size, rate = self.disks.sizes.get((topic, partition)), self.rate_of(topic, partition)
        if size is None or oldest is None or oldest >= end:
            return Position(age, most_age)
        record_bytes = size / (end - oldest)
        inflow = None if rate is None else rate * record_bytes
        return Position(age, most_age, max(0, end - first) * record_bytes, inflow)
