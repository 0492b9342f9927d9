"""What the MBeans of a Cluster Link say together."""

from __future__ import annotations

import pytest

from collector.sources.links.cluster_link import Beans
from collector.sources.links.reading import State

METRICS = "cluster-link-metrics"


def count(beans: Beans, state: str, value: float) -> None:
    beans.add({"type": METRICS, "mode": "destination", "state": state}, {"link-count": value})


def broker(beans: Beans, state: str, *, coordinator: bool) -> None:
    for one in ("active", "paused", "unavailable"):
        count(beans, one, float(coordinator and one == state))


def lag(beans: Beans, value: float, topic: str = "orders", partition: str = "0") -> None:
    keys = {"type": "FetcherLagMetrics", "topic": topic, "partition": partition}
    beans.add(keys, {"Value": value})


def manager(beans: Beans, name: str, value: float) -> None:
    beans.add({"type": "ClusterLinkFetcherManager", "name": name}, {"Value": value})


def in_error(beans: Beans, value: float) -> None:
    keys = {"type": METRICS, "state": "in-error", "reason": "authorization"}
    beans.add(keys, {"link-task-count": value})


def connections(beans: Beans, value: float) -> None:
    beans.add({"type": "cluster-link-fetcher-metrics"}, {"connection-count": value})


@pytest.mark.parametrize(
    "told, state",
    [
        ("active", State.CONNECTED),
        ("paused", State.PAUSED),
        ("unavailable", State.DISCONNECTED),
    ],
)
@pytest.mark.parametrize("order", [(True, False, False), (False, True, False)])
def test_only_the_coordinator_counts_a_link(told: str, state: State, order: tuple[bool, ...]):
    beans = Beans()
    for is_coordinator in order:
        broker(beans, told, coordinator=is_coordinator)
    assert beans.state() is state


def test_without_its_coordinator_a_state_is_not_known():
    beans = Beans()
    broker(beans, "active", coordinator=False)
    assert beans.state() is State.UNKNOWN
    assert Beans().state() is State.UNKNOWN


@pytest.mark.parametrize("name", ["FailedPartitionsCount", "DeadThreadCount"])
def test_what_failed_at_any_broker_breaks_a_link(name: str):
    beans = Beans()
    broker(beans, "active", coordinator=True)
    manager(beans, name, 0)
    assert beans.state() is State.CONNECTED
    manager(beans, name, 1)
    assert beans.state() is State.BROKEN


def test_a_mirror_that_failed_for_good_breaks_a_link_that_runs():
    beans = Beans()
    broker(beans, "active", coordinator=True)
    for state, topics in ("Mirror", 5.0), ("PausedMirror", 1.0), ("FailedMirror", 0.0):
        beans.add({"type": METRICS, "state": state}, {"mirror-topic-count": topics})
    assert beans.state() is State.CONNECTED
    beans.add({"type": METRICS, "state": "FailedMirror"}, {"mirror-topic-count": 1.0})
    assert beans.state() is State.BROKEN


def test_tasks_in_error_break_a_link_unless_it_is_cut():
    beans = Beans()
    broker(beans, "active", coordinator=True)
    in_error(beans, 0)
    assert beans.state() is State.CONNECTED
    in_error(beans, 2)
    assert beans.state() is State.BROKEN
    assert beans.reading(is_source=False, is_whole=True).tasks == {"failed": 2}
    broker(beans, "unavailable", coordinator=True)
    assert beans.state() is State.DISCONNECTED


def test_a_cut_is_seen_in_connections_before_the_link_says_so():
    beans = Beans()
    broker(beans, "active", coordinator=True)
    connections(beans, 0)
    assert beans.state() is State.CONNECTED  # it has nothing to fetch
    lag(beans, 5)
    assert beans.state() is State.DISCONNECTED
    connections(beans, 1)
    assert beans.state() is State.CONNECTED


def test_lags_are_of_all_brokers_together():
    beans = Beans()
    broker(beans, "active", coordinator=True)
    lag(beans, 5)
    lag(beans, 7, partition="1")
    lag(beans, -1, partition="2")  # not fetched yet
    lag(beans, 3, topic='"a.b:c"')
    manager(beans, "MaxLag", 4)
    manager(beans, "MaxLag", 7)
    found = beans.reading(is_source=False, is_whole=True)
    assert found.topics["orders"].lags == {0: 5, 1: 7}
    assert found.topics["a.b:c"].lags == {0: 3}
    assert found.max_lag == 7


def test_a_link_that_is_cut_tells_no_position():
    """Its fetchers keep the lag of before, which the source's end offsets have left behind."""
    beans = Beans()
    broker(beans, "unavailable", coordinator=True)
    lag(beans, 5)
    assert beans.reading(is_source=True, is_whole=True).topics == {}
    assert beans.reading(is_source=False, is_whole=True).topics["orders"].lags == {0: 5}


def test_a_sum_over_a_part_of_the_target_s_brokers_is_not_told():
    beans = Beans()
    broker(beans, "active", coordinator=True)
    lag(beans, 5)
    assert beans.reading(is_source=False, is_whole=False).topics == {}
    assert beans.reading(is_source=True, is_whole=False).topics["orders"].lags == {0: 5}


def test_lag_of_a_whole_topic():
    beans = Beans()
    beans.add({"type": METRICS, "topic": "orders"}, {"mirror-topic-lag": 9.0})
    beans.add({"type": METRICS, "topic": "orders"}, {"mirror-topic-lag": 0.0})
    assert beans.reading(is_source=False, is_whole=True).topics["orders"].lag == 9


def test_bytes_are_of_the_whole_link():
    beans = Beans()
    beans.add({"type": "FetcherStats"}, {"OneMinuteRate": 90.0})
    assert beans.reading(is_source=False, is_whole=True).bytes_per_second == 90
    for _ in range(2):
        beans.add({"type": "cluster-link-fetcher-metrics"}, {"incoming-byte-rate": 50.0})
    assert beans.reading(is_source=False, is_whole=True).bytes_per_second == 100
