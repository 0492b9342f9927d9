"""What the collector and its admin child say to each other: length-prefixed msgpack on two pipes.

    stdin of the child     Hello, then one request at a time
    stdout of the child    parts of the answer as they come, then Done

A message is its length in four bytes, big-endian, and then that many bytes of msgpack. Requests
carry no number: a request that was given up takes its child with it, so an answer always belongs
to the request before it.

A request's `ends` is when its answer is due, by the monotonic clock, which is one for both sides:
the start of the child, or what it still does for the request before, takes of that time.

Both sides import this file, so it imports nothing but msgspec: the child's memory is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

LENGTH_BYTES = 4
MAX_MESSAGE = 32 << 20
"""Bytes. A snapshot travels in parts of some hundred KiB; more than this is not ours."""

Properties = dict[str, str | int | float | bool]
"""librdkafka's configuration, as it is written in its documentation."""


class _Message(msgspec.Struct, array_like=True):
    """All messages are arrays led by their name: a snapshot of 10,000 partitions stays small."""


class Hello(_Message, tag="hello"):
    """The first message, secrets included: a pipe is in no process list and in no environment.

    `parent` is the process id of the one that started the child.
    """

    properties: Properties
    parent: int


EVERY_BROKER = -1


class ReadSnapshot(_Message, tag="snapshot"):
    """Ask for brokers, topics, groups and their offsets. Patterns match whole names.

    `broker`: only what is that broker's, see `collector.admin.snapshot`.
    """

    ends: float
    groups: list[str]
    topics: list[str]
    max_partitions: int
    max_groups: int
    max_commits: int
    exclude_groups: list[str] = []
    exclude_topics: list[str] = []
    broker: int = EVERY_BROKER


class ReadTimes(_Message, tag="read_times"):
    """Ask for the first offset of (topic, partition) whose record is not before a time in ms."""

    ends: float
    places: list[tuple[str, int, int]]


class CreateTopic(_Message, tag="create"):
    ends: float
    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


class DescribeTopic(_Message, tag="describe"):
    ends: float
    name: str


class ReadTopicConfigs(_Message, tag="read_configs"):
    ends: float
    names: list[str]


class ReadBrokerConfigs(_Message, tag="read_configs_of_brokers"):
    ends: float
    ids: list[int]


class ListBrokers(_Message, tag="brokers"):
    ends: float


class ReadRights(_Message, tag="read_rights"):
    """Ask what we may do with topics and groups, and whether we could make some of the topics.

    `cluster`: and whether we may read the settings of brokers.
    """

    ends: float
    topics: list[str]
    groups: list[str]
    to_create: list[str]
    cluster: bool = False


Request = (
    ReadSnapshot
    | ReadTimes
    | CreateTopic
    | DescribeTopic
    | ReadTopicConfigs
    | ReadBrokerConfigs
    | ListBrokers
    | ReadRights
)


class Failure(_Message, tag="failure"):
    """What Kafka or its client refused, as data.

    `code` is Kafka's or librdkafka's name of the error (`TOPIC_AUTHORIZATION_FAILED`, `_TIMED_OUT`)
    or one of ours, `ADMIN_...`, that says nothing about Kafka. `about` names the first topic,
    partition or group it happened to, `count` says to how many.
    """

    call: str
    code: str
    text: str
    about: str = ""
    count: int = 1

    @property
    def is_forbidden(self) -> bool:
        """Say whether a right is missing: an ACL, not a password."""
        return self.code.endswith("AUTHORIZATION_FAILED")

    @property
    def is_missing(self) -> bool:
        """Say whether Kafka doesn't know the topic."""
        return self.code in ("UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID")

    @property
    def is_ours(self) -> bool:
        """Say whether our own admin process failed, of which Kafka is not to blame."""
        return self.code.startswith("ADMIN_")

    def __str__(self) -> str:
        where = f" ({self.about}{f' and {self.count - 1} more' if self.count > 1 else ''})"
        return f"{self.call}: {self.text}{where if self.about else ''} [{self.code}]"


