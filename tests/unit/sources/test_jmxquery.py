"""The engine jmxquery: its answers taken apart, and a Java that fails, floods or hangs."""

from __future__ import annotations

import time
from importlib import util

import psutil
import pytest

from collector.errors import SourceError
from collector.jmx import Slot
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources import jmxquery
from collector.sources.jmxquery import JmxQuerySource

RULES = """\
rules:
  - pattern: 'a<type=(\\w+)><>(\\w+)'
    name: a_$2
    labels: {type: "$1"}
"""

ANSWER = """\
[
{"mBeanName" : "a:type=B", "attribute" : "Long", "attributeType" : "Long", "value" : 7}, \n\
{"mBeanName" : "a:type=A", "attribute" : "Gone", "attributeType" : "Null"}, \n\
{"mBeanName" : "a:type=A", "attribute" : "Short", "attributeType" : "Short", "value" : "3"}]
"""


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A `java` on the path that does what a test tells it. `answer` is in its folder."""

    def make(body):
        program = tmp_path / "bin" / "java"
        program.parent.mkdir(exist_ok=True)
        (tmp_path / "answer").write_text(ANSWER)
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{body}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    return make


@pytest.fixture
def source(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    table = SeriesTable()
    rules = load_rules([str(tmp_path / "rules.yaml")])
    one = JmxQuerySource("[::1]:9999", TargetSeries(table, {}), rules)

    def read(seconds=30.0):
        reading = one.read(time.monotonic() + seconds)
        return {
            (table[i].name, *(value for _, value in table[i].labels)): value
            for i, value in zip(reading.series, reading.values, strict=True)
            if not table[i].name.startswith("edgevitals_")
        }

    return read


def test_rules_name_what_java_prints(java, source, tmp_path):
    java('echo "$@" > args; /bin/cat answer')
    assert source() == {("a_Long", "B"): 7.0, ("a_Short", "A"): 3.0}
    args = (tmp_path / "args").read_text()
    assert args.endswith("-url service:jmx:rmi:///jndi/rmi://[::1]:9999/jmxrmi -json -q *:*;\n")


def test_options_for_the_brokers_own_java_are_kept_away(java, source, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dcom.sun.management.jmxremote.port=9999")
    java('[ -z "$JAVA_TOOL_OPTIONS" ] && /bin/cat answer')
    assert len(source()) == 2


@pytest.mark.parametrize(
    "kind,text,expected",
    [
        ("Long", "9223372036854775807", ("long", 9223372036854775807)),
        ("Double", "NaN", ("double", "nan")),
        ("Double", "-Infinity", ("double", float("-inf"))),
        ("Float", "0.1", ("float", 0.10000000149011612)),
        ("Byte", '"-3"', ("byte", -3)),
        ("AtomicLong", '"5"', ("long", 5)),
        ("Boolean", "true", ("boolean", True)),
        ("AtomicBoolean", '"false"', ("boolean", False)),
        ("TimeUnit", '"SECONDS"', ("enum", "SECONDS")),
        ("String", r'"a \"b\" \d c:\x"', ("string", r'a "b" \d c:\x')),
        ("String", '"two\nlines"', ("string", "two\nlines")),
        ("ObjectName", '"a:type=B"', None),
        ("String[]", '"[Ljava.lang.String;@3dc5eb8f"', None),
        ("Null", "null", None),
        ("Integer", '"many"', None),
    ],
)
def test_values_are_what_the_native_engine_gives(kind, text, expected):
    entry = f'{{"mBeanName" : "a:b=c", "attribute" : "X", "attributeType" : "{kind}", '
    found = list(jmxquery._entries(f'[\n{entry}"attributeKey" : "k", "value" : {text}}}]\n'))
    if expected is None:
        assert found == []
        return
    ((name, slot, value),) = found
    assert (name, slot) == ("a:b=c", Slot("X", ("k",), expected[0]))
    assert type(value) is type(expected[1]) or expected[1] == "nan"
    assert str(value) == str(expected[1])


def test_patterns_that_its_syntax_has_no_room_for_become_all():
    assert jmxquery._query_text(["a:*", "b:type=X,*"]) == "a:*;b:type=X,*;"
    assert jmxquery._query_text(["a:*", 'b:type="x/y",*']) == "*:*;"


@pytest.mark.parametrize(
    "printed,says,hint",
    [
        (
            "Exception in thread main java.lang.SecurityException: Authentication failed! Give it",
            "[::1]:9999: the JVM wants a password, which this engine doesn't give",
            "use engine native, with username and password_file",
        ),
        (
            '{ "error": "connection-error", "message":"Connection refused"}',
            "[::1]:9999: no connection (Connection refused)",
            "check host and port, and that the JVM was started with a JMX port",
        ),
        (
            "java.lang.Odd\nsome.OddException: 1\n  at x",
            "[::1]:9999: jmxquery failed: some.OddException: 1",
            "try: use engine native",
        ),
    ],
)
@pytest.mark.parametrize("stream", [1, 2])
def test_a_java_that_fails_is_a_sentence(java, source, tmp_path, stream, printed, says, hint):
    (tmp_path / "said").write_text(f"{printed}\n")
    java(f"/bin/cat said >&{stream}; exit 2")
    with pytest.raises(SourceError) as caught:
        source()
    assert (caught.value.message, caught.value.hint) == (says, hint)


def test_a_java_that_hangs_is_ended_at_the_deadline(java, source):
    java("exec /bin/sleep 600")
    ours = psutil.Process()
    before = ours.children(recursive=True)
    with pytest.raises(SourceError, match="had not finished"):
        source(0.3)
    assert set(ours.children(recursive=True)) <= set(before), "it is gone"


def test_a_java_that_closes_its_output_and_stays_is_ended_too(java, source):
    java("exec /bin/sleep 600 >&-")
    with pytest.raises(SourceError, match="had not finished"):
        source(0.3)


def test_a_java_that_floods_is_ended(java, source, monkeypatch):
    monkeypatch.setattr(jmxquery, "MOST_BYTES", 1 << 20)
    java("exec /bin/cat /dev/zero")
    with pytest.raises(SourceError, match="more than 1 MiB"):
        source()


def test_without_java_it_says_what_to_install(source, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SourceError) as caught:
        source()
    assert caught.value.message == "engine jmxquery: there is no java on the PATH or in JAVA_HOME"
    assert "openjdk-17-jre-headless" in caught.value.hint


def test_a_java_in_its_home_will_do(java, source, monkeypatch, tmp_path):
    java("/bin/cat answer")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert len(source()) == 2


def test_without_the_package_it_says_what_to_install(source, monkeypatch):
    real = util.find_spec
    monkeypatch.setattr(
        jmxquery, "find_spec", lambda name: None if name == "jmxquery" else real(name)
    )
    with pytest.raises(SourceError) as caught:
        source()
    assert caught.value.message == "engine jmxquery: the package jmxquery is not installed"
    assert "pip install 'edgevitals[jvm]'" in caught.value.hint
