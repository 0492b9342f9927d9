"""Every right of docs/rights.md taken away in turn, on a broker with an authorizer.

What needs it goes, one gauge and the doctor name exactly it, and nothing else stops.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from collector.config import load
from collector.doctor import kafka as doctor
from collector.doctor.finding import Layer, Verdict
from collector.rights import needed
from tests.lab import parts
from tests.lab.kafka import SMALL_JVM, Kafka
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, sink
from tests.unit.sinks.peer import Peer, answer

USER, PASSWORD = "edgevitals", "canary"
DOCS = Path(__file__).parents[2] / "docs" / "rights.md"
TOPIC, GROUP = "pos", "till"


class Acl(NamedTuple):
    """A right, as a command line of kafka-acls.sh says it."""

    operation: str
    kind: str
    name: str
    is_prefix: bool

    @classmethod
    def of(cls, command: str) -> Acl:
        words = shlex.split(command)
        assert words[0] == "kafka-acls.sh"
        assert words[words.index("--allow-principal") + 1] == f"User:{USER}"
        operation = words[words.index("--operation") + 1]
        if words[-1] == "--cluster":
            return cls(operation, "broker", "kafka-cluster", is_prefix=False)
        kind = "topic" if "--topic" in words else "group"
        return cls(
            operation,
            kind,
            words[words.index(f"--{kind}") + 1],
            words[-2:] == ["--resource-pattern-type", "prefixed"],
        )

    def binding(self, sort: Any) -> Any:
        name = re.sub("(?<!^)(?=[A-Z])", "_", self.operation).upper()
        return sort(
            ResourceType[self.kind.upper()],
            self.name,
            ResourcePatternType.PREFIXED if self.is_prefix else ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            AclOperation[name],
            AclPermissionType.ALLOW,
        )


DOCUMENTED = [line for line in DOCS.read_text().splitlines() if line.startswith("kafka-acls.sh")]

SHOWN = {
    "topics": ("kafka_topic_partitions", f'topic="{TOPIC}"'),
    "lag": ("kafka_consumergroup_lag_sum", f'topic="{TOPIC}"'),
    "settings": ("edgevitals_topic_retention_seconds", f'topic="{TOPIC}"'),
    "brokers": ("edgevitals_broker_settings_info", 'broker="1"'),
    "groups": ("kafka_consumergroup_members", f'consumergroup="{GROUP}"'),
    "host": ("node_load1", ""),
    "source": ("up", 'job="kafka_exporter"'),
}
"""Series that are there when all is well, each by its name and a label."""

GONE = {
    "Describe on topic *": {"topics", "lag", "settings"},
    "DescribeConfigs on topic *": {"settings"},
    "Describe on group *": {"groups", "lag"},
    "DescribeConfigs on cluster": {"brokers"},
}
"""What goes without a right. What isn't named keeps all series, and rounds take the detour."""