class Broker(_Message):
    id: int
    host: str
    port: int


class Cluster(_Message, tag="cluster"):
    id: str
    brokers: list[Broker]


class Partition(_Message):
    """`leader` is -1 while there is none; `replicas` begins with the preferred leader."""

    id: int
    leader: int
    replicas: list[int]
    in_sync: list[int]


class Topic(_Message):
    name: str
    partitions: list[Partition]


class Topics(_Message, tag="topics"):
    topics: list[Topic]


class Offsets(_Message, tag="offsets"):
    """(topic, partition, oldest offset or -1, end offset or -1); `is_last`: of all topics."""

    offsets: list[tuple[str, int, int, int]]
    is_last: bool


class OwnGroups(_Message, tag="own_groups"):
    """The groups that are ours by the leaders, told before the calls that may end the child."""

    names: list[str]


class Group(_Message):
    name: str
    state: str
    type: str
    members: int
    coordinator: int


class Groups(_Message, tag="groups"):
    groups: list[Group]


class Commits(_Message, tag="commits"):
    """(topic, partition, committed, oldest offset, end offset read after it) of one group.

    -1 for an oldest or end offset that could not be had.
    """

    group: str
    offsets: list[tuple[str, int, int, int, int]]


class Times(_Message, tag="times"):
    """(topic, partition, time in ms, first offset from it on); -1: the log has none that young."""

    offsets: list[tuple[str, int, int, int]]


class LeftOut(_Message, tag="left_out"):
    """How many of `what` (partitions, groups, commits) were over the bound of the request."""

    what: str
    count: int


class TopicDescription(_Message, tag="topic"):
    """`topic_id` as Kafka's own tools print it. It changes when a topic is made anew.

    `replication_factor` and `in_sync`, replicas in sync, are those of the partition with fewest.
    """

    name: str
    topic_id: str
    partitions: int
    replication_factor: int
    in_sync: int = 0


class TopicConfig(_Message, tag="config"):
    """The settings in force, defaults included, as text."""

    name: str
    values: dict[str, str]


class BrokerConfig(_Message, tag="broker_config"):
    """The settings in force, defaults included, as text; none that Kafka keeps secret."""

    id: int
    values: dict[str, str]


class Allowed(_Message, tag="allowed"):
    """What we may do with a topic, a group or the cluster, in Kafka's words for operations.

    `is_there` is False for what isn't there or may not be seen: of such a topic only Describe,
    DescribeConfigs and Create can be known.
    """

    kind: str
    name: str
    operations: list[str]
    is_there: bool = True


class Done(_Message, tag="done"):
    """The end of an answer. `is_leaving`: this child has grown and makes way for a new one."""

    is_leaving: bool = False


Answer = (
    Failure
    | Cluster
    | Topics
    | Offsets
    | OwnGroups
    | Groups
    | Commits
    | Times
    | LeftOut
    | TopicDescription
    | TopicConfig
    | BrokerConfig
    | Allowed
    | Done
)

_encoder = msgspec.msgpack.Encoder()
_hello = msgspec.msgpack.Decoder(Hello)
_request: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answer: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

decode_hello = _hello.decode
decode_request = _request.decode
decode_answer = _answer.decode


def encode(message: Hello | Request | Answer) -> bytes:
    """Return the message with its length in front."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def take_messages(buffer: bytearray) -> Iterator[bytes]:
    """Take whole messages off the front of `buffer`; what is not whole yet stays in it.

    Raises ValueError when a length can't be one of ours.
    """
    while len(buffer) >= LENGTH_BYTES:
        length = int.from_bytes(buffer[:LENGTH_BYTES], "big")
        if length > MAX_MESSAGE:
            raise ValueError(f"a message of {length} bytes")
        end = LENGTH_BYTES + length
        if len(buffer) < end:
            return
        body = bytes(buffer[LENGTH_BYTES:end])
        del buffer[:end]
        yield body
