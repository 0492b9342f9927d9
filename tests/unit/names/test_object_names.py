from __future__ import annotations

import pytest

from collector.names.object_names import ObjectNameError, ObjectNamePattern, may_share
from tests.unit.names.inventory import bean


@pytest.mark.parametrize(
    "pattern,name,is_meant",
    [
        ("kafka.log:*", "kafka.log:type=Log,name=Size", True),
        ("kafka*:*", "kafka:type=x", True),
        ("kafka.?og:*", "kafka.log:type=Log", True),
        ("*:*", "java.lang:type=Memory", True),
        ("*:type=Memory", "java.lang:type=Memory", True),
        ("*:type=Memory", "java.lang:type=Memory,name=x", False),
        ("*:type=Memory,*", "java.lang:name=x,type=Memory", True),
        ("*:*,type=Memory", "java.lang:name=x,type=Memory", True),
        ("*:type=Mem*,*", "java.lang:type=MemoryPool", True),
        ("*:type=Mem?ry", "java.lang:type=Memory", True),
        ("*:name=a,type=b", "d:type=b,name=a", True),
        ("*:type=b,name=*", "d:type=b,name=a", True),
        ("*:type=b,name=*", "d:type=b", False),
        ("*:type=Topic*,*", "d:type=topic", False),
        (r'*:name="a\*b"', r'd:name="a\*b"', True),
        (r'*:name="a\*b"', 'd:name="axb"', False),
        ('*:name="a*b"', 'd:name="a,=:b"', True),
        ("java.lang:type=a.b", "java.lang:type=aXb", False),
    ],
)
def test_patterns_match_as_in_java(pattern, name, is_meant):
    known = bean(name)
    assert ObjectNamePattern(pattern).matches(known.domain, known.properties) is is_meant


@pytest.mark.parametrize(
    "text", ["kafka", "kafka:", "a:b", "a:b=c,", 'a:b="c', "a:=c", "a:b=c=d", ""]
)
def test_what_is_no_object_name_is_refused(text):
    with pytest.raises(ObjectNameError):
        ObjectNamePattern(text)


@pytest.mark.parametrize(
    "one,other,answer",
    [
        ("kafka.log:type=Log,*", "kafka*:*", True),
        ("kafka.log:type=Log,*", "kafka.log:*", True),
        ("kafka.log:type=Log,*", "*:*", True),
        ("kafka.log:type=Log,*", "*.log:*", True),
        ("kafka*:*", "kafka.s*:*", True),
        ("kafka.?og:*", "kafka*:*", True),
        ("kafka.log:type=Log,*", "kafka.cluster:*", False),
        ("kafka.log:type=Log,*", "java.lang:type=Memory", False),
        ("kafka*:*", "java.*:*", False),
        ("kafka.log:*", "kafka:*", False),
        ("kafka.log*:*", "kafka:*", False),
    ],
)
def test_patterns_may_share_a_bean_when_their_domains_may(one, other, answer):
    assert may_share(one, other) is answer
    assert may_share(other, one) is answer
