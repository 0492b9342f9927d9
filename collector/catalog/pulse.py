"""The pulse: a few numbers as of now, sent beside the rounds, in series that no other path writes.

A site that is catching up after weeks is heard of within one interval: rounds arrive in order, the
pulse at once. It is never repeated, so there are gaps in it wherever the link had one.
"""

from __future__ import annotations

from collector.catalog.metric import Metric
from collector.series import Kind

_GAUGE = Kind.GAUGE

PULSE = (
    Metric(
        "edgevitals_pulse_timestamp_seconds",
        _GAUGE,
        "seconds",
        (),
        "vital",
        "Unix time of the pulse, by the clock of the site.",
    ),
    Metric(
        "edgevitals_pulse_round_timestamp_seconds",
        _GAUGE,
        "seconds",
        (),
        "vital",
        "Unix time of the newest round that was taken.",
    ),
    Metric(
        "edgevitals_pulse_targets",
        _GAUGE,
        "",
        ("state",),
        "vital",
        "Targets by how their last read went: up or down.",
    ),
    Metric(
        "edgevitals_pulse_degraded",
        _GAUGE,
        "",
        (),
        "vital",
        "1 while the spool's disk takes no rounds, else 0.",
    ),
    Metric(
        "edgevitals_pulse_pump_state",
        _GAUGE,
        "",
        ("pump", "state"),
        "vital",
        "1 for the state that the pump is in, 0 for the others, as edgevitals_pump_state.",
    ),
    Metric(
        "edgevitals_pulse_backlog_rounds",
        _GAUGE,
        "rounds",
        ("pump",),
        "vital",
        "Rounds that the pump has still to deliver.",
    ),
    Metric(
        "edgevitals_pulse_oldest_timestamp_seconds",
        _GAUGE,
        "seconds",
        ("pump",),
        "vital",
        "Unix time of the oldest round that the pump has still to deliver; none without one.",
    ),
    Metric(
        "edgevitals_pulse_eta_seconds",
        _GAUGE,
        "seconds",
        ("pump",),
        "vital",
        "Time until the pump will have delivered everything, as edgevitals_pump_eta_seconds. None "
        "while that can't be said.",
    ),
)
