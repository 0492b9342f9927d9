"""A JMX port that isn't there, or isn't one; and how to open it."""

from __future__ import annotations

import pytest

from collector.config import Address, JmxConfig
from collector.doctor.finding import Layer, Verdict
from collector.doctor.jmx import judged, look
from collector.doctor.jvms import Jvm, broker
from collector.doctor.opening import how, running
from collector.jmx import CallFailed, JmxError, PeerBrokeProtocol, Unreachable
from tests.lab.ports import free_port
from tests.unit.sinks.peer import HOST

JVM = JmxConfig(address=Address("broker-1", 9999))


@pytest.mark.parametrize(
    "error,layer",
    [
        (Unreachable("broker-1:9999: no such host (Name or service not known)"), Layer.DNS),
        (Unreachable("broker-1:9999: no connection in time"), Layer.NETWORK),
        (Unreachable("broker-1:9999: TLS failed (WRONG_VERSION_NUMBER)"), Layer.TLS),
        (Unreachable("broker-1:9999: the server's certificate is not trusted (x)"), Layer.TLS),
        (Unreachable("broker-1:9999: Connection refused"), Layer.JMX),
        (PeerBrokeProtocol("broker-1:9999: the server does not speak Java RMI"), Layer.JMX),
        (
            CallFailed("Authentication failed!", java_class="java.lang.SecurityException"),
            Layer.LOGIN,
        ),
        (CallFailed("jmxrmi", java_class="java.rmi.NotBoundException"), Layer.JMX),
    ],
)
def test_errors_and_their_layers(error: JmxError, layer: Layer):
    finding = judged(JVM, error, [])
    assert (finding.layer, finding.verdict) == (layer, Verdict.PROBLEM)
    assert not finding.says.startswith("broker-1")


def test_no_port_names_every_way_to_open_one():
    port = free_port()
    (finding,) = look(JmxConfig(address=Address(HOST, port)))
    assert "no JMX port is open there" in finding.says
    told = "\n".join(finding.do)
    assert f"JMX_PORT={port} KAFKA_JMX_OPTS='-Dcom.sun.management.jmxremote=true" in told
    for way in (
        "plain Kafka",
        "Confluent Platform",
        "Confluent for Kubernetes",
        "Strimzi",
        "Ansible",
    ):
        assert f"for good, {way}" in told


def test_an_engine_that_is_not_tried():
    (finding,) = look(JmxConfig(address=Address(HOST, 1), engine="jmxquery"))
    assert finding.verdict is Verdict.CANNOT_TELL


def test_a_jvm_that_runs_is_opened_by_its_owner():
    words = (
        "jcmd 7 ManagementAgent.start jmxremote.host=127.0.0.1 jmxremote.port=9999 "
        "jmxremote.rmi.port=9999 jmxremote.authenticate=false jmxremote.ssl=false"
    )
    assert running(Jvm(7, "kafka", None), 9999, "root") == f"sudo -u kafka {words}"
    assert running(Jvm(7, "kafka", None), 9999, "kafka") == words


def test_a_port_that_is_elsewhere_is_named():
    ways = list(how(9999, [Jvm(7, "kafka", 9101)], "me"))
    assert ways[0] == "or process 7, a broker, has its JMX port at 9101: correct address"


@pytest.mark.parametrize(
    "command,found",
    [
        ([], None),
        (["java", "org.apache.kafka.connect.cli.ConnectDistributed"], None),
        (["java", "-Xmx1g", "kafka.Kafka", "server.properties"], Jvm(7, "kafka", None)),
        (
            ["java", "-Dcom.sun.management.jmxremote.port=9101", "kafka.Kafka", "p"],
            Jvm(7, "kafka", 9101),
        ),
        (["java", "io.confluent.support.metrics.SupportedKafka", "p"], Jvm(7, "kafka", None)),
        (["grep", "kafka.Kafka x"], None),
    ],
)
def test_brokers_by_their_command_lines(command, found):
    assert broker(7, "kafka", command) == found
