"""From an answer of the admin process to series; the process plays a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from collector.admin import client as admin_module
from collector.admin.client import Admin
from collector.admin.wire import (
    Answer,
    Broker,
    Commits,
    Done,
    Failure,
    Group,
    Groups,
    LeftOut,
    Offsets,
    OwnGroups,
    Partition,
    Topic,
    Topics,
    encode,
)
from collector.admin.wire import (
    Cluster as ClusterTold,
)
from collector.cluster.reading import Cluster, Patterns
from collector.config import KafkaConfig
from collector.errors import SourceError
from collector.series import Kind, SeriesTable, TargetSeries
from collector.sources.kafka import MOST_REPEATS, KafkaSource
from tests.unit.admin.scripted import Turn, scripted

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]

BROKERS = ClusterTold("cluster", [Broker(1, "edge", 9092), Broker(2, "::1", 9093)])
TOPICS = Topics(
    [
        Topic("orders", [Partition(0, 1, [1, 2], [1, 2]), Partition(1, 2, [1, 2], [2])]),
        Topic("__consumer_offsets", [Partition(0, -1, [2], [])]),
    ]
)
OFFSETS = Offsets([("orders", 0, 5, 90), ("orders", 1, 0, -1)], is_last=False)
BEFORE_GROUPS: list[Answer] = [BROKERS, LeftOut("partitions", 0), TOPICS, OFFSETS]
TOPIC_PART: list[Answer] = [*BEFORE_GROUPS, Offsets([], is_last=True)]
BOTH = [Group("billing", "STABLE", "CLASSIC", 2, 1), Group("idle", "EMPTY", "CLASSIC", 0, 1)]
GROUP_PART: list[Answer] = [
    LeftOut("groups", 0),
    Groups(BOTH),
    Commits("billing", [("orders", 0, 70, 5, 95)]),
    LeftOut("commits", 0),
]


def turn(*answers: Answer, then: int | str = "stay") -> Turn:
    return Turn(b"".join(map(encode, answers)), then)


WHOLE = turn(*TOPIC_PART, *GROUP_PART, Done())


class Rig:
    """A source, its table, and a script for the process it asks."""

    def __init__(self, directory: Path, lives: Sequence[Sequence[Turn]]) -> None:
        self.table = SeriesTable()
        self.admin = Admin({}, scripted(directory, *lives, aside=encode(Done())))
        series = TargetSeries(self.table, {"job": "kafka_exporter", "instance": "edge:9092"})
        reader = Cluster(self.admin, Patterns([".*"], [".*"])).reader()
        self.source = KafkaSource(reader, series, KafkaConfig(partitions=(".*",)))

    def read(self) -> Values:
        """Return values by name and labels, the target's own labels left out."""
        reading = self.source.read(time.monotonic() + 20)
        assert len(set(reading.series)) == len(reading.series) == len(reading.values)
        values: Values = {}
        for series_id, value in zip(reading.series, reading.values, strict=True):
            name, labels, _ = self.table[series_id]
            assert dict(labels)["instance"] == "edge:9092"
            own = tuple(label for label in labels if label[0] not in ("job", "instance"))
            values[name, own] = value
        return values


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    monkeypatch.setattr(admin_module, "PAUSE_BEFORE_RETRY", 0.0)
    made: list[Rig] = []

    def make(*lives: Sequence[Turn]) -> Rig:
        made.append(Rig(tmp_path, lives))
        return made[-1]

    yield make
    for one in made:
        one.source.close()
        one.admin.close()


def named(values: Values, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in labels): number
        for (found, labels), number in values.items()
        if found == name
    }


