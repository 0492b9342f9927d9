"""The board *site*: is Kafka all right there, is the link up, and how old is what I see."""

from __future__ import annotations

from typing import Any

from dashboards import board, style, truth
from dashboards.board import Row
from dashboards.grid import THIRD
from dashboards.panels import (
    Query,
    Text,
    above,
    bars,
    below,
    events,
    lines,
    number,
    states,
    wide,
)
from dashboards.selectors import coded, counted_down, grown, of, rate, shared
from dashboards.style import CRITICAL, WARN

KAFKA = wide(
    number(
        Text(
            "Is Kafka all right?",
            "Brokers that are alive; brokers that the controller has fenced off (good is: 0); the "
            "node that leads the controllers' quorum (good is: any); partitions without a leader, "
            "with fewer replicas in sync than min.insync.replicas, and with any replica missing "
            "(good is: 0). Nothing at all: JMX or the source kafka is not read, see Targets.",
        ),
        "count",
        [
            Query(f"max({of('kafka_brokers')})", "brokers alive"),
            Query(
                f"max({of('kafka_controller_kafkacontroller_fencedbrokercount')})", "brokers fenced"
            ),
            Query(f"min({of('kafka_server_raft_metrics_current_leader')})", "leading controller"),
            Query(
                f"max({of('kafka_controller_kafkacontroller_offlinepartitionscount')})",
                "partitions offline",
            ),
            Query(
                f"sum({of('kafka_server_replicamanager_underminisrpartitioncount')})",
                "under min ISR",
            ),
            Query(
                f"sum({of('kafka_server_replicamanager_underreplicatedpartitions')})",
                "under-replicated",
            ),
        ],
        own_steps={
            1: above(kafka_brokers_down=CRITICAL),
            3: above(kafka_offline_partitions=CRITICAL),
            4: above(kafka_under_min_isr=CRITICAL),
            5: above(kafka_under_replicated=WARN),
        },
        words=style.LEADER_WORDS,
    )
)

TARGETS = states(
    Text(
        "Targets",
        "Whether what the collector reads answered, round by round. Good is: up. Down: "
        "`edgevitals status` at the site says why. An end of the line is the age of the data, "
        "not a target that is down.",
    ),
    [Query(f"max by (job, instance) ({of('up')})", "{{job}} {{instance}}")],
    style.UP_WORDS,
)

LINKS = states(
    Text(
        "Links",
        "What carries topics or rounds away from the site: MirrorMaker 2, cluster links, and our "
        "own way to each sink (edgevitals). Disconnected is an edge's daily life: look at the "
        "time until records are lost. Broken: a person must do something.",
    ),
    [Query(coded("edgevitals_link_state", style.LINK_STATES, "link, kind"), "{{link}} ({{kind}})")],
    style.LINK_WORDS,
)

GROUP_LAG = lines(
    Text(
        "Consumer groups: behind by",
        "Age of the oldest record that a group has not committed, of the ten worst. Good is: "
        "seconds, and not growing. It grows as fast as time: the group has stopped.",
    ),
    "seconds",
    [
        Query(
            f"topk(10, max by (consumergroup, topic) ({of('edgevitals_group_lag_seconds')}))",
            "{{consumergroup}} {{topic}}",
        )
    ],
    steps=above(group_stuck=WARN),
)

TIME_TO_LOSS = bars(
    Text(
        "Until records are lost",
        "Time until retention may delete a record that a group has not read or a link has not "
        "carried, if it stands still from now on; the ten nearest of each. The one harm that "
        "can't be undone: before it is 0 bring the reader back, or raise the retention. It counts "
        "down while the site is dark; the colours are EVTimeToDataLoss's.",
    ),
    "seconds",
    [
        Query(
            "bottomk(10, min by (consumergroup, topic) "
            f"({counted_down('edgevitals_group_time_to_loss_seconds')}))",
            "group {{consumergroup}} {{topic}}",
        ),
        Query(
            "bottomk(10, min by (link, topic) "
            f"({counted_down('edgevitals_link_time_to_loss_seconds')}))",
            "link {{link}} {{topic}}",
        ),
    ],
    steps=below(data_loss_critical=CRITICAL, data_loss_warning=WARN),
)

_IN = of("kafka_server_brokertopicmetrics_bytesinpersec_total", topic="")
_OUT = of("kafka_server_brokertopicmetrics_bytesoutpersec_total", topic="")
_RECORDS = of("kafka_server_brokertopicmetrics_messagesinpersec_total", topic="")
_IDLE = "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate"

BYTES = lines(
    Text(
        "Data in and out",
        "Bytes a second that clients write and read, all brokers together, without replication.",
    ),
    "bytes/s",
    [Query(f"sum({rate(_IN)})", "in"), Query(f"sum({rate(_OUT)})", "out")],
    size=THIRD,
)

RECORDS = lines(
    Text("Records in", "Records a second that clients write, all brokers together."),
    "per second",
    [Query(f"sum({rate(_RECORDS)})", "in")],
    size=THIRD,
)

REQUESTS = lines(
    Text(
        "Requests: 99 of 100 within",
        "Time that a broker takes for a request, of the slowest broker. A fetch waits for data "
        "as long as the consumer lets it (fetch.max.wait.ms): only a change says something.",
    ),
    "milliseconds",
    [
        Query(
            "max by (request) ("
            + of(
                "kafka_network_requestmetrics_totaltimems",
                request="~Produce|FetchConsumer",
                quantile="0.99",
            )
            + ")",
            "{{request}}",
        )
    ],
    size=THIRD,
)

