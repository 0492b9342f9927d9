"""Panels on the machine at the site, its disks, its clock and its certificates."""

from __future__ import annotations

from dashboards.grid import THIRD
from dashboards.panels import Query, Text, above, bars, below, lines
from dashboards.selectors import counted_down, of, rate
from dashboards.style import CRITICAL, WARN

FREE = lines(
    Text(
        "Disks: free",
        "Free share of the disks that Kafka's log directories are on, and of the machine's file "
        "systems.",
    ),
    "share",
    [
        Query(
            f"min by (broker, directory) ({of('edgevitals_log_directory_free_bytes')}"
            f" / {of('edgevitals_log_directory_size_bytes')})",
            "broker {{broker}} {{directory}}",
        ),
        Query(
            f"min by (node, mountpoint) ({of('node_filesystem_avail_bytes')}"
            f" / ({of('node_filesystem_size_bytes')} > 0))",
            "{{node}} {{mountpoint}}",
        ),
    ],
    size=THIRD,
    most=1,
)

RUNWAY = bars(
    Text(
        "Disks: full in",
        "Time until a disk is full, as fast as it filled in the last hour; the ten nearest of "
        "each kind. Absent for ten minutes after a start of the collector, and while a disk "
        "doesn't fill: nothing here is good. It counts down while the site is dark; the colours "
        "are EVDiskRunway's.",
    ),
    "seconds",
    [
        Query(
            "bottomk(10, min by (broker, directory) "
            f"({counted_down('edgevitals_log_directory_runway_seconds')}))",
            "broker {{broker}} {{directory}}",
        ),
        Query(
            "bottomk(10, min by (node, mountpoint) "
            f"({counted_down('edgevitals_host_filesystem_runway_seconds')}))",
            "{{node}} {{mountpoint}}",
        ),
    ],
    size=THIRD,
    steps=below(disk_runway_critical=CRITICAL, disk_runway_warning=WARN),
)

CPU = lines(
    Text("CPU busy", "Share of the machine's CPUs that is not idle."),
    "share",
    [
        Query(
            f"1 - avg by (node) ({rate(of('node_cpu_seconds_total', mode='idle'))})",
            "{{node}}",
        )
    ],
    size=THIRD,
    most=1,
)

MEMORY = lines(
    Text(
        "Memory available",
        "Share of the machine's memory that programs can still have. Below 10 % the machine may "
        "kill one, and Kafka is the largest.",
    ),
    "share",
    [
        Query(
            f"min by (node) ({of('node_memory_MemAvailable_bytes')}"
            f" / {of('node_memory_MemTotal_bytes')})",
            "{{node}}",
        )
    ],
    size=THIRD,
    most=1,
)

CLOCK = lines(
    Text(
        "Clock",
        "How far the clock is from the one it follows, and the most that it may be wrong by its "
        "own account. A wrong clock gives wrong times to everything that is shown.",
    ),
    "seconds",
    [
        Query(f"max by (node) (abs({of('node_timex_offset_seconds')}))", "{{node}} offset"),
        Query(f"max by (node) ({of('node_timex_maxerror_seconds')})", "{{node}} at most"),
    ],
    size=THIRD,
    steps=above(clock_error=WARN),
)

CERTIFICATES = bars(
    Text(
        "Certificates: good for",
        "Time for which a certificate is still good; the ten that end first. It must be longer "
        "than the site may be out of reach. Below 0 nobody accepts it any more. The colours are "
        "EVCertificateExpires's.",
    ),
    "seconds",
    [
        Query(
            "bottomk(10, min by (node, origin, subject) "
            f"({counted_down('edgevitals_certificate_left_seconds')}))",
            "{{node}} {{origin}} {{subject}}",
        )
    ],
    size=THIRD,
    steps=below(certificate_critical=CRITICAL, certificate_warning=WARN),
)
