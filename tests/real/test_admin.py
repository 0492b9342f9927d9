"""The admin process against a real broker: its answers, its end, and what it costs."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from collector.admin.client import COMMAND, Admin
from collector.admin.told import Snapshot
from collector.admin.wire import (
    Failure,
    Hello,
    ListBrokers,
    Properties,
    ReadSnapshot,
    TopicConfig,
    TopicDescription,
    encode,
)
from tests.lab.kafka import Kafka
from tests.lab.traffic import Traffic

Opener = Callable[[Properties], Admin]
MAX_PSS = 32 << 20

PARENT = """
import sys, threading, time
from collector.admin.client import Admin
admin = Admin({"bootstrap.servers": sys.argv[1]})
ask = lambda: admin.brokers(time.monotonic() + 60)
threading.Thread(target=ask, daemon=True).start()
while admin.pid is None:
    time.sleep(0.01)
print(admin.pid, flush=True)
time.sleep(60)
"""


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


def snapshot(admin: Admin, seconds: float = 30.0) -> Snapshot:
    return admin.snapshot(ReadSnapshot(0, [".*"], [".*"], 1000, 100, 1000), soon(seconds))


def until(is_so: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = soon(seconds)
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def threads_of(pid: int | None) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir())) if pid else 0


@pytest.fixture
def open_admin() -> Iterator[Opener]:
    opened: list[Admin] = []

    def opener(properties: Properties) -> Admin:
        opened.append(Admin(properties))
        return opened[-1]

    yield opener
    for admin in opened:
        admin.close()


@pytest.fixture
def admin(broker: Kafka, open_admin: Opener) -> Admin:
    return open_admin({"bootstrap.servers": broker.bootstrap})


@pytest.fixture
def dead_end() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_topic_is_created_once_and_described(admin: Admin):
    name = f"made-{uuid.uuid4()}"
    assert admin.create_topic(name, 3, 1, {"retention.ms": "-1"}, soon()) is None
    until(lambda: isinstance(admin.describe_topic(name, soon()), TopicDescription))
    found = admin.describe_topic(name, soon())
    assert isinstance(found, TopicDescription)
    assert (found.name, found.partitions, found.replication_factor) == (name, 3, 1)
    assert found.in_sync == 1
    config = admin.topic_config(name, soon())
    assert isinstance(config, TopicConfig)
    assert config.values["retention.ms"] == "-1"
    assert config.values["max.message.bytes"] == "1048588", "defaults too"
    assert len(found.topic_id) == 22
    assert not set(found.topic_id) & set("+/")
    again = admin.create_topic(name, 3, 1, {}, soon())
    assert again is not None
    assert again.code == "TOPIC_ALREADY_EXISTS"


def test_a_topic_that_is_missing_is_data(admin: Admin):
    found = admin.describe_topic("there-is-none", soon())
    assert isinstance(found, Failure)
    assert found.is_missing
    assert not found.is_ours


def test_what_kafka_refuses_is_data(admin: Admin):
    refused = admin.create_topic(f"made-{uuid.uuid4()}", 1, 3, {}, soon())
    assert refused is not None
    assert refused.code == "INVALID_REPLICATION_FACTOR"
    assert not refused.is_forbidden
    refused = admin.create_topic(f"made-{uuid.uuid4()}", 1, 1, {"no.such.key": "1"}, soon())
    assert refused is not None
    assert "no.such.key" in refused.text


def test_brokers_are_counted(admin: Admin, broker: Kafka):
    found = admin.brokers(soon())
    assert not isinstance(found, Failure)
    assert [(one.id, one.port) for one in found] == [(broker.node_id, broker.port)]


def test_a_missing_right_is_told_from_other_refusals(tmp_path: Path, open_admin: Opener):
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with (
        Kafka(tmp_path / "kafka", properties=properties) as broker,
        Traffic(broker.bootstrap, topics=("orders",)),
    ):
        admin = open_admin({"bootstrap.servers": broker.bootstrap})
        assert admin.create_topic("hidden", 1, 1, {}, soon()) is None
        client = AdminClient({"bootstrap.servers": broker.bootstrap})
        bindings = [
            AclBinding(
                kind,
                name,
                ResourcePatternType.LITERAL,
                "User:ANONYMOUS",
                "*",
                AclOperation.ALL,
                AclPermissionType.DENY,
            )
            for kind, name in (
                (ResourceType.TOPIC, "hidden"),
                (ResourceType.GROUP, "group-slow"),
            )
        ]
        for future in client.create_acls(bindings).values():
            future.result(10)

        def hidden() -> Failure | TopicDescription:
            return admin.describe_topic("hidden", soon())

        until(lambda: isinstance(hidden(), Failure))
        found = hidden()
        assert isinstance(found, Failure)
        assert found.is_forbidden
        assert not found.is_missing
        # What may be seen is seen all the same.
        whole = snapshot(admin)
        assert whole.failure is None
        assert "hidden" not in {topic.name for topic in whole.topics}
        groups = {group.name for group in whole.groups}
        assert "group-current" in groups
        assert "group-slow" not in groups


@pytest.mark.parametrize(
    "properties, code, word",
    [
        ({"no.such.property": "1"}, "_INVALID_ARG", "no.such.property"),
        ({"bootstrap.servers": "127.0.0.1:1"}, "_TRANSPORT", "Connection refused"),
        ({"bootstrap.servers": "no-such-host.invalid:9092"}, "_RESOLVE", "no-such-host.invalid"),
        ({"security.protocol": "SSL"}, "_TRANSPORT", "SSL"),
        (
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "me",
                "sasl.password": "secret",
            },
            "_AUTHENTICATION",
            "SASL",
        ),
    ],
)
def test_a_wrong_address_or_password_is_named(broker, open_admin, properties, code, word):
    admin = open_admin({"bootstrap.servers": broker.bootstrap, **properties})
    found = snapshot(admin, seconds=2.0)
    assert found.failure is None  # our own process is well
    assert found.failures[0].code == code
    assert word in found.failures[0].text
    assert "secret" not in found.failures[0].text


def test_a_child_killed_in_mid_call_is_not_kafkas_fault(own_broker: Kafka, open_admin: Opener):
    admin = open_admin({"bootstrap.servers": own_broker.bootstrap})
    assert snapshot(admin).failure is None
    for crashes, number in enumerate((signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL), 1):
        own_broker.pause()  # so that the call can't be over before the child is
        found: list[Snapshot] = []
        asking = threading.Thread(target=lambda found=found: found.append(snapshot(admin)))
        asking.start()
        until(lambda: threads_of(admin.pid) > 1)  # librdkafka's: there is a client at work
        assert admin.pid is not None
        os.kill(admin.pid, number)
        own_broker.resume()
        asking.join()
        assert found[0].failure is None
        assert not found[0].failures
        assert found[0].is_topics_whole
        assert admin.stats.crashes == crashes
        assert f"signal {int(number)}" in admin.stats.last_error


def test_a_child_that_is_stopped_is_late_and_replaced(admin: Admin):
    assert snapshot(admin).failure is None
    assert admin.pid is not None
    os.kill(admin.pid, signal.SIGSTOP)
    found = snapshot(admin, seconds=1.0)
    assert found.failure is not None
    assert found.failure.code == "ADMIN_LATE"
    assert snapshot(admin).failure is None
    assert (admin.stats.starts, admin.stats.crashes, admin.stats.late) == (2, 0, 1)


def test_no_client_is_kept_after_a_call(admin: Admin):
    """Not after one that failed either, whose traceback might hold it."""
    for _ in range(3):
        snapshot(admin)
        admin.describe_topic("there-is-none", soon())
    until(lambda: threads_of(admin.pid) == 1)


def test_ctrl_c_and_a_services_stop_leave_the_end_to_the_parent(admin: Admin):
    snapshot(admin)
    pid = admin.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert snapshot(admin).failure is None
    assert admin.pid == pid


def test_the_child_leaves_no_core_and_says_nothing_on_its_own(admin: Admin):
    snapshot(admin)
    limits = Path(f"/proc/{admin.pid}/limits").read_text()
    (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_memory_stays_within_its_bound(admin: Admin, traffic: Traffic):
    for _ in range(30):
        assert snapshot(admin).failure is None
    smaps = Path(f"/proc/{admin.pid}/smaps_rollup").read_text()
    (pss,) = (int(line.split()[1]) for line in smaps.splitlines() if line.startswith("Pss:"))
    assert pss * 1024 <= MAX_PSS
    assert admin.stats.starts == 1


def test_the_child_ends_when_its_stdin_closes():
    child = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (0, b"", b"")


def test_the_child_dies_with_its_parent_in_the_middle_of_a_call(dead_end: str):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, dead_end], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        child = os.pidfd_open(pid)
        try:
            until(lambda: threads_of(pid) > 1)
            parent.kill()
            assert select.select([child], [], [], 30.0)[0], "the child lives on"
        finally:
            os.close(child)


def test_a_child_whose_parent_is_gone_already_makes_no_call(dead_end: str):
    hello = Hello({"bootstrap.servers": dead_end}, parent=0)
    told = encode(hello) + encode(ListBrokers(60))
    child = subprocess.run(COMMAND, input=told, capture_output=True, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (0, b"", b"")


def test_the_child_outlives_the_thread_that_asked_first(admin: Admin):
    """PR_SET_PDEATHSIG goes with a thread: with that of a reader it would end after each read."""
    asking = threading.Thread(target=snapshot, args=(admin,))
    asking.start()
    asking.join()
    first = admin.pid
    assert snapshot(admin).failure is None
    assert (admin.pid, admin.stats.starts) == (first, 1)
