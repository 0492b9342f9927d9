"""Every metric that this program emits of itself, and those that the shipped alerts read.

Names here are a promise to the dashboards and rules of others: they are never changed and never
given another meaning, only added. Boards, alert rules and docs are checked against this file.

Labels are those of the metric alone. Every series has `site`, `node`, `job` and `instance` too,
and the `labels:` of the configuration. Units are base units and stand at the end of the name;
counters end in `_total`. `unit` is what OpenMetrics and OTLP call so, and empty for plain numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from collector.series import Family, Kind

Tier = Literal["vital", "standard", "detail", "every"]
"""Where a metric travels. `every` is in each round of each tier, with that round's own value."""


class Metric(NamedTuple):
    """One metric: its full name, as PromQL asks for it, and what is known of it."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    tier: Tier
    help: str

    @property
    def family(self) -> Family:
        """The same, as `SeriesTable.intern` and dictionaries want it."""
        return Family(self.name, self.kind, self.unit, self.help)


class Limit(NamedTuple):
    """A number that an alert compares with. The rule files repeat it; a test compares the two."""

    alert: str
    value: float
    unit: str
    help: str


_COUNTER, _GAUGE, _INFO = Kind.COUNTER, Kind.GAUGE, Kind.INFO

_COMPLETENESS = (
    Metric(
        "edgevitals_round_seq",
        _GAUGE,
        "",
        ("tier",),
        "every",
        "Number of this round in its stream. Rises by 1 a round, also over restarts: "
        "a number that is missing is a round that is missing.",
    ),
    Metric(
        "edgevitals_epoch_info",
        _INFO,
        "",
        ("tier", "epoch", "previous_epoch"),
        "every",
        "Always 1. The epoch of this round, new at each start of the process and at each "
        "backward step of the clock, and the one before it.",
    ),
    Metric(
        "edgevitals_round_missed_total",
        _COUNTER,
        "",
        ("reason",),
        "vital",
        "Rounds that should have been taken since the start and were not, by reason.",
    ),
    Metric(
        "edgevitals_gap_rounds_total",
        _COUNTER,
        "rounds",
        ("pump", "reason"),
        "vital",
        "Rounds that were taken and are known to be missing for a reader, by reason.",
    ),
    Metric(
        "edgevitals_gap_closed_rounds_total",
        _COUNTER,
        "rounds",
        ("pump",),
        "vital",
        "Rounds of a gap that came after all.",
    ),
    Metric(
        "edgevitals_gap_first_seq",
        _GAUGE,
        "",
        ("pump", "reason"),
        "vital",
        "Number of the first round of the newest gap.",
    ),
    Metric(
        "edgevitals_gap_last_seq",
        _GAUGE,
        "",
        ("pump", "reason"),
        "vital",
        "Number of the last round of the newest gap.",
    ),
    Metric(
        "edgevitals_round_duration_seconds",
        _GAUGE,
        "seconds",
        (),
        "standard",
        "Time from the tick of the round before this one until it was on disk.",
    ),
)

_TARGETS = (
    Metric("up", _GAUGE, "", (), "vital", "1 if the target answered in this round, else 0."),
    Metric(
        "scrape_duration_seconds",
        _GAUGE,
        "seconds",
        (),
        "standard",
        "Time that the target took to answer in this round.",
    ),
    Metric(
        "scrape_samples_scraped",
        _GAUGE,
        "",
        (),
        "standard",
        "Number of samples that the target gave in this round.",
    ),
)

_SPOOL = (
    Metric("edgevitals_spool_bytes", _GAUGE, "bytes", (), "vital", "Disk that the spool takes."),
    Metric(
        "edgevitals_spool_max_bytes",
        _GAUGE,
        "bytes",
        (),
        "vital",
        "Disk that the spool may take (spool.max_size).",
    ),
    Metric(
        "edgevitals_spool_dropped_segments_total",
        _COUNTER,
        "",
        (),
        "vital",
        "Segments that the spool dropped at its limit, the oldest first. A round that a reader "
        "did not have yet is a gap for it.",
    ),
)

_PUMPS = (
    Metric(
        "edgevitals_pump_state",
        _GAUGE,
        "",
        ("pump", "state"),
        "vital",
        "1 for the state that the pump is in, 0 for the others: idle (all is delivered), sending, "
        "waiting (it tries again by itself), holding (a person must do something).",
    ),
    Metric(
        "edgevitals_pump_backlog_rounds",
        _GAUGE,
        "rounds",
        ("pump",),
        "vital",
        "Rounds that the pump has still to deliver.",
    ),
    Metric(
        "edgevitals_pump_oldest_timestamp_seconds",
        _GAUGE,
        "seconds",
        ("pump",),
        "vital",
        "Unix time of the oldest round that the pump has still to deliver.",
    ),
    Metric(
        "edgevitals_pump_delivered_rounds_total",
        _COUNTER,
        "rounds",
        ("pump",),
        "standard",
        "Rounds that the far side has confirmed for the first time.",
    ),
    Metric(
        "edgevitals_pump_repeated_rounds_total",
        _COUNTER,
        "rounds",
        ("pump",),
        "standard",
        "Rounds that came to the pump again and were not delivered a second time.",
    ),
    Metric(
        "edgevitals_pump_retries_total",
        _COUNTER,
        "",
        ("pump",),
        "standard",
        "Times that the far side did not take a batch and it was kept to be sent again.",
    ),
    Metric(
        "edgevitals_pump_rejected_rounds_total",
        _COUNTER,
        "rounds",
        ("pump", "reason"),
        "vital",
        "Rounds that the far side refused for good. They are set aside in the spool.",
    ),
    Metric(
        "edgevitals_sink_requests_total",
        _COUNTER,
        "",
        ("sink", "code"),
        "standard",
        "Requests to the sink by the status code of the reply. Where none came: `unreached` (no "
        "connection), `timeout`, `broken` (the connection ended).",
    ),
    Metric(
        "edgevitals_sink_sent_bytes_total",
        _COUNTER,
        "bytes",
        ("sink",),
        "standard",
        "Bytes of the bodies sent to the sink, compressed, with those sent again.",
    ),
    Metric(
        "edgevitals_sink_sent_samples_total",
        _COUNTER,
        "",
        ("sink",),
        "standard",
        "Samples that the sink took, each time that it took them.",
    ),
)

_PROCESS = (
    Metric(
        "edgevitals_build_info", _INFO, "", ("version",), "standard", "Always 1. The version run."
    ),
    Metric(
        "edgevitals_config_info",
        _INFO,
        "",
        ("hash",),
        "standard",
        "Always 1. A hash of the configuration in force: alike where two sites are set up alike.",
    ),
    Metric(
        "edgevitals_series",
        _GAUGE,
        "",
        (),
        "standard",
        "Different series met since the start of the process.",
    ),
    Metric(
        "edgevitals_admin_crashes_total",
        _COUNTER,
        "",
        (),
        "standard",
        "Times that the child process with the Kafka admin client died.",
    ),
    Metric(
        "edgevitals_admin_late_total",
        _COUNTER,
        "",
        (),
        "standard",
        "Times that the child process with the Kafka admin client gave no answer in time and was "
        "ended.",
    ),
    Metric(
        "edgevitals_process_start_time_seconds",
        _GAUGE,
        "seconds",
        (),
        "standard",
        "Unix time at which the process started.",
    ),
    Metric(
        "edgevitals_process_cpu_seconds_total",
        _COUNTER,
        "seconds",
        ("process",),
        "standard",
        "User and system CPU time, by process: main, admin.",
    ),
    Metric(
        "edgevitals_process_resident_memory_bytes",
        _GAUGE,
        "bytes",
        ("process",),
        "standard",
        "Resident memory, by process: main, admin. Pages that both share count twice.",
    ),
)

_KAFKA = (
    Metric(
        "edgevitals_kafka_age_seconds",
        _GAUGE,
        "seconds",
        ("part",),
        "standard",
        "Age of what the source kafka tells, by part: topics, groups. Above 0 while the last good "
        "values are repeated.",
    ),
    Metric(
        "edgevitals_kafka_failures",
        _GAUGE,
        "",
        ("call", "error"),
        "standard",
        "Topics, partitions or groups that are missing in this round, by the call and its error. "
        "`ADMIN_...` is a failure of our own admin process, all others are Kafka's.",
    ),
    Metric(
        "edgevitals_kafka_left_out",
        _GAUGE,
        "",
        ("what",),
        "standard",
        "Partitions, groups or commits that were not read in this round, being over a bound.",
    ),
)

_READ_BY_ALERTS = (
    Metric(
        "kafka_controller_kafkacontroller_offlinepartitionscount",
        _GAUGE,
        "",
        (),
        "vital",
        "Partitions without a leader, as the active controller counts them.",
    ),
)


def _by_name(metrics: Iterable[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


OWN = _by_name(_COMPLETENESS + _TARGETS + _SPOOL + _PUMPS + _PROCESS + _KAFKA)
"""What this program emits of itself and of its targets."""

METRICS = {**OWN, **_by_name(_READ_BY_ALERTS)}
"""`OWN`, and what the shipped alerts read of others."""

PUMP_STATES = ("idle", "sending", "waiting", "holding")
"""The values of `state` in `edgevitals_pump_state`, and of a pump in /status.json."""

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
