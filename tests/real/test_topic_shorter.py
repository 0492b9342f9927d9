"""A log that came back shorter than it was acknowledged: its broker's disk forgot the end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.admin.client import Admin
from collector.flow.mark import GapReason
from tests.lab.kafka import Kafka
from tests.lab.kafka_log import cut
from tests.real.edge import BACK_SOON
from tests.real.publishing import Publishing
from tests.real.topic_place import STANDARD, Place
from tests.unit.topic.partition_log import B, words


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that may be killed, and its log cut."""
    with Kafka(tmp_path_factory.mktemp("mortal"), properties=BACK_SOON) as kafka:
        yield kafka


@pytest.fixture
def site(mortal: Kafka, tmp_path: Path) -> Iterator[Publishing]:
    with closing(Admin({"bootstrap.servers": mortal.bootstrap})) as admin:
        place = Place(mortal, admin, f"telemetry-{uuid.uuid4().hex[:8]}")
        with Publishing(place, tmp_path) as one:
            yield one


def come_back_shorter(site: Publishing, seq: int) -> None:
    """Kill the broker; its log ends with this round when it is back."""
    kafka = site.place.kafka
    records = site.offset_of(seq) + 1
    kafka.kill()
    cut(kafka.directory / "data" / f"{site.place.name}-{STANDARD}", records)
    kafka.start()
    assert len(site.place.records()) == records


def test_f06_other_nodes_rounds_at_the_old_offsets_do_not_hide_the_loss(site):
    site.start().publish(12)
    come_back_shorter(site, 7)
    site.place.write(words(B), *[(seq, 1) for seq in range(101, 121)])
    site.publish(2)
    assert len(site.account.rewinds) == 1
    assert site.balance() == []


def test_f06_a_collector_that_was_away_notices_and_what_its_spool_lacks_is_a_gap(site):
    chain = site.site.spool.chain("standard")
    chain._segment_bytes = 2000
    site.start().publish(12)
    site.stop()
    while chain.drop_oldest():
        pass
    oldest = site.on_disk()[0]
    assert oldest > 6
    come_back_shorter(site, 3)
    site.start().publish()
    assert site.in_topic() == [1, 2, 3, *range(oldest, 14)]
    (gap,) = site.account.gaps
    assert (gap.first_seq, gap.last_seq, gap.reason) == (4, oldest - 1, GapReason.TOPIC_LOST)
