"""A view's consumer groups as values: lag in records and in seconds, loss, and time to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collector.cluster.view import Commit, GroupView, Place, View
from collector.derive.loss import Retention, time_to_loss
from collector.derive.totals import whole_sum
from collector.series import Family, TargetSeries
from collector.sources.kafka import names

Values = dict[int, float]
Wanted = Callable[[str], bool]


class Groups:
    """Totals of each group and topic; partitions where asked for, or where records were lost."""

    def __init__(self, series: TargetSeries, is_group: Wanted, has_partitions: Wanted) -> None:
        self._series = series
        self._is_group = is_group
        self._has_partitions = has_partitions
        self._ids: dict[tuple[str, str, int], list[int]] = {}

    def values(self, view: View) -> Values:
        values: Values = {
            self._series.intern(names.LEFT_OUT, {"what": what}): view.left_out.get(what, 0)
            for what in ("groups", "commits")
        }
        for group in view.groups:
            if self._is_group(group.name):
                self._add(values, group, view)
        return values

    def _add(self, values: Values, group: GroupView, view: View) -> None:
        one = {"consumergroup": group.name}
        values[self._series.intern(names.MEMBERS, one)] = group.members
        about = {"state": group.state, "type": group.type, "coordinator": str(group.coordinator)}
        values[self._series.intern(names.GROUP_INFO, one | about)] = 1
        by_topic: dict[str, dict[int, Commit]] = {}
        for (topic, partition), commit in group.commits.items():
            by_topic.setdefault(topic, {})[partition] = commit
        for topic, commits in by_topic.items():
            is_asked, kept = self._has_partitions(topic), view.retention_of(topic)
            all_ = []
            for partition, commit in commits.items():
                behind = _behind((topic, partition), commit, kept, view)
                all_.append(behind)
                if is_asked or behind.lost:
                    self._add_partition(values, group.name, (topic, partition), behind)
            for family, value in _totals(all_).items():
                if value is not None:
                    values[self._series.intern(family, one | {"topic": topic})] = value

    def _add_partition(self, values: Values, group: str, place: Place, behind: _Behind) -> None:
        key = group, *place
        ids = self._ids.get(key)
        if ids is None:
            labels = {"consumergroup": group, "topic": place[0], "partition": str(place[1])}
            families = names.COMMITTED, names.LAG, names.LAG_SECONDS_OF_PARTITION
            ids = [self._series.intern(family, labels) for family in families]
            self._ids[key] = ids
        committed, lag, seconds = ids
        values[committed] = behind.committed
        if behind.lag is not None:
            values[lag] = behind.lag
        if behind.seconds is not None:
            values[seconds] = behind.seconds


@dataclass(slots=True)
class _Behind:
    """One partition that a group reads. None for what nobody can tell."""

    committed: int
    lag: int | None
    lost: int | None
    seconds: float | None
    to_loss: float | None


def _behind(place: Place, commit: Commit, kept: Retention | None, view: View) -> _Behind:
    offset, (oldest, end) = commit
    lost = None if oldest is None else max(0, oldest - offset)
    # Below 0 only when the topic was cut or made anew.
    lag = None if end is None else max(0, end - offset)
    position = view.position(*place, offset, commit.log)
    return _Behind(offset, lag, lost, position.age_s, time_to_loss(kept, position))


def _totals(all_: list[_Behind]) -> dict[Family, float | None]:
    """Of one group and topic. What one partition doesn't know, the total doesn't know either.

    Of the seconds the worst that is known counts: one that is not known must not hide it.
    """
    return {
        names.COMMITTED_SUM: sum(one.committed for one in all_),
        names.LAG_SUM: whole_sum(one.lag for one in all_),
        names.LOST_RECORDS: whole_sum(one.lost for one in all_),
        names.LAG_SECONDS: max((s for one in all_ if (s := one.seconds) is not None), default=None),
        names.TIME_TO_LOSS: min(
            (s for one in all_ if (s := one.to_loss) is not None), default=None
        ),
    }
