"""The telemetry topic itself: made once, if it isn't there; looked at, if it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from collector.admin.client import Admin
from collector.admin.wire import Failure, TopicDescription
from collector.errors import Retry
from collector.topic.making import found_or_made, retry, soon
from collector.topic.settings import (
    PARTITIONS,
    Advice,
    Disk,
    advise,
    is_here,
    largest_disk,
    most_record_bytes,
)

SEGMENT_BYTES = 64 << 20
_CALL_S = 8.0
_SHORT_CALL_S = 3.0


class Found(NamedTuple):
    """The topic as it is. `topic_id` is another one when it was made anew.

    `record_bytes` is how large a record it takes, None when that isn't told.
    """

    topic_id: str
    record_bytes: int | None = None


class TopicCreation:
    """Makes sure that the topic is there, through the admin process. Changes nothing of it."""

    def __init__(
        self, admin: Admin, max_bytes: int, told: Callable[[Advice], None] = lambda _: None
    ) -> None:
        """`max_bytes` is the whole topic's, over its partitions; `told` is given the advice."""
        self._admin = admin
        self._max_bytes = max_bytes
        self._told = told
        self._least_in_sync = 1

    def ensure(self, topic: str) -> Found:
        """Return when brokers know the topic. Raises Retry."""
        found = found_or_made(self._admin, topic, PARTITIONS, self._config)
        return Found(found.topic_id, self._look(topic, found))

    def topic_id(self, topic: str) -> str | None:
        """The id of the topic as it is now, None when it was deleted. Raises Retry."""
        found = self._admin.describe_topic(topic, soon(_SHORT_CALL_S))
        if not isinstance(found, Failure):
            return found.topic_id
        if found.is_missing:
            return None
        raise retry(found, f"looking for {topic}")

    def why_no_answer(self, topic: str) -> Retry | None:
        """What the topic itself says of a write that brokers didn't acknowledge."""
        found = self._admin.describe_topic(topic, soon(_SHORT_CALL_S))
        if isinstance(found, Failure):
            return retry(found, f"writing to {topic}")
        if found.in_sync >= self._least_in_sync:
            return None
        return Retry(
            f"writing to {topic}: {found.in_sync} of {found.replication_factor} replicas are in "
            f"sync, min.insync.replicas asks for {self._least_in_sync}",
            "start the brokers that are down; where there are too few of them for good: "
            f"kafka-configs.sh --alter --topic {topic} --add-config min.insync.replicas=1",
        )

    def _config(self, replicas: int) -> dict[str, str]:
        """Bounded by bytes alone.

        Time would delete the backlog after a step of the clock, and at the centre on arrival: a
        mirror copies retention.ms but keeps the edge's timestamps.
        """
        partition_bytes = max(1 << 20, self._max_bytes // PARTITIONS)
        config = {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": str(partition_bytes),
            "segment.bytes": str(max(1 << 20, min(SEGMENT_BYTES, partition_bytes // 4))),
            "compression.type": "producer",
            "min.insync.replicas": str(max(1, replicas - 1)),
        }
        if replicas == 1:
            config["flush.ms"] = "1000"  # no other copy: a power cut takes at most a second
        return config

    def _look(self, topic: str, found: TopicDescription) -> int | None:
        """Tell what is wrong with the topic; return how large a record it takes.

        Without the right to DescribeConfigs nobody can tell, and that is no reason to stop.
        """
        config = self._admin.topic_config(topic, soon(_CALL_S))
        if isinstance(config, Failure):
            return None
        self._least_in_sync = int(config.values.get("min.insync.replicas", "1"))
        self._told(advise(topic, found.partitions, config.values, self._disk()))
        return most_record_bytes(config.values)

    def _disk(self) -> Disk | None:
        """The largest disk of this machine, if the only broker is on it too."""
        brokers = self._admin.brokers(soon(_SHORT_CALL_S))
        if isinstance(brokers, Failure) or not all(is_here(broker.host) for broker in brokers):
            return None
        return largest_disk()
