"""Reads the cluster once a round, whoever asks first: the source kafka, or a link."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import NamedTuple

from collector.admin.client import Admin
from collector.admin.told import Snapshot
from collector.admin.wire import EVERY_BROKER, Failure, ReadSnapshot
from collector.cluster.own_broker import Disks, OwnBroker
from collector.cluster.settings import KeptSettings
from collector.cluster.times import Question, Times
from collector.cluster.view import Commit, GroupView, Log, Place, TopicView, View

MAX_PARTITIONS = 10_000
MAX_GROUPS = 500
MAX_COMMITS = 20_000
"""Of one read. What is over them is counted in `edgevitals_kafka_left_out` and said in the log."""

FRESH_S = 5.0
"""A view that is older is nobody's of this round: it is read anew."""

MOST_SETTINGS = 2_000
MOST_BROKERS = 20
"""Settings are read of so many topics and brokers at most."""

LEFT_FOR_TIMES_S = 0.3
"""Of the deadline. With less left, times are learnt at the next read."""


class Patterns(NamedTuple):
    """Which groups and topics are read: patterns of whole names, and those that are not."""

    groups: Sequence[str]
    topics: Sequence[str]
    exclude_groups: Sequence[str] = ()
    exclude_topics: Sequence[str] = ()


class Cluster:
    """The cluster, through the admin process. For any number of threads, each with a `Reader`."""

    def __init__(
        self,
        admin: Admin,
        patterns: Patterns,
        own_broker: OwnBroker | None = None,
    ) -> None:
        """`own_broker` tells whose groups and topics are ours; without one all are."""
        self._admin = admin
        self._patterns = patterns
        self._own_broker = own_broker
        self._reading = Lock()
        self._view: View | None = None
        self._number = 0
        self._readers = 0
        self._read_at = 0.0
        self._times = Times()
        self._settings = KeptSettings(admin.topic_configs, MOST_SETTINGS)
        self._broker_settings = KeptSettings(admin.broker_configs, MOST_BROKERS)

    def reader(self) -> Reader:
        """Return the cluster as one target sees it: a new view at each read."""
        self._readers += 1
        return Reader(self)

    def leave(self) -> None:
        """One reader less; the last one ends the session with our own broker's JVM."""
        with self._reading:
            self._readers -= 1
            if not self._readers and self._own_broker is not None:
                self._own_broker.close()

    def view_after(self, number: int, deadline: float) -> tuple[int, View]:
        """Return a view that is newer than `number`, and its number."""
        with self._reading:
            is_fresh = time.monotonic() - self._read_at < FRESH_S
            if self._view is None or self._number <= number or not is_fresh:
                self._view = None  # two of 10,000 partitions at a time are 7 MiB more
                self._view = self._read(deadline)
                self._number += 1
                self._read_at = time.monotonic()
            return self._number, self._view

    def _read(self, deadline: float) -> View:
        broker = self._own_broker.id(deadline) if self._own_broker is not None else None
        wanted = self._patterns
        found = self._admin.snapshot(
            ReadSnapshot(
                0,
                list(wanted.groups),
                list(wanted.topics),
                MAX_PARTITIONS,
                MAX_GROUPS,
                MAX_COMMITS,
                list(wanted.exclude_groups),
                list(wanted.exclude_topics),
                EVERY_BROKER if broker is None else broker,
            ),
            deadline,
        )
        now = time.time()
        topics, groups = _topics(found), _groups(found)
        failures = list(found.failures)
        if found.failure is None and found.is_topics_whole:
            names = {topic.name for topic in topics} | {
                topic for group in groups for topic, _ in group.commits
            }
            failures += self._settings.learn(names, deadline)
            alive = [one.id for one in found.brokers if broker is None or one.id == broker]
            failures += self._broker_settings.learn(alive, deadline)
            ask = self._asker(deadline, failures)
            unknown = self._times.learn(_wanted(topics, groups), _ends(topics, groups), now, ask)
            found.left_out["times"] = unknown
        disks = self._own_broker.disks(deadline) if self._own_broker is not None else Disks()
        if disks.failure is not None:
            failures.append(disks.failure)
        return View(
            now,
            broker,
            found.brokers,
            topics,
            groups,
            found.is_topics_whole,
            found.left_out,
            failures,
            found.failure,
            self._settings.of,
            self._times.written,
            self._broker_settings.of,
            self._times.rate,
            disks,
            found.own_topics,
            found.own_groups,
        )

    def _asker(
        self, deadline: float, failures: list[Failure]
    ) -> Callable[[Sequence[Question]], Iterable[tuple[str, int, int, int]] | None]:
        def ask(questions: Sequence[Question]) -> Iterable[tuple[str, int, int, int]] | None:
            if time.monotonic() > deadline - LEFT_FOR_TIMES_S:
                return None
            answers, failed = self._admin.times(questions, deadline)
            failures.extend(failed)
            return answers

        return ask


class Reader:
    """The cluster, for one target."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._number = 0

    def view(self, deadline: float) -> View:
        """Return a view that this reader has not had yet; who asks first in a round reads it."""
        self._number, view = self._cluster.view_after(self._number, deadline)
        return view

    def close(self) -> None:
        """No more views are read. Never raises."""
        self._cluster.leave()


def _topics(found: Snapshot) -> list[TopicView]:
    return [
        TopicView(
            topic.name,
            topic.partitions,
            {
                partition.id: _log(found.offsets[topic.name, partition.id])
                for partition in topic.partitions
                if (topic.name, partition.id) in found.offsets
            },
        )
        for topic in found.topics
    ]


def _groups(found: Snapshot) -> list[GroupView]:
    commits: dict[str, dict[Place, Commit]] = {}
    for (group, topic, partition), (offset, oldest, end) in found.commits.items():
        commits.setdefault(group, {})[topic, partition] = Commit(offset, _log((oldest, end)))
    return [
        GroupView(
            one.name, one.state, one.type, one.members, one.coordinator, commits.get(one.name, {})
        )
        for one in found.groups
    ]


def _log(ends: tuple[int, int]) -> Log:
    oldest, end = ends
    return Log(None if oldest < 0 else oldest, None if end < 0 else end)


def _ends(topics: Sequence[TopicView], groups: Sequence[GroupView]) -> dict[Place, Log]:
    """Of each partition the log as it was read last: that of a commit is read after the topic's."""
    logs: dict[Place, Log] = {
        (topic.name, partition): log for topic in topics for partition, log in topic.logs.items()
    }
    for group in groups:
        logs |= {place: commit.log for place, commit in group.commits.items()}
    return logs


def _wanted(
    topics: Sequence[TopicView], groups: Sequence[GroupView]
) -> Iterator[tuple[str, int, int]]:
    """Where groups stand that are behind, and the oldest records of topics: groups first."""
    for group in groups:
        for (topic, partition), (offset, log) in group.commits.items():
            if log.end is not None and offset < log.end:
                yield topic, partition, max(offset, log.oldest or 0)
    for view in topics:
        for partition, log in view.logs.items():
            if log.oldest is not None and log.end is not None and log.oldest < log.end:
                yield view.name, partition, log.oldest
