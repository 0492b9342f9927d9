"""Whose broker it is and what is on its disks, by a JVM that is written down."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any, cast

import pytest

from collector.cluster import own_broker
from collector.cluster.own_broker import Disks, OwnBroker
from collector.jmx import CallFailed, JmxError, ObjectName, Unreachable

BROKER: dict[str, Any] = {
    own_broker.REPLICAS: 2,
    "kafka.server:type=KafkaServer,name=BrokerState": 3,
    "kafka.server:type=app-info,id=7": "4.3.1",
    'kafka.log:type=LogManager,name=LogDirectoryOffline,logDirectory="/var/lib/kafka"': 0,
    "kafka.log:type=LogManager,name=LogDirectoryOffline,logDirectory=/data/2": 1,
}
LOGS = {
    "kafka.log:type=Log,name=Size,topic=orders,partition=0": 100,
    "kafka.log:type=Log,name=Size,topic=orders,partition=1": 50,
    # It moves to another disk: a second log of the same replica.
    "kafka.log:type=Log,name=Size,topic=orders,partition=1,is-future=true": 20,
}
DIRECTORIES = {"/var/lib/kafka": False, "/data/2": True}
SIZES = {("orders", 0): 100, ("orders", 1): 50}
LATE = Unreachable("timed out after 2 s", "look at the broker's load")


class Paper:
    """What a JVM says of its MBeans; `error` is what reading sizes comes to."""

    def __init__(self, beans: dict[str, Any], error: JmxError | None = None) -> None:
        self.beans = beans
        self.error = error
        self.is_away = False
        self.scrapes = 0

    def names(self, pattern: str, deadline: float) -> list[ObjectName]:
        assert deadline > time.monotonic()
        if self.is_away:
            raise LATE
        return [ObjectName(name) for name in self.beans if fnmatchcase(name, pattern)]

    def get(self, name: ObjectName | str, attributes: Sequence[str], _deadline: float) -> object:
        assert attributes == ("Value",)
        if str(name) not in self.beans:
            raise CallFailed("gone", java_class="javax.management.InstanceNotFoundException")
        return [(None, self.beans[str(name)])]

    def scrape(self, _deadline: float) -> object:
        self.scrapes += 1
        if self.error is not None:
            raise self.error
        readings = [
            (SimpleNamespace(bean=SimpleNamespace(name=ObjectName(name))), (self.beans[name],))
            for name in self.beans
            if fnmatchcase(name, own_broker.SIZES)
        ]
        return SimpleNamespace(readings=readings)


def own(*jvms: Paper) -> OwnBroker:
    found = OwnBroker(cast("Any", jvms))
    found.id(time.monotonic() + 10)
    return found


def disks(broker: OwnBroker) -> Disks:
    return broker.disks(time.monotonic() + 10)


def test_sizes_and_directories_are_those_of_the_first_jvm_that_is_a_broker():
    controller = Paper({"kafka.server:type=app-info,id=100": "4.3.1"})
    broker = own(controller, Paper(BROKER | LOGS))
    assert broker.id(time.monotonic() + 10) == 7
    assert disks(broker) == Disks(SIZES, DIRECTORIES)
    assert controller.scrapes == 0


def test_directories_are_told_when_sizes_fail_and_the_failure_is_told():
    jvm = Paper(BROKER | LOGS, LATE)
    found = disks(own(jvm))
    assert (found.sizes, found.directories, found.is_whole) == ({}, DIRECTORIES, False)
    assert found.failure is not None
    assert "timed out after 2 s" in str(found.failure)
    assert not found.failure.is_ours
    jvm.error = None
    assert disks(own(jvm)) == Disks(SIZES, DIRECTORIES)


def test_too_many_sizes_are_counted_and_not_read_at_each_round(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_broker, "MOST_LOGS", 1)
    jvm = Paper(BROKER | LOGS)
    broker = own(jvm)
    for _ in range(3):
        assert disks(broker) == Disks({}, DIRECTORIES, left_out=2)
    assert jvm.scrapes == 0, "read to be counted"


def test_too_many_sizes_are_known_by_reading_them_when_the_broker_gives_no_count(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(own_broker, "MOST_LOGS", 1)
    jvm = Paper(BROKER | LOGS)
    del jvm.beans[own_broker.REPLICAS]
    broker = own(jvm)
    for _ in range(3):
        assert disks(broker) == Disks({}, DIRECTORIES, left_out=2)
    assert jvm.scrapes == 1


def test_sizes_come_back_when_there_are_no_longer_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_broker, "MOST_LOGS", 1)
    monkeypatch.setattr(own_broker, "AGAIN_S", 0.0)
    jvm = Paper(BROKER | LOGS)
    broker = own(jvm)
    assert disks(broker).left_out == 2
    del jvm.beans["kafka.log:type=Log,name=Size,topic=orders,partition=0"]
    jvm.beans[own_broker.REPLICAS] = 1
    assert disks(broker) == Disks({("orders", 1): 50}, DIRECTORIES)


def test_a_broker_that_is_away_keeps_its_number_and_has_no_disks():
    jvm = Paper(BROKER | LOGS)
    broker = own(jvm)
    jvm.is_away = True
    assert broker.id(time.monotonic() + 10) == 7
    assert disks(broker) == Disks()
    assert disks(own(jvm)) == Disks(), "one that was never met"
