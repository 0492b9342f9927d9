"""The parent's side: what it makes of a child that answers, dies, hangs or talks nonsense."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from collector.admin import client as admin_module
from collector.admin.client import Admin, hint
from collector.admin.told import Snapshot
from collector.admin.wire import (
    Answer,
    Broker,
    Cluster,
    Commits,
    Done,
    Failure,
    Group,
    Groups,
    LeftOut,
    Offsets,
    Partition,
    ReadSnapshot,
    Topic,
    TopicConfig,
    TopicDescription,
    Topics,
    encode,
)
from tests.lab.waiting import wait_for
from tests.unit.admin.scripted import DEAF, HANG, SHOUT, Turn, scripted

CLUSTER = Cluster("cluster", [Broker(1, "broker", 9092)])
TOPICS: list[Answer] = [
    CLUSTER,
    LeftOut("partitions", 0),
    Topics([Topic("orders", [Partition(0, 1, [1], [1])])]),
    Offsets([("orders", 0, 5, 9)], is_last=False),
    Offsets([], is_last=True),
]
GROUPS: list[Answer] = [
    Groups([Group("billing", "STABLE", "CLASSIC", 2, 1)]),
    Commits("billing", [("orders", 0, 7, 5, 9)]),
]

Starter = Callable[..., Admin]
SOON = 50.0  # seconds: for what answers at once; a child that hangs does so for longer


def say(*answers: Answer) -> bytes:
    return b"".join(map(encode, answers))


WHOLE = Turn(say(*TOPICS, *GROUPS, Done()))


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starter]:
    """Start an Admin whose child plays the given lives, without the pause between two tries."""
    monkeypatch.setattr(admin_module, "PAUSE_BEFORE_RETRY", 0.0)
    started: list[Admin] = []

    def starter(*lives: Sequence[Turn], properties: dict[str, str | float] | None = None) -> Admin:
        started.append(Admin(properties or {}, scripted(tmp_path, *lives)))
        return started[-1]

    yield starter
    for admin in started:
        admin.close()


def snapshot(admin: Admin, seconds: float = SOON) -> Snapshot:
    deadline = time.monotonic() + seconds
    return admin.snapshot(ReadSnapshot(0, [".*"], [".*"], 10, 10, 10), deadline)


def wait_for_death(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOWAIT)
    finally:
        os.close(descriptor)


def test_nothing_is_started_before_the_first_call(start):
    admin = start([WHOLE])
    assert admin.pid is None
    assert admin.stats.starts == 0


def test_a_snapshot_is_put_together_from_its_parts(start):
    admin = start([WHOLE])
    found = snapshot(admin)
    assert found == Snapshot(
        brokers=[Broker(1, "broker", 9092)],
        cluster_id="cluster",
        topics=[Topic("orders", [Partition(0, 1, [1], [1])])],
        offsets={("orders", 0): (5, 9)},
        is_topics_whole=True,
        groups=[Group("billing", "STABLE", "CLASSIC", 2, 1)],
        commits={("billing", "orders", 0): [7, 5, 9]},
        left_out={"partitions": 0},
        own_topics=frozenset({"orders"}),
        own_groups=frozenset({"billing"}),
    )


def test_one_child_answers_many_calls(start):
    admin = start([WHOLE, WHOLE, Turn(say(CLUSTER, Done()))])
    first = snapshot(admin)
    assert snapshot(admin) == first
    assert admin.brokers(time.monotonic() + SOON) == [Broker(1, "broker", 9092)]
    assert (admin.stats.starts, admin.stats.crashes) == (1, 0)


@pytest.mark.parametrize("end", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, -3])
def test_a_crash_is_tried_again_and_nothing_is_missing(start, end):
    admin = start([Turn(say(*TOPICS), int(end))], [WHOLE])
    found = snapshot(admin)
    assert found.failure is None
    assert found.commits
    assert (admin.stats.starts, admin.stats.crashes) == (2, 1)
    assert "ended" in admin.stats.last_error


def test_a_crash_in_the_group_calls_leaves_the_topics(start):
    admin = start([Turn(say(*TOPICS, *GROUPS[:1]), 11)])
    found = snapshot(admin)
    assert found.failure is not None
    assert found.failure.is_ours
    assert found.is_topics_whole
    assert found.offsets == {("orders", 0): (5, 9)}
    assert admin.stats.crashes == 2  # tried twice, not for ever


@pytest.mark.parametrize("is_first_better", [True, False])
def test_the_better_of_two_tries_counts(start, is_first_better):
    lives = [[Turn(say(*TOPICS), 11)], [Turn(say(CLUSTER), 11)]]
    admin = start(*(lives if is_first_better else reversed(lives)))
    assert snapshot(admin).is_topics_whole


def test_a_crash_within_the_topics_says_so(start):
    admin = start([Turn(say(*TOPICS[:-1]), 6)])
    found = snapshot(admin)
    assert not found.is_topics_whole
    assert found.failure is not None
    assert found.failure.code == "ADMIN_DIED"


def test_what_the_child_said_last_is_told(start):
    admin = start([Turn(b"", SHOUT)])
    snapshot(admin)
    assert "signal 6" in admin.stats.last_error
    assert "rdkafka_queue.h:1086" in admin.stats.last_error
    assert "one line" not in admin.stats.last_error


def test_no_second_try_without_the_time_for_it(start, monkeypatch):
    monkeypatch.setattr(admin_module, "PAUSE_BEFORE_RETRY", 2 * SOON)
    admin = start([Turn(say(*TOPICS), 11)], [WHOLE])
    assert snapshot(admin).failure is not None
    assert snapshot(admin).failure is None


def test_a_child_that_hangs_is_given_up_and_replaced(start):
    admin = start([WHOLE, Turn(say(*TOPICS), HANG)], [WHOLE])
    began = time.monotonic()
    snapshot(admin)
    took = time.monotonic() - began  # with the start of the process, which dwarfs an answer
    found = snapshot(admin, seconds=0.5 + 2 * took)
    assert found.failure is not None
    assert found.failure.code == "ADMIN_LATE"
    assert found.is_topics_whole
    assert snapshot(admin).failure is None
    assert (admin.stats.starts, admin.stats.crashes, admin.stats.late) == (2, 0, 1)


def test_a_child_that_never_listens_holds_up_nobody(start):
    """More than a pipe holds, as certificates in the properties may be."""
    admin = start([Turn(b"", DEAF)], [WHOLE], properties={"ssl.ca.pem": "x" * 300_000})
    found = snapshot(admin, seconds=1.0)
    assert found.failure is not None
    assert found.failure.code == "ADMIN_LATE"
    assert snapshot(admin).failure is None


@pytest.mark.parametrize(
    "noise", [b"\xff" * 64, b"\0\0\0\1\xc1", b"\0\0\0\3" + b"abc", encode(Done())[:-1] + b"\xc1"]
)
def test_a_child_that_talks_nonsense_is_replaced(start, noise):
    admin = start([Turn(noise, HANG)], [WHOLE])
    assert snapshot(admin).failure is None
    assert admin.stats.crashes == 1
    assert "can't be understood" in admin.stats.last_error


def test_a_child_that_has_grown_makes_way_and_is_not_a_crash(start):
    admin = start([Turn(say(*TOPICS, Done(is_leaving=True)), -0)], [WHOLE])
    assert snapshot(admin).failure is None
    assert admin.pid is None
    assert snapshot(admin).failure is None
    assert (admin.stats.starts, admin.stats.crashes, admin.stats.left) == (2, 0, 1)


def test_a_child_that_died_between_two_calls_costs_nothing(start):
    admin = start([WHOLE])
    snapshot(admin)
    assert admin.pid is not None
    wait_for_death(admin.pid)
    assert snapshot(admin).failure is None
    assert (admin.stats.starts, admin.stats.crashes) == (2, 1)


def test_a_machine_that_can_start_no_process_is_not_kafkas_fault(monkeypatch):
    monkeypatch.setattr(admin_module, "PAUSE_BEFORE_RETRY", 0.0)
    admin = Admin({}, ["/nonexistent/python"])
    try:
        found = snapshot(admin)
    finally:
        admin.close()
    assert found.failure is not None
    assert found.failure.is_ours
    assert "can't be started" in found.failure.text


def test_answers_of_topic_calls(start):
    described = TopicDescription("orders", "abc", 3, 1)
    refused = Failure("create topic", "TOPIC_ALREADY_EXISTS", "there")
    unknown = Failure("describe topic", "UNKNOWN_TOPIC_OR_PART", "not there")
    config = TopicConfig("orders", {"retention.ms": "-1"})
    admin = start(
        [
            Turn(say(Done())),
            Turn(say(refused, Done())),
            Turn(say(described, Done())),
            Turn(say(unknown, Done())),
            Turn(say(config, Done())),
        ]
    )
    deadline = time.monotonic() + SOON
    assert admin.create_topic("orders", 3, 1, {}, deadline) is None
    assert admin.create_topic("orders", 3, 1, {}, deadline) == refused
    assert admin.describe_topic("orders", deadline) == described
    assert admin.describe_topic("orders", deadline) == unknown
    assert admin.topic_config("orders", deadline) == config


def test_topic_calls_say_when_it_was_our_own_process(start):
    admin = start([Turn(b"", 11)])
    deadline = time.monotonic() + SOON
    for found in (
        admin.create_topic("orders", 3, 1, {}, deadline),
        admin.describe_topic("orders", deadline),
        admin.brokers(deadline),
    ):
        assert isinstance(found, Failure)
        assert found.is_ours


def test_threads_take_turns(start):
    admin = start([WHOLE] * 8)
    found: list[Snapshot] = []
    threads = [threading.Thread(target=lambda: found.append(snapshot(admin))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.failure for one in found] == [None] * 8
    assert admin.stats.starts == 1


def test_a_caller_waits_for_its_turn_no_longer_than_its_deadline(start):
    admin = start([Turn(b"", HANG)], [WHOLE, WHOLE])
    first = threading.Thread(target=snapshot, args=(admin, 50.0))
    first.start()
    wait_for(lambda: admin.pid is not None, what="the first one's turn")
    assert admin.pid is not None
    found = snapshot(admin, seconds=0.1)
    assert found.failure is not None
    assert found.failure.code == "ADMIN_LATE"
    assert first.is_alive(), "its turn goes on"
    os.kill(admin.pid, signal.SIGKILL)
    first.join()
    assert snapshot(admin).failure is None
    assert admin.stats.starts == 2  # the call that was over was not made any more


def test_close_ends_the_child_and_those_who_wait(start):
    admin = start([Turn(say(*TOPICS), HANG)])
    found: list[Snapshot] = []
    waiting = threading.Thread(target=lambda: found.append(snapshot(admin, 50.0)))
    waiting.start()
    while admin.pid is None:
        waiting.join(0.01)
    pid = admin.pid
    admin.close()
    waiting.join()
    assert found[0].failure is not None
    assert found[0].failure.is_ours
    assert not Path(f"/proc/{pid}").exists()
    assert snapshot(admin).failure is not None


def test_secrets_are_in_no_process_list(start, monkeypatch):
    monkeypatch.setenv("EDGEVITALS_KAFKA__SASL_PASSWORD", "in-our-environment")
    admin = start([WHOLE], properties={"sasl.password": "in-the-properties"})
    snapshot(admin)
    seen = Path(f"/proc/{admin.pid}/cmdline").read_bytes()
    seen += Path(f"/proc/{admin.pid}/environ").read_bytes()
    assert b"in-the-properties" not in seen
    assert b"in-our-environment" not in seen


@pytest.mark.parametrize(
    "code, word",
    [
        ("_TRANSPORT", "bootstrap.servers"),
        ("_AUTHENTICATION", "sasl"),
        ("_RESOLVE", "host names"),
        ("_INVALID_ARG", "properties"),
        ("GROUP_AUTHORIZATION_FAILED", "right"),
        ("ADMIN_DIED", "not Kafka"),
    ],
)
def test_every_failure_ends_with_what_to_do(code, word):
    assert word in hint(Failure("list topics", code, "text"))


@pytest.mark.parametrize(
    "call, code, about, right",
    [
        ("describe topic", "TOPIC", "telemetry", "Describe --topic telemetry"),
        ("create topic", "TOPIC", "telemetry", "Create --topic telemetry"),
        ("read topic config", "TOPIC", "telemetry", "DescribeConfigs --topic telemetry"),
        ("read end offsets", "TOPIC", "orders/3", "Describe --topic orders"),
        ("read committed offsets", "GROUP", "billing", "Describe --group billing"),
        ("read committed offsets", "TOPIC", "billing", "Describe --topic '*'"),
        ("describe groups", "GROUP", "till no. 4", "Describe --group 'till no. 4'"),
        ("list groups", "GROUP", "", "Describe --group '*'"),
        ("list brokers", "CLUSTER", "", "Describe --cluster"),
    ],
)
def test_f44_a_missing_right_is_named_with_what_it_is_for(call, code, about, right):
    says = hint(Failure(call, f"{code}_AUTHORIZATION_FAILED", "not allowed", about))
    assert says.endswith(f"kafka-acls.sh --add --operation {right}")
