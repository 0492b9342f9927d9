"""One request of the parent, answered by one AdminClient that is dropped after it."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from collector.admin.calls import Calls, OutOfTime, Place, batches
from collector.admin.grants import Grants
from collector.admin.snapshot import PARTITIONS_PER_CALL, Snapshot
from collector.admin.wire import (
    Answer,
    BrokerConfig,
    CreateTopic,
    DescribeTopic,
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

TOPICS_PER_CALL = 200
LONGEST_TIMES_CALL = 0.5
"""Seconds. A look into the index of 1,000 partitions takes 0.05."""


class Cycle:
    """One AdminClient, for one request. `tell` is called with each part of the answer."""

    def __init__(self, properties: Properties, ends: float, tell: Callable[[Answer], None]) -> None:
        self._calls = Calls(properties, ends, tell)

    def end(self) -> None:
        """Drop the client."""
        self._calls.drop()

    def answer(self, request: Request) -> None:
        """Make the calls of one request and tell what they gave, failures included."""
        try:
            match request:
                case ReadSnapshot():
                    Snapshot(self._calls, request).read()
                case ReadTimes():
                    self._read_times(request)
                case CreateTopic():
                    self._create_topic(request)
                case DescribeTopic():
                    self._describe_topic(request)
                case ReadTopicConfigs():
                    self._read_topic_configs(request)
                case ReadBrokerConfigs():
                    self._read_broker_configs(request)
                case ListBrokers():
                    self._calls.list_topics("list brokers")
                case ReadRights():
                    Grants(self._calls).read(request)
        except OutOfTime:
            self._calls.failed("admin", "_TIMED_OUT", "no time was left for all calls")
        self._calls.tell_failures()

    def _read_times(self, request: ReadTimes) -> None:
        """Ask for the first offset from each time on.

        A call takes one time of a partition: several of one go into calls one after the other.
        """
        turns: list[dict[Place, int]] = []
        met: dict[Place, int] = {}
        for topic, partition, at_ms in request.places:
            turn = met[topic, partition] = met.get((topic, partition), -1) + 1
            if turn == len(turns):
                turns.append({})
            turns[turn][topic, partition] = at_ms
        for asked in turns:
            for batch in batches(list(asked), PARTITIONS_PER_CALL):
                wanted = {at: OffsetSpec.for_timestamp(asked[at]) for at in batch}
                (found,) = self._calls.take_offsets(
                    ("read offsets by time", wanted), longest=LONGEST_TIMES_CALL
                )
                self._calls.tell(Times([(*at, asked[at], offset) for at, offset in found.items()]))

    def _create_topic(self, request: CreateTopic) -> None:
        topic = NewTopic(
            request.name,
            num_partitions=request.partitions,
            replication_factor=request.replication_factor,
            config=request.config,
        )
        calls = self._calls
        share = calls.share()
        futures = calls.client.create_topics(
            [topic], operation_timeout=share, request_timeout=share
        )
        calls.results("create topic", futures, explain=True)

    def _describe_topic(self, request: DescribeTopic) -> None:
        calls = self._calls
        names = TopicCollection([request.name])
        futures = calls.client.describe_topics(names, request_timeout=calls.share())
        for name, found in calls.results("describe topic", futures, explain=True).items():
            calls.tell(
                TopicDescription(
                    name,
                    # Java prints ids in the URL alphabet, librdkafka in the standard one.
                    str(found.topic_id).translate(str.maketrans("+/", "-_")),
                    len(found.partitions),
                    min((len(p.replicas) for p in found.partitions), default=0),
                    min((len(p.isr) for p in found.partitions), default=0),
                )
            )

    def _read_topic_configs(self, request: ReadTopicConfigs) -> None:
        calls = self._calls
        for batch in batches(request.names, TOPICS_PER_CALL):
            about = [ConfigResource(ResourceType.TOPIC, name) for name in batch]
            futures = calls.client.describe_configs(about, request_timeout=calls.share())
            by_name = {resource.name: future for resource, future in futures.items()}
            for name, found in calls.results("read topic config", by_name).items():
                values = {key: one.value for key, one in found.items() if one.value is not None}
                calls.tell(TopicConfig(name, values))

    def _read_broker_configs(self, request: ReadBrokerConfigs) -> None:
        """Ask each broker for its own: it alone knows them, and a call takes one."""
        calls = self._calls
        futures = {}
        for number in request.ids:
            about = ConfigResource(ResourceType.BROKER, str(number))
            found = calls.client.describe_configs([about], request_timeout=calls.share())
            futures[str(number)] = next(iter(found.values()))
        for name, settings in calls.results("read broker config", futures).items():
            values = {key: one.value for key, one in settings.items() if one.value is not None}
            calls.tell(BrokerConfig(int(name), values))
