"""Whose topics and groups are: what the collectors of one cluster share the work by.

Each decides alone, by the metadata of its own read. Once the cluster has settled all have the same,
and each topic and each group is exactly one broker's.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.admin.wire import Topic

OFFSETS_TOPIC = "__consumer_offsets"


def owner_of(topic: Topic, stand_in: int) -> int:
    """Return the broker whose collector reads the whole topic.

    That of its lowest partition that has a leader, so that a topic's totals are one collector's and
    move with the cluster; `stand_in`, the lowest broker that is alive, where nobody leads anything.
    """
    leaders = (partition.leader for partition in topic.partitions if partition.leader >= 0)
    return next(leaders, stand_in)


class Coordinators:
    """Which broker coordinates a group, without asking: it leads the group's partition of offsets.

    To ask is a call for 100 groups, and one that may end the process while they move.
    """

    def __init__(self, leaders: Sequence[int], stand_in: int) -> None:
        """`leaders` are those of the offsets' partitions in order, -1 for none."""
        self._leaders = leaders
        self._stand_in = stand_in

    def of(self, group: str) -> int:
        """Return the broker; `stand_in` for a group that has none at present: it is told by one."""
        leader = self._leaders[_positive(java_hash(group)) % len(self._leaders)]
        return leader if leader >= 0 else self._stand_in


def java_hash(text: str) -> int:
    """Return what String.hashCode() does, from -2^31 to 2^31 - 1."""
    units = memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    code = 0
    for unit in units:
        code = (31 * code + unit) & 0xFFFFFFFF
    return code - (1 << 32) if code >= 1 << 31 else code


def _positive(code: int) -> int:
    """As Kafka's Utils.abs: of the one number that has no positive it makes 0."""
    return 0 if code == -(1 << 31) else abs(code)
