"""The metrics of others that boards read and no alert does, each with its labels.

Ours stand in the catalogue, and so does what alerts read. These are Kafka's, as the profile
`default` names its MBeans, kafka_exporter's and node_exporter's; tests hold each beside a real
broker's beans and beside what our sources tell.
"""

from __future__ import annotations

KAFKA: dict[str, tuple[str, ...]] = {
    "kafka_network_requestmetrics_totaltimems": ("quantile", "request"),
    "kafka_network_socketserver_networkprocessoravgidlepercent": (),
    "kafka_server_app_info_start_time_ms": ("id",),
    "kafka_server_brokertopicmetrics_bytesinpersec_total": ("topic",),
    "kafka_server_brokertopicmetrics_bytesoutpersec_total": ("topic",),
    "kafka_server_brokertopicmetrics_messagesinpersec_total": ("topic",),
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate": (),
    "kafka_server_replicamanager_atminisrpartitioncount": (),
    "jvm_memory_max_bytes": ("area",),
    "jvm_memory_used_bytes": ("area",),
}
"""Of a broker by JMX. The rules give a label only where the bean has its key."""

EXPORTER: dict[str, tuple[str, ...]] = {
    "kafka_consumergroup_lag_sum": ("consumergroup", "topic"),
}

HOST: dict[str, tuple[str, ...]] = {
    "node_cpu_seconds_total": ("cpu", "mode"),
    "node_memory_MemAvailable_bytes": (),
    "node_memory_MemTotal_bytes": (),
    "node_timex_offset_seconds": (),
}
