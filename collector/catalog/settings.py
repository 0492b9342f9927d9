"""Settings of topics and brokers that matter: which of them are shown, as labels."""

from __future__ import annotations

from collector.catalog.metric import Metric
from collector.series import Kind

TOPIC_KEYS = (
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "message.timestamp.type",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
    "unclean.leader.election.enable",
)
BROKER_KEYS = (
    "auto.create.topics.enable",
    "auto.leader.rebalance.enable",
    "default.replication.factor",
    "delete.topic.enable",
    "listener.security.protocol.map",
    "log.cleanup.policy",
    "log.retention.bytes",
    "log.retention.hours",
    "log.retention.ms",
    "log.segment.bytes",
    "message.max.bytes",
    "min.insync.replicas",
    "num.partitions",
    "offsets.retention.minutes",
    "offsets.topic.replication.factor",
    "sasl.enabled.mechanisms",
    "ssl.client.auth",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
    "unclean.leader.election.enable",
)
"""In the order of their labels."""


def label_of(key: str) -> str:
    """`retention.ms` as the name of a label."""
    return key.replace(".", "_")


SETTINGS = (
    Metric(
        "edgevitals_topic_settings_info",
        Kind.INFO,
        "",
        ("topic", *map(label_of, TOPIC_KEYS)),
        "standard",
        "1, with the settings in force as labels; `unset` where Kafka has none.",
    ),
    Metric(
        "edgevitals_topic_settings_hash",
        Kind.GAUGE,
        "",
        ("topic",),
        "standard",
        "A number made of all settings in force of the topic: another one when one changes.",
    ),
    Metric(
        "edgevitals_broker_settings_info",
        Kind.INFO,
        "",
        ("broker", *map(label_of, BROKER_KEYS)),
        "standard",
        "1, with the settings in force as labels; `unset` where Kafka has none.",
    ),
    Metric(
        "edgevitals_broker_settings_hash",
        Kind.GAUGE,
        "",
        ("broker",),
        "standard",
        "A number made of all settings in force of the broker but the secret ones: another one "
        "when one changes.",
    ),
)
