"""Coordinators are killed, restarted, and take their groups back: no round fails, none is late."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.lab.waiting import wait_for
from tests.real.coordinator_watch import (
    LOOK_EVERY_S,
    ROUND_EVERY_S,
    Rounds,
    Watch,
    repeated,
)
from tests.real.three_brokers import (
    GROUPS,
    TOPICS,
    Brokers,
    Reads,
    groups_of,
    three_brokers,
    three_collectors,
    topics_of,
)
from tests.real.told import Told

pytestmark = pytest.mark.timeout(1200 + 60 * int(os.environ.get("SOAK_COORDINATOR_KILLS", "0")))

NOTICED_SOON = {"broker.session.timeout.ms": 3_000, "broker.heartbeat.interval.ms": 500}
FAILURES = "edgevitals_kafka_failures"
KILLS = int(os.environ.get("SOAK_COORDINATOR_KILLS", "4"))


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with three_brokers(tmp_path_factory.mktemp("three"), NOTICED_SOON) as three:
        yield three


@pytest.fixture
def collectors(brokers: Brokers) -> Iterator[dict[int, Reads]]:
    with three_collectors(brokers) as three:
        yield three


def test_brokers_are_killed_and_restarted_and_no_round_is_missed(
    brokers: Brokers, collectors: dict[int, Reads]
):
    """Reads go on all the time: while a broker is dead, comes up, and takes its share back.

    Each kill is a move that nobody planned and one that is (when leaders go back); each fourth is
    followed by a planned restart. librdkafka ends a child here now and then: that is survived,
    and counted. Rounds are counted from when Kafka itself says that something has moved.
    """
    restarts = 0
    with closing(Watch(brokers)) as watch, closing(Rounds(collectors)) as rounds:
        with repeated(watch.look, LOOK_EVERY_S), repeated(rounds.take, ROUND_EVERY_S):
            rounds.wait_for_next()
            for turn in range(KILLS):
                victim = 1 + turn % 3
                node, share = brokers.nodes[victim], watch.owned_by(victim)
                assert share & set(GROUPS)
                assert share & set(TOPICS)
                node.kill()
                watch.wait_until(victim, set())
                found = rounds.wait_for_next().found
                wrong = [one for one in found.values() if "kafka_topic_partition_leader" in one]
                assert wrong, "partitions with a replica too few are told one by one"
                node.start()
                watch.wait_until(victim, share)
                rounds.wait_for_next()
                if turn % 4 == 3:
                    restarts += 1
                    node.restart()
                    watch.wait_until(victim, share)
                    rounds.wait_for_next()
        verdicts = rounds.verdicts(watch)
    missed = [why for one in rounds.taken for why in one.missed]
    late = sum(one.admin.stats.late for one in collectors.values())
    print(
        f"{KILLS} kills and {restarts} planned restarts, {len(rounds.taken)} rounds of three reads:"
        f" {len(missed)} missed; {len(rounds.deaths)} children died {dict(Counter(rounds.deaths))},"
        f" {late} were late; {len(verdicts)} takeovers, told again in round"
        f" {dict(Counter(one.back_in for one in verdicts))} after it (0: never)"
    )
    assert not missed, missed
    late_ones = [one for one in verdicts if one.wrong]
    assert not late_ones, "\n".join(map(str, late_ones))
    assert len(verdicts) >= 2 * KILLS * 6, "of each share, away and back"


def test_a_child_that_dies_in_the_middle_of_a_read_is_survived(brokers: Brokers):
    """As librdkafka ends it: by SIGSEGV, once and then twice in one read."""
    with closing(Reads(brokers, None)) as one:
        whole = one.read()
        assert groups_of(whole) == set(GROUPS)

        told = read_while_killed(brokers, one, times=1)
        assert one.admin.stats.crashes == 1
        assert groups_of(told) == set(GROUPS), "asked again, by a new child"
        assert topics_of(told) == set(TOPICS)
        assert told["edgevitals_kafka_age_seconds"] == {("groups",): 0, ("topics",): 0}
        assert FAILURES not in told

        told = read_while_killed(brokers, one, times=2)
        assert one.admin.stats.crashes == 3
        assert groups_of(told) == set(GROUPS), "repeated"
        assert topics_of(told) == set(TOPICS)
        assert told[FAILURES] == {("admin", "ADMIN_DIED"): 1}
        assert all(age > 0 for age in told["edgevitals_kafka_age_seconds"].values())

        told = one.read()
        assert FAILURES not in told
        assert groups_of(told) == set(GROUPS)
        assert one.admin.stats.crashes == 3


def read_while_killed(brokers: Brokers, one: Reads, times: int) -> Told:
    """Read once; a broker that is paused keeps the read from being over before the child is."""
    wait_for(lambda: threads_of(one.admin.pid) == 1, what="the end of the last read's client")
    killed: set[int] = set()
    with ThreadPoolExecutor(1) as pool:
        brokers.nodes[1].pause()
        try:
            reading = pool.submit(one.read)
            while len(killed) < times:
                wait_for(lambda: one.admin.pid not in killed and threads_of(one.admin.pid) > 1)
                pid = one.admin.pid
                assert pid is not None
                os.kill(pid, signal.SIGSEGV)
                killed.add(pid)
        finally:
            brokers.nodes[1].resume()
        return reading.result()


def threads_of(pid: int | None) -> int:
    """Return how many it has: more than one while a client of librdkafka is there."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) if pid else 0
    except FileNotFoundError:
        return 0
