"""The way to the far side: pumps and sinks."""

from __future__ import annotations

from collector.catalog.metric import Metric
from collector.series import Kind

_COUNTER, _GAUGE, _INFO = Kind.COUNTER, Kind.GAUGE, Kind.INFO

PUMP_STATES = ("idle", "sending", "waiting", "holding")
"""The values of `state` in `edgevitals_pump_state`, and of a pump in /status.json."""

PUMPS = (
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
        "edgevitals_pump_eta_seconds",
        _GAUGE,
        "seconds",
        ("pump",),
        "vital",
        "Time until the pump has delivered its backlog, by how fast that shrank in the last "
        "minutes while rounds were added; 0 without one, absent while it doesn't shrink.",
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
        "edgevitals_pump_rewinds_total",
        _COUNTER,
        "",
        ("pump",),
        "vital",
        "Times that the far side had lost what it had taken and the pump went back to send it "
        "again: the topic was deleted, made anew, or came back shorter.",
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
        "edgevitals_pump_waiting_streams",
        _GAUGE,
        "",
        ("pump",),
        "vital",
        "Streams whose rounds the far side does not take at the moment, while it takes others'. "
        "Of a forwarder.",
    ),
    Metric(
        "edgevitals_pump_refused_records_total",
        _COUNTER,
        "",
        ("pump", "reason"),
        "vital",
        "Records of the topic that were passed over: `format` (not ours, or damaged), `wrong_site` "
        "(of a site that the topic's name is not of).",
    ),
    Metric(
        "edgevitals_pump_detour",
        _GAUGE,
        "",
        ("pump",),
        "vital",
        "1 while the sink gets this node's rounds from the spool, since nothing gets into the "
        "topic.",
    ),
)

TOPIC = (
    Metric(
        "edgevitals_topic_problem",
        _GAUGE,
        "",
        ("problem",),
        "standard",
        "1 for what is wrong with the telemetry topic: the setting that will lose data, "
        "`partitions` where there are too few, `disk` where its bound could fill the broker's "
        "disk.",
    ),
    Metric(
        "edgevitals_topic_throttled_seconds_total",
        _COUNTER,
        "seconds",
        (),
        "standard",
        "Seconds that brokers made the writer of the telemetry topic wait, by a quota.",
    ),
)

SINKS = (
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
    Metric(
        "edgevitals_sink_already_stored_samples_total",
        _COUNTER,
        "",
        ("sink",),
        "standard",
        "Samples that the sink refused because an attempt before had brought them. They are not "
        "lost.",
    ),
    Metric(
        "edgevitals_sink_unsendable_samples_total",
        _COUNTER,
        "",
        ("sink", "reason"),
        "vital",
        "Samples of series that no receiver would take, left out by the sink, by reason.",
    ),
    Metric(
        "edgevitals_sink_pulses_total",
        _COUNTER,
        "",
        ("sink", "result"),
        "standard",
        "Pulses to the sink (or `topic`) by what became of them: taken, failed, skipped because "
        "the clock is not known to be right, or dropped by a forwarder as too old. None is sent "
        "again.",
    ),
    Metric(
        "edgevitals_sink_canary",
        _GAUGE,
        "",
        ("sink",),
        "standard",
        "1, sent alone, as of now, to tell a batch that gets only 5xx from a receiver that is ill.",
    ),
    Metric(
        "edgevitals_sink_rejected_samples_total",
        _COUNTER,
        "",
        ("sink", "reason"),
        "vital",
        "Samples that the sink refuses for good, by reason. They are kept among what is rejected.",
    ),
    Metric(
        "edgevitals_sink_withheld_rounds_total",
        _COUNTER,
        "rounds",
        ("sink",),
        "vital",
        "Rounds that are not sent, since they are older than the sink's out_of_order_time_window.",
    ),
    Metric(
        "edgevitals_sink_request_samples",
        _GAUGE,
        "",
        ("sink",),
        "standard",
        "Samples that one request to the sink may hold, as its link and the sink take them.",
    ),
    Metric(
        "edgevitals_sink_protocol_info",
        _INFO,
        "",
        ("sink", "protocol"),
        "standard",
        "Always 1. What is spoken with the sink: remote_write_2, remote_write_1 or otlp.",
    ),
)
