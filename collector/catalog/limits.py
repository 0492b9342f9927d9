"""What the shipped alerts read of others, and the numbers that they compare with."""

from __future__ import annotations

from typing import NamedTuple

from collector.catalog.metric import Metric
from collector.series import Kind


class Limit(NamedTuple):
    """A number that an alert compares with. The rule files repeat it; a test compares the two."""

    alert: str
    value: float
    unit: str
    help: str


def _gauge(name: str, unit: str, labels: tuple[str, ...], text: str) -> Metric:
    return Metric(name, Kind.GAUGE, unit, labels, "vital", text)


_FILESYSTEM = ("device", "fstype", "mountpoint")

READ_BY_ALERTS = (
    _gauge(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        "",
        (),
        "Partitions without a leader, as the active controller counts them.",
    ),
    _gauge(
        "kafka_controller_kafkacontroller_fencedbrokercount",
        "",
        (),
        "Brokers that are registered and take no part, as each controller counts them.",
    ),
    _gauge(
        "kafka_controller_kafkacontroller_activecontrollercount",
        "",
        (),
        "1 on the node that is the active controller, 0 on the others.",
    ),
    _gauge(
        "kafka_server_raft_metrics_current_leader",
        "",
        (),
        "Id of the leader of the KRaft quorum as this node knows it, -1 when it knows none.",
    ),
    _gauge(
        "kafka_server_raft_metrics_high_watermark",
        "",
        (),
        "End of the metadata log's part that is committed, as this node knows it; -1 for none.",
    ),
    _gauge(
        "kafka_server_kafkaserver_brokerstate",
        "",
        (),
        "State of a broker, 3 when it runs; a controller alone has none.",
    ),
    _gauge(
        "kafka_server_replicamanager_underminisrpartitioncount",
        "",
        (),
        "Partitions led by this broker with fewer replicas in sync than min.insync.replicas.",
    ),
    _gauge(
        "kafka_server_replicamanager_underreplicatedpartitions",
        "",
        (),
        "Partitions led by this broker with a replica that is not in sync.",
    ),
    _gauge("kafka_brokers", "", (), "Brokers of the cluster, as the source kafka is told."),
    _gauge(
        "kafka_consumergroup_current_offset_sum",
        "",
        ("consumergroup", "topic"),
        "What a group has committed of a topic, all partitions together.",
    ),
    _gauge(
        "node_filesystem_avail_bytes", "bytes", _FILESYSTEM, "Free bytes for those who aren't root."
    ),
    _gauge("node_filesystem_size_bytes", "bytes", _FILESYSTEM, "Size of the file system."),
    _gauge("node_timex_sync_status", "", (), "1 if the kernel calls the clock synchronised."),
    _gauge(
        "node_timex_maxerror_seconds", "seconds", (), "By how much the clock may be wrong at most."
    ),
)
"""Under the profile `default`, and by the sources kafka and host."""

_HOUR = 3600
_DAY = 24 * _HOUR

LIMITS = {
    "site_silent": Limit(
        "EVSiteSilent",
        25 * 60,
        "seconds",
        "Age of a site's newest round. The satellite preset sends every 20 minutes; with the "
        "5 minutes of the rule's `for` the alert fires after 30 minutes of silence.",
    ),
    "site_forgotten": Limit(
        "EVSiteSilent",
        31 * _DAY,
        "seconds",
        "Silence after which a site, or a node of it, is taken to be gone for good, and the alert "
        "ends.",
    ),
    "node_silent": Limit(
        "EVNodeSilent",
        25 * 60,
        "seconds",
        "By how much the newest round of a node is older than that of its site; the alert fires 5 "
        "minutes later.",
    ),
    "data_late": Limit(
        "EVDataLate",
        25 * 60,
        "seconds",
        "Age of the oldest round that waits at a site that is heard.",
    ),
    "kafka_offline_partitions": Limit(
        "EVKafkaOfflinePartitions", 0, "partitions", "Partitions without a leader: none is normal."
    ),
    "kafka_under_min_isr": Limit(
        "EVKafkaUnderMinIsr", 0, "partitions", "Partitions under min ISR: none is normal."
    ),
    "kafka_under_replicated": Limit(
        "EVKafkaUnderReplicated",
        0,
        "partitions",
        "Partitions with a replica that is not in sync, for ten minutes.",
    ),
    "kafka_brokers_down": Limit(
        "EVKafkaBrokerDown", 0, "brokers", "Brokers that are down: none is normal."
    ),
    "group_stuck": Limit(
        "EVGroupStuck",
        10 * 60,
        "seconds",
        "Age of the oldest record that a group which commits nothing has not committed.",
    ),
    "link_down": Limit("EVLinkDown", _HOUR, "seconds", "Time that a link has been cut."),
    "data_loss_warning": Limit(
        "EVTimeToDataLoss", _DAY, "seconds", "Time to data loss that is worth a warning."
    ),
    "data_loss_critical": Limit(
        "EVTimeToDataLoss", 6 * _HOUR, "seconds", "Time to data loss that is critical."
    ),
    "data_loss_forgotten": Limit(
        "EVTimeToDataLoss", 31 * _DAY, "seconds", "Time after a loss at which it is no news."
    ),
    "backlog_filling": Limit(
        "EVBacklogFilling", _DAY, "seconds", "Time until the spool drops rounds that wait."
    ),
    "data_gap": Limit("EVDataGap", 0, "rounds", "Rounds found missing: none is normal."),
    "rounds_missed": Limit(
        "EVRoundsMissed", 20, "rounds", "Rounds not taken in an hour: five minutes at 15 s."
    ),
    "samples_refused": Limit(
        "EVSamplesRefused", 0, "samples", "Samples refused for good: none is normal."
    ),
    "collector_restarts": Limit(
        "EVCollectorRestarting", 3, "starts", "Starts of the collector in an hour."
    ),
    "disk_runway_warning": Limit(
        "EVDiskRunway", _DAY, "seconds", "Time until a disk is full that is worth a warning."
    ),
    "disk_runway_critical": Limit(
        "EVDiskRunway", 4 * _HOUR, "seconds", "Time until a disk is full that is critical."
    ),
    "disk_free_share": Limit(
        "EVDiskRunway", 0.4, "", "Share of a disk that is free, above which it may fill."
    ),
    "certificate_warning": Limit(
        "EVCertificateExpires", 30 * _DAY, "seconds", "Time left that is worth a warning."
    ),
    "certificate_critical": Limit(
        "EVCertificateExpires", 7 * _DAY, "seconds", "Time left that is critical."
    ),
    "clock_step": Limit(
        "EVClockStepped", 60, "seconds", "By how much a clock may be set, either way."
    ),
    "clock_error": Limit(
        "EVClockUnsynchronised",
        16,
        "seconds",
        "Possible error at which the kernel calls a clock unsynchronised.",
    ),
}
