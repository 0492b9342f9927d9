from __future__ import annotations

import pytest

from collector.jmx import ObjectName, unquote

QUOTED = 'kafka.server:type=fetch,client-id="a,b=\\"c\\":\\*\\?\\\\",x=y'


def test_a_name_in_its_parts():
    name = ObjectName.parse("kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec,topic=a.b-c")
    assert name.domain == "kafka.server"
    assert list(name.properties.items()) == [
        ("type", "BrokerTopicMetrics"),
        ("name", "BytesInPerSec"),
        ("topic", "a.b-c"),
    ]
    assert repr(name) == f"ObjectName({str(name)!r})"


def test_parts_that_are_the_same_are_one_object():
    ends = [f"topic=orders-{number},partition=10" for number in (1, 2)]
    one, other = (ObjectName(f"kafka.log:type=Log,{end}").properties for end in ends)
    assert list(map(id, one)) == list(map(id, other))
    assert one["partition"] is other["partition"]


def test_a_quoted_value_stays_quoted_until_asked():
    value = ObjectName.parse(QUOTED).properties["client-id"]
    assert value == '"a,b=\\"c\\":\\*\\?\\\\"'
    assert unquote(value) == 'a,b="c":*?\\'
    assert unquote('"a\\nb"') == "a\nb"
    assert unquote("plain") == "plain"
    assert unquote('"') == '"'


def test_the_order_of_keys_has_no_meaning():
    one, other = ObjectName("a:x=1,y=2"), ObjectName("a:y=2,x=1")
    assert one == other
    assert hash(one) == hash(other)
    assert one != ObjectName("a:x=1,y=3")
    assert one != ObjectName("a:x=1,y=2,*")
    assert one != "a:x=1,y=2"


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", "a:b", "a:b=", "a:b=c,", 'a:b="c', 'a:b="c"d', "a:b=c=d", "a:=c", "a\n:b=c"],
)
def test_what_is_no_name(text: str):
    if text == "a:b=":
        assert ObjectName.parse(text).properties == {"b": ""}  # Java allows it
        return
    with pytest.raises(ValueError, match="not an object name"):
        ObjectName.parse(text)


@pytest.mark.parametrize(
    "pattern, does",
    [
        ("*:*", True),
        ("kafka.server:type=fetch,*", True),
        ("kafka.*:*,x=?", True),
        ("kafka.server:type=fetch,x=y", False),
        ("kafka.server:type=f*,x=*,client-id=*", True),
        ("kafka.server:type=other,*", False),
        ("kafka:*", False),
        ("kafka.server:z=*,*", False),
    ],
)
def test_patterns(pattern: str, does: bool):
    assert ObjectName(QUOTED).matches(ObjectName(pattern)) is does
