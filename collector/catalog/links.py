"""Links: what carries topics to another cluster."""

from __future__ import annotations

from collector.catalog.metric import Metric
from collector.series import Kind

_GAUGE = Kind.GAUGE
_LINK = ("link", "kind")
_TOPIC = (*_LINK, "topic")

LINKS = (
    Metric(
        "edgevitals_link_state",
        _GAUGE,
        "",
        (*_LINK, "state"),
        "vital",
        "1 for the state that the link is in, 0 for the others: connected, disconnected (the "
        "far side can't be reached, an edge's daily life), paused, broken (a person must do "
        "something), unknown.",
    ),
    Metric(
        "edgevitals_link_tasks",
        _GAUGE,
        "",
        (*_LINK, "state"),
        "standard",
        "Tasks of the link by their state: running, paused, failed, unassigned; of a cluster link "
        "what it calls in-error is failed, active is running.",
    ),
    Metric(
        "edgevitals_link_connected_since_timestamp_seconds",
        _GAUGE,
        "seconds",
        _LINK,
        "standard",
        "Unix time since when the link is connected, of the first read at the earliest; "
        "absent while it is not.",
    ),
    Metric(
        "edgevitals_link_disconnected_since_timestamp_seconds",
        _GAUGE,
        "seconds",
        _LINK,
        "standard",
        "Unix time since when the link is disconnected, of the first read at the earliest; "
        "absent while it is not.",
    ),
    Metric(
        "edgevitals_link_position_known",
        _GAUGE,
        "",
        _TOPIC,
        "standard",
        "1 if it is known how far the link has come in each partition of the topic, else 0: "
        "then lag in records may be absent, and time to loss is of the partitions that are "
        "known.",
    ),
    Metric(
        "edgevitals_link_lag_records",
        _GAUGE,
        "",
        _TOPIC,
        "vital",
        "Records of the topic that the link has still to carry, all partitions together; "
        "absent when one is not known.",
    ),
    Metric(
        "edgevitals_link_lag_seconds",
        _GAUGE,
        "seconds",
        _TOPIC,
        "vital",
        "Age of the oldest record that the link has still to carry, 0 when there is none. Of "
        "several partitions the worst.",
    ),
    Metric(
        "edgevitals_link_catch_up_seconds",
        _GAUGE,
        "seconds",
        _TOPIC,
        "standard",
        "Time until the link has carried all, as fast as its lag shrank in the last two "
        "minutes, or since its state changed; 0 without lag, absent while it doesn't shrink.",
    ),
    Metric(
        "edgevitals_link_bytes_per_second",
        _GAUGE,
        "",
        _TOPIC,
        "standard",
        "Bytes a second that the link carries of the topic, by its own account; of a cluster link "
        "of all its topics together, without the label topic.",
    ),
    Metric(
        "edgevitals_link_max_lag_records",
        _GAUGE,
        "",
        _LINK,
        "vital",
        "Records that the worst partition of a cluster link is behind, by its own account.",
    ),
    Metric(
        "edgevitals_link_record_age_seconds",
        _GAUGE,
        "seconds",
        _TOPIC,
        "standard",
        "Age of the record that MirrorMaker carried last when it read it; the worst partition.",
    ),
    Metric(
        "edgevitals_link_latency_seconds",
        _GAUGE,
        "seconds",
        _TOPIC,
        "standard",
        "Time between a record's timestamp and its arrival at the target, of the record that "
        "MirrorMaker carried last; the worst partition.",
    ),
    Metric(
        "edgevitals_link_checkpoint_latency_seconds",
        _GAUGE,
        "seconds",
        _LINK,
        "standard",
        "Time that MirrorMaker's checkpoints of consumer groups take; the worst group.",
    ),
    Metric(
        "edgevitals_link_time_to_loss_seconds",
        _GAUGE,
        "seconds",
        _TOPIC,
        "vital",
        "Time until retention may delete a record that the link has not carried, if it stands "
        "still; the partition with the least. Absent where nothing is lost by retention, or "
        "no position is known.",
    ),
    Metric(
        "edgevitals_link_lost_records_total",
        Kind.COUNTER,
        "",
        _TOPIC,
        "vital",
        "Records that the source's log dropped before the link could carry them, since the "
        "start. Told where the offset syncs are read.",
    ),
    Metric(
        "edgevitals_link_failures",
        _GAUGE,
        "",
        (*_LINK, "what"),
        "standard",
        "1 for each part of the link that could not be read in this round: connect, offset_syncs.",
    ),
)
