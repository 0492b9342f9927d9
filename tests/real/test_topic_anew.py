"""A telemetry topic that somebody deletes, makes anew, or changes while it is in use."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.admin.client import Admin
from tests.lab.kafka import Kafka
from tests.lab.waiting import wait_for
from tests.real.publishing import Publishing
from tests.real.topic_place import SOON, Place
from tests.unit.topic.partition_log import B, words


@pytest.fixture(scope="module")
def admin(broker: Kafka) -> Iterator[Admin]:
    with closing(Admin({"bootstrap.servers": broker.bootstrap})) as one:
        yield one


@pytest.fixture
def site(
    broker: Kafka, admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publishing]:
    monkeypatch.setattr("collector.topic.writer.LOOK_EVERY_S", 0.5)
    place = Place(broker, admin, f"telemetry-{uuid.uuid4().hex[:8]}")
    with Publishing(place, tmp_path) as one:
        yield one


def test_f28_a_topic_that_was_made_anew_gets_all_that_the_spool_has_without_a_new_round(site):
    site.start().publish(6)
    site.place.delete()
    site.place.create()
    site.place.write(words(B), *[(seq, 1) for seq in range(101, 121)])  # offsets are no proof
    wait_for(lambda: site.in_topic() == list(range(1, 7)), SOON)
    site.publish(2)
    assert site.balance() == []
    assert "was deleted and made anew" in str(site.account.rewinds[0])


def test_f28_a_topic_that_was_deleted_is_made_and_gets_everything(site):
    site.start().publish(6)
    site.place.delete()
    wait_for(lambda: site.account.rewinds, SOON)
    site.publish(2)
    assert site.in_topic() == list(range(1, 9))
    assert site.place.config()["retention.ms"] == "-1"


def test_f28_one_that_was_made_anew_while_the_collector_was_away_too(site):
    site.start().publish(6)
    site.stop()
    site.place.delete()
    site.place.create()
    site.start().publish()
    assert site.in_topic() == list(range(1, 8))


def test_f28_partitions_that_are_added_move_nothing(site):
    site.start().publish(3)
    site.place.add_partitions(6)
    site.publish(3)
    site.stop()
    site.start().publish()
    assert site.in_topic() == list(range(1, 8)), "all in the partition of their tier"
    assert site.account.rewinds == []
    assert site.account.advice == {}


def test_an_existing_topic_is_not_changed_but_what_will_lose_data_is_said(site):
    site.place.create(partitions=2, retention_ms="604800000", max_message_bytes="50000")
    site.start().publish(2)
    assert site.place.config()["retention.ms"] == "604800000"
    assert set(site.account.advice) == {
        "partitions",
        "retention.ms",
        "retention.bytes",
        "message.timestamp.type",
    }
    gauge = ("edgevitals_topic_problem", (("problem", "retention.ms"),))
    assert site.site.telemetry.values()[gauge] == 1
    site.place.alter(retention_ms="-1")
    site.stop()
    site.start().publish()
    assert "retention.ms" not in site.account.advice
    assert site.site.telemetry.values()[gauge] == 0
