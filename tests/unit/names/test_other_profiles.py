"""The profiles of other people's boards, on what a real broker and MirrorMaker have."""

from __future__ import annotations

import pytest

from collector.series import Kind
from tests.unit.names import inventory
from tests.unit.names.inventory import Given, ask, kafka, mirrormaker

STRIMZI_BOARDS = """
kafka_server_replicamanager_leadercount kafka_controller_kafkacontroller_activecontrollercount
kafka_controller_controllerstats_uncleanleaderelections_total
kafka_server_replicamanager_partitioncount kafka_server_replicamanager_underreplicatedpartitions
kafka_cluster_partition_atminisr kafka_cluster_partition_underminisr
kafka_controller_kafkacontroller_offlinepartitionscount process_open_fds jvm_memory_used_bytes
jvm_gc_collection_seconds_sum jvm_gc_collection_seconds_count jvm_threads_current
kafka_server_brokertopicmetrics_bytesin_total kafka_server_brokertopicmetrics_bytesout_total
kafka_server_brokertopicmetrics_messagesin_total
kafka_server_brokertopicmetrics_totalproducerequests_total
kafka_server_brokertopicmetrics_failedproducerequests_total
kafka_server_brokertopicmetrics_totalfetchrequests_total
kafka_server_brokertopicmetrics_failedfetchrequests_total
kafka_network_socketserver_networkprocessoravgidle_percent
kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent
kafka_server_kafkaserver_linux_disk_write_bytes kafka_server_kafkaserver_linux_disk_read_bytes
kafka_server_socket_server_metrics_connection_count kafka_log_log_size
kafka_cluster_partition_replicascount kafka_server_raftmetrics_append_records_rate
kafka_server_raftmetrics_fetch_records_rate kafka_server_raftmetrics_commit_latency_avg
kafka_server_raftmetrics_current_state kafka_server_raftmetrics_current_leader
kafka_server_raftmetrics_current_vote kafka_server_raftmetrics_current_epoch
kafka_server_raftchannelmetrics_incoming_byte_total
kafka_server_raftchannelmetrics_outgoing_byte_total kafka_server_raftchannelmetrics_request_total
kafka_server_raftchannelmetrics_response_total kafka_server_raftmetrics_high_watermark
kafka_server_raftmetrics_log_end_offset
"""
"""What Strimzi's boards for Kafka and KRaft ask of a broker."""

STRIMZI_CONNECT = """
kafka_connect_worker_connector_count kafka_connect_worker_task_count
kafka_connect_worker_connector_startup_attempts_total
kafka_connect_worker_connector_startup_failure_total kafka_connect_worker_task_startup_success_total
kafka_connect_coordinator_assigned_connectors kafka_connect_coordinator_assigned_tasks
kafka_connect_connector_status kafka_connect_connector_task_status
kafka_consumer_fetch_manager_records_lag kafka_consumer_fetch_manager_bytes_consumed_total
kafka_producer_record_send_total kafka_producer_topic_byte_total kafka_producer_node_request_total
kafka_connect_incoming_byte_total kafka_connect_io_ratio
kafka_connect_mirror_mirrorsourceconnector_replication_latency_ms
kafka_connect_mirror_mirrorsourceconnector_record_age_ms
kafka_connect_mirror_mirrorsourceconnector_record_count
kafka_connect_mirror_mirrorcheckpointconnector_checkpoint_latency_ms
kafka_connect_source_task_source_record_poll_total kafka_connect_task_error_total_retries
"""

CONFLUENT = """
kafka_server_brokertopicmetrics_bytesinpersec kafka_server_brokertopicmetrics_messagesinpersec
kafka_server_brokertopicmetrics_bytesinpersec_oneminuterate
kafka_server_brokertopicmetrics_bytesinpersec_oneminuterate_alltopics
kafka_server_replicamanager_underreplicatedpartitions kafka_server_replicamanager_isrshrinkspersec
kafka_controller_kafkacontroller_activecontrollercount
kafka_controller_controllerstats_uncleanleaderelectionspersec
kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_oneminuterate
kafka_network_requestmetrics_totaltimems kafka_network_requestmetrics_requestspersec
kafka_network_requestmetrics_requestspersec_oneminuterate kafka_log_log_size
kafka_server_socketservermetrics_connection_count kafka_server_raft_metrics_high_watermark
kafka_server_raft_metrics_current_epoch
kafka_server_broker_metadata_metrics_metadata_load_error_count
kafka_coordinator_group_groupmetadatamanager_numgroups kafka_server_fetch_queue_size
kafka_server_raft_metrics_current_state kafka_server_delayedoperationpurgatory_purgatorysize
kafka_network_socketserver_networkprocessoravgidlepercent jvm_memory_used_bytes
"""


