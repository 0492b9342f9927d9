"""The profile `default` on what a real broker has."""

from __future__ import annotations

from collections import Counter

import pytest

from collector.series import Kind
from tests.unit.names.inventory import Given, Known, Slot, ask, bean, kafka, mirrormaker, profile


@pytest.fixture(scope="module")
def given():
    return Given("default", kafka())


def test_what_the_shipped_alerts_and_boards_stand_on(given):
    assert given.one("kafka_controller_kafkacontroller_offlinepartitionscount") == 0
    assert given.one("kafka_controller_kafkacontroller_activecontrollercount") == 1
    assert given.one("kafka_server_replicamanager_underreplicatedpartitions") == 0
    assert given.one("kafka_server_brokertopicmetrics_bytesinpersec_total") > 0
    assert given.one("kafka_server_brokertopicmetrics_bytesinpersec_total", topic="t00") > 0
    assert given.one("kafka_server_raft_metrics_current_state_info", current_state="leader") == 1
    assert given.one("kafka_server_raft_metrics_high_watermark") > 0
    assert given.one("kafka_server_app_info_version_info", id="1", version="4.3.1") == 1
    (commit,) = (k for k in given.values if k[0] == "kafka_server_app_info_commit_id_info")
    assert dict(commit[1])["commit_id"]
    clients = {"clientSoftwareName": "apache-kafka-java", "networkProcessor": "1"}
    clients |= {"clientSoftwareVersion": "4.3.1", "listener": "CONTROLLER"}
    assert given.one("kafka_server_socket_server_metrics_connections", **clients) == 1
    idle = "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent"
    assert 0 < given.one(f"{idle}_oneminuterate") <= 1
    assert given.one(f"{idle}_total") > 1e9
    total = "kafka_network_requestmetrics_totaltimems"
    assert given.one(total, request="Produce", quantile="0.5") >= 0
    assert given.one(total, request="Produce", quantile="0.999") >= 0
    assert given.one(f"{total}_count", request="Produce") > 0
    assert given.one("kafka_log_logflushstats_logflushrateandtimems_count") >= 0
    offline = "kafka_log_logmanager_logdirectoryoffline"
    assert given.one(offline, logDirectory="/var/lib/kafka") == 0
    labels = {"listener": "PLAINTEXT", "networkProcessor": "0"}
    assert given.one("kafka_server_socket_server_metrics_connection_count", **labels) >= 0
    assert given.one("kafka_server_group_coordinator_metrics_group_count", protocol="classic") >= 0


def test_the_jvm_and_its_process_as_the_javaagent_names_them(given):
    assert given.one("jvm_memory_used_bytes", area="heap") > 1e6
    assert given.one("jvm_memory_max_bytes", area="nonheap") == -1
    assert given.one("jvm_gc_collection_seconds_count", gc="G1 Young Generation") > 0
    assert 0 < given.one("jvm_gc_collection_seconds_sum", gc="G1 Young Generation") < 100
    assert given.one("jvm_threads_current") > 10
    assert given.one("process_open_fds") > 10
    assert 1.7e9 < given.one("process_start_time_seconds") < 4e9
    assert 1 < given.one("process_cpu_seconds_total") < 1e5
    assert given.one("jvm_memory_pool_used_bytes", pool="G1 Old Gen") > 0


def test_counters_and_gauges_are_typed(given):
    assert Kind.UNKNOWN not in given.kinds.values()
    counters = {name for name, kind in given.kinds.items() if kind is Kind.COUNTER}
    assert {name for name in given.kinds if name.endswith("_total")} <= counters
    assert "kafka_network_requestmetrics_totaltimems_count" in counters
    assert "kafka_controller_kafkacontroller_newactivecontrollerscount" in counters
    assert given.kinds["kafka_server_socket_server_metrics_connection_count"] is Kind.GAUGE
    assert given.kinds["jvm_gc_collection_seconds_sum"] is Kind.COUNTER


def test_no_series_is_given_twice_and_none_needs_an_objectname(given):
    assert given.assignment.clashes == 0
    assert given.assignment.left_out == 0
    assert not [key for key in given.values if "_objectname" in dict(key[1])]


def test_names_and_labels_are_legal(given):
    for name, labels in given.values:
        assert name.replace("_", "a").isalnum()
        assert name == name.lower()
        assert all(key.replace("_", "a").isalnum() for key, _ in labels)


def test_about_two_thousand_values_of_a_broker_with_200_partitions(given):
    assert 1000 <= len(given.values) <= 2500


