"""The engine `jmxquery`: a JVM for each reading, through the PyPI package of that name.

For a JVM that the reader of our own can't talk to, and to compare that reader with. Same rules,
same names, same values, but for what the package's jar doesn't print:

    rows of tables, composite data inside of composite data, dates, single characters

It takes 10 to 20 times as long: a JVM has to start, and asks for one attribute at a time. There
is no password, since it would stand in the process list, and no TLS. Unlike ours, Java's own
client connects to the host that the registry names.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from collector.errors import SourceError
from collector.jmx import ObjectName, Slot, Value
from collector.names.rules import Rules
from collector.series import TargetSeries
from collector.sources.jmx import COSTLY, Naming, Wanted
from collector.target import Reading

MOST_BYTES: Final = 256 << 20
"""Of one answer. A broker with 200 partitions gives 3 MB, one with 10,000 about 60."""

_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_OPTIONS_OF_OTHERS: Final = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
"""Beside a broker they may hold its JMX port, which our JVM would try to open too."""

_ENTRY: Final = re.compile(r'^(?=\{"mBeanName" : )', re.MULTILINE)
_LONE_BACKSLASH: Final = re.compile(r'\\(?!")')
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_USE_NATIVE: Final = "use engine native"

_WHOLE: Final = {
    "Byte": "byte",
    "Short": "short",
    "Integer": "int",
    "Long": "long",
    "AtomicInteger": "int",
    "AtomicLong": "long",
    "LongAdder": "long",
    "BigInteger": "big",
}
_BROKEN: Final = {"Double": "double", "DoubleAdder": "double", "BigDecimal": "big"}


class _Bean(NamedTuple):
    name: ObjectName


class _Form:
    """What one bean answered; see `collector.sources.jmx.Form`."""

    def __init__(self, bean: _Bean, slots: tuple[Slot, ...]) -> None:
        self.bean = bean
        self.slots = slots
        self.tag: Any = None


class JmxQuerySource:
    """One JVM, read by another one."""

    def __init__(self, address: str, series: TargetSeries, rules: Rules) -> None:
        """Keep what is needed. `address` is HOST:PORT, IPv6 in brackets."""
        self._address = address
        self._wanted = Wanted(rules)
        self._naming = Naming(series, rules)
        self._forms: dict[str, _Form] = {}

    def read(self, deadline: float) -> Reading:
        """Start a JVM, and read all beans once.

        Raises SourceError, also when there is no Java or no package: both may come later.
        """
        output = self._query(deadline)
        beans: dict[str, dict[Slot, Value]] = {}
        for bean, slot, value in _entries(output):
            beans.setdefault(bean, {}).setdefault(slot, value)
        answers = []
        for text, values in sorted(beans.items()):
            name = ObjectName(text)
            if self._wanted.wants(name, ""):
                slots = tuple(slot for slot in values if slot.attribute not in _costly(text))
                answers.append((self._form(name, slots), tuple(values[slot] for slot in slots)))
        self._forms = {form.bean.name.text: form for form, _ in answers}
        return self._naming.reading(answers)

    def close(self) -> None:
        """Nothing is held between two readings."""

    def _form(self, name: ObjectName, slots: tuple[Slot, ...]) -> _Form:
        form = self._forms.get(name.text)
        return form if form and form.slots == slots else _Form(_Bean(name), slots)

    def _query(self, deadline: float) -> str:
        if says := missing():
            raise SourceError(says[0], says[1])
        import jmxquery  # noqa: PLC0415 - an extra, that few have

        url = f"service:jmx:rmi:///jndi/rmi://{self._address}/jmxrmi"
        query = _query_text(self._wanted.patterns)
        java = _java() or ""
        command = [java, *_JVM, "-jar", jmxquery.JAR_PATH, "-url", url, "-json", "-q", query]
        started = time.monotonic()
        done = _run(command, deadline)
        if done is None:
            raise SourceError(
                f"{self._address}: jmxquery had not finished after "
                f"{time.monotonic() - started:.1f} s, and was ended",
                f"read fewer MBeans (includeObjectNames in a rule file), or {_USE_NATIVE}",
            )
        if done.code:
            raise _failure(self._address, f"{done.output[-4000:]}\n{done.errors}")
        return done.output


def missing() -> tuple[str, str] | None:
    """Say what this engine lacks on this machine, and what to do; None when all is there."""
    if find_spec("jmxquery") is None:
        return (
            "engine jmxquery: the package jmxquery is not installed",
            f"install it (pip install 'edgevitals[jvm]'), or {_USE_NATIVE}",
        )
    if _java() is None:
        return (
            "engine jmxquery: there is no java on the PATH or in JAVA_HOME",
            f"install a JRE (on Debian: openjdk-17-jre-headless), or {_USE_NATIVE}",
        )
    return None


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") or (shutil.which("java", path=Path(home, "bin")) if home else None)


def _costly(name: str) -> set[str]:
    return COSTLY.get(name, set())


def _query_text(patterns: Sequence[str]) -> str:
    """Write patterns as the jar takes them; all beans where its syntax stands in the way."""
    if any(mark in pattern for pattern in patterns for mark in (";", "/", "==", "<")):
        patterns = ["*:*"]
    return "".join(f"{pattern};" for pattern in patterns)


class _Done(NamedTuple):
    code: int
    output: str
    errors: str


def _run(command: Sequence[str], deadline: float) -> _Done | None:
    """Run to the end, or kill it at the deadline: then None."""
    environment = {k: v for k, v in os.environ.items() if k not in _OPTIONS_OF_OTHERS}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603 - no shell, and nothing from outside but host and port
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        ) as jvm,
    ):
        try:
            assert jvm.stdout is not None
            output = _read(jvm.stdout, deadline)
            if output is None:
                return None
            code = jvm.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        finally:
            if jvm.poll() is None:
                os.killpg(jvm.pid, signal.SIGKILL)
        errors.seek(0)
        said = errors.read(4000)
        return _Done(code, output.decode(errors="replace"), said.decode(errors="replace"))


def _read(pipe: IO[bytes], deadline: float) -> bytes | None:
    """Read to the end; None at the deadline. Raises SourceError when it is too much."""
    found = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                break
            data = os.read(pipe.fileno(), 1 << 16)
            if not data:
                return bytes(found)
            found += data
            if len(found) > MOST_BYTES:
                raise SourceError(
                    f"jmxquery gave more than {MOST_BYTES >> 20} MiB", "read fewer MBeans"
                )
    return None


def _entries(output: str) -> Iterator[tuple[str, Slot, Value]]:
    """Take the jar's output apart: one entry a line, JSON but for backslashes and line breaks."""
    decoder = json.JSONDecoder(strict=False)
    for text in _ENTRY.split(output)[1:]:
        try:
            entry, _ = decoder.raw_decode(_LONE_BACKSLASH.sub(r"\\\\", text))
        except json.JSONDecodeError:
            continue  # a text with a backslash in front of a quote
        value = entry.get("value")
        read = None if value is None else _value(entry["attributeType"], value)
        if read is not None:
            java_type, number = read
            path = (entry["attributeKey"],) if "attributeKey" in entry else ()
            yield entry["mBeanName"], Slot(entry["attribute"], path, java_type), number


