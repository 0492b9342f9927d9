"""Topics and consumer groups: what kafka_exporter has no name for."""

from __future__ import annotations

from collector.catalog.metric import Metric, Tier
from collector.series import Kind


def _gauge(name: str, unit: str, labels: tuple[str, ...], tier: Tier, text: str) -> Metric:
    return Metric(name, Kind.GAUGE, unit, labels, tier, text)


_TOPIC = ("topic",)
_GROUP = ("consumergroup", "topic")

TOPICS = (
    _gauge(
        "edgevitals_topic_leaderless_partitions",
        "",
        _TOPIC,
        "vital",
        "Partitions of the topic that no broker leads.",
    ),
    _gauge(
        "edgevitals_topic_unpreferred_partitions",
        "",
        _TOPIC,
        "standard",
        "Partitions of the topic that another than the first of their replicas leads.",
    ),
    _gauge(
        "edgevitals_topic_under_replicated_partitions",
        "",
        _TOPIC,
        "vital",
        "Partitions of the topic with a replica that is not in sync.",
    ),
    _gauge(
        "edgevitals_topic_under_min_isr_partitions",
        "",
        _TOPIC,
        "vital",
        "Partitions of the topic with fewer replicas in sync than its min.insync.replicas.",
    ),
    _gauge(
        "edgevitals_topic_replicas",
        "",
        _TOPIC,
        "standard",
        "Replicas of the topic, all partitions together.",
    ),
    _gauge(
        "edgevitals_topic_in_sync_replicas",
        "",
        _TOPIC,
        "standard",
        "Replicas of the topic that are in sync, all partitions together.",
    ),
    _gauge(
        "edgevitals_topic_oldest_offsets",
        "",
        _TOPIC,
        "standard",
        "Oldest offsets of the topic, all partitions together; absent when one is not known.",
    ),
    _gauge(
        "edgevitals_topic_end_offsets",
        "",
        _TOPIC,
        "standard",
        "End offsets of the topic, all partitions together; absent when one is not known.",
    ),
    _gauge(
        "edgevitals_topic_size_bytes",
        "bytes",
        (*_TOPIC, "broker"),
        "standard",
        "Bytes of the topic's replicas on the disks of our own broker.",
    ),
    _gauge(
        "edgevitals_topic_retention_seconds",
        "seconds",
        _TOPIC,
        "standard",
        "How long the topic is set to keep records; absent without a bound.",
    ),
    _gauge(
        "edgevitals_topic_retention_bytes",
        "bytes",
        _TOPIC,
        "standard",
        "How much each partition of the topic is set to keep; absent without a bound.",
    ),
    _gauge(
        "edgevitals_topic_oldest_record_age_seconds",
        "seconds",
        _TOPIC,
        "standard",
        "Age of the oldest record that the topic still has: how long it keeps records in fact.",
    ),
)

_DIRECTORY = ("broker", "directory")

DISKS = (
    _gauge(
        "edgevitals_broker_log_bytes",
        "bytes",
        ("broker",),
        "standard",
        "Bytes of all replicas on the disks of our own broker.",
    ),
    _gauge(
        "edgevitals_log_directory_offline",
        "",
        _DIRECTORY,
        "vital",
        "1 if our own broker has taken this log directory out of service, else 0.",
    ),
    _gauge(
        "edgevitals_log_directory_size_bytes",
        "bytes",
        _DIRECTORY,
        "standard",
        "Size of the disk that the log directory is on; absent where it can't be seen from here.",
    ),
    _gauge(
        "edgevitals_log_directory_free_bytes",
        "bytes",
        _DIRECTORY,
        "vital",
        "Free bytes of the disk that the log directory is on.",
    ),
    _gauge(
        "edgevitals_log_directory_runway_seconds",
        "seconds",
        _DIRECTORY,
        "vital",
        "Time until that disk is full, as fast as it filled in the last hour; absent for the first "
        "ten minutes, and while it doesn't fill.",
    ),
)

GROUPS = (
    Metric(
        "edgevitals_group_info",
        Kind.INFO,
        "",
        ("consumergroup", "state", "type", "coordinator"),
        "standard",
        "1, with the state and type that Kafka gives the group, and the id of its coordinator.",
    ),
    _gauge(
        "edgevitals_group_lag_seconds",
        "seconds",
        _GROUP,
        "vital",
        "Age of the oldest record of the topic that the group has not committed; 0 when it has "
        "committed all. Of several partitions the worst.",
    ),
    _gauge(
        "edgevitals_group_partition_lag_seconds",
        "seconds",
        (*_GROUP, "partition"),
        "detail",
        "Age of the oldest record of the partition that the group has not committed.",
    ),
    _gauge(
        "edgevitals_group_lost_records",
        "",
        _GROUP,
        "vital",
        "Offsets between what the group committed and the oldest that is kept: records that it "
        "can't read any more.",
    ),
    _gauge(
        "edgevitals_group_time_to_loss_seconds",
        "seconds",
        _GROUP,
        "vital",
        "Time until retention may delete a record that the group has not committed, if it reads "
        "no more; the partition with the least. Absent where nothing is lost by retention.",
    ),
)
