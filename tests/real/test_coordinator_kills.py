"""Coordinators are killed: their share moves, and no read fails."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from collector.errors import SourceError
from tests.lab.waiting import wait_for
from tests.real.three_brokers import (
    READ_S,
    Brokers,
    Reads,
    groups_of,
    is_shared,
    three_brokers,
    three_collectors,
    topics_of,
)

pytestmark = pytest.mark.timeout(600 + 60 * int(os.environ.get("SOAK_COORDINATOR_KILLS", "0")))

KILLS = int(os.environ.get("SOAK_COORDINATOR_KILLS", "4"))


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with three_brokers(tmp_path_factory.mktemp("three")) as three:
        yield three


@pytest.fixture
def collectors(brokers: Brokers) -> Iterator[dict[int, Reads]]:
    with three_collectors(brokers) as three:
        yield three


def test_brokers_are_killed_and_their_share_moves(brokers: Brokers, collectors: dict[int, Reads]):
    """Unplanned moves by SIGKILL, planned ones when leaders go back: no round fails, none is late.

    The collector beside a broker that is dead lives on and tells nothing that others tell.
    """
    assert is_shared({node: one.read() for node, one in collectors.items()})
    for turn in range(KILLS):
        victim = 1 + turn % 3
        brokers.nodes[victim].kill()
        began = time.monotonic()
        deaths = []

        while time.monotonic() - began < 30.0:
            for node, one in collectors.items():
                started = time.monotonic()
                try:
                    one.read()
                except SourceError as error:
                    deaths.append((node, str(error)))
                assert time.monotonic() - started < READ_S + 1.0
            if not {victim, -1} & set(brokers.leaders()):
                break
        assert not deaths, deaths
        brokers.wait_until_left(victim)
        found = [{node: one.read() for node, one in collectors.items()} for _ in range(2)]
        assert is_shared(found[-1]), [groups_of(told) for told in found[-1].values()]
        assert not topics_of(found[-1][victim])
        wrong = [told for told in found[-1].values() if "kafka_topic_partition_leader" in told]
        assert wrong, "partitions with a replica too few are told one by one"
        brokers.nodes[victim].start()
        brokers.wait_until_back(victim)
        wait_for(
            lambda: is_shared({node: one.read() for node, one in collectors.items()}), READ_S * 3
        )
