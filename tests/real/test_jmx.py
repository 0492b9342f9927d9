"""The JMX reader against a live broker."""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from collector.jmx import Client, Numbers, Row, Scrape, Unreachable
from tests.lab.kafka import Kafka
from tests.lab.traffic import Traffic

pytestmark = pytest.mark.usefixtures("traffic")


def soon() -> float:
    return monotonic() + 30


@pytest.fixture
def client(broker: Kafka, traffic: Traffic) -> Iterator[Client]:
    with Client("127.0.0.1", broker.jmx_port) as one:
        yield one


def flat(scrape: Scrape) -> dict[tuple[str, str, tuple[str | Row, ...]], Any]:
    return {
        (layout.bean.name.text, slot.attribute, slot.path): value
        for layout, values in scrape.readings
        for slot, value in zip(layout.slots, values, strict=True)
    }


def test_everything_that_is_a_number_is_read(client: Client):
    first = client.scrape(soon())
    values = flat(first)
    assert not first.failures
    assert len(values) > 2000
    assert values["java.lang:type=Runtime", "Uptime", ()] > 0
    assert values["java.lang:type=Memory", "HeapMemoryUsage", ("used",)] > 1 << 20
    assert values["kafka.server:type=KafkaServer,name=BrokerState", "Value", ()] == 3
    assert values["java.lang:type=Memory", "Verbose", ()] is False
    assert any(isinstance(value, float) and math.isfinite(value) for value in values.values())


def test_the_second_scrape_is_read_by_templates_and_keeps_its_layouts(client: Client):
    tags: dict[int, set[str]] = {}
    for number in range(3):
        scrape = client.scrape(soon())
        for layout, _ in scrape.readings:
            layout.tag = layout.tag or (layout.bean.name.text, number)
            tags.setdefault(layout.tag[1], set()).add(layout.tag[0])
    hits, calls = client.counts.template_hits, client.counts.calls
    scrape = client.scrape(soon())
    assert client.counts.calls - calls == len(scrape.readings)
    assert client.counts.template_hits - hits >= 0.98 * len(scrape.readings)
    assert len(tags[0]) >= 0.98 * len(scrape.readings)


def test_a_look_finds_nothing_new_where_nothing_is_new(broker: Kafka, traffic: Traffic):
    selection = Numbers(("java.lang:*",))
    with Client("127.0.0.1", broker.jmx_port, selection=selection, refresh_s=0.0) as client:
        before = client.scrape(soon())
        after = client.scrape(soon())
    assert before.generation == after.generation
    assert flat(before).keys() == flat(after).keys()


def test_one_bean_can_be_asked_for(client: Client):
    names = {name.text for name in client.names("java.lang:*", soon())}
    assert "java.lang:type=Runtime" in names
    info = client.info("java.lang:type=Runtime", soon())
    assert info.is_of_class
    assert next(one for one in info.attributes if one.name == "Uptime").java_type == "long"
    found = {
        slot.attribute: value
        for slot, value in client.get("java.lang:type=Runtime", ["Uptime", "VmName"], soon())
    }
    assert isinstance(found["Uptime"], int)
    assert isinstance(found["VmName"], str)


def test_a_scrape_ends_at_its_deadline(broker: Kafka):
    with Client("127.0.0.1", broker.jmx_port) as client:
        with pytest.raises(Unreachable, match="in time"):
            client.scrape(monotonic() - 1)
        with pytest.raises(Unreachable, match=r"in time|no answer"):
            client.scrape(monotonic() + 0.001)
        assert client.scrape(soon()).readings


def test_a_broker_that_restarts_is_read_again(own_broker: Kafka):
    with Client("127.0.0.1", own_broker.jmx_port) as client:
        assert client.scrape(soon()).readings
        own_broker.kill()
        with pytest.raises(Unreachable):
            client.scrape(soon())
        own_broker.start()
        assert (
            flat(client.scrape(soon()))[
                "kafka.server:type=KafkaServer,name=BrokerState", "Value", ()
            ]
            == 3
        )
