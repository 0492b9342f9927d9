"""Panels on Kafka itself: its brokers, its controllers, its partitions."""

from __future__ import annotations

from dashboards import style
from dashboards.grid import THIRD
from dashboards.panels import Query, Text, above, lines, number, wide
from dashboards.selectors import of, rate
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