def test_names_labels_and_values_are_those_of_kafka_exporter(rig):
    values = rig([WHOLE]).read()
    values = {at: v for at, v in values.items() if not at[0].startswith("edgevitals_")}
    first = (("partition", "0"), ("topic", "orders"))
    second = (("partition", "1"), ("topic", "orders"))
    internal = (("partition", "0"), ("topic", "__consumer_offsets"))
    billing = ("consumergroup", "billing")
    assert values == {
        ("kafka_brokers", ()): 2,
        ("kafka_broker_info", (("address", "edge:9092"), ("id", "1"))): 1,
        ("kafka_broker_info", (("address", "[::1]:9093"), ("id", "2"))): 1,
        ("kafka_topic_partitions", (("topic", "orders"),)): 2,
        ("kafka_topic_partitions", (("topic", "__consumer_offsets"),)): 1,
        ("kafka_topic_partition_oldest_offset", first): 5,
        ("kafka_topic_partition_current_offset", first): 90,
        ("kafka_topic_partition_leader", first): 1,
        ("kafka_topic_partition_leader_is_preferred", first): 1,
        ("kafka_topic_partition_replicas", first): 2,
        ("kafka_topic_partition_in_sync_replica", first): 2,
        ("kafka_topic_partition_under_replicated_partition", first): 0,
        # Its end offset could not be had, it has an empty log, and the second replica leads.
        ("kafka_topic_partition_oldest_offset", second): 0,
        ("kafka_topic_partition_leader", second): 2,
        ("kafka_topic_partition_leader_is_preferred", second): 0,
        ("kafka_topic_partition_replicas", second): 2,
        ("kafka_topic_partition_in_sync_replica", second): 1,
        ("kafka_topic_partition_under_replicated_partition", second): 1,
        # Nobody leads it.
        ("kafka_topic_partition_leader_is_preferred", internal): 0,
        ("kafka_topic_partition_replicas", internal): 1,
        ("kafka_topic_partition_in_sync_replica", internal): 0,
        ("kafka_topic_partition_under_replicated_partition", internal): 1,
        ("kafka_consumergroup_members", (billing,)): 2,
        ("kafka_consumergroup_members", (("consumergroup", "idle"),)): 0,
        ("kafka_consumergroup_current_offset", (billing, *first)): 70,
        ("kafka_consumergroup_current_offset_sum", (billing, ("topic", "orders"))): 70,
        # Against the end offset that was read after the commit, not the earlier one.
        ("kafka_consumergroup_lag", (billing, *first)): 25,
        ("kafka_consumergroup_lag_sum", (billing, ("topic", "orders"))): 25,
    }


def test_every_family_has_a_kind_and_a_help_text(rig):
    one = rig([WHOLE])
    one.read()
    for series_id in range(len(one.table)):
        family = one.table[series_id].family
        assert family.kind in {Kind.GAUGE, Kind.INFO}
        assert family.help


def test_lag_is_never_negative(rig):
    commits = Commits("billing", [("orders", 0, 70, 5, 20), ("orders", 1, 5, 0, 9)])
    values = rig([turn(*TOPIC_PART, *GROUP_PART[:2], commits, Done())]).read()
    assert named(values, "kafka_consumergroup_lag") == {
        ("billing", "0", "orders"): 0,
        ("billing", "1", "orders"): 4,
    }
    assert named(values, "kafka_consumergroup_lag_sum") == {("billing", "orders"): 4}


def test_a_sum_without_one_of_its_partitions_is_not_told(rig):
    commits = Commits(
        "billing", [("orders", 0, 70, 5, 95), ("orders", 1, 5, 0, -1), ("stock", 0, 1, 0, 2)]
    )
    values = rig([turn(*TOPIC_PART, *GROUP_PART[:2], commits, Done())]).read()
    assert named(values, "kafka_consumergroup_lag") == {
        ("billing", "0", "orders"): 25,
        ("billing", "0", "stock"): 1,
    }
    assert named(values, "kafka_consumergroup_lag_sum") == {("billing", "stock"): 1}
    assert named(values, "kafka_consumergroup_current_offset_sum") == {
        ("billing", "orders"): 75,
        ("billing", "stock"): 1,
    }


def test_ids_stay_the_same_from_read_to_read(rig):
    one = rig([WHOLE, WHOLE])
    first = one.source.read(time.monotonic() + 20).series
    known = len(one.table)
    again = one.source.read(time.monotonic() + 20)
    assert again.series == first
    assert all(type(value) is float for value in again.values)
    assert len(one.table) == known


def test_what_kafka_refuses_is_counted_and_the_rest_is_read(rig):
    refused = Failure("read committed offsets", "GROUP_AUTHORIZATION_FAILED", "no", "idle", 3)
    values = rig([turn(*TOPIC_PART, *GROUP_PART, refused, Done())]).read()
    assert named(values, "edgevitals_kafka_failures") == {
        ("read committed offsets", "GROUP_AUTHORIZATION_FAILED"): 3
    }
    assert named(values, "kafka_consumergroup_lag")


def test_what_is_over_a_bound_is_counted_and_said_once(rig, caplog):
    left_out = (LeftOut("partitions", 40), LeftOut("groups", 7))
    one = rig([turn(*TOPIC_PART, *GROUP_PART, *left_out, Done())] * 2)
    for _ in range(2):
        values = one.read()
        assert named(values, "edgevitals_kafka_left_out") == {
            ("partitions",): 40,
            ("groups",): 7,
            ("commits",): 0,
        }
    (record,) = caplog.records
    assert "40 partitions, 7 groups were not read" in record.getMessage()


def test_a_cluster_that_is_down_is_a_source_error(rig):
    refused = Failure("list topics", "_TRANSPORT", "Connect to broker:9092 failed")
    one = rig([WHOLE, turn(refused, Done()), turn(refused, Done()), WHOLE])
    one.read()
    for _ in range(2):
        with pytest.raises(SourceError, match=r"Connect to broker:9092 failed.*bootstrap.servers"):
            one.read()
    assert named(one.read(), "kafka_brokers") == {(): 2}


