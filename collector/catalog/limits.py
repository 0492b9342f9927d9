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


READ_BY_ALERTS = (
    Metric(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        Kind.GAUGE,
        "",
        (),
        "vital",
        "Partitions without a leader, as the active controller counts them.",
    ),
)

LIMITS = {
    "kafka_offline_partitions": Limit(
        "EVKafkaOfflinePartitions", 0, "partitions", "Partitions without a leader: none is normal."
    ),
    "site_silent": Limit(
        "EVSiteSilent",
        25 * 60,
        "seconds",
        "Age of a site's newest round. The satellite preset sends every 20 minutes; with the "
        "5 minutes of the rule's `for` the alert fires after 30 minutes of silence.",
    ),
    "site_forgotten": Limit(
        "EVSiteSilent",
        31 * 24 * 3600,
        "seconds",
        "Silence after which a site is taken to be gone for good, and the alert ends.",
    ),
}
