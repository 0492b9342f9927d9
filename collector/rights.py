"""The rights that Kafka must give: each of them, what it is for, and which are missing.

Kafka hides what we may not see. Without Describe on topics or groups there is no error: there are
none. So it is asked for each right by itself, about names that need not be there. This is the one
place that says which rights there are: the gauge, `edgevitals doctor` and docs/rights.md read it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from shlex import quote
from threading import Event
from typing import Literal, NamedTuple

from collector.admin.client import Admin, hint
from collector.admin.wire import Allowed, Failure
from collector.config import Config

ANY = "__any-name"
"""What is asked about where all names are meant: one that no right covers which is for some names.

Nothing of that name has to be there.
"""

OFFSETS = "__consumer_offsets"
"""Kafka makes this topic when it is first asked for a group: without it no group is asked for."""

GROUPS = "edgevitals."
"""How the names of our consumer groups begin; the sink's name follows."""

EVERY_S = 60.0
_CALL_S = 3.0
"""For one look: other calls wait for it meanwhile."""

Operation = Literal["Describe", "DescribeConfigs", "Read", "Write", "Create"]
Kind = Literal["topic", "group", "cluster"]

_PLAIN = re.compile(r"(?:[A-Za-z0-9_-]|\\?\.)*")

log = logging.getLogger(__name__)


class Right(NamedTuple):
    """One right. `needs` says what there isn't without it; `asked` is the name to ask about.

    `name` is a whole name, "*" for all, or, with `is_prefix`, how names begin; none of the cluster.
    """

    operation: Operation
    kind: Kind
    name: str
    asked: str
    needs: str
    is_prefix: bool = False

    @property
    def resource(self) -> str:
        """What it is on: `topic *`, `topic edgevitals.telemetry`, `group till.*`, `cluster`."""
        if self.kind == "cluster":
            return self.kind
        return f"{self.kind} {self.name}{'*' if self.is_prefix else ''}"

    @property
    def options(self) -> str:
        """The right, as kafka-acls.sh is told it."""
        if self.kind == "cluster":
            return f"--operation {self.operation} --cluster"
        prefix = " --resource-pattern-type prefixed" if self.is_prefix else ""
        return f"--operation {self.operation} --{self.kind} {quote(self.name)}{prefix}"

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource}"


def needed(config: Config) -> list[Right]:
    """The rights that a configuration takes, in the order of the line.

    What one of them covers for all names is not asked for by name.
    """
    every: dict[str, Right] = {}
    for right in (
        *_of_source(config),
        *_of_links(config),
        *_of_topic(config),
        *_of_pulse(config),
    ):
        every.setdefault(right.options, right)
    for_all = {(one.operation, one.kind) for one in every.values() if one.name == "*"}
    return [
        one for one in every.values() if one.name == "*" or (one.operation, one.kind) not in for_all
    ]


def _of_source(config: Config) -> Iterator[Right]:
    source = config.sources.kafka
    if source is None:
        return
    for pattern in source.topics:
        needs = "topics, their offsets, and lag (kafka_topic_*, kafka_consumergroup_*)"
        yield from _matching("Describe", "topic", pattern, needs)
    for pattern in source.topics:
        needs = "topics' settings (edgevitals_topic_retention_*, _under_min_isr_*), time to loss"
        yield from _matching("DescribeConfigs", "topic", pattern, needs)
    for pattern in source.groups:
        needs = "consumer groups and their lag (kafka_consumergroup_*)"
        yield from _matching("Describe", "group", pattern, needs)
    needs = "brokers' settings (edgevitals_broker_settings_*)"
    yield Right("DescribeConfigs", "cluster", "", "", needs)


def _of_links(config: Config) -> Iterator[Right]:
    if not config.kafka:
        return
    for link in config.links:
        if link.side == "source":  # the cluster that we ask is the one that the topics are in
            needs = f"lag and time to loss of link {link.name} (edgevitals_link_*)"
            for pattern in link.topics:
                yield from _matching("Describe", "topic", pattern, needs)
            for pattern in link.topics:
                yield from _matching("DescribeConfigs", "topic", pattern, needs)
        if link.offset_syncs:
            needs = f"how far link {link.name} has come (edgevitals_link_*)"
            yield _of_name("Read", link.offset_syncs, needs)


def _of_topic(config: Config) -> Iterator[Right]:
    topic = config.topic_name
    if topic is None:
        return
    if config.is_forwarder:
        yield _of_name("Read", topic, "delivering what sites have put into the topic")
    else:
        yield _of_name("Write", topic, "putting rounds into the topic")
        yield _of_name("Read", topic, "comparing what was acknowledged, and delivering to sinks")
        yield _of_name(
            "DescribeConfigs", topic, "warnings of the topic's settings (edgevitals_topic_problem)"
        )
        yield _of_name("Create", topic, "making the topic, where it isn't there")
    if config.sinks:
        group = f"{GROUPS}{config.sinks[0].name}"
        needs = "delivering from the topic to sinks"
        yield Right("Read", "group", GROUPS, group, needs, is_prefix=True)