TROUBLE = lines(
    Text(
        "Partitions in trouble",
        "Offline: nobody can write or read. Under min ISR: writes with acks=all fail. "
        "Under-replicated: the next broker that goes may take records with it. Good is: 0 of "
        "each; for minutes after a broker restarted there are some.",
    ),
    "count",
    [
        Query(
            f"max({of('kafka_controller_kafkacontroller_offlinepartitionscount')})",
            "offline",
        ),
        Query(
            f"sum({of('kafka_server_replicamanager_underminisrpartitioncount')})", "under min ISR"
        ),
        Query(
            f"sum({of('kafka_server_replicamanager_underreplicatedpartitions')})",
            "under-replicated",
        ),
        Query(
            f"sum({of('kafka_server_replicamanager_atminisrpartitioncount')})",
            "one more and it is under min ISR",
        ),
    ],
    size=THIRD,
    steps=above(kafka_offline_partitions=CRITICAL),
)

BUSY = lines(
    Text(
        "Brokers busy",
        "Share of the time that request handlers and network threads work, of the busiest "
        "broker. Good is: below 70 %.",
    ),
    "share",
    [
        Query(f"1 - min({of(_IDLE)})", "request handlers"),
        Query(
            f"1 - min({of('kafka_network_socketserver_networkprocessoravgidlepercent')})",
            "network threads",
        ),
    ],
    size=THIRD,
    most=1,
)

_HEAP = {"area": "heap", "job": "kafka"}
HEAP = lines(
    Text(
        "Brokers' heap",
        "Heap in use as a share of the most that the JVM may take. A saw-tooth is normal; lows "
        "that rise for days are not.",
    ),
    "share",
    [
        Query(
            f"max by (instance) ({of('jvm_memory_used_bytes', **_HEAP)}"
            f" / ({of('jvm_memory_max_bytes', **_HEAP)} > 0))",
            "{{instance}}",
        )
    ],
    size=THIRD,
    most=1,
)

GROUP_RECORDS = lines(
    Text(
        "Consumer groups: records behind",
        "Records between what a group has committed and the end of the topic, of the ten worst.",
    ),
    "count",
    [
        Query(
            f"topk(10, max by (consumergroup, topic) ({of('kafka_consumergroup_lag_sum')}))",
            "{{consumergroup}} {{topic}}",
        )
    ],
    size=THIRD,
)

LOST = lines(
    Text(
        "Records that groups can't read any more",
        "Records between what a group has committed and the oldest that is kept, of the ten "
        "worst. Good is: 0. What is above it is gone; it ends when the group commits again.",
    ),
    "count",
    [
        Query(
            f"topk(10, max by (consumergroup, topic) ({of('edgevitals_group_lost_records')}))",
            "{{consumergroup}} {{topic}}",
        )
    ],
    size=THIRD,
)

TOPICS = bars(
    Text(
        "Largest topics",
        "Bytes on the disks of the brokers that are read here, all replicas together, of the ten "
        "largest topics.",
    ),
    "bytes",
    [Query(f"topk(10, sum by (topic) ({shared(of('edgevitals_topic_size_bytes'))}))", "{{topic}}")],
    size=THIRD,
)

LINK_LAG = lines(
    Text(
        "Links: behind by",
        "Age of the oldest record that a link has still to carry, of the ten worst. It grows as "
        "fast as time while the link is down. Good is: seconds.",
    ),
    "seconds",
    [
        Query(
            f"topk(10, max by (link, topic) ({of('edgevitals_link_lag_seconds')}))",
            "{{link}} {{topic}}",
        )
    ],
    size=THIRD,
)

LINK_RECORDS = lines(
    Text(
        "Links: records behind",
        "Records that a link has still to carry, of the ten worst; rounds, of our own way to a "
        "sink. Absent while the link's position is not known.",
    ),
    "count",
    [
        Query(
            f"topk(10, max by (link, topic) ({of('edgevitals_link_lag_records')}))",
            "{{link}} {{topic}}",
        )
    ],
    size=THIRD,
)

LINK_CATCH_UP = lines(
    Text(
        "Links: caught up in",
        "Time until a link has carried all, as fast as its lag shrank in the last two minutes; 0 "
        "without lag. Absent while the lag doesn't shrink: then it never will.",
    ),
    "seconds",
    [
        Query(
            f"topk(10, max by (link, topic) ({of('edgevitals_link_catch_up_seconds')}))",
            "{{link}} {{topic}}",
        )
    ],
    size=THIRD,
)

LINK_LOST = events(
    Text(
        "Links: records lost",
        "Records that the source's retention deleted before the link could carry them. Good is: "
        "none. Told where the link's offset syncs are read.",
    ),
    "count",
    [
        Query(
            f"sum by (link, topic) ({grown(of('edgevitals_link_lost_records_total'))})",
            "{{link}} {{topic}}",
        )
    ],
    size=THIRD,
)

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


def site() -> dict[str, Any]:
    return board.build(
        "ev-site",
        "One site: is Kafka all right, is the link up, how old is what I see, who is behind, and "
        "what will be lost when.",
        [
            Row("", [*truth.STRIP, KAFKA, TARGETS, LINKS, GROUP_LAG, TIME_TO_LOSS]),
            Row("Kafka", [BYTES, RECORDS, REQUESTS, TROUBLE, BUSY, HEAP]),
            Row("Groups and topics", [GROUP_RECORDS, LOST, TOPICS]),
            Row("How far the links are", [LINK_LAG, LINK_RECORDS, LINK_CATCH_UP, LINK_LOST]),
            Row("Disks and machine", [FREE, RUNWAY, CPU, MEMORY, CLOCK, CERTIFICATES]),
        ],
    )
