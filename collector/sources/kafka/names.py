"""What the source calls what it tells."""

from __future__ import annotations

from collector import catalog
from collector.series import Family, Kind


def _gauge(name: str, text: str) -> Family:
    # kafka_exporter's offsets are gauges too: they go back when a topic is made anew.
    return Family(name, Kind.GAUGE, help=text)


def _own(name: str) -> Family:
    return catalog.OWN[name].family


BROKERS = _gauge("kafka_brokers", "Brokers that are alive in the cluster.")
BROKER_INFO = _gauge("kafka_broker_info", "1 for each broker that is alive.")
PARTITIONS = _gauge("kafka_topic_partitions", "Partitions of the topic.")
OLDEST = _gauge("kafka_topic_partition_oldest_offset", "Offset of the oldest record kept.")
END = _gauge("kafka_topic_partition_current_offset", "End offset: that of the next record.")
LEADER = _gauge("kafka_topic_partition_leader", "Id of the leading broker; absent without one.")
PREFERRED = _gauge(
    "kafka_topic_partition_leader_is_preferred", "1 if the first of the replicas leads."
)
REPLICAS = _gauge("kafka_topic_partition_replicas", "Replicas of the partition.")
IN_SYNC = _gauge("kafka_topic_partition_in_sync_replica", "Replicas that are in sync.")
UNDER_REPLICATED = _gauge(
    "kafka_topic_partition_under_replicated_partition", "1 if a replica is not in sync."
)
OF_PARTITION = (OLDEST, END, LEADER, PREFERRED, REPLICAS, IN_SYNC, UNDER_REPLICATED)

MEMBERS = _gauge("kafka_consumergroup_members", "Members of the group.")
COMMITTED = _gauge("kafka_consumergroup_current_offset", "Offset that the group committed.")
COMMITTED_SUM = _gauge(
    "kafka_consumergroup_current_offset_sum", "Committed offsets, all partitions of the topic."
)
LAG = _gauge("kafka_consumergroup_lag", "Records between the commit and the end offset.")
LAG_SUM = _gauge("kafka_consumergroup_lag_sum", "Lag, all partitions of the topic.")

LEADERLESS = _own("edgevitals_topic_leaderless_partitions")
UNPREFERRED = _own("edgevitals_topic_unpreferred_partitions")
UNDER_REPLICATED_ALL = _own("edgevitals_topic_under_replicated_partitions")
UNDER_MIN_ISR = _own("edgevitals_topic_under_min_isr_partitions")
REPLICAS_ALL = _own("edgevitals_topic_replicas")
IN_SYNC_ALL = _own("edgevitals_topic_in_sync_replicas")
OLDEST_SUM = _own("edgevitals_topic_oldest_offsets")
END_SUM = _own("edgevitals_topic_end_offsets")
SIZE = _own("edgevitals_topic_size_bytes")
RETENTION_SECONDS = _own("edgevitals_topic_retention_seconds")
RETENTION_BYTES = _own("edgevitals_topic_retention_bytes")
OLDEST_AGE = _own("edgevitals_topic_oldest_record_age_seconds")

GROUP_INFO = _own("edgevitals_group_info")
LAG_SECONDS = _own("edgevitals_group_lag_seconds")
LAG_SECONDS_OF_PARTITION = _own("edgevitals_group_partition_lag_seconds")
LOST_RECORDS = _own("edgevitals_group_lost_records")
TIME_TO_LOSS = _own("edgevitals_group_time_to_loss_seconds")

TOPIC_SETTINGS = _own("edgevitals_topic_settings_info")
TOPIC_SETTINGS_HASH = _own("edgevitals_topic_settings_hash")
BROKER_SETTINGS = _own("edgevitals_broker_settings_info")
BROKER_SETTINGS_HASH = _own("edgevitals_broker_settings_hash")

BROKER_DATA = _own("edgevitals_broker_log_bytes")
DIRECTORY_OFFLINE = _own("edgevitals_log_directory_offline")
DIRECTORY_SIZE = _own("edgevitals_log_directory_size_bytes")
DIRECTORY_FREE = _own("edgevitals_log_directory_free_bytes")
DIRECTORY_RUNWAY = _own("edgevitals_log_directory_runway_seconds")

AGE = _own("edgevitals_kafka_age_seconds")
FAILURES = _own("edgevitals_kafka_failures")
LEFT_OUT = _own("edgevitals_kafka_left_out")
OWN_BROKER = _own("edgevitals_kafka_own_broker")
