"""The calls of a snapshot: what is ours, what is left out, and in which order it is asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from collector.admin.ownership import OFFSETS_TOPIC, Coordinators
from collector.admin.told import Snapshot
from collector.admin.wire import EVERY_BROKER
from tests.unit.admin.paper import Paper, snapshot

ORDERS = {"orders": [1]}
BROKERS = (1, 2, 3)
OFFSETS = [1, 2, 3, 1, 2, 3]
NAMES = [f"till-{number:02}" for number in range(60)]
OWNERS = {name: Coordinators(OFFSETS, 1).of(name) for name in NAMES}


def names_of(found: Snapshot) -> list[str]:
    return [group.name for group in found.groups]


def told_by_each(paper: Paper, max_groups: int = 100) -> dict[int, Snapshot]:
    return {broker: snapshot(paper, broker, max_groups=max_groups) for broker in BROKERS}


SEEN = pytest.param(ORDERS | {OFFSETS_TOPIC: OFFSETS}, id="leaders-of-offsets-are-seen")
HIDDEN = pytest.param(ORDERS, id="leaders-of-offsets-are-hidden")


@pytest.mark.parametrize("leaders", [SEEN, HIDDEN])
def test_each_group_is_told_by_its_coordinators_collector_alone(leaders):
    for broker, found in told_by_each(Paper(OWNERS, leaders)).items():
        assert names_of(found) == [name for name in NAMES if OWNERS[name] == broker]
        assert {group for group, _, _ in found.commits} == set(names_of(found))
        assert found.left_out["groups"] == 0


@pytest.mark.parametrize("leaders", [SEEN, HIDDEN])
def test_of_more_groups_than_the_bound_each_tells_its_own_up_to_the_bound(leaders):
    """A bound on all of them would leave the last by name to nobody."""
    most = 15
    found = told_by_each(Paper(OWNERS, leaders), most)
    for broker, one in found.items():
        ours = [name for name in NAMES if OWNERS[name] == broker]
        assert len(ours) > most
        assert names_of(one) == ours[:most]
        assert one.left_out["groups"] == len(ours) - most


def test_where_leaders_are_hidden_not_all_groups_are_asked_for_theirs():
    paper = Paper(OWNERS, ORDERS)
    found = snapshot(paper, 2, max_groups=10)
    assert paper.described == NAMES[:40]
    ours = [name for name in NAMES[:40] if OWNERS[name] == 2]
    assert names_of(found) == ours[:10]
    assert found.left_out["groups"] == len(ours) - 10 + 20, "of the rest nobody knows whose it is"


def test_where_leaders_are_seen_groups_of_others_are_not_asked_for():
    paper = Paper(OWNERS, ORDERS | {OFFSETS_TOPIC: OFFSETS})
    snapshot(paper, 3)
    assert paper.described == [name for name in NAMES if OWNERS[name] == 3]


def test_one_collector_for_all_brokers_asks_for_no_more_than_the_bound():
    paper = Paper(OWNERS, ORDERS)
    found = snapshot(paper, EVERY_BROKER, max_groups=10)
    assert names_of(found) == paper.described == NAMES[:10]
    assert found.left_out["groups"] == 50


@pytest.mark.parametrize(
    "leaders",
    [
        pytest.param(ORDERS | {OFFSETS_TOPIC: [-1, -1]}, id="offsets-without-a-leader"),
        pytest.param(ORDERS, id="no-coordinator-in-the-answer"),
    ],
)
def test_a_group_without_a_coordinator_is_told_by_the_lowest_brokers_collector(leaders):
    paper = Paper(dict.fromkeys(NAMES, None), leaders)
    found = told_by_each(paper)
    assert [names_of(one) for one in found.values()] == [NAMES, [], []]
    assert {group.coordinator for group in found[1].groups} == {-1}


@pytest.mark.parametrize("topics", [[".*"], [r"orders"]])
def test_each_topic_is_told_by_one(topics: Sequence[str]):
    leaders = {"orders": [2, 1, 3], "stock": [-1, 3], "idle": [-1, -1], "dead": []}
    paper = Paper({}, leaders)
    found = {broker: snapshot(paper, broker, topics=topics) for broker in BROKERS}
    told = {broker: [topic.name for topic in one.topics] for broker, one in found.items()}
    rest = [["dead", "idle"], [], ["stock"]] if topics == [".*"] else [[], [], []]
    assert list(told.values()) == [rest[0], ["orders", *rest[1]], rest[2]]


def test_ends_are_read_after_commits_so_that_lag_is_not_negative():
    """The log of this paper grows at each call, and all that is there is committed at once."""
    found = snapshot(Paper({"billing": 1}, ORDERS | {OFFSETS_TOPIC: [1]}), 1)
    ((committed, _, end),) = found.commits.values()
    assert end > committed
    assert found.offsets["orders", 0][1] < committed, "those of the topic come before group calls"


def test_a_broker_that_dies_when_it_is_asked_for_metadata_is_not_all_of_kafka():
    leaders = ORDERS | {OFFSETS_TOPIC: OFFSETS}
    paper = Paper(OWNERS, leaders, deaths=1)
    found = snapshot(paper, EVERY_BROKER)
    first, second = paper.metadata_calls
    assert first < 3.0 / 2 < second, "there is time for another, if the first says nothing at all"
    assert found.is_topics_whole
    assert names_of(found) == NAMES
    assert not found.failures


@pytest.mark.parametrize("loading", [1, 99])
def test_groups_of_a_broker_that_loads_are_asked_for_again_for_a_while(monkeypatch, loading):
    monkeypatch.setattr("collector.admin.snapshot.LOADING_PAUSE_S", 0.0)
    paper = Paper(OWNERS, ORDERS | {OFFSETS_TOPIC: OFFSETS}, loading=loading)
    found = snapshot(paper, EVERY_BROKER)
    assert names_of(found) == (NAMES if loading == 1 else [])
    assert [one.code for one in found.failures] == (
        [] if loading == 1 else ["COORDINATOR_LOAD_IN_PROGRESS"]
    )


def test_where_every_broker_dies_kafka_is_down():
    found = snapshot(Paper(OWNERS, ORDERS, deaths=2), EVERY_BROKER)
    assert not found.is_topics_whole
    assert [str(one) for one in found.failures] == ["list topics: it died [_TRANSPORT]"]


def test_offsets_that_no_leader_gave_are_counted():
    paper = Paper({"billing": 1}, {"orders": [3, 1], OFFSETS_TOPIC: [1]}, gone=3)
    found = snapshot(paper, 3, topics=["orders"])
    assert [(one.call, one.code, one.about) for one in found.failures] == [
        ("read oldest offsets", "LEADER_NOT_AVAILABLE", "orders/0"),
        ("read end offsets", "LEADER_NOT_AVAILABLE", "orders/0"),
    ]
    assert found.offsets["orders", 0] == (-1, -1)
    assert min(found.offsets["orders", 1]) > 0
