"""The JMX reader against a JVM with odd MBeans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from collector.jmx import (
    BeanInfo,
    CallFailed,
    Client,
    JmxError,
    Numbers,
    ObjectName,
    Row,
    Scrape,
    Unreachable,
)
from collector.jmx.scrape import PATIENCE_S, _Aside
from tests.lab.java.jvm import Jvm, jdks


def soon() -> float:
    return monotonic() + 30


@pytest.fixture(scope="module", params=list(jdks().values()), ids=list(jdks()))
def jvm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jvm]:
    with Jvm(tmp_path_factory.mktemp("jvm"), java=request.param) as running:
        yield running


def reader(jvm: Jvm, *patterns: str, text: bool = False, refresh_s: float = 60.0) -> Client:
    selection = Numbers(patterns, text=text)
    return Client("127.0.0.1", jvm.port, selection=selection, refresh_s=refresh_s)


def flat(scrape: Scrape) -> dict[tuple[str | Row, ...], Any]:
    return {
        (layout.bean.name.domain, slot.attribute, *slot.path): value
        for layout, values in scrape.readings
        for slot, value in zip(layout.slots, values, strict=True)
    }


def read(jvm: Jvm, name: str, attributes: list[str] | None = None) -> dict[tuple[Any, ...], Any]:
    with reader(jvm) as client:
        found = client.get(name, attributes, soon())
    return {(slot.attribute, *slot.path): value for slot, value in found}


def test_numbers_come_as_java_has_them(jvm: Jvm):
    values = read(jvm, "odd:type=Values")
    assert math.isnan(values.pop(("Nan",)))
    assert math.copysign(1, values.pop(("MinusZero",))) == -1
    expected = {
        "Infinity": math.inf,
        "MinusInfinity": -math.inf,
        "Longest": 2**63 - 1,
        "Shortest": -(2**63),
        "Int": -7,
        "Float": 0.5,
        "Short": -300,
        "Byte": -3,
        "True": True,
        "Text": "NUL \0 and 😀",
        "AtomicLong": 1 << 40,
        "AtomicInteger": 41,
        "AtomicBoolean": True,
        "LongAdder": 5,
        "DoubleAdder": 2.5,
        "BigInteger": -(1 << 70),
        "BigDecimal": 12.5,
        "Object": "text in an Object",
    }
    assert values == {(name,): value for name, value in expected.items()}
    assert {name: type(values[name,]) for name in expected} == {
        name: type(value) for name, value in expected.items()
    }


def test_other_values_come_when_they_are_asked_for(jvm: Jvm):
    asked = ["Unit", "Date", "Char", "Ints", "Nothing", "Throwing", "None"]
    values = read(jvm, "odd:type=Values", asked)
    assert values == {("Unit",): "SECONDS", ("Date",): 1_700_000_000_123, ("Char",): "x"}


def test_composite_and_tabular_values_are_taken_apart(jvm: Jvm):
    point = {"label": "p", "origin": False, "x": 1, "y": -2}
    named = Row((("key", 'a="b"'),))
    expected: dict[tuple[Any, ...], Any] = {
        **{("Point", key): value for key, value in point.items()},
        **{("Shape", "corner", key): value for key, value in point.items()},
        ("Shape", "area"): 2.5,
        **{("Named", named, "value", key): value for key, value in point.items()},
        ("Numbered", Row((("key", "7"),)), "value"): 70,
        ("Numbered", Row((("key", "8"),)), "value"): 80,
        ("Texts", Row((("key", "key"),)), "value"): "text",
        ("Nested", Row((("key", "o"),)), "value", Row((("key", "i"),)), "value"): 3,
        ("State",): "RUNNABLE",
    }
    assert read(jvm, "odd:type=Open") == expected


def test_names_with_quotes_and_foreign_letters_are_asked_for(jvm: Jvm):
    with reader(jvm) as client:
        (name,) = client.names('odd:type="*",*', soon())
        assert name == ObjectName('odd:name=hé € 😀,type="q,=:\\*\\"\\n"')
        assert client.get(name, ["First"], soon())


def test_templates_and_full_decoding_say_the_same(jvm: Jvm):
    """Boxes that are shared or not, null or not, text and types that change.

    All tests read all attributes of these MBeans, or their counts would not go together.
    """
    with reader(jvm, "many:*", text=True) as client:
        seen: set[tuple[str, ...]] = set()
        for _ in range(6):
            scrape = client.scrape(soon())
            assert len(scrape.readings) == 300
            for layout, values in scrape.readings:
                found = {slot.attribute: v for slot, v in zip(layout.slots, values, strict=True)}
                types = {slot.attribute: slot.java_type for slot in layout.slots}
                assert found["First"] == found["Second"]
                is_even = found["First"] == 100
                assert found["State"] == ("leader" if is_even else "follower")
                assert types["Kind"] == ("long" if is_even else "double")
                assert type(found["Kind"]) is (int if is_even else float)
                seen.add(tuple(sorted(found)))
        assert len(seen) == 2  # with and without the one that is null at times
        assert client.counts.template_hits > 0.95 * 6 * 300


def test_layouts_come_back_with_their_tags(jvm: Jvm):
    with reader(jvm, "many:type=One,number=1", text=True) as client:
        layouts = []
        for number in range(1, 13):
            layout = client.scrape(soon()).readings[0][0]
            layout.tag = layout.tag or number
            layouts.append(layout)
    assert len({id(layout) for layout in layouts}) == 4
    assert all(layout.tag <= 6 for layout in layouts)


def test_an_attribute_that_breaks_the_answer_is_left_out_and_the_rest_is_kept(jvm: Jvm):
    with reader(jvm, "breaking:*") as client:
        connections = set()
        for _ in range(3):
            scrape = client.scrape(soon())
            connections.add(client.counts.connections)
            values = flat(scrape)
            assert values["breaking", "Before"] == 3  # of Lying; Breaking's has the same key
            assert values["breaking", "After"] == 4
            assert len(scrape.readings) == 3
            bad = {failure.attribute: failure.error for failure in scrape.failures}
            assert set(bad) == {"Unsent", "Instant", "Failing", "Liar"}
            assert "NotSerializable" in str(bad["Unsent"])
            assert "java.time" in str(bad["Instant"])
        assert len(connections) == 1
        assert client.counts.sessions == 1


def test_an_mbean_that_hangs_costs_one_scrape_and_then_only_itself(jvm: Jvm):
    with reader(jvm, "hanging:*") as client:
        client.names("hanging:*", soon())  # connected: what hangs is all that takes time below
        with pytest.raises(Unreachable, match="in time"):
            client.scrape(monotonic() + 0.5)
        for _ in range(2):
            scrape = client.scrape(monotonic() + PATIENCE_S + 30)
            assert [layout.bean.name.text for layout, _ in scrape.readings] == [
                "hanging:type=Whole"
            ]
            (failure,) = scrape.failures
            assert failure.name.text == "hanging:type=Hanging"


def test_an_mbean_that_hangs_when_its_bad_attribute_is_sought_is_left_out(jvm: Jvm):
    with reader(jvm, "sly:*", refresh_s=0.0) as client:
        client.names("sly:*", soon())
        with pytest.raises(Unreachable, match="waiting for sly:type=Sly"):
            client.scrape(monotonic() + 2.0)
        for _ in range(2):
            scrape = client.scrape(soon())
            assert [layout.bean.name.text for layout, _ in scrape.readings] == ["sly:type=Whole"]
            assert [failure.name.text for failure in scrape.failures] == ["sly:type=Sly"]


def test_an_mbean_that_was_too_late_once_is_read_again(jvm: Jvm):
    with reader(jvm, "many:type=One,number=1*", text=True) as client:
        first = client.scrape(soon())
        bean = first.readings[0][0].bean
        client._scraper._aside[bean] = _Aside(Unreachable("too late"))
        again = client.scrape(soon())
        assert len(again.readings) == len(first.readings)
        assert again.readings[-1][0].bean is bean
        assert client.scrape(soon()).readings[0][0].bean is bean


def test_mbeans_that_come_and_go_are_followed(jvm: Jvm):
    with reader(jvm, "guests:*", "odd:type=Changing", refresh_s=0.0) as client, reader(jvm) as hand:
        before = client.scrape(soon())
        assert read_switch(hand, "Guest") is True
        with_guest = client.scrape(soon())
        still = client.scrape(soon())
        assert read_switch(hand, "Guest") is False
        after = client.scrape(soon())
    assert [len(one.readings) for one in (before, with_guest, still, after)] == [1, 2, 2, 1]
    assert before.generation < with_guest.generation == still.generation < after.generation
    assert before.readings[0][0].bean is after.readings[0][0].bean


def test_an_mbean_that_went_between_two_looks_is_no_failure(jvm: Jvm):
    with reader(jvm, "guests:*", "odd:type=Changing") as client, reader(jvm) as hand:
        assert read_switch(hand, "Guest") is True
        assert len(client.scrape(soon()).readings) == 2
        assert read_switch(hand, "Guest") is False
        scrape = client.scrape(soon())
        assert len(scrape.readings) == 1
        assert not scrape.failures


def test_a_crowd_that_comes_is_found_in_one_query(jvm: Jvm):
    with reader(jvm, "guests:*", "odd:type=Changing", refresh_s=0.0) as client, reader(jvm) as hand:
        client.scrape(soon())
        calls = client.counts.calls
        assert read_switch(hand, "Crowd") is True
        assert len(client.scrape(soon()).readings) == 251
        assert client.counts.calls - calls == 2 + 2 + 251  # names, classes, and the beans
        assert read_switch(hand, "Crowd") is False
        assert len(client.scrape(soon()).readings) == 1


def test_a_selection_that_wants_little_gets_little(jvm: Jvm):
    class Little(Numbers):
        def wants(self, name: ObjectName, class_name: str) -> bool:
            return class_name == "OddBeans$Changing" and name.domain != "many"

        def attributes(self, name: ObjectName, info: BeanInfo) -> list[str]:
            return ["First"] if name.domain == "odd" else []

    with Client("127.0.0.1", jvm.port, selection=Little()) as client:
        client.connect(soon())
        scrape = client.scrape(soon())
        assert {slot.attribute for layout, _ in scrape.readings for slot in layout.slots} == {
            "First"
        }
        assert len(scrape.readings) == 2


class Narrow(Numbers):
    """Reads one MBean of `odd`, and keeps which names it was asked about."""

    left_out = ("many:*", "odd:type=Changing,*", "odd:type=C*")

    def __init__(self) -> None:
        super().__init__(("odd:*", "many:*"))
        self.asked: set[str] = set()

    def leaves_out(self, pattern: str) -> tuple[str, ...]:
        return self.left_out if pattern in self.patterns else ()

    def wants(self, name: ObjectName, class_name: str) -> bool:
        self.asked.add(name.text)
        return name.text == "odd:type=Values"


def names(jvm: Jvm, *patterns: str) -> set[str]:
    with reader(jvm) as client:
        return {name.text for one in patterns for name in client.names(one, soon())}


def test_names_that_nobody_wants_are_not_sent(jvm: Jvm):
    selection = Narrow()
    with Client("127.0.0.1", jvm.port, selection=selection, refresh_s=0.0) as client:
        first = client.scrape(soon())
        again = client.scrape(soon())
        assert client.counts.connections == 1
    assert len(again.readings) == 1
    assert first.generation == again.generation
    left_out = names(jvm, *Narrow.left_out)
    assert len(left_out) > 100
    assert selection.asked == names(jvm, "odd:*") - left_out


def test_a_jvm_that_refuses_the_condition_is_asked_without_it(jvm: Jvm, tmp_path: Path):
    selection = Narrow()
    agent = {"serial.filter.pattern": "!javax.management.NotQueryExp;*"}
    with (
        Jvm(tmp_path, java=jvm.command[0], agent=agent) as strict,
        Client("127.0.0.1", strict.port, selection=selection, refresh_s=0.0) as client,
    ):
        assert len(client.scrape(soon()).readings) == 1
        calls = client.counts.calls
        assert len(client.scrape(soon()).readings) == 1
        assert client.counts.calls - calls == len(selection.patterns) + 1, "refused once is enough"
        assert selection.asked >= names(strict, *Narrow.left_out)


def test_attributes_that_a_dynamic_mbean_gets_are_followed(jvm: Jvm):
    with reader(jvm, "odd:type=Grown", text=True, refresh_s=0.0) as client, reader(jvm) as hand:
        before = client.scrape(soon())
        same = client.scrape(soon())
        count = read_switch(hand, "Grow")
        after = client.scrape(soon())
    assert before.generation == same.generation < after.generation
    assert len(after.readings[0][1]) == count
    assert flat(before)["odd", "state"] == "running"


def read_switch(hand: Client, attribute: str) -> Any:
    return hand.get("switch:type=Switch", [attribute], soon())[0][1]


def test_many_new_mbeans_are_found_at_once(jvm: Jvm):
    with reader(jvm, "many:*", text=True, refresh_s=0.0) as client:
        calls = client.counts.calls
        assert len(client.scrape(soon()).readings) == 300
        # look-up, login, one query, one info for the class, and the beans themselves
        assert client.counts.calls - calls == 304


def test_a_window_of_one_reads_the_same(jvm: Jvm):
    selection = Numbers(["odd:type=Open"])
    with Client("127.0.0.1", jvm.port, selection=selection, window=1) as client:
        narrow = flat(client.scrape(soon()))
    with reader(jvm, "odd:type=Open") as client:
        assert flat(client.scrape(soon())) == narrow


def test_a_missing_mbean_is_an_answer_and_the_connection_stays(jvm: Jvm):
    with reader(jvm) as client:
        with pytest.raises(CallFailed) as caught:
            client.get("no:such=bean", ["X"], soon())
        assert caught.value.java_class == "javax.management.InstanceNotFoundException"
        assert client.names("odd:type=Open", soon())
        assert client.counts.connections == 1


def test_a_name_that_is_none_is_refused_before_it_costs_the_socket(jvm: Jvm):
    with reader(jvm) as client, pytest.raises(ValueError, match="domain:key=value"):
        client.info("nonsense", soon())


def test_a_session_that_is_over_is_made_anew(jvm: Jvm):
    with reader(jvm, "odd:type=Open") as client:
        first = client.scrape(soon())
        # What the server does after 120 s without a call.
        over = client._session._object_id
        client.close()
        client._session._object_id = over
        second = client.scrape(soon())
        third = client.scrape(soon())
    assert flat(first) == flat(second) == flat(third)
    assert first.readings[0][0] is third.readings[0][0]


def test_a_jvm_that_dies_is_unreachable_and_read_again_when_it_is_back(jvm: Jvm, tmp_path):
    with Jvm(tmp_path) as other, reader(other, "many:*") as client:
        first = client.scrape(soon())
        with pytest.raises(JmxError):
            client.get("switch:type=Switch", ["Halt"], soon())
        with pytest.raises(Unreachable, match="refused"):
            client.scrape(soon())
        other.stop()
        other.start()
        second = client.scrape(soon())
        assert len(second.readings) == len(first.readings) == 300
        assert client.scrape(soon()).generation == first.generation
