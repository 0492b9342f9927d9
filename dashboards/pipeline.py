"""The board *pipeline*: the collector and its way to the centre. What is owed, lost, refused."""

from __future__ import annotations

from typing import Any

from collector.catalog import PUMP_STATES
from dashboards import board, style, truth
from dashboards.board import Row
from dashboards.grid import TALL_HALF, TALL_THIRD, THIRD
from dashboards.panels import Query, Text, events, lines, rows, states
from dashboards.selectors import coded, grown, of, rate

PUMPS = states(
    Text(
        "Pumps",
        "What each pump does: idle (all is delivered), sending, waiting (the far side doesn't "
        "take it now; it tries again by itself), holding (a person must do something: "
        "`edgevitals status` says what).",
    ),
    [Query(coded("edgevitals_pump_state", PUMP_STATES, "node, pump"), "{{node}} {{pump}}")],
    style.PUMP_WORDS,
    size=TALL_HALF,
)

BACKLOG = lines(
    Text(
        "Backlog",
        "Rounds that a pump had still to deliver, as each round told it at its own time, and as "
        "the pulse tells it at once. They differ while the site catches up. Good is: 0, or as "
        "many as one request holds.",
    ),
    "count",
    [
        Query(
            f"max by (node, pump) ({of('edgevitals_pump_backlog_rounds')})",
            "{{node}} {{pump}}, by rounds",
        ),
        Query(
            f"max by (node, pump) ({of('edgevitals_pulse_backlog_rounds')})",
            "{{node}} {{pump}}, by pulse",
        ),
    ],
    size=TALL_HALF,
)

DRAIN = lines(
    Text(
        "Taken and delivered",
        "Rounds a second that are taken, and that each pump has delivered for the first time. "
        "While a backlog drains, delivered is above taken; while a link is down it is 0.",
    ),
    "per second",
    [
        Query(f"sum by (node) ({rate(of('edgevitals_round_seq'))})", "{{node}} taken"),
        Query(
            f"sum by (node, pump) ({rate(of('edgevitals_pump_delivered_rounds_total'))})",
            "{{node}} {{pump}}",
        ),
    ],
    size=TALL_THIRD,
)

ETA = lines(
    Text(
        "Caught up in",
        "Time until a pump has delivered its backlog, by how fast that shrinks while rounds are "
        "added; 0 without one. Absent while it doesn't shrink: then it never will.",
    ),
    "seconds",
    [
        Query(
            f"max by (node, pump) ({of('edgevitals_pump_eta_seconds')})",
            "{{node}} {{pump}}, by rounds",
        ),
        Query(
            f"max by (node, pump) ({of('edgevitals_pulse_eta_seconds')}"
            f" or {of('edgevitals_pulse_backlog_rounds')} == 0)",
            "{{node}} {{pump}}, by pulse",
        ),
    ],
    size=TALL_THIRD,
)

SPOOL = lines(
    Text(
        "Spool: used",
        "Disk that the spool takes, as a share of what it may (spool.max_size). It fills by "
        "itself: a round is kept for later until there is no room. Full is no harm unless a pump "
        "owes more rounds than it holds; that is a gap, `spool_full`.",
    ),
    "share",
    [
        Query(
            f"max by (node) ({of('edgevitals_spool_bytes')} / {of('edgevitals_spool_max_bytes')})",
            "{{node}}",
        )
    ],
    size=TALL_THIRD,
    most=1,
)

GAPS = events(
    Text(
        "Rounds lost on the way",
        "Rounds that were taken and are known to be missing for a reader, by reason, when it "
        "noticed. Good is: none. What each reason means: README, What can still be lost.",
    ),
    "count",
    [
        Query(
            f"sum by (node, pump, reason) ({grown(of('edgevitals_gap_rounds_total'))})",
            "{{node}} {{pump}} {{reason}}",
        )
    ],
    size=THIRD,
)

