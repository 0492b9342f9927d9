"""Which broker is ours: the one that a JMX port of the configuration leads to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from collector.admin.wire import Failure
from collector.errors import SourceError
from collector.jmx import BeanInfo, CallFailed, Client, JmxError, ObjectName, unquote

NAMES = "kafka.server:type=app-info,*"
STATE = "kafka.server:type=KafkaServer,name=BrokerState"
"""A broker has it; a controller that is none has the names above alone."""

SIZES = "kafka.log:type=Log,name=Size,*"
DIRECTORIES = "kafka.log:type=LogManager,name=LogDirectoryOffline,*"
REPLICAS = "kafka.server:type=ReplicaManager,name=PartitionCount"
MOST_LOGS = 5_000
"""Replicas whose size is read. With more there are no sizes: each is a call a round."""
AGAIN_S = 300.0
"""Until it is looked whether there are still more."""

LONGEST_S = 2.0
LOOK_EVERY = 20
"""Reads between two looks: an id seldom changes, and a look costs a round trip."""


class Disks(NamedTuple):
    """What our own broker has on its disks.

    `sizes` are bytes of its replicas by topic and partition; `directories` says of each log
    directory, as the broker names it, whether Kafka has taken it out of service. `left_out` is how
    many replicas there are when they are too many, `failure` why sizes could not be read though
    the broker is there.
    """

    sizes: Mapping[tuple[str, int], float] = MappingProxyType({})
    directories: Mapping[str, bool] = MappingProxyType({})
    left_out: int = 0
    failure: Failure | None = None

    @property
    def is_whole(self) -> bool:
        """Say whether the size of each replica is here."""
        return not self.left_out and self.failure is None


class Logs:
    """The sizes of a broker's replicas; see `collector.jmx.Selection`."""

    patterns: Sequence[str] = (SIZES,)

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
        self._too_many = 0
        self._count_at = 0.0

    def id(self, deadline: float) -> int | None:
        """Return the id; None while no JVM has told of a broker."""
        self._reads_left -= 1
        if self._id is None or self._reads_left <= 0:
            found = self._look(deadline)
            if found is not None:
                self._id, self._reads_left = found, LOOK_EVERY
        return self._id

    def disks(self, deadline: float) -> Disks:
        """Return what is on its disks; nothing while it is away.

        Directories come first: a few calls, that thousands of sizes must not cost.
        """
        if self._jvm is None:
            return Disks()
        until = min(deadline, time.monotonic() + LONGEST_S)
        try:
            directories = _directories(self._jvm, until)
        except (JmxError, SourceError):
            return Disks()
        if self._too_many and time.monotonic() < self._count_at:
            return Disks(directories=directories, left_out=self._too_many)
        sizes: dict[tuple[str, int], float] = {}
        try:
            # By the broker's own count: 10,000 sizes are not to be read to learn that.
            count = _replicas(self._jvm, until)
            if count <= MOST_LOGS:
                sizes = _sizes(self._jvm, until)
                count = len(sizes)
        except (JmxError, SourceError) as error:
            failure = Failure("read sizes of replicas", "JMX", str(error))
            return Disks(directories=directories, left_out=self._too_many, failure=failure)
        self._too_many = count if count > MOST_LOGS else 0
        if self._too_many:
            self._count_at = time.monotonic() + AGAIN_S
            return Disks(directories=directories, left_out=self._too_many)
        return Disks(sizes, directories)

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


def _directories(jvm: Client, deadline: float) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name in jvm.names(DIRECTORIES, deadline):
        if (is_offline := _number(jvm, name, deadline)) is not None:
            found[unquote(name.properties["logDirectory"])] = is_offline > 0
    return found


def _replicas(jvm: Client, deadline: float) -> int:
    """Return how many replicas the broker says it has; 0 when it doesn't say."""
    try:
        return int(_number(jvm, REPLICAS, deadline) or 0)
    except CallFailed:
        return 0


def _number(jvm: Client, name: ObjectName | str, deadline: float) -> float | None:
    """Return the value of an MBean that is a gauge; None when it is no number."""
    values = [value for _, value in jvm.get(name, ("Value",), deadline)]
    return values[0] if values and isinstance(values[0], int | float) else None


def _sizes(jvm: Client, deadline: float) -> dict[tuple[str, int], float]:
    sizes: dict[tuple[str, int], float] = {}
    for layout, values in jvm.scrape(deadline).readings:
        keys = layout.bean.name.properties
        value = values[0] if values else None
        # A replica that moves to another disk of this broker has a second log: is-future.
        if isinstance(value, int | float) and "partition" in keys and "is-future" not in keys:
            sizes[unquote(keys["topic"]), int(keys["partition"])] = value
    return sizes
