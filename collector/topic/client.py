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

_NO_RIGHT = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_OTHER_RIGHTS = {
    KafkaError.GROUP_AUTHORIZATION_FAILED: "--operation Read --group edgevitals. "
    "--resource-pattern-type prefixed",
}
_NOT_ALLOWED = _NO_RIGHT | {
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes begin with _
    KafkaError.SASL_AUTHENTICATION_FAILED,
}
_NEEDS_A_PERSON = {
    KafkaError.INVALID_TIMESTAMP: "the clocks of this machine and of the broker differ: set them, "
    "or let the topic take the broker's: kafka-configs.sh --alter --add-config "
    "message.timestamp.type=LogAppendTime --topic ...",
    KafkaError.INVALID_RECORD: "our records have no keys, a compacted topic refuses them: "
    "kafka-configs.sh --alter --add-config cleanup.policy=delete --topic ...",
    KafkaError.POLICY_VIOLATION: "a policy of the cluster refuses the topic: make it by hand",
}
_HINTS = {
    KafkaError._UNKNOWN_PARTITION: "a topic that was deleted is made again at the next try; one "  # noqa: SLF001
    "with fewer partitions than tiers needs kafka-topics.sh --alter --partitions 3",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "it was deleted, and is made again at the next try",
    KafkaError._UNKNOWN_TOPIC: "it was deleted, and is made again at the next try",  # noqa: SLF001
    KafkaError.KAFKA_STORAGE_ERROR: "the broker's disk is full or broken: look at its log",
    KafkaError.NOT_ENOUGH_REPLICAS: "start the brokers that are down",
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "start the brokers that are down",
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


def onlooker(kafka: Properties, group: str) -> Consumer:
    """A consumer that reads where it is told, joins no group and commits nothing.

    librdkafka wants a group's name all the same. Raises ConfigError as `consumer` does.
    """
    return consumer(
        properties(
            kafka,
            {
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 4096,
                "fetch.message.max.bytes": 1 << 20,
                "error_cb": lambda _: None,  # what matters comes back from the calls
            },
        )
    )


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


def failure(error: KafkaError, doing: str, needs: str = "") -> Retry | Rejected:
    """What an error means for the batch in hand.

    `needs` is the right that it takes, as kafka-acls.sh is told it: `--operation Read --topic t`.
    """
    text = f"{doing}: {error.str()} ({error.name()})"
    code = error.code()
    if code in _TOO_LARGE:
        return Rejected(text, "raise max.message.bytes of the topic", reason="too_large")
    if code in _NOT_ALLOWED:
        says = "check the user and the password under kafka:"
        if code in _NO_RIGHT:
            right = _OTHER_RIGHTS.get(code, needs)
            says = f"give the collector's user the right: kafka-acls.sh --add {right}".strip()
            if code == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                says += "; brokers before 3.0 ask for --operation IdempotentWrite --cluster too"
        return Retry(text, says, hold=True)
    if code in _NEEDS_A_PERSON:
        return Retry(text, _NEEDS_A_PERSON[code], hold=True)
    return Retry(
        text,
        _HINTS.get(code, "check that the broker runs and that kafka: bootstrap.servers names it"),
        reached=False,
    )
