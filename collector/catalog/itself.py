"""The process itself: its rounds, its spool, and what it takes of the machine."""

from __future__ import annotations

from collector.catalog.metric import Metric
from collector.series import Kind

_COUNTER, _GAUGE, _INFO = Kind.COUNTER, Kind.GAUGE, Kind.INFO

COMPLETENESS = (
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
        "Rounds that were taken and are known to be missing for a reader, by reason. Under the "
        "site and node whose rounds they are, whoever meets the gap.",
    ),
    Metric(
        "edgevitals_gap_closed_rounds_total",
        _COUNTER,
        "rounds",
        ("pump",),
        "vital",
        "Rounds of a gap that came after all, under the site and node whose rounds they are.",
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
        "edgevitals_clock_steps_total",
        _COUNTER,
        "",
        ("direction",),
        "vital",
        "Times that the wall clock was set while the process ran, by direction: back, forward.",
    ),
    Metric(
        "edgevitals_clock_step_seconds",
        _GAUGE,
        "seconds",
        (),
        "vital",
        "By how much the wall clock was set the last time; negative: back.",
    ),
    Metric(
        "edgevitals_unstamped_rounds",
        _GAUGE,
        "rounds",
        (),
        "vital",
        "Rounds that wait on disk for a clock that can be believed.",
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

SPOOL = (
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
        "edgevitals_spool_oldest_timestamp_seconds",
        _GAUGE,
        "seconds",
        (),
        "vital",
        "Unix time at which the oldest segment of the spool was begun: rounds from then on are on "
        "disk.",
    ),
    Metric(
        "edgevitals_spool_degraded",
        _GAUGE,
        "",
        (),
        "vital",
        "1 in a round that the disk did not take: it was in memory only, in a line of its own with "
        "numbers of its own. 0 in all others.",
    ),
    Metric(
        "edgevitals_spool_memory_rounds",
        _GAUGE,
        "rounds",
        (),
        "vital",
        "Rounds that the disk did not take and that some reader does not have yet. They are lost "
        "if the process ends; of more than 8 MiB the oldest are lost.",
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

PROCESS = (
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
        "edgevitals_config_last_reload_successful",
        _GAUGE,
        "",
        (),
        "standard",
        "1 while the configuration file is in force as it was last read; 0 when it was refused at "
        "SIGHUP and the one before stays.",
    ),
    Metric(
        "edgevitals_config_last_reload_success_timestamp_seconds",
        _GAUGE,
        "seconds",
        (),
        "standard",
        "When the configuration in force was read, in Unix time.",
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
        "edgevitals_traces_lost_spans_total",
        _COUNTER,
        "",
        (),
        "standard",
        "Spans of rounds and deliveries that the receiver of traces did not take. Nobody is owed "
        "them: they are not kept.",
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
