from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from collector.errors import ConfigError, Rejected, Retry
from collector.topic.client import TopicPlace, consumer, failure, producer, properties
from collector.topic.writer import TopicWriter


class NoAdmin:
    def ensure(self, topic):
        raise AssertionError("nothing is sent here")

    topic_id = why_no_answer = ensure


def error(code: int) -> KafkaError:
    return KafkaError(code)


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"securty.protocol": "SSL"}, 'No such configuration property: "securty.protocol"'),
        ({"security.protocol": "foo"}, 'Invalid value "foo"'),
        ({"security.protocol": "SSL", "ssl.ca.location": "/none"}, "ssl.ca.location failed"),
        ({"message.max.bytes": "many"}, '"message.max.bytes"'),
    ],
)
def test_properties_that_can_not_be_are_a_sentence_at_the_start(wrong, says):
    for make in (
        producer,
        lambda all_properties: consumer({**all_properties, "group.id": "g"}),
        lambda all_properties: TopicWriter(TopicPlace("telemetry", 1), all_properties, NoAdmin()),
    ):
        with pytest.raises(ConfigError) as refusal:
            make(properties(wrong, {}))
        assert refusal.value.message.startswith("kafka: ")
        assert says in refusal.value.message
        assert "under kafka:" in refusal.value.hint


def test_what_order_rests_on_is_not_for_users_to_change():
    merged = properties({"acks": "0", "client.id": "mine"}, {"acks": "all"})
    assert (merged["acks"], merged["client.id"]) == ("all", "mine")


@pytest.mark.parametrize("code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE])
def test_a_record_that_is_too_large_is_refused_for_good(code):
    why = failure(error(code), "writing to telemetry")
    assert isinstance(why, Rejected)
    assert why.reason == "too_large"
    assert "max.message.bytes" in why.hint


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    ],
)
def test_f44_a_missing_right_is_for_a_person_and_named(code):
    why = failure(error(code), "writing to telemetry", "--operation Write --topic telemetry")
    assert isinstance(why, Retry)
    assert why.hold
    operation = {
        KafkaError.TOPIC_AUTHORIZATION_FAILED: "--operation Write --topic telemetry",
        KafkaError.GROUP_AUTHORIZATION_FAILED: "--operation Read --group edgevitals.",
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: "--operation Write --topic telemetry; brokers",
    }[code]
    assert f"kafka-acls.sh --add {operation}" in why.hint


@pytest.mark.parametrize(
    "code, says",
    [
        (KafkaError.SASL_AUTHENTICATION_FAILED, "password"),
        (KafkaError._AUTHENTICATION, "password"),
        (KafkaError.INVALID_TIMESTAMP, "message.timestamp.type=LogAppendTime"),
        (KafkaError.INVALID_RECORD, "cleanup.policy=delete"),
    ],
)
def test_f44_what_only_a_person_can_end_waits_for_one(code, says):
    why = failure(error(code), "writing to telemetry")
    assert isinstance(why, Retry)
    assert why.hold
    assert says in why.hint


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.UNKNOWN,
    ],
)
def test_everything_else_is_tried_again_and_says_what_was_done(code):
    why = failure(error(code), "writing to telemetry")
    assert isinstance(why, Retry)
    assert not why.hold
    assert not why.reached
    assert why.message.startswith("writing to telemetry: ")
    assert why.hint
