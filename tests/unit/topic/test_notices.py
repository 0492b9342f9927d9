"""What a reader says of Kafka: what is wrong, what to do about it, and that it is over."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from collector.topic.names import TopicNames
from collector.topic.notices import Trouble


class Told:
    """Who is told, and keeps it."""

    def __init__(self) -> None:
        self.away_because: list[str] = []

    def away(self, why: str) -> None:
        self.away_because.append(why)

    def nothing_else(self, *_: object) -> None:
        raise AssertionError("no record was met")

    met = held = passed_over = waits = nothing_else


@pytest.mark.parametrize(
    "code, topic, right",
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "telemetry", "--topic telemetry"),
        (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            "edgevitals.{site}",
            "--topic edgevitals. --resource-pattern-type prefixed",
        ),
        (
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            "telemetry",
            "--group edgevitals. --resource-pattern-type prefixed",
        ),
    ],
)
def test_f44_a_right_that_a_reader_lacks_is_named_with_what_it_is_for(code, topic, right):
    told = Told()
    Trouble(told, TopicNames(topic).resource).met(KafkaError(code), f"reading {topic}")
    (why,) = told.away_because
    assert why.startswith(f"reading {topic}: ")
    assert f"kafka-acls.sh --add --operation Read {right}" in why


def test_that_records_come_again_is_told_once_and_only_after_trouble():
    told = Told()
    trouble = Trouble(told, "--topic telemetry")
    trouble.is_over()
    assert told.away_because == []
    trouble.tell("no certificate")
    trouble.is_over()
    trouble.is_over()
    assert told.away_because == ["no certificate", ""]