def test_topics_go_on_while_group_calls_end_the_process(rig):
    later = Offsets([("orders", 0, 5, 91)], is_last=True)
    broken = turn(BROKERS, LeftOut("partitions", 0), TOPICS, later, then=11)
    one = rig([WHOLE, broken], [broken])
    ages = []
    one.read()
    for _ in range(MOST_REPEATS):
        values = one.read()
        assert named(values, "kafka_topic_partition_current_offset") == {("0", "orders"): 91}
        assert named(values, "kafka_consumergroup_lag") == {("billing", "0", "orders"): 25}
        assert named(values, "edgevitals_kafka_failures") == {("admin", "ADMIN_DIED"): 1}
        assert named(values, "edgevitals_kafka_age_seconds")["topics",] == 0
        ages.append(named(values, "edgevitals_kafka_age_seconds")["groups",])
    assert 0 < ages[0] < ages[1] < ages[2]
    values = one.read()  # for ever would be a lie: no group any more, and a failure that says so
    assert not named(values, "kafka_consumergroup_lag")
    assert not named(values, "kafka_consumergroup_members")
    assert named(values, "kafka_topic_partition_current_offset") == {("0", "orders"): 91}
    assert ("groups",) not in named(values, "edgevitals_kafka_age_seconds")


TWO_GROUPS: list[Answer] = [
    *GROUP_PART[:3],
    Commits("idle", [("orders", 0, 80, 5, 95)]),
]


@pytest.mark.parametrize("shown_by", [OwnGroups(["idle", "new"]), Groups(BOTH[1:])])
def test_a_group_that_is_anothers_now_is_not_repeated(rig, shown_by):
    broken = turn(*TOPIC_PART, shown_by, then=11)
    one = rig([turn(*TOPIC_PART, *TWO_GROUPS, Done()), broken], [broken])
    assert named(one.read(), "kafka_consumergroup_members") == {("billing",): 2, ("idle",): 0}
    for _ in range(MOST_REPEATS):
        values = one.read()
        assert named(values, "kafka_consumergroup_members") == {("idle",): 0}
        assert named(values, "kafka_consumergroup_lag_sum") == {("idle", "orders"): 15}


def test_a_topic_that_is_anothers_now_is_not_repeated(rig):
    stock = Topic("stock", [Partition(0, 2, [1, 2], [1, 2])])
    both = Topics([*TOPICS.topics, stock])
    end = Offsets([("stock", 0, 0, 4)], is_last=True)
    whole = turn(BROKERS, both, OFFSETS, end, *GROUP_PART, Done())
    broken = turn(BROKERS, Topics([stock]), then=11)
    one = rig([whole, broken], [broken])
    before = named(one.read(), "kafka_topic_partitions")
    assert before == {("orders",): 2, ("__consumer_offsets",): 1, ("stock",): 1}
    values = one.read()
    assert named(values, "kafka_topic_partitions") == {("stock",): 1}
    assert named(values, "kafka_topic_partition_current_offset") == {("0", "stock"): 4}
    assert named(values, "kafka_brokers") == {(): 2}
    # Of groups this read showed nothing.
    assert named(values, "kafka_consumergroup_lag_sum") == {("billing", "orders"): 25}


def test_a_process_that_dies_at_once_repeats_all_for_a_while(rig):
    one = rig([WHOLE, turn(then=11)], [turn(then=11)])
    first = {k: v for k, v in one.read().items() if not k[0].startswith("edgevitals_")}
    for _ in range(MOST_REPEATS):
        again = {k: v for k, v in one.read().items() if not k[0].startswith("edgevitals_")}
        assert again == first
    with pytest.raises(SourceError, match=r"signal 11.*not Kafka"):
        one.read()


def test_one_good_read_makes_room_for_repeats_again(rig):
    bad = turn(then=11)
    one = rig([WHOLE, bad], [bad], [WHOLE, bad], [bad], [WHOLE])
    for _ in range(5):
        assert named(one.read(), "kafka_brokers") == {(): 2}


def test_values_from_before_an_outage_are_not_repeated(rig):
    refused = turn(Failure("list topics", "_TRANSPORT", "refused"), Done())
    one = rig([WHOLE, refused, turn(then=11)], [turn(then=11)])
    one.read()
    with pytest.raises(SourceError, match="refused"):
        one.read()
    with pytest.raises(SourceError, match="not Kafka"):
        one.read()


def test_a_first_read_without_an_answer_is_a_source_error(rig):
    with pytest.raises(SourceError, match="not Kafka"):
        rig([turn(then=11)]).read()
