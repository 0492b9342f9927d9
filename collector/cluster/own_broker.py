"""Which broker is ours: the one that a JMX port of the configuration leads to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from collector.errors import SourceError
from collector.jmx import BeanInfo, Client, JmxError, ObjectName, unquote

NAMES = "kafka.server:type=app-info,*"
STATE = "kafka.server:type=KafkaServer,name=BrokerState"
"""A broker has it; a controller that is none has the names above alone."""

SIZES = "kafka.log:type=Log,name=Size,*"
DIRECTORIES = "kafka.log:type=LogManager,name=LogDirectoryOffline,*"
MOST_LOGS = 5_000
"""Replicas whose size is read. With more there are no sizes: each is a call a round."""

LONGEST_S = 2.0
LOOK_EVERY = 20
"""Reads between two looks: an id seldom changes, and a look costs a round trip."""


class Disks(NamedTuple):
    """What our own broker has on its disks.

    `sizes` are bytes of its replicas by topic and partition; `directories` says of each log
    directory, as the broker names it, whether Kafka has taken it out of service.
    """

    sizes: Mapping[tuple[str, int], float] = MappingProxyType({})
    directories: Mapping[str, bool] = MappingProxyType({})


class Logs:
    """A broker's log directories and the sizes of its replicas; see `collector.jmx.Selection`."""

    patterns: Sequence[str] = (SIZES, DIRECTORIES)

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        return True

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:  # noqa: ARG002
        return ("Value",)


class OwnBroker:
    """Finds the own broker's id, and remembers it while the broker is away.

    KIP-500's combined nodes have one id for both roles. The id is in the name of an MBean, as no
    attribute has it.
    """

    def __init__(self, jvms: Sequence[Client]) -> None:
        """The first of `jvms` that is a broker is ours; each selects `Logs`."""
        self._jvms = jvms
        self._jvm: Client | None = None
        self._id: int | None = None
        self._reads_left = 0

    def id(self, deadline: float) -> int | None:
        """Return the id; None while no JVM has told of a broker."""
        self._reads_left -= 1
        if self._id is None or self._reads_left <= 0:
            found = self._look(deadline)
            if found is not None:
                self._id, self._reads_left = found, LOOK_EVERY
        return self._id

    def disks(self, deadline: float) -> Disks:
        """Return what is on its disks; nothing while it is away."""
        if self._jvm is None:
            return Disks()
        try:
            readings = self._jvm.scrape(min(deadline, time.monotonic() + LONGEST_S)).readings
        except (JmxError, SourceError):
            return Disks()
        sizes: dict[tuple[str, int], float] = {}
        directories: dict[str, bool] = {}
        for layout, values in readings:
            keys = layout.bean.name.properties
            value = values[0] if values else None
            if not isinstance(value, int | float):
                continue
            if "logDirectory" in keys:
                directories[unquote(keys["logDirectory"])] = value > 0
            # A replica that moves to another disk of this broker has a second log: is-future.
            elif "partition" in keys and "is-future" not in keys:
                sizes[unquote(keys["topic"]), int(keys["partition"])] = value
        return Disks(sizes if len(sizes) <= MOST_LOGS else {}, directories)

    def close(self) -> None:
        """End the sessions. Never raises."""
        for jvm in self._jvms:
            jvm.close()

    def _look(self, deadline: float) -> int | None:
        deadline = min(deadline, time.monotonic() + LONGEST_S)
        for jvm in self._jvms:
            try:
                if not jvm.names(STATE, deadline):
                    continue
                names = jvm.names(NAMES, deadline)
            except (JmxError, SourceError):
                continue
            ids = [name.properties["id"] for name in names if "id" in name.properties]
            numbers = sorted(int(one) for one in ids if one.isdigit())
            if numbers:
                self._jvm = jvm
                return numbers[0]
        return None
