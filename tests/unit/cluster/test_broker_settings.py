"""Settings of brokers over several reads; the admin process plays a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from collector.admin.client import Admin
from collector.admin.wire import (
    Answer,
    Broker,
    BrokerConfig,
    Cluster,
    Done,
    Failure,
    Offsets,
    Topics,
    encode,
)
from collector.cluster import reading, settings
from collector.cluster.view import View
from tests.unit.admin.scripted import Turn, scripted

BROKERS = [Broker(1, "a", 9092), Broker(2, "b", 9092)]
ONE, TWO = BrokerConfig(1, {"num.partitions": "1"}), BrokerConfig(2, {"num.partitions": "2"})
REFUSED = Failure("read broker config", "CLUSTER_AUTHORIZATION_FAILED", "not allowed", "1")
LATE = Failure("read broker config", "_TIMED_OUT", "no answer in time", "2")


def turn(*answers: Answer) -> Turn:
    return Turn(b"".join(map(encode, (*answers, Done()))))


def cluster_of(*brokers: Broker) -> Turn:
    """The answer to a snapshot; there are no topics, so only brokers are asked for settings."""
    return turn(Cluster("c", list(brokers)), Topics([]), Offsets([], is_last=True))


Read = Callable[[], View]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Sequence[Turn]], Read]]:
    made: list[Admin] = []

    def start(turns: Sequence[Turn]) -> Read:
        admin = Admin({}, scripted(tmp_path, turns))
        made.append(admin)
        reader = reading.Cluster(admin, reading.Patterns([], [".*"])).reader()
        return lambda: reader.view(time.monotonic() + 20)

    yield start
    for admin in made:
        admin.close()


def test_they_are_read_once_and_told_at_each_read(play):
    read = play([cluster_of(*BROKERS), turn(ONE, TWO), cluster_of(*BROKERS)])
    for _ in range(2):
        assert read().broker_settings == {1: ONE.values, 2: TWO.values}


def test_a_broker_that_is_new_is_asked_at_once(play):
    read = play([cluster_of(BROKERS[0]), turn(ONE), cluster_of(*BROKERS), turn(ONE, TWO)])
    assert read().broker_settings == {1: ONE.values}
    assert read().broker_settings == {1: ONE.values, 2: TWO.values}


def test_what_fails_is_told_until_it_is_asked_again(play, monkeypatch):
    monkeypatch.setattr(settings, "SETTINGS_S", 0.0)
    read = play([cluster_of(*BROKERS), turn(ONE, TWO), cluster_of(*BROKERS), turn(ONE, LATE)])
    read()
    view = read()
    assert view.broker_settings == {1: ONE.values, 2: TWO.values}  # it has what it had
    assert view.failures == [LATE]


def test_what_we_may_no_longer_see_is_not_told(play, monkeypatch):
    monkeypatch.setattr(settings, "SETTINGS_S", 0.0)
    read = play([cluster_of(*BROKERS), turn(ONE, TWO), cluster_of(*BROKERS), turn(REFUSED)])
    read()
    view = read()
    assert view.broker_settings == {}
    assert view.failures == [REFUSED]


def test_a_broker_that_is_gone_is_not_told(play):
    read = play([cluster_of(*BROKERS), turn(ONE, TWO), cluster_of(BROKERS[1])])
    read()
    assert read().broker_settings == {2: TWO.values}
