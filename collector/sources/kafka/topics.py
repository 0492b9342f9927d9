"""A view's brokers and topics as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from collector.admin.wire import Broker, Partition
from collector.cluster.view import Log, TopicView, View
from collector.derive.loss import retention
from collector.derive.totals import whole_sum
from collector.series import TargetSeries
from collector.sources.kafka import names

Values = dict[int, float]
Wanted = Callable[[str], bool]

_NO_LOG = Log(None, None)


class Topics:
    """Totals of each topic, and the partitions that are asked for or have something wrong."""

    def __init__(self, series: TargetSeries, is_topic: Wanted, has_partitions: Wanted) -> None:
        self._series = series
        self._is_topic = is_topic
        self._has_partitions = has_partitions
        self._partition_ids: dict[tuple[str, int], list[int]] = {}

    def values(self, view: View) -> Values:
        values: Values = {
            self._series.intern(names.BROKERS, {}): len(view.brokers),
            self._series.intern(names.LEFT_OUT, {"what": "partitions"}): view.left_out.get(
                "partitions", 0
            ),
        }
        for broker in view.brokers:
            labels = {"id": str(broker.id), "address": _address(broker)}
            values[self._series.intern(names.BROKER_INFO, labels)] = 1
        self._add_sizes(values, view)
        for topic in view.topics:
            if self._is_topic(topic.name):
                settings = view.settings.get(topic.name)
                self._add_totals(values, topic, settings, view)
                self._add_partitions(values, topic, _least_in_sync(settings))
        return values

    def _add_sizes(self, values: Values, view: View) -> None:
        """Bytes on our own broker's disks: of each topic that has a replica there, ours or not."""
        if view.broker is None:
            return
        sizes: dict[str, float] = {}
        for (topic, _), size in view.disks.sizes.items():
            sizes[topic] = sizes.get(topic, 0.0) + size
        for topic, size in sizes.items():
            if self._is_topic(topic):
                labels = {"topic": topic, "broker": str(view.broker)}
                values[self._series.intern(names.SIZE, labels)] = size

    def _add_totals(
        self,
        values: Values,
        topic: TopicView,
        settings: Mapping[str, str] | None,
        view: View,
    ) -> None:
        partitions = topic.partitions
        logs = [topic.logs.get(one.id, _NO_LOG) for one in partitions]
        of_topic = {
            names.PARTITIONS: len(partitions),
            names.LEADERLESS: sum(one.leader < 0 for one in partitions),
            names.UNPREFERRED: sum(not _is_preferred(one) for one in partitions),
            names.UNDER_REPLICATED_ALL: sum(_is_under_replicated(one) for one in partitions),
            names.REPLICAS_ALL: sum(len(one.replicas) for one in partitions),
            names.IN_SYNC_ALL: sum(len(one.in_sync) for one in partitions),
            names.OLDEST_SUM: whole_sum(log.oldest for log in logs),
            names.END_SUM: whole_sum(log.end for log in logs),
            names.OLDEST_AGE: _oldest_age(topic, view),
        }
        if settings is not None:
            least = _least_in_sync(settings)
            kept = retention(settings)
            of_topic |= {
                names.UNDER_MIN_ISR: sum(len(one.in_sync) < least for one in partitions),
                names.RETENTION_SECONDS: kept.seconds,
                names.RETENTION_BYTES: kept.bytes,
            }
        for family, value in of_topic.items():
            if value is not None:
                values[self._series.intern(family, {"topic": topic.name})] = value

    def _add_partitions(self, values: Values, topic: TopicView, least_in_sync: int) -> None:
        is_asked = self._has_partitions(topic.name)
        for partition in topic.partitions:
            log = topic.logs.get(partition.id, _NO_LOG)
            is_wrong = (
                _is_under_replicated(partition)
                or len(partition.in_sync) < least_in_sync
                or log.oldest is None
                or log.end is None
            )
            if not (is_asked or is_wrong):
                continue
            ids = self._ids(topic.name, partition.id)
            oldest, end, leader, preferred, replicas, in_sync, under_replicated = ids
            if log.oldest is not None:
                values[oldest] = log.oldest
            if log.end is not None:
                values[end] = log.end
            if partition.leader >= 0:
                values[leader] = partition.leader
            values[preferred] = _is_preferred(partition)
            values[replicas] = len(partition.replicas)
            values[in_sync] = len(partition.in_sync)
            values[under_replicated] = _is_under_replicated(partition)

    def _ids(self, topic: str, partition: int) -> list[int]:
        ids = self._partition_ids.get((topic, partition))
        if ids is None:
            labels = {"topic": topic, "partition": str(partition)}
            ids = [self._series.intern(family, labels) for family in names.OF_PARTITION]
            self._partition_ids[topic, partition] = ids
        return ids


def _address(broker: Broker) -> str:
    host = f"[{broker.host}]" if ":" in broker.host else broker.host
    return f"{host}:{broker.port}"


def _is_preferred(partition: Partition) -> bool:
    return partition.leader == next(iter(partition.replicas), None)


def _is_under_replicated(partition: Partition) -> bool:
    return len(partition.in_sync) < len(partition.replicas)


def _least_in_sync(settings: Mapping[str, str] | None) -> int:
    return int(settings.get("min.insync.replicas", 1)) if settings is not None else 1


def _oldest_age(topic: TopicView, view: View) -> float | None:
    """Seconds since the oldest record was written; None of an empty topic, or when nobody knows."""
    ages = [
        view.at - written.at
        for partition, log in topic.logs.items()
        if log.oldest is not None and log.end is not None and log.oldest < log.end
        if (written := view.written(topic.name, partition, log.oldest)) is not None
    ]
    return max(0.0, *ages) if ages else None
