"""What the answers to one request for a snapshot come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from collector.admin.wire import (
    Answer,
    Broker,
    Cluster,
    Commits,
    Failure,
    Group,
    Groups,
    LeftOut,
    Offsets,
    OwnGroups,
    Topic,
    Topics,
)


@dataclass(slots=True)
class Snapshot:
    """What one request told of a cluster, as far as it came.

    `offsets` is {(topic, partition): (oldest offset, end offset)} and `commits` {(group, topic,
    partition): [committed offset, oldest offset, end offset read after it]}, -1 for one that
    Kafka did not give. `failures` says what Kafka refused, `failure` how our own process failed.
    `is_topics_whole`: all brokers, topics and offsets that can be had are here. `own_topics` and
    `own_groups` are the names of those that are ours now; None while that was not told.
    """

    brokers: list[Broker] = field(default_factory=list)
    cluster_id: str = ""
    topics: list[Topic] = field(default_factory=list)
    offsets: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    is_topics_whole: bool = False
    groups: list[Group] = field(default_factory=list)
    commits: dict[tuple[str, str, int], list[int]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    failure: Failure | None = None
    own_topics: frozenset[str] | None = None
    own_groups: frozenset[str] | None = None

    @classmethod
    def of(cls, answers: Iterable[Answer], failure: Failure | None) -> Self:
        """Put the parts of an answer together."""
        snapshot = cls(failure=failure)
        for answer in answers:
            match answer:
                case Cluster():
                    snapshot.brokers, snapshot.cluster_id = answer.brokers, answer.id
                case Topics():
                    snapshot.topics = answer.topics
                    snapshot.own_topics = frozenset(topic.name for topic in answer.topics)
                case Offsets():
                    snapshot.is_topics_whole |= answer.is_last
                    snapshot.offsets |= {
                        (t, p): (first, end) for t, p, first, end in answer.offsets
                    }
                case OwnGroups():
                    snapshot.own_groups = frozenset(answer.names)
                case Groups():
                    snapshot.groups = answer.groups
                    if snapshot.own_groups is None:
                        snapshot.own_groups = frozenset(group.name for group in answer.groups)
                case Commits():
                    snapshot.commits |= {
                        (answer.group, t, p): offsets for t, p, *offsets in answer.offsets
                    }
                case LeftOut():
                    snapshot.left_out[answer.what] = answer.count
                case Failure():
                    snapshot.failures.append(answer)
                case _:
                    pass
        return snapshot
