"""Targets and sources: beside what they tell, how they are."""

from __future__ import annotations

from collector.catalog.metric import Metric
from collector.series import Kind

_GAUGE = Kind.GAUGE

TARGETS = (
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

JMX = (
    Metric(
        "edgevitals_jmx_failures",
        _GAUGE,
        "",
        (),
        "standard",
        "MBeans and attributes that are missing in this round, since they could not be read. Not "
        "of a JVM that is read with jmxquery, which does not tell them.",
    ),
    Metric(
        "edgevitals_jmx_clashes",
        _GAUGE,
        "",
        (),
        "standard",
        "Values that are missing in this round, since another one has the same name and labels.",
    ),
    Metric(
        "edgevitals_jmx_left_out",
        _GAUGE,
        "",
        (),
        "standard",
        "Values that are missing in this round, being over the limit of a rule.",
    ),
)

KAFKA = (
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
        "Partitions, groups or commits that were not read in this round, being over a bound; of "
        "`times`, records that are asked about whose age nobody knows yet; of `sizes`, replicas of "
        "our own broker, when they are too many to read the size of each.",
    ),
    Metric(
        "edgevitals_kafka_right_missing",
        _GAUGE,
        "",
        ("operation", "resource"),
        "vital",
        "1 for a right that Kafka doesn't give our user: without it some metrics are missing, or "
        "rounds wait. Looked at once a minute; absent for rights that are there.",
    ),
    Metric(
        "edgevitals_kafka_own_broker",
        _GAUGE,
        "",
        (),
        "standard",
        "Id of the broker whose groups and topics this collector tells; absent where it tells all.",
    ),
)

SCRAPE = (
    Metric(
        "edgevitals_scrape_duplicates",
        _GAUGE,
        "",
        (),
        "standard",
        "Samples that are missing in this round, since the page had their name and labels before.",
    ),
    Metric(
        "edgevitals_scrape_not_carried",
        _GAUGE,
        "",
        ("what",),
        "standard",
        "What a page told beside its samples, and was not taken in this round: exemplars, "
        "timestamps.",
    ),
    Metric(
        "edgevitals_scrape_refused_total",
        Kind.COUNTER,
        "",
        ("limit",),
        "standard",
        "Pages that were refused whole since the start, by the limit that they were over: "
        "body_size, line, lines, sample, label, label_name_length, label_value_length, series; or "
        "syntax.",
    ),
)

_COUNTER = Kind.COUNTER

OTLP = (
    Metric(
        "edgevitals_otlp_points_total",
        _COUNTER,
        "",
        (),
        "standard",
        "Data points that applications sent by OTLP and that were taken.",
    ),
    Metric(
        "edgevitals_otlp_refused_points_total",
        _COUNTER,
        "",
        ("reason",),
        "standard",
        "Data points that were not taken, by reason: exponential, temporality, malformed, order, "
        "overlap, duplicate, labels, series, reserved; repeat, which is not told to the sender.",
    ),
    Metric(
        "edgevitals_otlp_refused_requests_total",
        _COUNTER,
        "",
        ("reason",),
        "standard",
        "Requests that were refused whole, by reason: path, method, media_type, encoding, http, "
        "syntax, body_size, points, busy, connections, timeout.",
    ),
)
"""What the source otlp takes and does not take."""

CGROUP = (
    Metric(
        "edgevitals_cgroup_memory_bytes",
        _GAUGE,
        "bytes",
        (),
        "standard",
        "Memory that the collector's own control group takes, page cache included.",
    ),
    Metric(
        "edgevitals_cgroup_memory_limit_bytes",
        _GAUGE,
        "bytes",
        (),
        "vital",
        "Memory that it may take, by the tightest limit of its own group and those around it.",
    ),
    Metric(
        "edgevitals_cgroup_oom_kills_total",
        _COUNTER,
        "",
        (),
        "vital",
        "Processes of the group that were killed for want of memory.",
    ),
    Metric(
        "edgevitals_cgroup_cpu_limit",
        _GAUGE,
        "",
        (),
        "standard",
        "CPUs that it may take, by the tightest limit of its own group and those around it.",
    ),
    Metric(
        "edgevitals_cgroup_cpu_periods_total",
        _COUNTER,
        "",
        (),
        "standard",
        "Periods in which the group of that limit ran.",
    ),
    Metric(
        "edgevitals_cgroup_cpu_throttled_periods_total",
        _COUNTER,
        "",
        (),
        "standard",
        "Periods in which that group was held back.",
    ),
    Metric(
        "edgevitals_cgroup_cpu_throttled_seconds_total",
        _COUNTER,
        "seconds",
        (),
        "standard",
        "Seconds for which that group was held back.",
    ),
    Metric(
        "edgevitals_cgroup_pids",
        _GAUGE,
        "",
        (),
        "standard",
        "Processes and threads of the group.",
    ),
    Metric(
        "edgevitals_cgroup_pids_limit",
        _GAUGE,
        "",
        (),
        "standard",
        "Processes and threads that it may have, by the tightest limit.",
    ),
)
"""What the collector may take itself, told by the source host."""

THROTTLED = (
    Metric(
        "edgevitals_host_throttled",
        _GAUGE,
        "",
        ("cause",),
        "vital",
        "1 if the machine is held back, by what its firmware says (Raspberry Pi): under_voltage, "
        "frequency_capped, throttled, soft_temperature_limit.",
    ),
    Metric(
        "edgevitals_host_throttled_since_boot",
        _GAUGE,
        "",
        ("cause",),
        "standard",
        "1 if that was so at any time since the boot.",
    ),
    Metric(
        "edgevitals_host_filesystem_runway_seconds",
        _GAUGE,
        "seconds",
        ("device", "fstype", "mountpoint"),
        "vital",
        "Time until the file system is full, as fast as its free space became less in the last "
        "hour; absent for the first ten minutes, and while it doesn't become less.",
    ),
)

_OF_CERTIFICATE = ("origin", "subject", "issuer", "serial")

CERTIFICATES = (
    Metric(
        "edgevitals_certificate_expiry_timestamp_seconds",
        _GAUGE,
        "seconds",
        _OF_CERTIFICATE,
        "standard",
        "Unix time until which the certificate is good; `origin` is its file or listener.",
    ),
    Metric(
        "edgevitals_certificate_left_seconds",
        _GAUGE,
        "seconds",
        _OF_CERTIFICATE,
        "vital",
        "Time for which the certificate is still good, in whole days; below 0 it no longer is.",
    ),
    Metric(
        "edgevitals_certificate_outlives_disconnection",
        _GAUGE,
        "",
        _OF_CERTIFICATE,
        "vital",
        "1 if the certificate is good for longer than the site may be out of reach "
        "(`longest_disconnection`), else 0.",
    ),
    Metric(
        "edgevitals_certificate_readable",
        _GAUGE,
        "",
        ("origin",),
        "standard",
        "1 if the file or listener showed its certificates when it was last looked at, else 0. "
        "Those that a listener showed before stay.",
    ),
    Metric(
        "edgevitals_certificates_left_out",
        _GAUGE,
        "",
        ("origin",),
        "standard",
        "Certificates of the file or listener that are not told: there are more than 16, and "
        "these end later.",
    ),
)
