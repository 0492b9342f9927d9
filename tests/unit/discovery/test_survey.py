"""What is worth asking on a machine, and what is left alone."""

from __future__ import annotations

from collector.config import Address
from collector.discovery.found import Nobody, Service
from collector.discovery.java import BrokerFile, Listener, java_process
from collector.discovery.listening import Machine, Socket
from collector.discovery.probing import WELL_KNOWN, Task
from collector.discovery.survey import Survey, likely, named_ports

JMX = "-Dcom.sun.management.jmxremote.port"
HERE = "127.0.0.1"


def jvm(pid, *arguments):
    process = java_process(pid, ["java", *arguments])
    assert process is not None
    return process


BROKER = jvm(1, f"{JMX}=29999", "-agentlib:jdwp=address=5005", "kafka.Kafka", "a.properties")
FILE = BrokerFile(("broker",), 1, (Listener("PLAINTEXT", "", 25000),), (), ())


def seen(*ports, owners=None, java=(BROKER,), names=None):
    """A machine that listens on `ports`; the inode of each socket is its port."""
    return Machine(
        sockets=[Socket(HERE, port, port) for port in ports],
        owners=dict(owners or {}),
        names=names or {},
        java=list(java),
    )


def asked(machine, files=None):
    tasks, _, _ = likely(machine, files or {})
    return {task.address.port: task.first for task in tasks}


def test_ports_of_a_broker_are_asked_and_its_debugger_is_not():
    owners = dict.fromkeys((29999, 25000, 25001, 5005), 1)
    found = asked(seen(29999, 25000, 25001, 5005, owners=owners), {1: FILE})
    assert found == {29999: "rmi", 25000: "kafka", 25001: "kafka"}


def test_what_a_command_line_names_is_asked_without_seeing_whose_it_is():
    tasks, owners, left_alone = likely(seen(29999, 22, 3306), {})
    assert tasks == [Task(Address(HERE, 29999), "rmi")]
    assert owners == {Address(HERE, 29999): BROKER}
    assert left_alone == 2


def test_others_are_asked_only_where_they_are_well_known():
    owners = {9404: 5, 4711: 5, 9100: 6, 1234: 7, 80: 5}
    names = {5: "java", 6: "nginx", 7: "my_exporter"}
    found = asked(seen(9404, 4711, 9100, 1234, 80, owners=owners, names=names, java=()))
    assert found == {9404: "http", 9100: "http", 1234: "http"}


def test_a_jvm_that_is_nothing_of_kafkas_is_asked_at_its_jmx_port_alone():
    other = jvm(5, f"{JMX}=7000", "com.example.Orders")
    found = asked(seen(7000, 7001, owners={7000: 5, 7001: 5}, java=(other,)))
    assert found == {7000: "rmi"}


def test_a_port_that_another_process_has_is_not_taken_for_the_named_one():
    found = asked(seen(29999, owners={29999: 8}))
    assert found == {}


def test_without_a_list_of_sockets_well_known_and_named_ports_are_asked():
    machine = seen()
    machine.has_sockets = False
    found = asked(machine, {1: FILE})
    assert found.items() >= {29999: "rmi", 25000: "kafka", 9092: "kafka"}.items()
    assert len(found) == len(WELL_KNOWN) + 2


def test_agents_name_their_ports():
    process = jvm(1, "-javaagent:/jmx.jar=7071:/c.yml", "-javaagent:/otel.jar", "kafka.Kafka")
    assert named_ports(process, None) == [(7071, "http")]


def test_whether_anybody_answered():
    refused = Nobody(address=Address("a", 1), is_refused=True, says="")
    silent = Nobody(address=Address("a", 2), is_refused=False, says="")
    other = Service(address=Address("a", 3), name="x")
    assert Survey(host="h", given=("a",), found=(silent,)).is_silent
    assert not Survey(host="h", given=("a",), found=(silent, refused)).is_silent
    assert not Survey(host="h", given=("a",), found=(other,)).is_silent
    assert not Survey(host="h", given=("a",), found=(other,)).is_useful
