"""Whose a topic and a group are."""

from __future__ import annotations

import pytest

from collector.admin.ownership import Coordinators, java_hash, owner_of
from collector.admin.wire import Partition, Topic

LOWEST = 1


def topic(*leaders: int) -> Topic:
    return Topic("orders", [Partition(n, one, [1, 2, 3], [1]) for n, one in enumerate(leaders)])


@pytest.mark.parametrize(
    "leaders, owner",
    [
        ([2, 3, 1], 2),
        ([3], 3),
        ([-1, 3, 2], 3),  # while its first partition has no leader, the next one counts
        ([-1, -1], LOWEST),
        ([], LOWEST),
    ],
)
def test_a_topic_is_its_lowest_led_partitions(leaders, owner):
    assert owner_of(topic(*leaders), LOWEST) == owner


def test_a_broker_of_number_0_is_one():
    assert owner_of(topic(0, 2), LOWEST) == 0
    assert Coordinators([0], LOWEST).of("billing") == 0


@pytest.mark.parametrize(
    "text, code",
    [
        ("", 0),
        ("a", 97),
        ("billing", -109829509),
        ("polygenelubricants", -(1 << 31)),
        ("zürich", -565983330),
        ("🙂", 1772965),
        ("x" * 1000, -1715418112),
    ],
)
def test_a_groups_number_is_javas(text, code):
    assert java_hash(text) == code


def test_a_group_is_the_leaders_of_its_partition_of_offsets():
    coordinators = Coordinators([11, 12, 13, 14, 15], LOWEST)
    assert coordinators.of("billing") == 11 + 109829509 % 5
    assert coordinators.of("polygenelubricants") == 11, "what has no positive is partition 0"


def test_a_group_without_a_coordinator_is_one_brokers_all_the_same():
    assert Coordinators([-1, -1], LOWEST).of("billing") == LOWEST


def test_each_of_many_groups_is_exactly_one_brokers():
    coordinators = Coordinators([1, 2, 3, -1, 2, 3], LOWEST)
    owners = [coordinators.of(f"till-{number}") for number in range(600)]
    assert set(owners) == {1, 2, 3}
    assert min(owners.count(broker) for broker in (1, 2, 3)) > 60
