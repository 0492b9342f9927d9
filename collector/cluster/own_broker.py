"""Which broker is ours: the one that a JMX port of the configuration leads to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from collector.errors import SourceError
from collector.jmx import JmxError, ObjectName

NAMES = "kafka.server:type=app-info,*"
STATE = "kafka.server:type=KafkaServer,name=BrokerState"
"""A broker has it; a controller that is none has the names above alone."""

LONGEST_S = 2.0
LOOK_EVERY = 20
"""Reads between two looks: an id seldom changes, and a look costs a round trip."""


class Jvm(Protocol):
    """What is asked of a JVM; `collector.jmx.Client` does it."""

    def names(self, pattern: str, deadline: float) -> list[ObjectName]: ...


class OwnBroker:
    """Finds the own broker's id, and remembers it while the broker is away.

    KIP-500's combined nodes have one id for both roles. The id is in the name of an MBean, as no
    attribute has it.
    """

    def __init__(self, jvms: Sequence[Jvm]) -> None:
        """The first of `jvms` that is a broker is ours."""
        self._jvms = jvms
        self._id: int | None = None
        self._reads_left = 0

    def __call__(self, deadline: float) -> int | None:
        """Return the id; None while no JVM has told of a broker."""
        self._reads_left -= 1
        if self._id is None or self._reads_left <= 0:
            found = self._look(deadline)
            if found is not None:
                self._id, self._reads_left = found, LOOK_EVERY
        return self._id

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
                return numbers[0]
        return None