def test_it_stays_bounded_with_many_topics_and_partitions():
    slots = (Slot("Count", (), "long"), Slot("OneMinuteRate", (), "double"))
    names = ["BytesInPerSec", "BytesOutPerSec", "MessagesInPerSec", "FailedFetchRequestsPerSec"]
    many = [
        Known(
            bean(f"kafka.server:type=BrokerTopicMetrics,name={name},topic=t{i}"),
            slots,
            (i, 0.5),
            (),
        )
        for i in range(1000)
        for name in names
    ]
    many += [
        Known(bean(f"kafka.log:type=Log,name=Size,topic=t{i},partition=0"), slots[:1], (1,), ())
        for i in range(2000)
    ]
    given = Given("default", many)
    count = Counter(name for name, _ in given.values)
    assert count["kafka_server_brokertopicmetrics_bytesinpersec_total"] == 500
    assert len(given.values) == 3 * 500 + 150


@pytest.mark.parametrize(
    "name,attribute,metric,labels",
    [
        (
            "kafka.connect:type=connector-task-metrics,connector=c,task=0",
            "offset-commit-success-percentage",
            "kafka_connect_connector_task_metrics_offset_commit_success_percentage",
            {"connector": "c", "task": "0"},
        ),
        (
            "kafka.connect:type=connect-worker-metrics,connector=c",
            "connector-failed-task-count",
            "kafka_connect_connect_worker_metrics_connector_failed_task_count",
            {"connector": "c"},
        ),
        (
            "kafka.connect.mirror:type=MirrorSourceConnector,source=a,target=b,topic=a.t,partition=3",
            "replication-latency-ms-max",
            "kafka_connect_mirror_mirrorsourceconnector_replication_latency_ms_max",
            {"source": "a", "target": "b", "topic": "a.t", "partition": "3"},
        ),
        (
            "kafka.server.link:type=ClusterLinkFetcherManager,name=MaxLag,clientId=ClusterLink,link-name=l",
            "Value",
            "kafka_server_link_clusterlinkfetchermanager_maxlag",
            {"clientId": "ClusterLink", "link_name": "l"},
        ),
        (
            "kafka.server:type=cluster-link-metrics,mode=destination,state=active,link-name=l",
            "link-count",
            "kafka_server_cluster_link_metrics_link_count",
            {"mode": "destination", "state": "active", "link_name": "l"},
        ),
        (
            "kafka.consumer:type=consumer-fetch-manager-metrics,client-id=c,topic=t,partition=1",
            "records-lag-max",
            "kafka_consumer_consumer_fetch_manager_metrics_records_lag_max",
            {"client_id": "c", "topic": "t", "partition": "1"},
        ),
        (
            "kafka.producer:type=producer-topic-metrics,client-id=c,topic=t",
            "record-send-total",
            "kafka_producer_producer_topic_metrics_record_send_total",
            {"client_id": "c", "topic": "t"},
        ),
        (
            "kafka.streams:type=stream-task-metrics,thread-id=x-1,task-id=0_1",
            "process-rate",
            "kafka_streams_stream_task_metrics_process_rate",
            {"thread_id": "x-1", "task_id": "0_1"},
        ),
        (
            "kafka.schema.registry:type=jetty-metrics",
            "connections-active",
            "kafka_schema_registry_jetty_metrics_connections_active",
            {},
        ),
        (
            "io.confluent.ksql.metrics:type=ksql-engine-query-stats,ksql_service_id=s",
            "num-persistent-queries",
            "io_confluent_ksql_metrics_ksql_engine_query_stats_num_persistent_queries",
            {"ksql_service_id": "s"},
        ),
        (
            "org.apache.ZooKeeperService:name0=StandaloneServer_port2181",
            "AvgRequestLatency",
            "zookeeper_avgrequestlatency",
            {"member": "StandaloneServer_port2181"},
        ),
        (
            "kafka.server:type=SessionExpireListener,name=ZooKeeperDisconnectsPerSec",
            "Count",
            "kafka_server_sessionexpirelistener_zookeeperdisconnectspersec_total",
            {},
        ),
    ],
)
def test_other_processes_have_raw_names_too(name, attribute, metric, labels):
    named = ask(profile("default"), name, attribute, 1.0).named
    assert named.name == metric
    assert dict(named.labels) == labels


def test_mirrormaker_with_names_that_need_quotes():
    given = Given("default", mirrormaker())
    latency = "kafka_connect_mirror_mirrorsourceconnector_replication_latency_ms_max"
    assert any(name == latency for name, _ in given.values)
    version = {"id": "a->b", "version": "4.3.1"}
    assert given.one("kafka_connect_app_info_version_info", **version) == 1
    assert given.one("kafka_connect_connect_worker_metrics_connector_count") == 3
    status = {"connector": "MirrorSourceConnector", "status": "running"}
    assert given.one("kafka_connect_connector_metrics_status_info", **status) == 1
    assert given.kinds["kafka_connect_mirror_mirrorsourceconnector_record_count"] is Kind.COUNTER
    assert Kind.UNKNOWN not in given.kinds.values()
    assert not [name for name, _ in given.values if name.startswith("kafka_admin_client")]
    assert given.assignment.clashes == 0
    assert not [key for key in given.values if "_objectname" in dict(key[1])]
