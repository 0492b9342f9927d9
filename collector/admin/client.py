"""Kafka's admin calls, made in a process that may die: `collector.admin.child`.

An AdminClient in this process would end it (why: there). So there is none, not even once at the
start. What comes back is data, failures too; nothing is raised. A failure of the child is told
apart from one of Kafka's: `Failure.is_ours`.
"""

from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote
from threading import Event, Thread
from typing import TypeVar

from collector.admin.process import AdminProcess, Died, Late
from collector.admin.told import Snapshot
from collector.admin.wire import (
    Allowed,
    Answer,
    Broker,
    BrokerConfig,
    Cluster,
    CreateTopic,
    DescribeTopic,
    Failure,
    ListBrokers,
    Properties,
    ReadBrokerConfigs,
    ReadRights,
    ReadSnapshot,
    ReadTimes,
    ReadTopicConfigs,
    Request,
    Times,
    TopicConfig,
    TopicDescription,
)
from collector.security.credentials import renewed

PAUSE_BEFORE_RETRY = 1.0
"""Seconds. A coordinator that moved is mostly found by then."""
TIME_TO_START = 0.3
"""Seconds that a new child and its first connection take; with less left there is no second try."""
CHILD_ENDS_EARLIER = 0.25
"""Seconds by which the child's deadline comes before the caller's, for the way back."""

_OPERATIONS = {
    "create topic": "Create",
    "read topic config": "DescribeConfigs",
    "read broker config": "DescribeConfigs",
}
_OF_A_GROUP = {"list groups", "describe groups", "read committed offsets"}

T = TypeVar("T")

COMMAND = (sys.executable, "-P", "-m", "collector.admin.child")


@dataclass(slots=True)
class AdminStats:
    """What telemetry tells of the admin process. Only ever written by the admin's own thread.

    `crashes`: it died while it was needed or idle. `late`: it had to be ended because it didn't
    answer in time. `left`: it made way for a new one because it had grown.
    """

    starts: int = 0
    crashes: int = 0
    late: int = 0
    left: int = 0
    last_error: str = ""
    answered_at: float | None = None

    def age(self, now: float) -> float | None:
        """Return the seconds since the last whole answer, None when there was none yet."""
        return None if self.answered_at is None else now - self.answered_at


@dataclass(slots=True, eq=False)
class _Call:
    request: Request
    deadline: float
    answers: list[Answer] = field(default_factory=list)
    failure: Failure | None = None
    bug: BaseException | None = None
    is_made: bool = False
    is_over: Event = field(default_factory=Event)


