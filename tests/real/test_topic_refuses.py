"""A topic that refuses: too large, no right, a wrong time, too few replicas, a quota."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]

from collector.admin.client import Admin
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.lab.zookeeper import ZooKeeper
from tests.real.publishing import Publishing
from tests.real.topic_place import SOON, Place

USER, PASSWORD = "collector", "canary"
OLD = "3.6.2"


@pytest.fixture(scope="module")
def admin(broker: Kafka) -> Iterator[Admin]:
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as one:
        yield one


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.flow.pump.FIRST_HOLD_S", 0.3)
    monkeypatch.setattr("collector.topic.appender.ACK_TIMEOUT_S", 2.0)


@pytest.fixture
def site(broker: Kafka, admin: Admin, tmp_path: Path) -> Iterator[Publishing]:
    place = Place(broker, admin, f"telemetry-{uuid.uuid4().hex[:8]}")
    with Publishing(place, tmp_path, least=20) as one:
        yield one


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker with users and rights."""
    with Kafka(tmp_path_factory.mktemp("guarded"), users={USER: PASSWORD}) as kafka:
        yield kafka


@pytest.fixture
def guest(guarded: Kafka, tmp_path: Path) -> Iterator[Publishing]:
    """A site whose collector has no right at all yet; its topic is there."""
    properties = {
        "bootstrap.servers": guarded.guarded_bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    }
    name = f"telemetry-{uuid.uuid4().hex[:8]}"
    with closing(Admin(properties)) as admin:
        place = Place(guarded, admin, name, properties)
        place.create(max_message_bytes="30000")
        with Publishing(place, tmp_path, least=20) as one:
            yield one


def test_f44_a_frame_that_is_too_large_is_split_until_it_fits(site):
    site.place.create(max_message_bytes="30000")
    site.site.source.is_noisy = True
    site.take(20)  # 8 KB each
    site.start().wait()
    assert site.balance() == []
    assert site.rejected == []
    assert len(site.frames()) >= 8
    assert max(len(record.value()) for record in site.place.records()) < 30_000


def test_f44_a_round_that_is_too_large_alone_is_set_aside_alone(site):
    site.place.create(max_message_bytes="6000")
    site.take(3)
    site.site.source.is_noisy = True
    site.take(1)
    site.site.source.is_noisy = False
    site.take(3)
    site.start().wait()
    ((seqs, why),) = site.rejected
    assert list(seqs) == [4]
    assert why.reason == "too_large"
    assert "--add-config max.message.bytes=" in why.hint
    site.balance()


def test_f44_what_is_refused_for_its_size_goes_through_once_the_topic_takes_it(site):
    site.place.create(max_message_bytes="300")  # not even a dictionary
    site.take(2)
    site.start().wait()
    assert [seq for seqs, _ in site.rejected for seq in seqs] == [1, 2]
    assert site.frames() == []
    site.place.alter(max_message_bytes="1000000")
    site.publish(2)
    assert site.in_topic() == [3, 4]
    site.balance()


def test_f44_a_record_of_another_time_waits_for_a_person(site):
    site.place.create(message_timestamp_before_max_ms="0")
    site.take(2)
    site.start()
    wait_for(lambda: site.account.state == "holding", SOON)
    assert "INVALID_TIMESTAMP" in site.account.said
    assert "message.timestamp.type=LogAppendTime" in site.account.said
    site.place.alter(message_timestamp_type="LogAppendTime")
    site.wait()
    assert site.balance() == []


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Publishing]:
    """A site beside Kafka 3.6: newer ones ask for no more replicas in sync than a topic has."""
    with (
        ZooKeeper(tmp_path / "zookeeper", version=OLD) as zookeeper,
        Kafka(tmp_path / "kafka", version=OLD, zookeeper=zookeeper.address) as kafka,
        closing(Admin({"bootstrap.servers": kafka.bootstrap})) as admin,
        Publishing(Place(kafka, admin, "telemetry"), tmp_path, least=20) as one,
    ):
        yield one


def test_f44_too_few_replicas_in_sync_are_a_retry_that_says_so(strict):
    site = strict
    site.place.create(min_insync_replicas="2")
    site.take(2)
    site.start()
    wait_for(lambda: "min.insync.replicas asks for 2" in site.account.said, SOON)
    site.place.alter(min_insync_replicas="1")
    site.wait()
    assert site.in_topic()[-2:] == [1, 2]
    assert site.rejected == []


def test_f44_a_quota_slows_and_is_no_error(site):
    client = f"slow-{uuid.uuid4().hex[:8]}"
    site.place.properties["client.id"] = client
    site.place.kafka.limit(client, 4000)
    site._least = 1
    site.site.source.is_noisy = True
    site.start()
    for _ in range(20):
        site.publish()
        if site.account.throttled_s:
            break
    site.publish(2)
    assert site.account.throttled_s > 0
    assert site.account.retried == []
    assert site.balance() == []


def test_f44_each_missing_right_is_named_and_nothing_is_lost(guest):
    guest.take(2)
    guest.start()
    wait_for(lambda: "--add --operation Describe" in guest.account.said, SOON)
    guest.place.allow(USER, AclOperation.DESCRIBE)
    wait_for(lambda: "--add --operation Write" in guest.account.said, SOON)
    assert guest.account.state == "holding"
    guest.place.allow(USER, AclOperation.WRITE)
    guest.wait()
    guest.stop()
    guest.start()
    guest.take(2)
    wait_for(lambda: "--add --operation Read" in guest.account.said, SOON)
    guest.place.allow(USER, AclOperation.READ)
    guest.wait()
    assert guest.balance() == []
    assert guest.account.rewinds == []


def test_f44_without_the_right_to_see_the_limit_it_is_learnt(guest):
    rights = (AclOperation.DESCRIBE, AclOperation.WRITE, AclOperation.READ)
    guest.place.allow(USER, *rights)
    guest.site.source.is_noisy = True
    guest.take(20)
    guest.start().wait()
    guest.take(20)
    guest.wait()
    assert guest.balance() == []
    assert guest.rejected == []
    assert guest.account.advice == {}
