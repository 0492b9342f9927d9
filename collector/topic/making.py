"""A topic of ours, telemetry or pulse: looked for, and made where it isn't there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Event

from collector.admin.client import Admin, hint
from collector.admin.wire import Failure, TopicDescription
from collector.errors import Retry

MOST_REPLICAS = 3
_CALL_S = 8.0
_UNTIL_KNOWN_S = 5.0
# A mirror stamps with our broker's clock and asks its own whether that can be: by default a record
# of more than an hour ahead is refused, and MirrorMaker 2 then ends its task, with all its topics.
# It copies this setting, which means nothing here, where the broker stamps.
_ANY_CLOCK = {
    "message.timestamp.type": "LogAppendTime",
    "message.timestamp.after.max.ms": str((1 << 63) - 1),
}
_OF_OLD_BROKERS = {"message.timestamp.type": "LogAppendTime"}  # before 3.6


def found_or_made(
    admin: Admin, topic: str, partitions: int, config: Callable[[int], dict[str, str]]
) -> TopicDescription:
    """Return the topic when brokers know it. Raises Retry.

    `config` is given the number of replicas and returns the settings beside those of the time.
    """
    found = admin.describe_topic(topic, soon(_CALL_S))
    if not isinstance(found, Failure):
        return found
    if not found.is_missing:
        raise retry(found, f"looking for {topic}")
    brokers = admin.brokers(soon(_CALL_S))
    if isinstance(brokers, Failure):
        raise retry(brokers, "counting the brokers")
    replicas = max(1, min(MOST_REPLICAS, len(brokers)))

    def made(of_time: Mapping[str, str]) -> Failure | None:
        settings = {**config(replicas), **of_time}
        return admin.create_topic(topic, partitions, replicas, settings, soon(_CALL_S))

    failure = made(_ANY_CLOCK)
    if failure is not None and failure.code == "INVALID_CONFIG":
        failure = made(_OF_OLD_BROKERS)
    if failure is not None and failure.code != "TOPIC_ALREADY_EXISTS":
        raise retry(failure, f"creating {topic}")
    return _known(admin, topic)


def soon(seconds: float) -> float:
    """Return the deadline of a call that may take so long."""
    return time.monotonic() + seconds


def retry(failure: Failure, doing: str) -> Retry:
    """Return what a failed call means to a pump."""
    return Retry(
        f"{doing}: {failure.text} ({failure.code})",
        hint(failure),
        hold=failure.is_forbidden,
        reached=False,
    )


def _known(admin: Admin, topic: str) -> TopicDescription:
    until = soon(_UNTIL_KNOWN_S)
    pause = Event()
    while time.monotonic() < until:
        found = admin.describe_topic(topic, soon(_CALL_S))
        if not isinstance(found, Failure):
            return found
        pause.wait(0.2)
    raise Retry(f"{topic} was created, but the broker doesn't know it yet", reached=False)