class Admin:
    """The admin calls, for any number of threads at once.

    One child and one call at a time: a second child would be another 25 MiB, and a snapshot takes
    0.1 s. A caller waits its turn within its own deadline. The child is started by a thread that
    lives as long as the Admin, since Linux ends a child whose PDEATHSIG is set with the *thread*
    that started it, and a source's thread may come and go.
    """

    def __init__(
        self, properties: Mapping[str, str | float], command: Sequence[str] = COMMAND
    ) -> None:
        """`properties` are librdkafka's, secrets included. Nothing is started before a call."""
        self.stats = AdminStats()
        self._properties = properties
        self._command = tuple(command)
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._closing = Event()
        self._process: AdminProcess | None = None
        self._thread = Thread(target=self._serve, name="admin", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Return the child's process id while there is one: its memory is ours too."""
        process = self._process
        return None if process is None else process.pid

    def snapshot(self, wanted: ReadSnapshot, deadline: float) -> Snapshot:
        """Read brokers, topics, groups and their offsets."""
        return Snapshot.of(*self._ask(wanted, deadline))

    def create_topic(
        self,
        name: str,
        partitions: int,
        replication_factor: int,
        config: Mapping[str, str],
        deadline: float,
    ) -> Failure | None:
        """Create a topic; None when Kafka took it.

        Brokers may not know it yet when this returns: ask `describe_topic` until they do. After a
        crash it is tried again, so TOPIC_ALREADY_EXISTS may be of our own making.
        """
        answers, failure = self._ask(
            CreateTopic(0, name, partitions, replication_factor, dict(config)), deadline
        )
        return failure or _first(answers, Failure)

    def describe_topic(self, name: str, deadline: float) -> TopicDescription | Failure:
        """Return the topic's id and size, or a Failure; its `is_missing` says: no such topic."""
        answers, failure = self._ask(DescribeTopic(0, name), deadline)
        return (
            _first(answers, TopicDescription) or failure or _first(answers, Failure) or _NO_ANSWER
        )

    def topic_config(self, name: str, deadline: float) -> TopicConfig | Failure:
        """Return the topic's settings in force. It takes the right to DescribeConfigs."""
        answers, failure = self._ask(ReadTopicConfigs(0, [name]), deadline)
        return _first(answers, TopicConfig) or failure or _first(answers, Failure) or _NO_ANSWER

    def topic_configs(
        self, names: Sequence[str], deadline: float
    ) -> tuple[dict[str, dict[str, str]], list[Failure]]:
        """Return {topic: settings in force} of those that can be had, and what failed."""
        answers, failure = self._ask(ReadTopicConfigs(0, list(names)), deadline)
        found = {one.name: one.values for one in answers if isinstance(one, TopicConfig)}
        return found, _failures(answers, failure)

    def broker_configs(
        self, ids: Sequence[int], deadline: float
    ) -> tuple[dict[int, dict[str, str]], list[Failure]]:
        """Return {broker: settings in force} of those that can be had, and what failed.

        It takes the right to DescribeConfigs on the cluster.
        """
        answers, failure = self._ask(ReadBrokerConfigs(0, list(ids)), deadline)
        found = {one.id: one.values for one in answers if isinstance(one, BrokerConfig)}
        return found, _failures(answers, failure)

    def times(
        self, places: Sequence[tuple[str, int, int]], deadline: float
    ) -> tuple[list[tuple[str, int, int, int]], list[Failure]]:
        """Ask for the first offset of (topic, partition) from a time in ms on; see `Times`."""
        answers, failure = self._ask(ReadTimes(0, list(places)), deadline)
        found = [one for part in answers if isinstance(part, Times) for one in part.offsets]
        return found, _failures(answers, failure)

    def brokers(self, deadline: float) -> list[Broker] | Failure:
        """Return the brokers that are alive."""
        answers, failure = self._ask(ListBrokers(0), deadline)
        cluster = _first(answers, Cluster)
        if cluster is not None:
            return cluster.brokers
        return failure or _first(answers, Failure) or _NO_ANSWER

    def allowed(
        self,
        topics: Sequence[str],
        groups: Sequence[str],
        deadline: float,
        *,
        to_create: Sequence[str] = (),
        cluster: bool = False,
    ) -> list[Allowed] | Failure:
        """Return what we may do with topics and groups, and with the cluster if asked.

        Nothing is made or changed by asking.
        """
        answers, failure = self._ask(
            ReadRights(0, list(topics), list(groups), list(to_create), cluster), deadline
        )
        failure = failure or _first(answers, Failure)
        return failure or [answer for answer in answers if isinstance(answer, Allowed)]

    def close(self) -> None:
        """End the child; calls under way or waiting give up."""
        self._closing.set()
        self._calls.put(None)
        process = self._process
        if process is not None:
            process.kill()
        self._thread.join(timeout=2)

    def _ask(self, request: Request, deadline: float) -> tuple[list[Answer], Failure | None]:
        call = _Call(request, deadline)
        if not self._closing.is_set():
            self._calls.put(call)
            call.is_over.wait(max(0.0, deadline - time.monotonic()) + CHILD_ENDS_EARLIER)
        if call.bug is not None:
            raise call.bug
        if call.is_made:
            return call.answers, call.failure
        if self._closing.is_set():
            return [], Failure("admin", "ADMIN_CLOSED", "the collector is stopping")
        return [], Failure("admin", "ADMIN_LATE", "another admin call was still under way")

    def _serve(self) -> None:
        """Make the calls one after the other; the only place that touches the child."""
        while (call := self._calls.get()) is not None:
            try:
                if not self._closing.is_set() and time.monotonic() < call.deadline:
                    self._make(call)
                    call.is_made = True
            except BaseException as bug:  # noqa: BLE001 - it belongs to the caller, who is waiting
                call.bug = bug
                self._drop()
            call.is_over.set()
        self._drop()

    def _make(self, call: _Call) -> None:
        """Make one call, and once more after a second when the child died of it.

        The answers of the better try are kept: topics come before the calls that end the child.
        """
        for is_last in (False, True):
            answers: list[Answer] = []
            try:
                is_leaving = self._running().ask(
                    self._with_end(call), call.deadline, answers.append
                )
            except Late as late:
                self.stats.late += 1
                call.failure = self._lost("ADMIN_LATE", str(late))
            except Died as death:
                self.stats.crashes += 1
                call.failure = self._lost("ADMIN_DIED", str(death))
            else:
                call.answers, call.failure = answers, None
                self.stats.answered_at = time.monotonic()
                if is_leaving:
                    self.stats.left += 1
                    self._drop()
                return
            call.answers = max(call.answers, answers, key=len)
            left = call.deadline - time.monotonic()
            if is_last or left < PAUSE_BEFORE_RETRY + TIME_TO_START + CHILD_ENDS_EARLIER:
                return
            if self._closing.wait(PAUSE_BEFORE_RETRY):
                return

    def _with_end(self, call: _Call) -> Request:
        call.request.ends = call.deadline - CHILD_ENDS_EARLIER
        return call.request

    def _running(self) -> AdminProcess:
        """Return the child, a new one if there is none or it died since the last call."""
        if self._process is not None:
            reason = self._process.reason_of_death()
            if reason:
                self.stats.crashes += 1
                self._lost("ADMIN_DIED", reason)
        if renewed(self._properties):
            self._drop()  # it was told the old ones when it began
        if self._process is None:
            own: Properties = dict(self._properties)
            self._process = AdminProcess(self._command, _environment(), own)
            self.stats.starts += 1
            if self._closing.is_set():  # close() may have looked before there was a child
                self._process.kill()
        return self._process

    def _lost(self, code: str, text: str) -> Failure:
        self.stats.last_error = text
        self._drop()
        return Failure("admin", code, text)

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


_NO_ANSWER = Failure("admin", "ADMIN_DIED", "the admin process gave no answer")


def _failures(answers: Sequence[Answer], lost: Failure | None) -> list[Failure]:
    return [one for one in answers if isinstance(one, Failure)] + ([lost] if lost else [])


def _first(answers: Sequence[Answer], kind: type[T]) -> T | None:
    return next((answer for answer in answers if isinstance(answer, kind)), None)


def hint(failure: Failure) -> str:
    """Return what a person can do about it."""
    code = failure.code
    if failure.is_ours:
        return (
            "this is the collector's own admin process, not Kafka, and it is started again at the "
            "next read; if it goes on, report it with the text above"
        )
    if failure.is_forbidden:
        return f"give the collector's user the right: kafka-acls.sh --add {_right(failure)}"
    if code in ("_AUTHENTICATION", "_SSL"):
        return "check security.protocol, sasl.* and ssl.* under kafka:"
    if code == "_RESOLVE":
        return "check the host names in kafka: bootstrap.servers"
    if code in ("_INVALID_ARG", "_UNKNOWN_PROPERTY"):
        return "correct the properties under kafka:"
    return "check that the broker runs and that kafka: bootstrap.servers names it"


def _right(failure: Failure) -> str:
    """Return the right that is missing, as kafka-acls.sh is told it."""
    operation = _OPERATIONS.get(failure.call, "Describe")
    kind = failure.code.removesuffix("_AUTHORIZATION_FAILED").lower()
    if kind == "cluster":
        return f"--operation {operation} --cluster"
    # A topic of a group's commits is about the group: the topic has no name here.
    is_of_a_group = failure.call in _OF_A_GROUP
    name = failure.about.partition("/")[0] if is_of_a_group == (kind == "group") else ""
    return f"--operation {operation} --{kind} {quote(name or '*')}"


def _environment() -> dict[str, str]:
    """Return the child's environment: ours, without our own configuration.

    The child imports from where we do, in the same order, and not from the working directory.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EDGEVITALS_")}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environment["MALLOC_ARENA_MAX"] = "1"  # of glibc: saves 1 MiB of 26, costs no time
    return environment
