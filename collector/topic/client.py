"""What all Kafka clients of the topic share: properties, and what is heard of their trouble."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from collector.errors import ConfigError, Rejected, Retry

Properties = Mapping[str, str | int | float | bool]


class TopicPlace(NamedTuple):
    """A topic and the partition of a stream's tier in it."""

    topic: str
    partition: int


# librdkafka writes about 20 lines a second and client while a broker is away. What it says of
# connections reaches a person through the status page, once.
SILENT = logging.getLogger("collector.librdkafka")
SILENT.setLevel(logging.CRITICAL)
SILENT.propagate = False
SILENT.addHandler(logging.NullHandler())

_OWN: Properties = {
    "client.id": "edgevitals",
    "reconnect.backoff.max.ms": 10_000,
    "socket.keepalive.enable": True,
}

_NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes begin with _
    KafkaError.SASL_AUTHENTICATION_FAILED,
}
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}


def properties(kafka: Properties, own: Mapping[str, Any]) -> dict[str, Any]:
    """The user's properties, and ours over them where the line depends on it."""
    return {**_OWN, **kafka, **own}


def consumer(properties: Mapping[str, Any]) -> Consumer:
    """Raises ConfigError for properties that librdkafka refuses."""
    try:
        return Consumer(dict(properties), logger=SILENT)
    except KafkaException as error:
        raise _refused(error) from error


def producer(properties: Mapping[str, Any]) -> Producer:
    """Raises ConfigError for properties that librdkafka refuses."""
    try:
        return Producer(dict(properties), logger=SILENT)
    except KafkaException as error:
        raise _refused(error) from error


def _refused(error: KafkaException) -> ConfigError:
    text = error.args[0].str().strip().removeprefix("Failed to create consumer: ")
    text = text.removeprefix("Failed to create producer: ")
    return ConfigError(
        f"kafka: {text}",
        "correct the properties under kafka:, all of them are in librdkafka's CONFIGURATION.md",
    )


def failure(error: KafkaError, doing: str) -> Retry | Rejected:
    """What an error means for the batch in hand."""
    text = f"{doing}: {error.str()} ({error.name()})"
    if error.code() in _TOO_LARGE:
        return Rejected(text, "raise max.message.bytes of the topic", reason="too_large")
    if error.code() in _NOT_ALLOWED:
        return Retry(text, "give this principal the right, see docs: Kafka ACLs", hold=True)
    return Retry(
        text,
        "check that the broker runs and that kafka: bootstrap.servers names it",
        reached=False,
    )
