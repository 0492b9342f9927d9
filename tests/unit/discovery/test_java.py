"""Command lines of Java processes, and the files that they name."""

from __future__ import annotations

import pytest

from collector.discovery.java import (
    Agent,
    Listener,
    broker_file,
    java_process,
    listeners,
    properties,
)

CP = "/opt/kafka/libs/a.jar:/opt/kafka/libs/b.jar"
BROKER = [
    "/usr/lib/jvm/java-17/bin/java",
    "-Xmx1G",
    "-server",
    "-Dcom.sun.management.jmxremote=true",
    "-Dcom.sun.management.jmxremote.port=9999",
    "-Dcom.sun.management.jmxremote.rmi.port=9998",
    "-Dkafka.logs.dir=/var/log/kafka",
    "-javaagent:/opt/jmx_prometheus_javaagent-1.0.1.jar=7071:/opt/kafka.yml",
    "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005",
    "-cp",
    CP,
    "kafka.Kafka",
    "/etc/kafka/server.properties",
    "--override",
    "node.id=7",
    "--override",
    "ssl.key.password=secret",
]

SERVER = """
# comment: listeners=PLAINTEXT://:1
process.roles = broker,controller
node.id:3
listeners=PLAINTEXT://:9092,SASL_SSL://0.0.0.0:9093,\\
    CONTROLLER://[::1]:9094
advertised.listeners=PLAINTEXT://broker.example:9092
controller.listener.names=CONTROLLER
log.dirs=/data/a, /data/b
ssl.keystore.password=secret
"""


def test_a_broker_names_its_ports_and_its_file():
    process = java_process(7, BROKER)
    assert process is not None
    assert (process.role, process.main_class) == ("broker", "kafka.Kafka")
    assert (process.jmx_port, process.rmi_port, process.debug_port) == (9999, 9998, 5005)
    assert process.agents == (Agent("jmx_prometheus_javaagent-1.0.1.jar", 7071),)
    assert process.files == ("/etc/kafka/server.properties",)
    assert process.overrides == (("node.id", "7"),)
    assert "secret" not in repr(process)


@pytest.mark.parametrize(
    "main,role",
    [
        ("org.apache.kafka.connect.cli.ConnectDistributed", "connect"),
        ("org.apache.kafka.connect.mirror.MirrorMaker", "mirrormaker"),
        ("io.confluent.kafka.schemaregistry.rest.SchemaRegistryMain", "schema registry"),
        ("io.confluent.ksql.rest.server.KsqlServerMain", "ksqldb"),
        ("org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "flink"),
        ("org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper"),
        ("com.example.Orders", "java"),
    ],
)
def test_the_main_class_says_what_it_is(main, role):
    process = java_process(1, ["java", "-cp", CP, main, "x.properties"])
    assert process is not None
    assert process.role == role


@pytest.mark.parametrize(
    "arguments",
    [[], [""], ["python3", "kafka.Kafka"], ["/bin/javac", "A.java"], ["grep", "java"]],
)
def test_what_is_no_jvm_is_none(arguments):
    assert java_process(1, arguments) is None


@pytest.mark.parametrize(
    "agent,port",
    [
        ("-javaagent:/a/jmx.jar=7071:/c.yml", 7071),
        ("-javaagent:/a/jmx.jar=0.0.0.0:7071:/c.yml", 7071),
        ("-javaagent:/a/jmx.jar=[::1]:7071:/c.yml", 7071),
        ("-javaagent:/a/jolokia-agent-jvm.jar=port=8779,host=*", 8779),
        ("-javaagent:/a/jolokia-agent-jvm.jar", 8778),
        ("-javaagent:/a/opentelemetry-javaagent.jar", None),
        ("-javaagent:/a/jmx.jar=99999:/c.yml", None),
    ],
)
def test_agents_name_their_ports_in_several_ways(agent, port):
    process = java_process(1, ["java", agent, "-jar", "app.jar"])
    assert process is not None
    assert [one.port for one in process.agents] == [port]
    assert process.main_class == "app.jar"


def test_a_brokers_file_says_what_it_is_and_nothing_secret():
    file = broker_file(SERVER)
    assert file.roles == ("broker", "controller")
    assert file.node == 3
    assert file.listeners == (
        Listener("PLAINTEXT", "", 9092),
        Listener("SASL_SSL", "", 9093),
        Listener("CONTROLLER", "::1", 9094),
    )
    assert file.controller_names == ("CONTROLLER",)
    assert file.log_dirs == ("/data/a", "/data/b")
    assert not file.is_controller_only
    assert "secret" not in repr(file)
    assert broker_file(SERVER, [("process.roles", "controller")]).is_controller_only


def test_an_old_brokers_file_and_an_empty_one():
    assert broker_file("broker.id=0\nzookeeper.connect=a:2181\n").node == 0
    assert broker_file("").listeners == (Listener("PLAINTEXT", "", 9092),)


def test_listeners_that_cant_be_read_are_left_out():
    found = listeners("PLAINTEXT://a:1, nonsense, ://:2, B://:70000, C://host.example:3")
    assert found == (Listener("PLAINTEXT", "a", 1), Listener("C", "host.example", 3))


def test_properties_have_escapes_and_lines_that_go_on():
    text = "a\\:b=1\nc = x\\\\y\\\n  z\n!c=no\nd\n"
    assert properties(text, {"c", "d"}) == {"c": "x\\yz"}
