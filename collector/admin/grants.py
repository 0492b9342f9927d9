"""The calls that tell what we may do."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    ConfigResource,
    NewTopic,
    ResourceType,
)

from collector.admin.calls import LONGEST_CALL, SLACK, Calls, named
from collector.admin.wire import Allowed, ReadRights

_NOT_THERE = frozenset({"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID"})


class Grants:
    """Asks what we may do, through `calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def read(self, request: ReadRights) -> None:
        """Tell what we may do. Nothing is made: a topic is only asked for (`validate_only`).

        Kafka says of what is there what we may do with it, to who may describe it. A name that
        nobody may see is refused, whether it is there or not.
        """
        share = self._calls.share()
        for name in request.topics:
            asked = self._calls.client.describe_topics(
                TopicCollection([name]), include_authorized_operations=True, request_timeout=share
            )[name]
            found, code = self._granted(f"rights of topic {name}", asked)
            if code == "":
                self._calls.tell(Allowed("topic", name, _operations(found)))
            elif code in _NOT_THERE or code == "TOPIC_AUTHORIZATION_FAILED":
                operations = ["DESCRIBE"] if code in _NOT_THERE else []
                about = ConfigResource(ResourceType.TOPIC, name)
                settings = self._calls.client.describe_configs([about], request_timeout=share)[
                    about
                ]
                if self._granted("", settings)[1] in {"", *_NOT_THERE}:
                    operations.append("DESCRIBE_CONFIGS")
                if name in request.to_create and self._may_create(name, share):
                    operations.append("CREATE")
                self._calls.tell(Allowed("topic", name, operations, is_there=False))
        for name in request.groups:
            group = self._calls.client.describe_consumer_groups(
                [name], include_authorized_operations=True, request_timeout=share
            )[name]
            found, code = self._granted(f"rights of group {name}", group)
            if code in {"", "GROUP_AUTHORIZATION_FAILED"}:
                self._calls.tell(Allowed("group", name, _operations(found), is_there=code == ""))

        if request.cluster:
            self._read_cluster()

    def _read_cluster(self) -> None:
        """Kafka tells operations on the cluster to who may describe it, which we need not: try."""
        metadata = self._calls.list_topics("rights on the cluster")
        if metadata is None or not metadata.brokers:
            return
        about = ConfigResource(ResourceType.BROKER, str(min(metadata.brokers)))
        share = self._calls.share()
        settings = self._calls.client.describe_configs([about], request_timeout=share)[about]
        _, code = self._granted("rights on the cluster", settings)
        if code in {"", "CLUSTER_AUTHORIZATION_FAILED"}:
            operations = [] if code else ["DESCRIBE_CONFIGS"]
            self._calls.tell(Allowed("cluster", "", operations, is_there=code == ""))

    def _may_create(self, name: str, seconds: float) -> bool:
        topic = NewTopic(name, num_partitions=1)
        (asked,) = self._calls.client.create_topics(
            [topic], validate_only=True, request_timeout=seconds
        ).values()
        return not self._granted("", asked)[1].endswith("AUTHORIZATION_FAILED")

    def _granted(self, call: str, future: Future[Any]) -> tuple[Any, str]:
        """Return what was found, and the error's name or "". Others than of rights are failures."""
        try:
            return future.result(timeout=LONGEST_CALL + SLACK), ""
        except KafkaException as error:
            code, text = named(error.args[0])
        except TimeoutError:
            code, text = "_TIMED_OUT", "no answer in time"
        if call and code not in _NOT_THERE and not code.endswith("AUTHORIZATION_FAILED"):
            self._calls.failed(call, code, text, explain=True)
        return None, code


def _operations(found: Any) -> list[str]:
    """The names of what a description says we may do; none when there is no description."""
    return [one.name for one in (found.authorized_operations if found else None) or []]
