"""Who we are in a consumer group, and how we read in it.

A member is static (KIP-345): it keeps its partitions over a restart, also after a kill or a power
cut, and the group notices nothing of a restart within the session's time (45 s). The other side of
it: what is stopped for good keeps its partitions for so long as well, and then another collector
takes them over. A stop can't know whether a restart follows. A dynamic member leaves at once, but
then each restart costs two rebalances, and one after a kill waits for the dead one's session, with
nothing delivered meanwhile. Restarts are the usual case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka import KafkaError

from collector.topic.client import Properties, properties

# A batch that goes round by round over a thin link outlasts the default of 5 minutes; a reader that
# is dead is noticed by its session all the same.
_POLL_INTERVAL_MS = 1_800_000


class Member(NamedTuple):
    """Who we are in the consumer group. `instance` stays the same over restarts."""

    group: str
    instance: str


def reading_properties(
    kafka: Properties, member: Member, on_error: Callable[[KafkaError], None]
) -> dict[str, Any]:
    """The properties of a consumer of the group."""
    ours: Properties = {
        "max.poll.interval.ms": _POLL_INTERVAL_MS,
        # Most topics have their data in one partition of three. By range, which shares out each
        # topic alone, they would all be one member's.
        "partition.assignment.strategy": "roundrobin",
    }
    return properties(
        {**ours, **kafka},
        {
            "group.id": member.group,
            # Without it a killed collector's place stays taken until its session ends.
            "group.instance.id": member.instance,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "queued.min.messages": 100,
            "queued.max.messages.kbytes": 4096,
            "fetch.message.max.bytes": 1 << 20,
            "allow.auto.create.topics": False,
            "topic.metadata.refresh.interval.ms": 10_000,
            "error_cb": on_error,
        },
    )