@pytest.fixture(scope="module")
def strimzi():
    return Given("strimzi", kafka())


def test_strimzi_gives_what_its_boards_for_brokers_ask_for(strimzi):
    assert set(STRIMZI_BOARDS.split()) - strimzi.kinds.keys() == set()
    assert strimzi.one("kafka_server_raftmetrics_current_state", current_state="leader") == 1
    labels = {"listener": "PLAINTEXT", "networkProcessor": "1"}
    assert strimzi.one("kafka_server_socket_server_metrics_connection_count", **labels) >= 0
    quantile = {"request": "Produce", "quantile": "0.50"}
    assert strimzi.one("kafka_network_requestmetrics_totaltimems", **quantile) >= 0
    size = {"topic": "t00", "partition": "0"}
    assert strimzi.one("kafka_log_log_size", **size) >= 0


def test_strimzi_gives_what_its_boards_for_connect_and_mirrormaker_ask_for():
    given = Given("strimzi", mirrormaker())
    assert set(STRIMZI_CONNECT.split()) - given.kinds.keys() == set()
    status = {"connector": "MirrorSourceConnector", "status": "running"}
    assert given.one("kafka_connect_connector_status", **status) == 1
    assert given.kinds["kafka_producer_topic_byte_total"] is Kind.COUNTER


def test_cp_ansible_gives_what_the_boards_of_jmx_monitoring_stacks_ask_for():
    given = Given("cp-ansible", kafka())
    assert set(CONFLUENT.split()) - given.kinds.keys() == set()
    labels = {"listener": "PLAINTEXT", "network_processor": "1"}
    assert given.one("kafka_server_socketservermetrics_connection_count", **labels) >= 0
    worker = Given("cp-ansible", mirrormaker())
    name = "kafka_connect_connect_worker_metrics_connector_count"
    assert worker.one(name, connector="aggregate") == 3


def test_cfk_puts_the_name_of_a_bean_into_a_label():
    given = Given("cfk", kafka())
    topic = {"name": "BytesInPerSec", "topic": "t00"}
    assert given.one("kafka_server_brokertopicmetrics_count", **topic) > 0
    assert given.one("kafka_server_brokertopicmetrics_oneminuterate", **topic) >= 0
    urp = {"name": "UnderReplicatedPartitions"}
    assert given.one("kafka_server_replicamanager_value", **urp) == 0
    p99 = {"name": "TotalTimeMs", "request": "Produce"}
    assert given.one("kafka_network_requestmetrics_99thpercentile", **p99) >= 0
    assert given.one("kafka_server_raft_metrics_high_watermark") > 0
    assert given.one("java_lang_memory_heapmemoryusage_used") > 0
    assert given.one("jvm_memory_used_bytes", area="heap") > 0
    total = "kafka_server_socket_server_metrics_connection_creation_total"
    assert given.kinds[total] is Kind.COUNTER
    assert not [name for name in given.kinds if "lastgcinfo" in name]


LINK = "clientId=ClusterLink,link-name=l"


