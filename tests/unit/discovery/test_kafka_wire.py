"""Kafka's answers as a real node gave them: whole, cut short, and followed by more."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import Address
from collector.discovery import kafka_wire
from collector.discovery.kafka_wire import NotKafka

FOLDER = Path(__file__).parents[2] / "data" / "discovery"


def captured(name: str) -> bytes:
    return (FOLDER / f"{name}.bin").read_bytes()


READERS = {
    "broker-api-versions": kafka_wire.read_api_versions,
    "controller-api-versions": kafka_wire.read_api_versions,
    "broker-sasl-none": kafka_wire.read_sasl_handshake,
    "broker-sasl-plain": kafka_wire.read_sasl_handshake,
    "broker-metadata": kafka_wire.read_metadata,
}


def test_a_broker_takes_records_and_a_controller_does_not():
    broker = kafka_wire.read_api_versions(captured("broker-api-versions"))
    controller = kafka_wire.read_api_versions(captured("controller-api-versions"))
    assert kafka_wire.is_broker(broker)
    assert not kafka_wire.is_broker(controller)
    assert kafka_wire.VOTE in controller
    assert broker[kafka_wire.METADATA] == (0, 13)


def test_a_listener_says_which_logins_it_takes():
    assert kafka_wire.read_sasl_handshake(captured("broker-sasl-none")) is None
    assert kafka_wire.read_sasl_handshake(captured("broker-sasl-plain")) == ("PLAIN",)


def test_metadata_name_the_cluster_and_its_brokers():
    cluster, brokers = kafka_wire.read_metadata(captured("broker-metadata"))
    assert cluster == "EdgeVitalsLabClusterAA"
    assert list(brokers) == [1]
    assert brokers[1].host == "127.0.0.1"


@pytest.mark.parametrize("name", READERS)
def test_an_answer_that_is_cut_short_is_none(name):
    body = captured(name)
    for end in range(len(body)):
        with pytest.raises(NotKafka):
            READERS[name](body[:end])


@pytest.mark.parametrize("name", READERS)
def test_an_answer_with_more_behind_it_is_none(name):
    with pytest.raises(NotKafka):
        READERS[name](captured(name) + b"\0")


@given(st.sampled_from(list(READERS)), st.data())
def test_damaged_answers_are_read_or_refused(name, data):
    body = bytearray(captured(name))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotKafka):
        READERS[name](bytes(body))


@pytest.mark.parametrize("head", [b"HTTP", b"\x15\x03\x03\x00", b"\xff\xff\xff\xff", bytes(4)])
def test_a_length_that_no_answer_has_is_not_kafkas(head):
    with pytest.raises(NotKafka):
        kafka_wire.body_size(head)


def test_requests_say_how_long_they_are():
    for request in (
        kafka_wire.api_versions(),
        kafka_wire.sasl_handshake(),
        kafka_wire.metadata(),
    ):
        assert int.from_bytes(request[:4]) == len(request) - 4
        assert b"\r\n\r\n" in request  # a web server answers at once


def test_a_broker_may_have_any_name_and_is_only_a_name():
    body = captured("broker-metadata").replace(b"127.0.0.1", b'a"\nb: c: ')
    _, brokers = kafka_wire.read_metadata(body)
    assert brokers[1] == Address('a"\nb: c: ', brokers[1].port)
