"""What a web server is, by a page or two of it: bytes in, judgement out, no socket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from collector.discovery.found import Mirror
from collector.sources.exposition import Exposition, Limits, Refused

MOST_BYTES = 1 << 20
"""Of a page: enough to see what it is. node_exporter's has 100 KiB, a broker's agent some MiB."""
MOST_MIRRORS = 20
MOST_TOPICS = 50

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r?\n")
_LIMITS = Limits(samples=50_000, labels=64, name_bytes=256, value_bytes=4096)

EXPORTERS: tuple[tuple[str, str], ...] = (
    ("edgevitals_", "edgevitals"),
    ("jmx_exporter_build_info", "jmx_exporter"),
    ("jmx_scrape_duration_seconds", "jmx_exporter"),
    ("jmx_config_reload_", "jmx_exporter"),
    ("node_exporter_build_info", "node_exporter"),
    ("node_uname_info", "node_exporter"),
    ("kafka_consumergroup_group_", "kafka-lag-exporter"),
    ("kminion_", "kminion"),
    ("kafka_exporter_build_info", "kafka_exporter"),
    ("kafka_brokers", "kafka_exporter"),
    ("flink_", "flink"),
    ("prometheus_build_info", "prometheus"),
    ("go_info", "a Go program"),
    ("python_info", "a Python program"),
    ("jvm_", "a Java program"),
)
"""The beginning of a metric's name, and whose it is; the first that is met counts."""


class Reply(NamedTuple):
    """A web server's answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Judged(NamedTuple):
    """A page of metrics."""

    exporter: str
    samples: int


def request(path: str, host: str) -> bytes:
    """Return a question of HTTP/1.0, whose answer ends where the connection does."""
    lines = (
        f"GET {path} HTTP/1.0",
        f"Host: {host}",
        "Accept: text/plain;version=0.0.4, application/json;q=0.9, */*;q=0.1",
        "User-Agent: edgevitals",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def is_http(data: bytes) -> bool:
    """Whether an answer of which at least 3 bytes came is a web server's."""
    return len(data) >= 3 and b"HTTP/".startswith(data[:5])


def read_reply(data: bytes) -> Reply | None:
    """Take an answer apart; None when it isn't one."""
    first = _STATUS.match(data)
    if first is None:
        return None
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        head, mark, body = data.partition(b"\n\n")
    headers = {}
    for line in head[first.end() :].decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _without_chunks(body)
    return Reply(int(first[1]), headers, body)


def metrics_of(reply: Reply, *, is_whole: bool) -> Judged | None:
    """Say whose metrics these are; None when it is no page of metrics.

    Of a page that is not whole the last line is left out.
    """
    kind = reply.headers.get("content-type", "text/plain").lower()
    if reply.status != 200 or not (kind.startswith("text/plain") or "openmetrics" in kind):
        return None
    body = reply.body if is_whole else reply.body[: reply.body.rfind(b"\n") + 1]
    names: set[str] = set()

    def intern(family: Any, labels: Mapping[str, str], suffix: str) -> int:
        del labels
        names.add(family.name + suffix)
        return next_id()

    count = 0

    def next_id() -> int:
        nonlocal count
        count += 1
        return count

    try:
        Exposition(intern, _LIMITS).take(body)
    except (Refused, UnicodeDecodeError):
        return None
    return Judged(_exporter(names), count) if count else None


def service_of(reply: Reply) -> str:
    """Name what answers at `/`: "" when it isn't known."""
    kind = reply.headers.get("content-type", "")
    place = reply.headers.get("location", "")
    if "schemaregistry" in kind:
        return "Schema Registry"
    if "ksql" in kind or place.endswith("/info") or "KsqlServerInfo" in _object(reply.body):
        return "ksqlDB"
    if b"Apache Flink" in reply.body:
        return "Flink"
    if b"<title>Prometheus" in reply.body or b"Prometheus Time Series" in reply.body:
        return "Prometheus"
    if "kafka" in kind:
        return "Kafka REST proxy"
    return ""


def connect_of(reply: Reply) -> tuple[str, str] | None:
    """Return the version of a Connect worker and the id of its cluster; None when it is none."""
    found = _object(reply.body)
    version, cluster = found.get("version"), found.get("kafka_cluster_id")
    if reply.status != 200 or not isinstance(version, str) or not isinstance(cluster, str):
        return None
    return version, cluster


def connectors_of(reply: Reply) -> tuple[int, tuple[Mirror, ...]] | None:
    """Return how many connectors there are, and the mirrors among them.

    Of their configurations, which hold passwords, a few named keys are looked at and no more.
    """
    found = _object(reply.body)
    if reply.status != 200:
        return None
    configs = [
        (name, config)
        for name, about in found.items()
        if isinstance(about, dict) and isinstance(config := _info(about).get("config"), dict)
    ]
    mirrors = [
        _mirror(name, config)
        for name, config in configs
        if str(config.get("connector.class", "")).endswith("MirrorSourceConnector")
    ]
    return len(found), tuple(mirrors[:MOST_MIRRORS])


def _mirror(name: str, config: Mapping[str, Any]) -> Mirror:
    return Mirror(
        name=name,
        source=str(config.get("source.cluster.alias", "source")),
        target=str(config.get("target.cluster.alias", "target")),
        topics=words(config.get("topics", ".*")),
        source_servers=words(config.get("source.cluster.bootstrap.servers", "")),
        target_servers=words(config.get("target.cluster.bootstrap.servers", "")),
    )


def words(text: object) -> tuple[str, ...]:
    """Return the words of a list as Kafka's properties have it, with commas between."""
    found = [word.strip() for word in str(text).split(",")]
    return tuple([word for word in found if word][:MOST_TOPICS])


def _info(about: Mapping[str, Any]) -> Mapping[str, Any]:
    info = about.get("info", about)
    return info if isinstance(info, dict) else {}


def _exporter(names: Iterable[str]) -> str:
    found = tuple(names)
    for start, exporter in EXPORTERS:
        if any(name.startswith(start) for name in found):
            return exporter
    return "metrics"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _without_chunks(body: bytes) -> bytes:
    text = bytearray()
    while True:
        size, mark, body = body.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if not mark or length <= 0:
            break
        text += body[:length]
        body = body[length + 2 :]
    return bytes(text)