@pytest.mark.parametrize(
    "profile,name,attribute,metric,labels",
    [
        (
            "cp-ansible",
            f"kafka.server.link:type=ClusterLinkFetcherManager,name=MaxLag,{LINK}",
            "Value",
            "kafka_server_link_clusterlinkfetchermanager_maxlag",
            {"clientid": "ClusterLink", "link_name": "l"},
        ),
        (
            "cfk",
            f"kafka.server.link:type=ClusterLinkFetcherManager,name=MaxLag,{LINK}",
            "Value",
            "kafka_server_link_clusterlinkfetchermanager_value",
            {"name": "MaxLag", "clientid": "ClusterLink", "link_name": "l"},
        ),
        (
            "cp-ansible",
            "kafka.server:type=cluster-link-metrics,mode=destination,state=active,link-name=l",
            "link-count",
            "kafka_server_cluster_link_metrics_link_count",
            {"mode": "destination", "state": "active", "link_name": "l"},
        ),
        (
            "cp-ansible",
            "kafka.server:type=FetcherLagMetrics,name=ConsumerLag,clientId=C,topic=t,partition=1",
            "Value",
            "kafka_server_fetcherlagmetrics_consumerlag",
            {"clientid": "C", "topic": "t", "partition": "1"},
        ),
        (
            "strimzi",
            "kafka.server:type=FetcherLagMetrics,name=ConsumerLag,clientId=C,topic=t,partition=1",
            "Value",
            "kafka_server_fetcherlagmetrics_consumerlag",
            {"clientId": "C", "topic": "t", "partition": "1"},
        ),
        (
            "cp-ansible",
            "kafka.server:type=Produce,user=u,client-id=c",
            "throttle-time",
            "kafka_server_produce_throttle_time",
            {"user": "u", "client_id": "c"},
        ),
        (
            "cp-ansible",
            "kafka.server:type=tenant-metrics,member=m,topic=t,consumer-group=g,partition=2,client-id=c",
            "consumer-lag-offsets",
            "kafka_server_tenant_metrics_consumer_lag_offsets",
            {"topic": "t", "consumergroup": "g", "partition": "2", "client_id": "c"},
        ),
        (
            "cp-ansible",
            "kafka.schema.registry:type=avro-schemas-deleted",
            "avro-schemas-deleted",
            "kafka_schema_registry_schemas_deleted",
            {"schema_type": "avro"},
        ),
        (
            "cp-ansible",
            "kafka.schema.registry:type=jetty-metrics",
            "connections-active",
            "kafka_schema_registry_jetty_metrics_connections_active",
            {},
        ),
        (
            "cp-ansible",
            "io.confluent.ksql.metrics:type=_confluent-ksql-default_ksql-engine-query-stats",
            "num-active-queries",
            "ksql_ksql_engine_query_stats_num_active_queries",
            {"ksql_cluster": "default_"},
        ),
        (
            "cp-ansible",
            "kafka.streams:type=stream-task-metrics,thread-id=a-1,task-id=0_1",
            "process-rate",
            "kafka_streams_stream_task_metrics_process_rate",
            {"thread_id": "a-1", "task_id": "0_1"},
        ),
        (
            "cp-ansible",
            "kafka.consumer:type=consumer-fetch-manager-metrics,client-id=c,topic=t,partition=1",
            "records-lag-max",
            "kafka_consumer_consumer_fetch_manager_metrics_records_lag_max",
            {"client_type": "consumer", "client_id": "c", "topic": "t", "partition": "1"},
        ),
        (
            "cp-ansible",
            "org.apache.ZooKeeperService:name0=ReplicatedServer_id1,name1=replica.1,name2=Follower",
            "AvgRequestLatency",
            "zookeeper_avgrequestlatency",
            {"server_name": "ReplicatedServer_id1", "server_id": "1", "member_type": "Follower"},
        ),
        (
            "strimzi",
            "org.apache.ZooKeeperService:name0=ReplicatedServer_id1,name1=replica.2,name2=Leader,name3=InMemoryDataTree",
            "NodeCount",
            "zookeeper_inmemorydatatree_nodecount",
            {"replicaId": "2", "memberType": "Leader"},
        ),
        (
            "strimzi",
            "kafka.streams:type=stream-thread-metrics,thread-id=a-1",
            "commit-total",
            "kafka_streams_stream_thread_metrics_commit",
            {"thread_id": "a-1"},
        ),
    ],
)  # fmt: skip
def test_what_a_broker_of_ours_can_not_show(profile, name, attribute, metric, labels):
    named = ask(inventory.profile(profile), name, attribute, 1.0).named
    assert named.name == metric
    assert dict(named.labels) == labels
