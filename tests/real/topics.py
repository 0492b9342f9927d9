"""Topics and commits that a test makes itself, by Kafka's own client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.lab.kafka import Kafka

QUIET: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}


def create(
    broker: Kafka, topic: str, partitions: int = 1, config: Mapping[str, str] | None = None
) -> None:
    """Make a topic; return when Kafka has taken it."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    wanted = [NewTopic(topic, num_partitions=partitions, config=dict(config or {}))]
    for future in client.create_topics(wanted).values():
        future.result(30)


def commit(broker: Kafka, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit offsets by partition, for a group that has no members."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group, **QUIET})
    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    done = consumer.commit(offsets=places, asynchronous=False)
    assert all(place.error is None for place in done)
    consumer.close()