def _of_pulse(config: Config) -> Iterator[Right]:
    topic = config.pulse_topic_name
    if topic is None or (config.sinks and not config.is_forwarder):
        return
    if config.is_forwarder:
        yield _of_name("Read", topic, "sending on the pulse of sites")
        return
    yield _of_name("Write", topic, "the pulse")
    yield _of_name("Create", topic, "making the pulse's topic, where it isn't there")


def _of_name(operation: Operation, name: str, needs: str) -> Right:
    """A right on a topic; where the name has {site} in it, on how it begins."""
    head, any_site, _ = name.partition("{site}")
    if not any_site:
        return Right(operation, "topic", name, name, needs)
    if not head:
        return Right(operation, "topic", "*", ANY, needs)
    return Right(operation, "topic", head, head + ANY, needs, is_prefix=True)


def _matching(operation: Operation, kind: Kind, pattern: str, needs: str) -> Iterator[Right]:
    """The right that covers a pattern; none for one that rights can't be written for."""
    if pattern in {".*", ".+"}:
        yield Right(operation, kind, "*", ANY, needs)
        return
    ends = next((end for end in (".*", ".+") if pattern.endswith(end)), "")
    head = pattern.removesuffix(ends)
    if not _PLAIN.fullmatch(head):
        return
    name = head.replace("\\", "")
    asked = name + ANY if ends else name
    yield Right(operation, kind, name, asked, needs, is_prefix=bool(ends))


class Judged(NamedTuple):
    """What is known of rights. `unknown`: Kafka can't say yet, what they are about isn't there."""

    missing: list[Right]
    unknown: list[Right]


def judge(rights: Sequence[Right], told: Sequence[Allowed]) -> Judged:
    """Hold the rights that are needed against what Kafka says we may do. Pure."""
    known = {(one.kind, one.name): one for one in told}
    judged = Judged([], [])
    for right in rights:
        found = known.get((right.kind, right.asked))
        operation = _KAFKAS[right.operation]
        if found is None:
            judged.unknown.append(right)
        elif operation in found.operations or (operation == "CREATE" and found.is_there):
            continue
        elif found.is_there and not found.operations:  # a broker that doesn't tell
            judged.unknown.append(right)
        elif found.is_there or operation in _KNOWN_BEFORE or "DESCRIBE" not in found.operations:
            judged.missing.append(right)  # what is more than Describe brings Describe with it
        else:
            judged.unknown.append(right)
    return judged


_KAFKAS: dict[Operation, str] = {
    "Describe": "DESCRIBE",
    "DescribeConfigs": "DESCRIBE_CONFIGS",
    "Read": "READ",
    "Write": "WRITE",
    "Create": "CREATE",
}
_KNOWN_BEFORE = {"DESCRIBE", "DESCRIBE_CONFIGS", "CREATE"}
"""What Kafka says of a topic that isn't there."""


def look(admin: Admin, rights: Sequence[Right], seconds: float = _CALL_S) -> Judged | Failure:
    """Ask Kafka for each right."""
    topics = sorted({right.asked for right in rights if right.kind == "topic"} | {OFFSETS})
    groups = sorted({right.asked for right in rights if right.kind == "group"})
    to_create = sorted({right.asked for right in rights if right.operation == "Create"})
    ends = time.monotonic() + seconds
    has_cluster = any(right.kind == "cluster" for right in rights)
    told = admin.allowed(topics, [], ends, to_create=to_create, cluster=has_cluster)
    if isinstance(told, Failure):
        return told
    offsets = next((one for one in told if one.name == OFFSETS), None)
    if groups and offsets is not None and (offsets.is_there or not offsets.operations):
        of_groups = admin.allowed([], groups, ends)
        if isinstance(of_groups, Failure):
            return of_groups
        told = [*told, *of_groups]
    return judge(rights, told)


class Watch:
    """Asks now and then which rights are missing, for `edgevitals_kafka_right_missing`.

    `missing` is what was last known: while Kafka is away nobody can say. `rights` may be others
    from the next look on.
    """

    def __init__(self, admin: Admin, rights: Sequence[Right]) -> None:
        self.missing: list[Right] = []
        self.rights = rights
        self._admin = admin

    def run(self, stop: Event) -> None:
        """Look until told to stop."""
        while True:
            self.look()
            if stop.wait(EVERY_S):
                return

    def look(self) -> None:
        """Look once, and say in the log what has changed."""
        if not self.rights:
            self.missing = []
            return
        found = look(self._admin, self.rights)
        if isinstance(found, Failure):
            log.debug("rights: %s. %s", found, hint(found))
            return
        before, self.missing = self.missing, found.missing
        for right in found.missing:
            if right not in before:
                log.warning(
                    "kafka: the right %s is missing, so there is no: %s. Give it to our user: "
                    "kafka-acls.sh --add %s",
                    right,
                    right.needs,
                    right.options,
                )
        for right in before:
            if right not in found.missing:
                log.info("kafka: the right %s is there now", right)
