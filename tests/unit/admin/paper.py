"""A cluster that is written down: what librdkafka's AdminClient would say of it, and when.

It stands for calls that a real cluster can't be made to answer so at will: a coordinator that is
not known, leaders that one call never learns, records that come between any two calls.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition

from collector.admin.calls import Calls
from collector.admin.snapshot import Snapshot
from collector.admin.told import Snapshot as Told
from collector.admin.wire import Answer, ReadSnapshot

OFFSETS_TOPIC = "__consumer_offsets"


def done(value: object) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def refused(code: int) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(KafkaException(KafkaError(code, "refused")))
    return future


class Paper:
    """`groups` is {name: its coordinator, None while that is not known}, `leaders` of each topic.

    Each group reads `orders`, partition 0, which gets a record at each call, and commits it.
    `lost_calls` are the turns of list_offsets, from 0 on, that learn no leaders; what `away` leads
    is answered at no turn, what `gone` leads with -1, and with `refuses`, an error's number, all is
    refused. The first `deaths` brokers that are asked for metadata die with the question; the first
    `loading` lists of groups lack those of a broker that loads.
    """

    def __init__(
        self,
        groups: Mapping[str, int | None],
        leaders: Mapping[str, Sequence[int]],
        lost_calls: Iterable[int] = (),
        deaths: int = 0,
        away: int | None = None,
        gone: int | None = None,
        refuses: int | None = None,
        loading: int = 0,
    ) -> None:
        self.groups = groups
        self.leaders = leaders
        self.described: list[str] = []
        self.offset_calls: list[tuple[set[tuple[str, int]], float]] = []
        self._lost = frozenset(lost_calls)
        self._deaths = deaths
        self.metadata_calls: list[float] = []
        self._away = away
        self._gone = gone
        self._refuses = refuses
        self._loading = loading
        self._end = 100

    def list_topics(self, timeout: float) -> object:
        self.metadata_calls.append(timeout)
        if self._deaths:
            self._deaths -= 1
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "it died"))

        def partitions(leaders: Sequence[int]) -> dict[int, object]:
            return {
                number: SimpleNamespace(id=number, leader=leader, replicas=[1, 2, 3], isrs=[1])
                for number, leader in enumerate(leaders)
            }

        return SimpleNamespace(
            cluster_id="paper",
            brokers={n: SimpleNamespace(id=n, host="broker", port=9092) for n in (1, 2, 3)},
            topics={
                name: SimpleNamespace(error=None, partitions=partitions(leaders))
                for name, leaders in self.leaders.items()
            },
        )

    def list_consumer_groups(self, request_timeout: float) -> Future[Any]:
        if self._loading:
            self._loading -= 1
            loads = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
            return done(SimpleNamespace(valid=[], errors=[loads]))
        valid = [SimpleNamespace(group_id=name) for name in self.groups]
        return done(SimpleNamespace(valid=valid, errors=[]))

    def describe_consumer_groups(
        self,
        names: Sequence[str],
        request_timeout: float,
    ) -> dict[str, Future[Any]]:
        self.described += names
        return {name: done(self._description(self.groups[name])) for name in names}

    def list_consumer_group_offsets(
        self,
        wanted: Sequence[ConsumerGroupTopicPartitions],
        request_timeout: float,
    ) -> dict[str, Future[Any]]:
        self._end += 1
        places = [TopicPartition("orders", 0, self._end)]
        return {one.group_id: done(SimpleNamespace(topic_partitions=places)) for one in wanted}

    def list_offsets(
        self, wanted: Mapping[TopicPartition, Any], request_timeout: float
    ) -> dict[TopicPartition, Future[Any]]:
        turn = len(self.offset_calls)
        self.offset_calls.append(({(tp.topic, tp.partition) for tp in wanted}, request_timeout))
        self._end += 1
        if self._refuses is not None:
            return {place: refused(self._refuses) for place in wanted}
        found: dict[TopicPartition, Future[Any]] = {}
        for place in wanted:
            leader = self.leaders[place.topic][place.partition]
            if turn in self._lost or leader == self._away:
                found[place] = refused(KafkaError._TIMED_OUT)
            else:
                found[place] = done(
                    SimpleNamespace(offset=-1 if leader == self._gone else self._end)
                )
        return found

    def poll(self, timeout: float) -> int:
        return 0

    @staticmethod
    def _description(coordinator: int | None) -> object:
        return SimpleNamespace(
            state=SimpleNamespace(name="STABLE"),
            type=SimpleNamespace(name="CLASSIC"),
            members=[],
            coordinator=None if coordinator is None else SimpleNamespace(id=coordinator),
        )


def calls_on(paper: Paper, told: list[Answer], seconds: float = 10.0) -> Calls:
    """The calls of a request, made on paper. The real client has no broker to go to."""
    calls = Calls({}, time.monotonic() + seconds, told.append)
    calls.client = cast("Any", paper)
    return calls


def snapshot(
    paper: Paper, broker: int, *, max_groups: int = 100, topics: Sequence[str] = (".*",)
) -> Told:
    """What the collector beside this broker is told."""
    told: list[Answer] = []
    request = ReadSnapshot(0, [".*"], list(topics), 1000, max_groups, 1000, broker=broker)
    Snapshot(calls_on(paper, told), request).read()
    return Told.of(told, None)
