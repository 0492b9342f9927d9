"""The telemetry topic itself: made once, if it isn't there."""

from __future__ import annotations

import time
from threading import Event

from collector.admin.client import Admin, hint
from collector.admin.wire import Failure
from collector.errors import Retry

PARTITIONS = 3  # a tier each: vital 0, standard 1, detail 2
MOST_REPLICAS = 3
SEGMENT_BYTES = 64 << 20
_CALL_S = 8.0
_UNTIL_KNOWN_S = 5.0


class TopicCreation:
    """Makes sure that the topic is there, through the admin process."""

    def __init__(self, admin: Admin, max_bytes: int) -> None:
        """`max_bytes` is the whole topic's, over its partitions."""
        self._admin = admin
        self._max_bytes = max_bytes

    def ensure(self, topic: str) -> None:
        """Return when brokers know the topic. Raises Retry."""
        found = self._admin.describe_topic(topic, time.monotonic() + _CALL_S)
        if not isinstance(found, Failure):
            return
        if not found.is_missing:
            raise _retry(found, f"looking for {topic}")
        brokers = self._admin.brokers(time.monotonic() + _CALL_S)
        if isinstance(brokers, Failure):
            raise _retry(brokers, "counting the brokers")
        replicas = max(1, min(MOST_REPLICAS, len(brokers)))
        failure = self._admin.create_topic(
            topic, PARTITIONS, replicas, self._config(replicas), time.monotonic() + _CALL_S
        )
        if failure is not None and failure.code != "TOPIC_ALREADY_EXISTS":
            raise _retry(failure, f"creating {topic}")
        self._wait_until_known(topic)

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

    def _wait_until_known(self, topic: str) -> None:
        until = time.monotonic() + _UNTIL_KNOWN_S
        pause = Event()
        while time.monotonic() < until:
            found = self._admin.describe_topic(topic, time.monotonic() + _CALL_S)
            if not isinstance(found, Failure):
                return
            pause.wait(0.2)
        raise Retry(f"{topic} was created, but the broker doesn't know it yet", reached=False)


def _retry(failure: Failure, doing: str) -> Retry:
    return Retry(
        f"{doing}: {failure.text} ({failure.code})",
        hint(failure),
        hold=failure.is_forbidden,
        reached=False,
    )
