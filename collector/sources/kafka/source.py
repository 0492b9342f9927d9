"""The source: a view of the cluster as a reading."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from collector.admin.client import hint
from collector.admin.wire import Failure
from collector.cluster.own_broker import MOST_LOGS
from collector.cluster.reading import MAX_COMMITS, MAX_GROUPS, MAX_PARTITIONS, Reader
from collector.config import KafkaConfig
from collector.errors import SourceError
from collector.patterns import matcher
from collector.series import TargetSeries
from collector.sources.kafka import names
from collector.sources.kafka.disks import LogDirectories
from collector.sources.kafka.groups import Groups
from collector.sources.kafka.settings import Settings
from collector.sources.kafka.topics import Topics
from collector.target import Reading

MOST_REPEATS = 3
"""Reads in a row that may repeat the last good values because our admin process died."""

log = logging.getLogger(__name__)


class KafkaSource:
    """Reads a cluster through the admin process."""

    def __init__(
        self, reader: Reader, series: TargetSeries, config: KafkaConfig, root: Path = Path("/")
    ) -> None:
        """`root` is the host's, where log directories are looked for."""
        self._reader = reader
        self._series = series
        has_partitions = matcher(config.partitions)
        is_topic = matcher(config.topics, config.exclude_topics)
        is_group = matcher(config.groups, config.exclude_groups)
        self._topics = Topics(series, is_topic, has_partitions)
        self._settings = Settings(series, is_topic)
        self._groups = Groups(series, is_group, has_partitions)
        self._disks = LogDirectories(series, root)
        self._topic_part = _Part("topics")
        self._group_part = _Part("groups")
        self._last_left_out: dict[str, int] = {}

    def read(self, deadline: float) -> Reading:
        """Read the cluster once; see `collector.target.Source`.

        While our own admin process fails, what it did not tell is repeated, at most MOST_REPEATS
        times in a row; its age says so. After that there are no groups, or, when there are no
        topics either, a SourceError. What this read shows to be another collector's now is not
        repeated: it would count twice.
        """
        view = self._reader.view(deadline)
        now = time.monotonic()
        lost = view.lost
        if lost is None and not view.is_topics_whole:
            self._topic_part.forget()
            self._group_part.forget()
            raise _down(view.failures)
        if view.is_topics_whole:
            self._topic_part.take(self._topics.values(view) | self._settings.values(view), now)
        elif self._topic_part.repeat():
            self._topic_part.keep(self._series, "topic", view.own_topics)
        else:
            assert lost is not None
            raise _down([lost])
        if lost is None:
            self._group_part.take(self._groups.values(view), now)
        elif self._group_part.repeat():
            self._group_part.keep(self._series, "consumergroup", view.own_groups)
        values = self._topic_part.values | self._group_part.values | self._disks.values(view)
        for part in (self._topic_part, self._group_part):
            if part.taken_at is not None:
                values[self._series.intern(names.AGE, {"part": part.name})] = now - part.taken_at
        for failure in (*view.failures, *([lost] if lost else [])):
            labels = {"call": failure.call, "error": failure.code}
            values[self._series.intern(names.FAILURES, labels)] = failure.count
        if view.broker is not None:
            values[self._series.intern(names.OWN_BROKER, {})] = view.broker
        self._say_left_out({**view.left_out, "sizes": view.disks.left_out})
        return Reading(list(values), list(map(float, values.values())))

    def close(self) -> None:
        """The admin process belongs to the program, which ends it."""
        self._reader.close()

    def _say_left_out(self, left_out: Mapping[str, int]) -> None:
        """Log what is over a bound, when that changes. Times are not: they come with time."""
        now_left_out = {
            what: count for what, count in left_out.items() if count and what != "times"
        }
        if now_left_out != self._last_left_out:
            self._last_left_out = now_left_out
            if now_left_out:
                what = ", ".join(f"{count} {what}" for what, count in now_left_out.items())
                log.warning(
                    "kafka: %s were not read: a read takes at most %d partitions, %d groups, "
                    "%d commits and the sizes of %d replicas. Name fewer in sources.kafka.topics "
                    "or sources.kafka.groups; of sizes there are none where there are more",
                    what,
                    MAX_PARTITIONS,
                    MAX_GROUPS,
                    MAX_COMMITS,
                    MOST_LOGS,
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

    def keep(self, series: TargetSeries, label: str, own: AbstractSet[str] | None) -> None:
        """Let go of what is about a topic or a group that is no longer ours; None: not known."""
        if own is None:
            return
        self.values = {
            known: value
            for known, value in self.values.items()
            if _is_ours(series.labels(known), label, own)
        }

    def forget(self) -> None:
        self.values, self.taken_at, self._repeats = {}, None, 0


def _is_ours(labels: Mapping[str, str], label: str, own: AbstractSet[str]) -> bool:
    """With a label `broker` it is about our own broker's disks, whoever leads."""
    return label not in labels or "broker" in labels or labels[label] in own


def _down(failures: Sequence[Failure]) -> SourceError:
    if not failures:
        return SourceError("Kafka told nothing", "report this with the broker's version")
    return SourceError(str(failures[0]), hint(failures[0]))