MISSED = events(
    Text(
        "Rounds never taken",
        "Rounds that should have been taken and were not, by reason, told at the next one that "
        "was: not_running and suspended are the machine or the process, overrun is a machine "
        "that is too slow.",
    ),
    "count",
    [
        Query(
            f"sum by (node, reason) ({grown(of('edgevitals_round_missed_total'))})",
            "{{node}} {{reason}}",
        )
    ],
    size=THIRD,
)

NEWEST_GAP = rows(
    Text(
        "Newest gap of each reader",
        "Numbers of the first and the last round of it. `edgevitals export --missing SINK` at the "
        "site brings what is still in the spool or the topic.",
    ),
    "id",
    [
        Query(
            f"max by (node, pump, reason) ({of('edgevitals_gap_first_seq')})",
            "first round",
        ),
        Query(f"max by (node, pump, reason) ({of('edgevitals_gap_last_seq')})", "last round"),
    ],
    [],
    size=THIRD,
)

REJECTED = events(
    Text(
        "Samples refused for good",
        "Samples that a sink refused and will not take later, by reason. They are kept at the "
        "site: `edgevitals spool rejected` lists them, with --replay it sends them again.",
    ),
    "count",
    [
        Query(
            f"sum by (node, sink, reason) ({grown(of('edgevitals_sink_rejected_samples_total'))})",
            "{{node}} {{sink}} {{reason}}",
        )
    ],
    size=THIRD,
)

REJECTED_ROUNDS = events(
    Text(
        "Rounds set aside",
        "Rounds of which something was set aside, by reason; and rounds that were not sent, being "
        "older than the sink's out_of_order_time_window. Good is: none.",
    ),
    "count",
    [
        Query(
            f"sum by (node, pump, reason) ({grown(of('edgevitals_pump_rejected_rounds_total'))})",
            "{{node}} {{pump}} {{reason}}",
        ),
        Query(
            f"sum by (node, sink) ({grown(of('edgevitals_sink_withheld_rounds_total'))})",
            "{{node}} {{sink}} older than the window",
        ),
    ],
    size=THIRD,
)

RETRIES = events(
    Text(
        "Tries that failed",
        "Times that the far side did not take a batch and it was kept to be sent again. Nothing "
        "is lost by it.",
    ),
    "count",
    [
        Query(
            f"sum by (node, pump) ({grown(of('edgevitals_pump_retries_total'))})",
            "{{node}} {{pump}}",
        )
    ],
    size=THIRD,
)

BYTES = lines(
    Text(
        "Bytes sent",
        "Bytes a second of the bodies sent to each sink, compressed, with those sent again; "
        "without TLS, headers and what lies below.",
    ),
    "bytes/s",
    [
        Query(
            f"sum by (node, sink) ({rate(of('edgevitals_sink_sent_bytes_total'))})",
            "{{node}} {{sink}}",
        )
    ],
    size=THIRD,
)

SAMPLES = lines(
    Text("Samples delivered", "Samples a second that each sink took."),
    "per second",
    [
        Query(
            f"sum by (node, sink) ({rate(of('edgevitals_sink_sent_samples_total'))})",
            "{{node}} {{sink}}",
        )
    ],
    size=THIRD,
)

BYTES_A_SAMPLE = lines(
    Text(
        "Bytes a sample",
        "What one sample costs on the wire. Several rounds in one request cost less each: "
        "rounds_per_request, or another preset.",
    ),
    "bytes",
    [
        Query(
            f"sum by (node, sink) ({rate(of('edgevitals_sink_sent_bytes_total'))})"
            f" / (sum by (node, sink) ({rate(of('edgevitals_sink_sent_samples_total'))}) > 0)",
            "{{node}} {{sink}}",
        )
    ],
    size=THIRD,
)

REQUESTS = lines(
    Text(
        "Requests by reply",
        "Requests a second to each sink by the status code of the reply; where none came, "
        "unreached (no connection), timeout or broken (the connection ended). Good is: 2xx.",
    ),
    "per second",
    [
        Query(
            f"sum by (sink, code) ({rate(of('edgevitals_sink_requests_total'))})",
            "{{sink}} {{code}}",
        )
    ],
    size=THIRD,
)

