"""The admin calls of one request, by one AdminClient that is dropped after it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from collector.admin.wire import (
    Allowed,
    Answer,
    Broker,
    Cluster,
    Commits,
    CreateTopic,
    DescribeTopic,
    Failure,
    Group,
    Groups,
    LeftOut,
    ListBrokers,
    Offsets,
    Partition,
    Properties,
    ReadRights,
    ReadSnapshot,
    ReadTopicConfig,
    Request,
    Topic,
    TopicConfig,
    TopicDescription,
    Topics,
)

LONGEST_CALL = 3.0
"""Seconds. With a broker dead, one call takes all it is given; a live one answers in 0.1 s."""
SLACK = 0.3
"""Seconds between librdkafka's own time-out of a call and ours."""
PARTITIONS_PER_CALL = 1000
GROUPS_PER_CALL = 100
"""A future a partition, and another a group: at about 2 KiB each they bound the memory."""

OLDEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
END: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]

_NOT_THERE = frozenset({"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID"})

T = TypeVar("T")
Place = tuple[str, int]
"""Topic and partition."""


class OutOfTime(Exception):  # noqa: N818 - it is what happened
    """The caller's deadline is over; what was told so far stands."""


class Cycle:
    """One AdminClient, for one request. `tell` is called with each part of the answer."""

    def __init__(
        self, properties: Properties, seconds: float, tell: Callable[[Answer], None]
    ) -> None:
        self._ends = time.monotonic() + seconds
        self._tell = tell
        self._failures: dict[tuple[str, str], Failure] = {}
        self._complaints: dict[str, str] = {}
        configuration: dict[str, Any] = {
            "client.id": "edgevitals",
            "enable.metrics.push": False,  # a subscription a client, for clients of 0.1 s
            # librdkafka waits for this before its first connection too, and doesn't grow it while
            # all brokers are away: 250 costs a read 0.1 s, 20 an outage 0.14 s of CPU a read.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 2000,
            **properties,
            # What librdkafka logs comes back as errors; its log is 20 lines a second while a
            # broker is away.
            "log_level": 0,
            # Not a method: the client would hold this object, and this object the client.
            "error_cb": _note_in(self._complaints),
        }
        self._client = AdminClient(configuration)

    def end(self) -> None:
        """Drop the client, also when the traceback of a failed call still holds this object."""
        del self._client

    def answer(self, request: Request) -> None:
        """Make the calls of one request and tell what they gave, failures included."""
        try:
            match request:
                case ReadSnapshot():
                    self._read_snapshot(request)
                case CreateTopic():
                    self._create_topic(request)
                case DescribeTopic():
                    self._describe_topic(request)
                case ReadTopicConfig():
                    self._read_topic_config(request)
                case ListBrokers():
                    self._list_topics("list brokers")
                case ReadRights():
                    self._read_rights(request)
        except OutOfTime:
            self._failed("admin", "_TIMED_OUT", "no time was left for all calls")
        self._tell_failures()

    def _read_snapshot(self, request: ReadSnapshot) -> None:
        """Tell the cheap and safe first, group offsets last.

        Lag needs the end offsets that are read after the commits: then it can overstate by what
        was written in between, but never be negative. Topics need end offsets before the calls
        that may end this process. So end offsets are read twice: of all partitions first, and
        after the commits of those that have one.
        """
        listing = self._client.list_consumer_groups(request_timeout=self._share())
        metadata = self._list_topics("list topics")
        if metadata is None:
            return
        topics = self._wanted_topics(metadata, request)
        self._tell(Topics(topics))
        self._tell_failures()
        # A partition without a leader would hold up the call for all others until its time-out.
        led = [(t.name, p.id) for t in topics for p in t.partitions if p.leader >= 0]
        self._tell_offsets(led)
        names = self._wanted_groups(listing, request)
        groups = self._describe_groups(names)
        self._tell(Groups(groups))
        self._tell_failures()
        known = {t.name for t in topics}
        self._tell_commits([g.name for g in groups], known, set(led), request.max_commits)

    def _list_topics(self, call: str) -> ClusterMetadata | None:
        """Tell of the cluster and return its metadata; None when it can't be had."""
        try:
            # With a topic named, librdkafka would ask for it by name and the broker might make it.
            metadata = self._client.list_topics(timeout=self._share())
        except KafkaException as error:
            self._failed(call, *_named(error.args[0]), explain=True)
            self._tell_failures()
            return None
        brokers = [Broker(b.id, str(b.host), b.port) for b in metadata.brokers.values()]
        self._tell(Cluster(str(metadata.cluster_id), sorted(brokers, key=lambda b: b.id)))
        return metadata

    def _wanted_topics(self, metadata: ClusterMetadata, request: ReadSnapshot) -> list[Topic]:
        """Return the topics to read, whole ones only; the internal ones are left out first.

        This is where a collector that shares a cluster with others will keep to the partitions
        that its own broker leads.
        """
        matches = _matcher(request.topics)
        topics: list[Topic] = []
        room, left_out = request.max_partitions, 0
        for name in sorted(metadata.topics, key=lambda name: (name.startswith("__"), name)):
            found = metadata.topics[name]
            if not matches(name):
                continue
            if found.error is not None:
                self._failed("list topics", *_named(found.error), name)
                continue
            if len(found.partitions) > room:
                left_out += len(found.partitions)
                continue
            room -= len(found.partitions)
            partitions = [
                Partition(p.id, p.leader, list(p.replicas), list(p.isrs))
                for p in sorted(found.partitions.values(), key=lambda p: p.id)
            ]
            topics.append(Topic(name, partitions))
        self._tell(LeftOut("partitions", left_out))
        return topics

    def _tell_offsets(self, places: Sequence[Place]) -> None:
        for batch in _batches(places, PARTITIONS_PER_CALL):
            oldest = self._start_offsets(batch, OLDEST)
            ends = self._take_offsets("read end offsets", batch, END)
            firsts = self._results("read oldest offsets", oldest)
            starts = {_place(tp): found.offset for tp, found in firsts.items()}
            offsets = [(*at, starts.get(at, -1), ends.get(at, -1)) for at in batch]
            self._tell(Offsets(offsets, is_last=False))
            self._tell_failures()
        self._tell(Offsets([], is_last=True))

    def _start_offsets(
        self, places: Sequence[Place], spec: OffsetSpec
    ) -> dict[TopicPartition, Future[Any]]:
        wanted = {TopicPartition(topic, partition): spec for topic, partition in places}
        return self._client.list_offsets(wanted, request_timeout=self._share())

    def _take_offsets(
        self, call: str, places: Sequence[Place], spec: OffsetSpec
    ) -> dict[Place, int]:
        results = self._results(call, self._start_offsets(places, spec))
        return {_place(tp): found.offset for tp, found in results.items()}

    def _wanted_groups(self, listing: Future[Any], request: ReadSnapshot) -> list[str]:
        found = self._results("list groups", {"": listing}).get("")
        if found is None:
            return []
        for error in found.errors or []:  # of brokers that are away; the others' groups are there
            self._failed("list groups", *_named(error))
        matches = _matcher(request.groups)
        names = sorted({g.group_id for g in found.valid or [] if matches(g.group_id)})
        self._tell(LeftOut("groups", max(0, len(names) - request.max_groups)))
        return names[: request.max_groups]

    def _describe_groups(self, names: Sequence[str]) -> list[Group]:
        """Return the groups that are alive.

        Each names its coordinator: this is where a collector that shares a cluster with others
        will keep to the groups that its own broker coordinates.
        """
        groups: list[Group] = []
        for batch in _batches(names, GROUPS_PER_CALL):
            futures = self._client.describe_consumer_groups(batch, request_timeout=self._share())
            for name, found in self._results("describe groups", futures).items():
                if found.state.name == "DEAD":  # gone since it was listed
                    continue
                coordinator = found.coordinator.id if found.coordinator else -1
                groups.append(
                    Group(
                        name,
                        found.state.name,
                        found.type.name,
                        len(found.members or []),
                        coordinator,
                    )
                )
        return groups

    def _tell_commits(
        self, names: Sequence[str], topics: set[str], led: set[Place], room: int
    ) -> None:
        left_out = 0
        for batch in _batches(names, GROUPS_PER_CALL):
            futures: dict[str, Future[Any]] = {}
            for name in batch:  # the call takes one group; started together they take no longer
                wanted = [ConsumerGroupTopicPartitions(name)]
                futures |= self._client.list_consumer_group_offsets(
                    wanted, request_timeout=self._share()
                )
            committed: dict[str, dict[Place, int]] = {}
            for name, found in self._results("read committed offsets", futures).items():
                commits: dict[Place, int] = {}
                for tp in found.topic_partitions or []:
                    if tp.error is not None:
                        self._failed("read committed offsets", *_named(tp.error), name)
                    elif tp.offset >= 0 and tp.topic in topics:  # below 0: nothing committed
                        commits[_place(tp)] = tp.offset
                if len(commits) > room:
                    left_out += len(commits)
                    continue
                room -= len(commits)
                committed[name] = commits
            places = sorted({at for commits in committed.values() for at in commits if at in led})
            ends: dict[Place, int] = {}
            for part in _batches(places, PARTITIONS_PER_CALL):
                ends |= self._take_offsets("read end offsets after commits", part, END)
            for name, commits in committed.items():
                self._tell(
                    Commits(
                        name, [(*at, offset, ends.get(at, -1)) for at, offset in commits.items()]
                    )
                )
            self._tell_failures()
        self._tell(LeftOut("commits", left_out))

    def _create_topic(self, request: CreateTopic) -> None:
        topic = NewTopic(
            request.name,
            num_partitions=request.partitions,
            replication_factor=request.replication_factor,
            config=request.config,
        )
        share = self._share()
        futures = self._client.create_topics(
            [topic], operation_timeout=share, request_timeout=share
        )
        self._results("create topic", futures, explain=True)

    def _describe_topic(self, request: DescribeTopic) -> None:
        names = TopicCollection([request.name])
        futures = self._client.describe_topics(names, request_timeout=self._share())
        for name, found in self._results("describe topic", futures, explain=True).items():
            self._tell(
                TopicDescription(
                    name,
                    # Java prints ids in the URL alphabet, librdkafka in the standard one.
                    str(found.topic_id).translate(str.maketrans("+/", "-_")),
                    len(found.partitions),
                    min((len(p.replicas) for p in found.partitions), default=0),
                    min((len(p.isr) for p in found.partitions), default=0),
                )
            )

    def _read_topic_config(self, request: ReadTopicConfig) -> None:
        about = ConfigResource(ResourceType.TOPIC, request.name)
        futures = self._client.describe_configs([about], request_timeout=self._share())
        (future,) = futures.values()
        for name, found in self._results("read topic config", {request.name: future}).items():
            values = {key: one.value for key, one in found.items() if one.value is not None}
            self._tell(TopicConfig(name, values))

    def _read_rights(self, request: ReadRights) -> None:
        """Tell what we may do. Nothing is made: a topic is only asked for (`validate_only`).

        Kafka says of what is there what we may do with it, to who may describe it. A name that
        nobody may see is refused, whether it is there or not.
        """
        share = self._share()
        for name in request.topics:
            asked = self._client.describe_topics(
                TopicCollection([name]), include_authorized_operations=True, request_timeout=share
            )[name]
            found, code = self._granted(f"rights of topic {name}", asked)
            if code == "":
                self._tell(Allowed("topic", name, _operations(found)))
            elif code in _NOT_THERE or code == "TOPIC_AUTHORIZATION_FAILED":
                operations = ["DESCRIBE"] if code in _NOT_THERE else []
                about = ConfigResource(ResourceType.TOPIC, name)
                settings = self._client.describe_configs([about], request_timeout=share)[about]
                if self._granted("", settings)[1] in {"", *_NOT_THERE}:
                    operations.append("DESCRIBE_CONFIGS")
                if name in request.to_create and self._may_create(name, share):
                    operations.append("CREATE")
                self._tell(Allowed("topic", name, operations, is_there=False))
        for name in request.groups:
            group = self._client.describe_consumer_groups(
                [name], include_authorized_operations=True, request_timeout=share
            )[name]
            found, code = self._granted(f"rights of group {name}", group)
            if code in {"", "GROUP_AUTHORIZATION_FAILED"}:
                self._tell(Allowed("group", name, _operations(found), is_there=code == ""))

    def _may_create(self, name: str, seconds: float) -> bool:
        topic = NewTopic(name, num_partitions=1)
        (asked,) = self._client.create_topics(
            [topic], validate_only=True, request_timeout=seconds
        ).values()
        return not self._granted("", asked)[1].endswith("AUTHORIZATION_FAILED")

    def _granted(self, call: str, future: Future[Any]) -> tuple[Any, str]:
        """Return what was found, and the error's name or "". Others than of rights are failures."""
        try:
            return future.result(timeout=LONGEST_CALL + SLACK), ""
        except KafkaException as error:
            code, text = _named(error.args[0])
        except TimeoutError:
            code, text = "_TIMED_OUT", "no answer in time"
        if call and code not in _NOT_THERE and not code.endswith("AUTHORIZATION_FAILED"):
            self._failed(call, code, text, explain=True)
        return None, code

    def _share(self) -> float:
        """Return the seconds the next call may take.

        Half of what is left: one call that hangs leaves room for the others. Raises OutOfTime.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return max(0.05, min(LONGEST_CALL, left / 2))

    def _results(
        self, call: str, futures: dict[T, Future[Any]], *, explain: bool = False
    ) -> dict[T, Any]:
        """Wait for all futures of one call and return those that succeeded."""
        results = {}
        until = min(time.monotonic() + LONGEST_CALL + SLACK, self._ends)
        for about, future in futures.items():
            name = (
                f"{about.topic}/{about.partition}" if isinstance(about, TopicPartition) else about
            )
            try:
                results[about] = future.result(timeout=max(0.0, until - time.monotonic()))
            except KafkaException as error:
                self._failed(call, *_named(error.args[0]), str(name), explain=explain)
            except TimeoutError:
                self._failed(call, "_TIMED_OUT", "no answer in time", str(name), explain=explain)
        return results

    def _failed(
        self, call: str, code: str, text: str, about: str = "", *, explain: bool = False
    ) -> None:
        """Note one failure; a thousand partitions that fail alike are one with a count.

        `explain` takes the client's own complaint in place of a bare "timed out": that a
        connection is refused, a name unknown or a password wrong is told nowhere else.
        """
        if explain and code in ("_TRANSPORT", "_TIMED_OUT"):
            self._client.poll(0)  # complaints are only handed out here
            code, text = next(iter(self._complaints.items()), (code, text))
        known = self._failures.get((call, code))
        if known is None:
            self._failures[call, code] = Failure(call, code, text, about)
        else:
            known.count += 1

    def _tell_failures(self) -> None:
        for failure in self._failures.values():
            self._tell(failure)
        self._failures.clear()


def _note_in(complaints: dict[str, str]) -> Callable[[KafkaError], None]:
    def note(error: KafkaError) -> None:
        code, text = _named(error)
        if code != "_ALL_BROKERS_DOWN":  # it is never the cause
            complaints.setdefault(code, re.sub(r" \(after \d+ms in state \w+\)", "", text))

    return note


def _named(error: KafkaError) -> tuple[str, str]:
    return error.name(), error.str()


def _operations(found: Any) -> list[str]:
    """The names of what a description says we may do; none when there is no description."""
    return [one.name for one in (found.authorized_operations if found else None) or []]


def _place(tp: TopicPartition) -> Place:
    return tp.topic, tp.partition


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda name: any(pattern.fullmatch(name) for pattern in compiled)


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
