"""Who should tell a group or a topic, as Kafka says all the time, and who told it in each round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple

from collector.errors import SourceError
from tests.lab.kafka import HOST
from tests.lab.kafka_wire import KafkaWire, Says
from tests.lab.waiting import wait_for
from tests.real.edge import SOON
from tests.real.three_brokers import (
    GROUPS,
    READ_S,
    TOPICS,
    Brokers,
    Reads,
    groups_of,
    topics_of,
)
from tests.real.told import Told

LOOK_EVERY_S = 0.05
ROUND_EVERY_S = 1.0
"""Fifteen times as often as in earnest, so that moves meet reads; each has the time of one."""

THINGS = [*GROUPS, *TOPICS]
Nodes = tuple[int, ...]
"""A group's coordinator, or the leaders of a topic's partitions. The first of them tells of it."""


@contextmanager
def repeated(job: Callable[[], None], every_s: float) -> Iterator[None]:
    """Do it again and again in a thread of its own. Raises at the end what it raised."""
    is_over = Event()

    def work() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            job()
            is_over.wait(max(0.0, began + every_s - time.monotonic()))

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            yield
        finally:
            is_over.set()
            done.result()


@dataclass(slots=True)
class Stay:
    """From `since` to `until` all brokers said, at each look, that this is the node's."""

    node: int
    since: float
    until: float


class Watch:
    """Looks at all brokers that answer. Something is a node's when they all say so, and it is up.

    A group only when the node says itself that it has it, loaded; a topic only while each of its
    partitions has a leader that is up, the same one: without one of them there is no total of it.
    """

    def __init__(self, brokers: Brokers) -> None:
        self._wires = {number: KafkaWire(HOST, node.port) for number, node in brokers.nodes.items()}
        self.owners: dict[str, Nodes] = {}
        self.stays: dict[str, list[Stay]] = {thing: [] for thing in THINGS}

    def look(self) -> None:
        began = time.monotonic()
        owners = self._owners()
        ended = time.monotonic()
        for thing, stays in self.stays.items():
            before, now = self.owners.get(thing), owners.get(thing)
            if now is not None and now == before:
                stays[-1].until = began
            elif now is not None:
                stays.append(Stay(now[0], ended, ended))
        self.owners = owners

    def owned_by(self, node: int) -> set[str]:
        return {thing for thing, nodes in self.owners.items() if nodes[0] == node}

    def wait_until(self, node: int, things: set[str]) -> None:
        """Until everything is somebody's, and these are the node's."""
        wait_for(
            lambda: len(self.owners) == len(THINGS) and self.owned_by(node) == things,
            90.0,
            f"that {sorted(things) or 'nothing'} is of node {node}",
        )

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()

    def _owners(self) -> dict[str, Nodes]:
        said = {node: says for node, wire in self._wires.items() if (says := _ask(wire))}
        owners = {}
        for thing in THINGS:
            found = {_nodes(says, thing) for says in said.values()}
            if len(said) > 1 and len(found) == 1 and said.keys() >= set(nodes := found.pop()):
                owners[thing] = nodes
        for node, wire in self._wires.items():
            groups = [group for group in GROUPS if owners.get(group) == (node,)]
            for group in set(groups) - _coordinated(wire, groups):
                del owners[group]
        return owners


def _ask(wire: KafkaWire) -> Says | None:
    try:
        return wire.ask(GROUPS)
    except OSError:
        return None


def _coordinated(wire: KafkaWire, groups: list[str]) -> set[str]:
    try:
        return wire.coordinated(groups)
    except OSError:
        return set()


def _nodes(says: Says, thing: str) -> Nodes:
    if thing in says.coordinators:
        return (says.coordinators[thing],)
    return tuple(says.leaders.get(thing, (-1,)))


class Round(NamedTuple):
    """One read of each collector, at once; `missed` says which gave nothing, and why."""

    began: float
    ended: float
    found: dict[int, Told]
    missed: list[str]

    def tellers(self, thing: str) -> list[int]:
        return [
            node
            for node, told in self.found.items()
            if thing in topics_of(told) or thing in groups_of(told)
        ]


class Verdict(NamedTuple):
    """Of one stay: in which of the rounds within it the thing was back, and how often not again.

    Back: told by the collector of its node, and by no other. 0 if it never was.
    """

    thing: str
    node: int
    back_in: int
    gaps: int
    wrong: list[str]


class Rounds:
    """The rounds of three collectors, one after the other."""

    def __init__(self, collectors: dict[int, Reads]) -> None:
        self._collectors = collectors
        self._pool = ThreadPoolExecutor(len(collectors))
        self.taken: list[Round] = []
        self.deaths: list[str] = []
        self._usual_s = 0.0  # what the first one took, in which nothing moved: that's the machine

    def take(self) -> None:
        """Take one. A read that failed, or was not over when a round of 15 s is, is missed."""
        began = time.monotonic()
        found: dict[int, Told] = {}
        missed: list[str] = []

        def read(node: int) -> None:
            stats = self._collectors[node].admin.stats
            crashes = stats.crashes
            try:
                found[node] = self._collectors[node].read()
            except SourceError as error:
                missed.append(f"{node}, after {time.monotonic() - began:.1f} s: {error}")
            if stats.crashes > crashes:
                self.deaths.append(stats.last_error)
            if (seconds := time.monotonic() - began) > READ_S + 0.5 + self._usual_s:
                missed.append(f"{node}: it took {seconds:.1f} s")

        list(self._pool.map(read, self._collectors))
        self.taken.append(Round(began, time.monotonic(), found, missed))
        if len(self.taken) == 1:
            self._usual_s = time.monotonic() - began

    def wait_for_next(self) -> Round:
        """Return the first round that begins from now on, when it is over."""
        now = time.monotonic()
        wait_for(lambda: self.taken and self.taken[-1].began >= now, SOON, "a round")
        return next(one for one in self.taken if one.began >= now)

    def verdicts(self, watch: Watch) -> list[Verdict]:
        """Judge each stay, of groups and of topics, that had a whole round."""
        found = []
        for thing, stays in watch.stays.items():
            for stay in stays:
                within = [
                    one for one in self.taken if stay.since <= one.began and one.ended <= stay.until
                ]
                if within:
                    rights = [one.tellers(thing) == [stay.node] for one in within]
                    back_in = rights.index(True) + 1 if True in rights else 0
                    gaps = rights[back_in:].count(False)
                    wrong = [
                        _wrong(thing, stay, one)
                        for one, right in zip(within, rights, strict=True)
                        if not right
                    ]
                    found.append(Verdict(thing, stay.node, back_in, gaps, wrong))
        return found

    def close(self) -> None:
        self._pool.shutdown()


def _wrong(thing: str, stay: Stay, one: Round) -> str:
    """Say how a round was wrong about a thing, for whoever reads that the test failed."""
    told = one.found.get(stay.node, {})
    failures = told.get("edgevitals_kafka_failures", {})
    return (
        f"{one.began - stay.since:.1f} s after it came, told by {one.tellers(thing)} in"
        f" {one.ended - one.began:.1f} s, {stay.until - one.ended:.1f} s before it left:"
        f" {dict(failures)}"
    )
