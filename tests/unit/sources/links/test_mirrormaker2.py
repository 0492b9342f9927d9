"""What MirrorMaker's MBeans say of one flow: names and attributes as version 4.3.1 has them."""

from __future__ import annotations

from collections.abc import Mapping

from collector.sources.links.mirrormaker2 import Beans, Flow
from collector.sources.links.reading import State

HQ, DEPOT = Flow("plant", "hq"), Flow("plant", "depot")


def source(
    target: str, topic: str, partition: int, **told: float
) -> tuple[dict[str, str], Mapping[str, float]]:
    keys = {"source": "plant", "target": target, "topic": f"plant.{topic}"}
    return {"type": "MirrorSourceConnector", **keys, "partition": str(partition)}, told


def lag(target: str, topic: str, records: float) -> tuple[dict[str, str], Mapping[str, float]]:
    client = f'"plant->{target}|MirrorSourceConnector-0|replication-consumer"'
    keys = {"client-id": client, "topic": topic, "partition": "0"}
    return {"type": "consumer-fetch-manager-metrics", **keys}, {"records-lag": records}


def connections(target: str, count: float) -> tuple[dict[str, str], Mapping[str, float]]:
    client = f'"plant-mm2-plant->{target}-offsets"'
    return {"type": "consumer-metrics", "client-id": client}, {"connection-count": count}


def tasks(**counts: float) -> tuple[dict[str, str], Mapping[str, float]]:
    keys = {"type": "connect-worker-metrics", "connector": "MirrorSourceConnector"}
    return keys, {f"connector-{state}-task-count": count for state, count in counts.items()}


def beans(flow: Flow, *told: tuple[dict[str, str], Mapping[str, float]]) -> Beans:
    found = Beans(flow)
    for keys, values in told:
        found.add(keys, values)
    return found


def test_two_flows_of_one_jvm_are_told_apart():
    both = (
        tasks(running=2),
        *(connections("hq", 2), connections("depot", 0)),
        *(lag("hq", "orders", 5), lag("depot", "orders", 900)),
        source("hq", "orders", 0, **{"byte-rate": 10.0}),
        source("depot", "orders", 0, **{"byte-rate": 1.0}),
    )
    hq, depot = beans(HQ, *both), beans(DEPOT, *both)
    assert hq.state() is State.CONNECTED
    assert depot.state() is State.DISCONNECTED
    assert hq.topic("orders", None).lags == {0: 5}
    assert depot.topic("orders", None).lags == {0: 900}
    assert hq.topic("orders", None).bytes_per_second == 10.0


def test_a_topic_with_a_dot_is_one_topic():
    found = beans(HQ, lag("hq", "pos.sales", 5), lag("hq", "pos_sales", 5))
    assert found.topics == {"pos.sales"}


def test_states():
    up, down = connections("hq", 2), connections("hq", 0)
    assert beans(HQ, up, tasks(running=1)).state() is State.CONNECTED
    assert beans(HQ, up, down, tasks(running=1)).state() is State.DISCONNECTED
    assert beans(HQ, down).state() is State.DISCONNECTED  # its tasks are gone with the link
    assert beans(HQ, up, tasks(running=1, failed=1)).state() is State.BROKEN
    assert beans(HQ, up, tasks(paused=1)).state() is State.PAUSED
    assert beans(HQ, up).state() is State.UNKNOWN  # Connect waits before it runs tasks again
    assert beans(HQ).state() is State.UNKNOWN


def test_the_worst_partition_counts_and_bytes_add_up():
    told = [
        source("hq", "orders", number, **{"record-age-ms": age, "byte-rate": 5.0})
        for number, age in enumerate((100.0, 2_500.0))
    ]
    found = beans(HQ, *told).topic("orders", {"orders": {0: 7, 1: 9}})
    assert (found.age_s, found.bytes_per_second) == (2.5, 10.0)
    assert found.positions == {0: 7, 1: 9}
