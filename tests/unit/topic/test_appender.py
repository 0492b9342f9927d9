"""What the binding of librdkafka does when its producer is broken for good."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from collector.errors import Retry
from collector.topic import appender as appenders
from collector.topic.appender import Appender
from collector.topic.client import TopicPlace
from collector.topic.packing import Packed

FORBIDDEN = KafkaError(
    KafkaError.CLUSTER_AUTHORIZATION_FAILED, "Failed to acquire idempotence PID", fatal=True
)


class Broken:
    """A producer whose fatal error comes with whatever call serves callbacks."""

    def produce(self, topic: str, **_: Any) -> None:
        pass

    def poll(self, _: float) -> None:
        raise KafkaException(FORBIDDEN)

    def flush(self, _: float) -> None:
        raise SystemError("offset returned a result with an exception set") from KafkaException(
            FORBIDDEN
        )

    def purge(self) -> None:
        pass


@pytest.fixture
def appender(monkeypatch) -> Appender:
    monkeypatch.setattr(appenders, "producer", lambda _: Broken())
    place = TopicPlace("telemetry", 1)
    kafka = {"bootstrap.servers": "127.0.0.1:9"}
    made = Appender(place, kafka, lambda _: None, lambda _: None)
    made.open()
    return made


def test_f44_a_fatal_error_beside_a_delivery_is_a_refusal_and_not_a_bug(appender: Appender):
    with pytest.raises(Retry, match="CLUSTER_AUTHORIZATION_FAILED") as caught:
        appender.append(Packed(b"record", [], None))
    assert caught.value.hold
    assert not appender.is_open, "the next write has a new one"


def test_f07_a_fatal_error_while_nothing_is_written_is_a_disturbance(appender: Appender):
    assert appender.was_disturbed()
    assert appender.is_open, "the next write will say why"