def _value(kind: str, value: Any) -> tuple[str, Value] | None:
    """Return type and value as `collector.jmx` gives them, None for what is neither."""
    try:
        if kind in _WHOLE:
            return _WHOLE[kind], int(value)
        if kind in _BROKEN:
            return _BROKEN[kind], float(value)
        if kind == "Float":  # "0.1" is what Java writes for the float nearest to it
            return "float", struct.unpack(">f", struct.pack(">f", float(value)))[0]
    except (ValueError, OverflowError):
        return None
    if kind in {"Boolean", "AtomicBoolean"}:
        return "boolean", value is True or value == "true"
    if kind == "String":
        return "string", str(value)
    if isinstance(value, str) and _WORD.fullmatch(value) and _WORD.fullmatch(kind):
        return "enum", value  # of TimeUnit, for instance: the jar tells the class and the name
    return None


_FAILURES: Final = (
    (
        "Authentication failed",
        "the JVM wants a password, which this engine doesn't give",
        f"{_USE_NATIVE}, with username and password_file",
    ),
    (
        "Connection refused",
        "no connection (Connection refused)",
        "check host and port, and that the JVM was started with a JMX port",
    ),
    (
        "non-JRMP server",
        "the server does not speak Java RMI",
        "is it a JMX port, and one without TLS?",
    ),
    (
        "SSLHandshakeException",
        "the JMX server speaks TLS, which this engine doesn't",
        f"{_USE_NATIVE}, with tls",
    ),
)


def _failure(address: str, text: str) -> SourceError:
    for mark, message, hint in _FAILURES:
        if mark in text:
            return SourceError(f"{address}: {message}", hint)
    lines = [line.strip() for line in text.splitlines() if "xception" in line or "rror" in line]
    reason = (lines or [text.strip() or "no reason given"])[0][:300]
    return SourceError(f"{address}: jmxquery failed: {reason}", f"try: {_USE_NATIVE}")
