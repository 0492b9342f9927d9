"""The telemetry topic itself: made once, if it isn't there; looked at, if it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import NamedTuple

from collector.admin.client import Admin, hint
from collector.admin.wire import Failure, TopicDescription
from collector.errors import Retry
from collector.topic.settings import (
    PARTITIONS,
    Advice,
    Disk,
    advise,
    is_here,
    largest_disk,
    most_record_bytes,
)

MOST_REPLICAS = 3
SEGMENT_BYTES = 64 << 20
_CALL_S = 8.0
_SHORT_CALL_S = 3.0
# A mirror stamps with our broker's clock and asks its own whether that can be: by default a record
# of more than an hour ahead is refused, and MirrorMaker 2 then ends its task, with all its topics.
# It copies this setting, which means nothing here, where the broker stamps.
_ANY_CLOCK = {"message.timestamp.after.max.ms": str((1 << 63) - 1)}
_UNTIL_KNOWN_S = 5.0


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
        self._partitions = PARTITIONS

    def ensure(self, topic: str) -> Found:
        """Return when brokers know the topic. Raises Retry."""
        found = self._admin.describe_topic(topic, _soon(_CALL_S))
        if isinstance(found, Failure):
            if not found.is_missing:
                raise _retry(found, f"looking for {topic}")
            found = self._create(topic)
        return Found(found.topic_id, self._look(topic, found))

    def topic_id(self, topic: str) -> str | None:
        """The id of the topic as it is now, None when it was deleted. Raises Retry."""
        found = self._admin.describe_topic(topic, _soon(_SHORT_CALL_S))
        if not isinstance(found, Failure):
            return found.topic_id
        if found.is_missing:
            return None
        raise _retry(found, f"looking for {topic}")

    def why_no_answer(self, topic: str) -> Retry | None:
        """What the topic itself says of a write that brokers didn't acknowledge."""
        found = self._admin.describe_topic(topic, _soon(_SHORT_CALL_S))
        if isinstance(found, Failure):
            return _retry(found, f"writing to {topic}")
        if found.in_sync >= self._least_in_sync:
            return None
        return Retry(
            f"writing to {topic}: {found.in_sync} of {found.replication_factor} replicas are in "
            f"sync, min.insync.replicas asks for {self._least_in_sync}",
            "start the brokers that are down; where there are too few of them for good: "
            f"kafka-configs.sh --alter --topic {topic} --add-config min.insync.replicas=1",
        )

    def _create(self, topic: str) -> TopicDescription:
        brokers = self._admin.brokers(_soon(_CALL_S))
        if isinstance(brokers, Failure):
            raise _retry(brokers, "counting the brokers")
        replicas = max(1, min(MOST_REPLICAS, len(brokers)))
        config = self._config(replicas)
        failure = self._make(topic, replicas, config | _ANY_CLOCK)
        if failure is not None and failure.code == "INVALID_CONFIG":  # a broker older than 3.6
            failure = self._make(topic, replicas, config)
        if failure is not None and failure.code != "TOPIC_ALREADY_EXISTS":
            raise _retry(failure, f"creating {topic}")
        return self._wait_until_known(topic)

    def _make(self, topic: str, replicas: int, config: dict[str, str]) -> Failure | None:
        return self._admin.create_topic(topic, PARTITIONS, replicas, config, _soon(_CALL_S))

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
            "message.timestamp.type": "LogAppendTime",
            "compression.type": "producer",
            "min.insync.replicas": str(max(1, replicas - 1)),
        }
        if replicas == 1:
            config["flush.ms"] = "1000"  # no other copy: a power cut takes at most a second
        return config

    def _wait_until_known(self, topic: str) -> TopicDescription:
        until = _soon(_UNTIL_KNOWN_S)
        pause = Event()
        while time.monotonic() < until:
            found = self._admin.describe_topic(topic, _soon(_CALL_S))
            if not isinstance(found, Failure):
                return found
            pause.wait(0.2)
        raise Retry(f"{topic} was created, but the broker doesn't know it yet", reached=False)

    def _look(self, topic: str, found: TopicDescription) -> int | None:
        """Tell what is wrong with the topic; return how large a record it takes.

        Without the right to DescribeConfigs nobody can tell, and that is no reason to stop.
        """
        config = self._admin.topic_config(topic, _soon(_CALL_S))
        if isinstance(config, Failure):
            return None
        self._least_in_sync = int(config.values.get("min.insync.replicas", "1"))
        self._told(advise(topic, found.partitions, config.values, self._disk()))
        return most_record_bytes(config.values)

    def _disk(self) -> Disk | None:
        """The largest disk of this machine, if the only broker is on it too."""
        brokers = self._admin.brokers(_soon(_SHORT_CALL_S))
        if isinstance(brokers, Failure) or not all(is_here(broker.host) for broker in brokers):
            return None
        return largest_disk()


def _soon(seconds: float) -> float:
    return time.monotonic() + seconds


def _retry(failure: Failure, doing: str) -> Retry:
    return Retry(
        f"{doing}: {failure.text} ({failure.code})",
        hint(failure),
        hold=failure.is_forbidden,
        reached=False,
    )