class Rig:
    """A site, its broker and its receiver; and somebody who may give and take rights."""

    def __init__(self, broker: Kafka, edge: Edge, peer: Peer) -> None:
        self.broker, self.edge, self.peer = broker, edge, peer
        self.rights = AdminClient({"bootstrap.servers": broker.bootstrap})

    def give(self, acl: Acl) -> None:
        for done in self.rights.create_acls([acl.binding(AclBinding)]).values():
            done.result(30)

    def take(self, acl: Acl) -> None:
        for done in self.rights.delete_acls([acl.binding(AclBindingFilter)]).values():
            assert len(list(done.result(30))) == 1

    def missing(self) -> set[str]:
        """What the gauge says."""
        pattern = r"^edgevitals_kafka_right_missing\{(.*)\} 1"
        found = set()
        for labels in re.findall(pattern, self.edge.metrics(), re.MULTILINE):
            said = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            found.add(f"{said['operation']} on {said['resource']}")
        return found

    def shown(self) -> set[str]:
        """Which of SHOWN are there."""
        lines = self.edge.metrics().splitlines()
        return {
            what
            for what, (name, label) in SHOWN.items()
            if any(line.startswith((f"{name}{{", f"{name} ")) and label in line for line in lines)
        }

    def wait(self, *, missing: set[str], shown: AbstractSet[str]) -> None:
        """Return when just these rights are missing, and just these series there."""
        wait_for(lambda: self.missing() == missing, SOON, f"the gauge of {missing}")
        wait_for(lambda: self.shown() == shown, SOON, f"{shown} without {missing}")

    def delivered(self) -> int:
        """The newest round that the receiver has."""
        for seen in reversed(self.peer.seen):
            for name, points in seen.samples().items():
                if name == "edgevitals_round_seq":
                    return int(points[-1][1])
        return 0

    def must_go_on(self) -> None:
        wanted = self.edge.seq + 1
        wait_for(lambda: self.delivered() >= wanted, SOON, f"round {wanted} at the receiver")
        wait_for(lambda: self.edge.target("kafka_exporter")["up"], SOON, "a whole read")

    def doctor_says(self) -> list[tuple[str, str]]:
        """What is wrong by the doctor: the right, and the command that gives it."""
        findings = doctor.look(load(self.edge.file, {}).config)
        wrong = [one for one in findings if one.verdict is not Verdict.OK]
        assert {one.layer for one in wrong} <= {Layer.RIGHTS}, wrong
        return [(one.subject, one.do[0]) for one in wrong]

    def type(self, command: str) -> None:
        """Run a command of kafka-acls.sh, by somebody who may."""
        words = shlex.split(command)[1:]
        words[words.index("--bootstrap-server") + 1] = self.broker.bootstrap
        tool = [parts.java(), *SMALL_JVM, "-cp", f"{parts.kafka()}/*"]
        parts.run([*tool, "org.apache.kafka.tools.AclCommand", *words])


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rights")
    with (
        Kafka(folder / "kafka", users={USER: PASSWORD}) as broker,
        Peer(answer(204)) as peer,
    ):
        _traffic(broker)
        password = folder / "password"
        password.write_text(PASSWORD)
        edge = Edge(
            folder,
            kafka={
                "bootstrap.servers": broker.guarded_bootstrap,
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": USER,
                "sasl.password_file": str(password),
            },
            sources={"kafka": True, "host": True},
            topic={"max_size": "96MiB"},
            sinks=[sink(peer.url, protocol="remote_write_1")],
        )
        edge.process.command[:1] = [sys.executable, "-m", "tests.real.inside.quick_rights"]
        yield Rig(broker, edge, peer)


def _traffic(broker: Kafka) -> None:
    """A topic with records, and a group that has committed."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in client.create_topics([NewTopic(TOPIC, num_partitions=1)]).values():
        done.result(30)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(TOPIC, b"record", partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": GROUP})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 1)], asynchronous=False)
    consumer.close()


def test_every_right_taken_away_in_turn(rig: Rig):
    acls = [Acl.of(line) for line in DOCUMENTED]
    rights = {str(one): one for one in needed(load(rig.edge.file, {}).config)}
    assert [one.options for one in rights.values()] == [
        line.partition(f"User:{USER} ")[2] for line in DOCUMENTED
    ], "docs/rights.md names those that the code needs"
    by_name = dict(zip(rights, acls, strict=True))
    create = "Create on topic edgevitals.telemetry"
    for name, acl in by_name.items():
        if name != create:
            rig.give(acl)
    with rig.edge as edge:
        # The topic isn't there yet, and may not be made: Create first, by what the doctor prints.
        wait_for(lambda: rig.missing() == {create}, SOON, "the gauge of Create")
        rig.must_go_on()
        ((told, command),) = rig.doctor_says()
        assert told == create
        rig.type(command)
        rig.wait(missing=set(), shown=SHOWN.keys())
        for name, acl in by_name.items():
            if name == create:
                continue
            rig.take(acl)
            rig.wait(missing={name}, shown=SHOWN.keys() - GONE.get(name, set()))
            rig.must_go_on()
            ((told, command),) = rig.doctor_says()
            assert told == name
            assert Acl.of(command) == acl
            rig.give(acl)
        rig.wait(missing=set(), shown=SHOWN.keys())
        wait_for(lambda: edge.pump("publish")["backlog_rounds"] == 0, SOON, "the topic")
        rig.must_go_on()
        assert re.findall(
            r"^edgevitals_admin_crashes_total.* (\d)", edge.metrics(), re.MULTILINE
        ) == ["0"]
        assert edge.terminate() == 0