PULSES = lines(
    Text(
        "Pulses",
        "Pulses a second by what became of them. None is sent again: a failed one is a link that "
        "was down at that moment.",
    ),
    "per second",
    [
        Query(
            f"sum by (sink, result) ({rate(of('edgevitals_sink_pulses_total'))})",
            "{{sink}} {{result}}",
        )
    ],
    size=THIRD,
)

SPENT = lines(
    Text(
        "CPU",
        "Share of one CPU that the collector takes, by process: main, and admin for Kafka's "
        "admin calls. Good is: about 1 % at a round every 15 s.",
    ),
    "share",
    [
        Query(
            f"sum by (node, process) ({rate(of('edgevitals_process_cpu_seconds_total'))})",
            "{{node}} {{process}}",
        )
    ],
    size=THIRD,
)

MEMORY = lines(
    Text(
        "Memory",
        "Resident memory by process. What both share counts twice. Good is: about 50 MiB for main "
        "and 20 for admin; every unit and manifest that ships allows 160 MiB.",
    ),
    "bytes",
    [
        Query(
            f"max by (node, process) ({of('edgevitals_process_resident_memory_bytes')})",
            "{{node}} {{process}}",
        )
    ],
    size=THIRD,
)

ROUND = lines(
    Text(
        "A round takes",
        "Time from a round's tick until it was on disk, and that of each target to answer. As "
        "long as the interval: rounds are missed, `overrun`.",
    ),
    "seconds",
    [
        Query(f"max by (node) ({of('edgevitals_round_duration_seconds')})", "{{node}} the round"),
        Query(f"max by (job, instance) ({of('scrape_duration_seconds')})", "{{job}} {{instance}}"),
    ],
    size=THIRD,
)

SERIES = lines(
    Text(
        "Series",
        "Different series met since the start of the process, and samples that each target gave. "
        "Series that rise without end: something puts an id into a label.",
    ),
    "count",
    [
        Query(f"max by (node) ({of('edgevitals_series')})", "{{node}} series"),
        Query(f"max by (job, instance) ({of('scrape_samples_scraped')})", "{{job}} {{instance}}"),
    ],
    size=THIRD,
)

CRASHES = events(
    Text(
        "Admin process ended",
        "Times that the helper process with Kafka's admin client died, or gave no answer in time "
        "and was ended. It is started anew by itself; one now and then is librdkafka's.",
    ),
    "count",
    [
        Query(f"sum by (node) ({grown(of('edgevitals_admin_crashes_total'))})", "{{node}} died"),
        Query(f"sum by (node) ({grown(of('edgevitals_admin_late_total'))})", "{{node}} late"),
    ],
    size=THIRD,
)

VERSIONS = rows(
    Text(
        "Version and configuration",
        "The version that each node runs and a hash of its configuration: alike where two are set "
        "up alike.",
    ),
    "id",
    [
        Query(
            f"max by (node, version) ({of('edgevitals_build_info')})"
            " * on (node) group_right (version)"
            f" max by (node, hash) ({of('edgevitals_config_info')})",
            "there",
        )
    ],
    ["Value"],
    size=THIRD,
)


def pipeline() -> dict[str, Any]:
    return board.build(
        "ev-pipeline",
        "The collector of one site and its way to the centre: what it still owes, what is lost or "
        "refused, how fast it catches up, and what it costs.",
        [
            Row("", [*truth.STRIP, PUMPS, BACKLOG, DRAIN, ETA, SPOOL]),
            Row(
                "What is missing, and why",
                [GAPS, MISSED, NEWEST_GAP, REJECTED, REJECTED_ROUNDS, RETRIES],
            ),
            Row("On the wire", [BYTES, SAMPLES, BYTES_A_SAMPLE, REQUESTS, PULSES]),
            Row("What the collector costs", [SPENT, MEMORY, ROUND, SERIES, CRASHES, VERSIONS]),
        ],
    )
