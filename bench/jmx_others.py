"""The others of the bench jmx: jmx_exporter 1.0.1 both ways, and jmxquery."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jmxquery
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.jmx_reader import Taken
from tests.lab import parts
from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.waiting import wait_for

TOPICS, PARTITIONS = 62, 4
_JARS = "jmx-exporter-1.0.1"


def cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads, those that ended too.

    By the clock that Linux has for each process (MAKE_PROCESS_CPUCLOCK in its
    posix-timers.h): nanoseconds, where /proc/PID/stat has hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


class Page:
    """What a jmx_exporter serves; `cpu_s` is not its own where it runs in the broker."""

    def __init__(self, port: int, pid: int) -> None:
        self._url = f"http://{HOST}:{port}/metrics"
        self._pid = pid

    def read(self, times: int) -> Taken:
        page = b""
        began, cpu = time.monotonic(), cpu_s(self._pid)
        for _ in range(times):
            with urllib.request.urlopen(self._url, timeout=60.0) as answer:
                page = answer.read()
        took, used = time.monotonic() - began, cpu_s(self._pid) - cpu
        if b"\njmx_scrape_error 0.0" not in page:
            raise RuntimeError(f"{self._url}: jmx_exporter could not read the broker")
        lines = (line for line in page.splitlines() if not line.startswith((b"#", b"jmx_")))
        return Taken(took / times, used / times, sum(1 for _ in lines))

    def is_there(self) -> bool:
        try:
            urllib.request.urlopen(self._url, timeout=60.0).close()
        except OSError:
            return False
        return True


@contextmanager
def exporter(broker: Kafka, rules: str, directory: Path) -> Iterator[Page]:
    """jmx_exporter in a JVM of its own, with the options that it would get on a small machine."""
    file, port = directory / "httpserver.yaml", free_port()
    file.write_text(f"hostPort: {broker.jmx_address}\n{rules}")
    command: parts.Command = [
        parts.java(),
        "-Xmx128m",
        "-jar",
        _jar("httpserver"),
        f"{HOST}:{port}",
        file,
    ]
    with Process("jmx_exporter", command, directory / "httpserver.log") as process:
        page = Page(port, process.pid)
        process.wait_until(page.is_there, 60.0)
        yield page


class Agent:
    """A broker with the javaagent in it: both ways into the same JVM, the same MBeans."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "javaagent.yaml"
        self._file.write_text("{}")
        self._port = free_port()
        agent = f"-javaagent:{_jar('javaagent')}={HOST}:{self._port}:{self._file}"
        # The lab's small heap is for a few topics: here it would be garbage collection that counts.
        self.broker = Kafka(directory / "kafka", jvm=["-Xmx384m", "-Xms384m", agent])

    def page(self, rules: str) -> Page:
        """Let it follow other rules. It reads the file again when that is newer than it was."""
        later = self._file.stat().st_mtime + 10.0
        self._file.write_text(rules)
        os.utime(self._file, (later, later))
        return Page(self._port, self.broker.process.pid)


class Query:
    """jmxquery as its users have it: a JVM for each reading, default options, all it knows to do.

    It takes patterns and can't leave out what they match, nor name anything.
    """

    def __init__(self, broker: Kafka, patterns: Sequence[str]) -> None:
        url = f"service:jmx:rmi:///jndi/rmi://{broker.jmx_address}/jmxrmi"
        self._connection = jmxquery.JMXConnection(url)
        self._queries = [jmxquery.JMXQuery(pattern) for pattern in patterns]

    def read(self, times: int) -> Taken:
        found: list[object] = []
        began = time.monotonic()
        for _ in range(times):
            found = self._connection.query(self._queries, timeout=60)
        return Taken((time.monotonic() - began) / times, 0.0, len(found))


def add_topics(broker: Kafka) -> None:
    """About 250 partitions, and a record in each: a topic has its meters when it has been used."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    names = [f"plant-{number}" for number in range(TOPICS)]
    topics = [NewTopic(name, PARTITIONS, 1) for name in names]
    for created in client.create_topics(topics, operation_timeout=60.0).values():
        created.result(60.0)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for name in names:
        for partition in range(PARTITIONS):
            producer.produce(name, b"x" * 100, partition=partition)
    wait_for(lambda: producer.flush(1.0) == 0, 60.0, "a record in every partition")


def _jar(what: str) -> Path:
    return next(parts.jars(_JARS).glob(f"jmx_prometheus_{what}-*.jar"))
