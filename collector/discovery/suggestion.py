"""A configuration for what was found, as text with comments. Pure: a survey in, YAML out.

`edgevitals check` takes it as it is. What only a person knows (a password, an address to send to)
stands there with a word on it; what would be read twice is left as a comment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from collector.config import Address
from collector.config.scalars import host_name
from collector.discovery.found import (
    ConnectWorker,
    Found,
    JmxPort,
    KafkaPort,
    MetricsPage,
    Role,
    Unknown,
)
from collector.discovery.linking import links
from collector.discovery.survey import Survey, is_told_as
from collector.discovery.telling import (
    brokers,
    missing,
    plain,
    plain_sentence,
    role_of,
    rows,
    table,
)
from collector.discovery.wording import FOLDER, fits, jmx_access, word

MOST_LISTENERS = 50
MOST_SERVERS = 3
"""Brokers in bootstrap.servers: a client learns of the others."""
_PART_OF_DISK = 0.1
_MOST_MIB = 4096

_JOBS: dict[Role, str] = {
    "broker": "kafka",
    "controller": "kafka_controller",
    "connect": "connect",
    "mirrormaker": "mirrormaker2",
    "schema registry": "schema_registry",
    "ksqldb": "ksqldb",
    "rest proxy": "rest_proxy",
    "flink": "flink",
    "zookeeper": "zookeeper",
    "client": "application",
    "java": "java",
}
_FIRST: tuple[Role, ...] = tuple(_JOBS)
"""Brokers come first: whose own broker it is, is asked of the first of `sources.jmx`."""

_SECURITY = ("PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT")
_LAG_EXPORTERS = {"kafka_exporter", "kminion", "kafka-lag-exporter"}
_TAKEN = {"jmx_exporter", "node_exporter", "flink", *_LAG_EXPORTERS}
_MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


def config(survey: Survey, disk_bytes: Callable[[str], int | None] | None = None) -> str:
    """Return what was found as comments, and under it the configuration, if there is any use in it.

    `disk_bytes` says how large the file system of a directory is, None for one that isn't there.
    """
    lines = [*_head(survey)]
    if survey.is_useful:
        lines += _body(survey, disk_bytes or _disk_bytes)
    return "".join(f"{line}\n" for line in lines)


def _head(survey: Survey) -> Iterator[str]:
    asked = " ".join(survey.given)
    where = f"{plain(asked)}, from {plain(survey.host)}" if asked else plain(survey.host)
    yield f"# What `edgevitals discover` found on {where}:"
    yield "#"
    told = rows(survey)
    for line in table(told) if told else ["nothing"]:
        yield f"#   {line}"
    for title, sentences in (("Not found:", missing(survey)), ("Not seen:", survey.unseen)):
        if sentences:
            yield "#"
            yield f"# {title}"
            yield from (f"#   {plain_sentence(sentence)}" for sentence in sentences)


def _body(survey: Survey, disk_bytes: Callable[[str], int | None]) -> Iterator[str]:
    yield ""
    yield f"site: {word(site(survey.host))}    # the place: a label on everything"
    yield ""
    chosen = _listener(survey)
    if chosen is not None:
        yield from _kafka(survey, chosen)
    yield from _sources(survey, has_kafka=chosen is not None)
    if chosen is not None:
        yield from links(survey, chosen)
    if chosen is not None:
        yield ""
        yield "topic:    # made in Kafka at the start; without it the spool alone keeps the rounds"
        yield "  name: edgevitals.telemetry"
        yield f"  max_size: {_topic_size(survey, disk_bytes)}"
    yield from _sinks()


def _sinks() -> Iterator[str]:
    yield from (
        "",
        "# Where it is sent. Without sinks a linker may carry the topic, or a Prometheus scrape",
        "# http://127.0.0.1:9464/metrics with honor_labels: true.",
        "# sinks:",
        "#   - name: centre",
        '#     url: "https://metrics.example/api/v1/write"',
        f"#     token_file: {FOLDER}/token",
        "#     out_of_order_time_window: 31d    # as the receiver has it: see the README",
    )


def site(host: str) -> str:
    """Return a site's name, by the name of a host."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", host.partition(".")[0]).strip("-")[:64] or "site-1"


def _listener(survey: Survey) -> KafkaPort | None:
    """Return the listener that is easiest to use: no login, and no other address for clients."""

    def difficulty(one: KafkaPort) -> tuple[int, bool]:
        return _SECURITY.index(one.security), not any(is_told_as(one, to) for to in one.brokers)

    return min(brokers(survey), key=difficulty, default=None)


def _kafka(survey: Survey, chosen: KafkaPort) -> Iterator[str]:
    yield "kafka:"
    yield f"  bootstrap.servers: {word(','.join(map(str, _servers(survey, chosen))))}"
    if chosen.brokers and not any(is_told_as(chosen, to) for to in chosen.brokers):
        told = ", ".join(map(str, chosen.brokers[:MOST_SERVERS]))
        yield f"  # it sends its clients on to {plain(told)}: that must be reachable from here"
    if chosen.security != "PLAINTEXT":
        yield f"  security.protocol: {chosen.security}"
    if chosen.security.endswith("SSL"):
        yield f"  # ssl.ca.location: {FOLDER}/ca.pem    # if its CA is not one of this system's"
    if chosen.security.startswith("SASL"):
        known = next((one for one in _MECHANISMS if one in chosen.mechanisms), "PLAIN")
        if not set(_MECHANISMS) & set(chosen.mechanisms):
            yield f"  # it has {plain(', '.join(chosen.mechanisms))}"
        yield f"  sasl.mechanism: {known}"
        yield "  sasl.username: edgevitals    # what it must be allowed: docs/rights.md"
        yield f"  sasl.password_file: {FOLDER}/kafka-password"
    others = {
        one.cluster_id
        for one in brokers(survey)
        if one.cluster_id and chosen.cluster_id and one.cluster_id != chosen.cluster_id
    }
    for cluster in sorted(others):
        yield f"  # cluster {plain(cluster)} is here too: run another collector for it"
    yield ""


def _servers(survey: Survey, chosen: KafkaPort) -> list[Address]:
    """Return where to begin: what answered, then what its cluster names besides."""
    named = [to for to in chosen.brokers if len(chosen.brokers) > 1]
    others = [
        one.address
        for one in brokers(survey)
        if one.security == chosen.security
        and one.cluster_id == chosen.cluster_id
        and one.address.host != chosen.address.host
    ]
    found = [chosen.address, *(named or others)]
    own = [to for to in found[1:] if not is_told_as(chosen, to) and fits(host_name, to.host)]
    hosts = list(dict.fromkeys([chosen.address, *own]))
    return hosts[:MOST_SERVERS]


def _sources(survey: Survey, *, has_kafka: bool) -> Iterator[str]:
    yield "sources:"
    if survey.is_here:
        yield "  host: true"
    else:
        yield "  # host: true    # the machine that edgevitals runs on"
    if has_kafka:
        yield "  kafka: true    # groups, lag and topics"
    ports = [one for one in survey.found if isinstance(one, JmxPort)]
    if ports:
        yield "  jmx:"
        ports.sort(key=lambda one: _FIRST.index(role_of(survey, one)))
        for port in ports:
            yield from _jmx(survey, port)
    pages = [one for one in survey.found if isinstance(one, MetricsPage)]
    kept = {page.url: why for page in pages if (why := _why_not(survey, page, has_kafka))}
    if pages:
        yield "  scrape:" if len(kept) < len(pages) else "  # scrape:"
    for page in pages:
        yield from _page(survey, page, kept.get(page.url, ""))
    yield from _certificates(survey)


def _certificates(survey: Survey) -> Iterator[str]:
    """Look at every certificate that was met; those of what is read are looked at by themselves."""
    met = [one.address for one in survey.found if _has_tls(one)]
    read = any(isinstance(one, JmxPort) and one.has_tls for one in survey.found)
    if not met and read:
        yield "  certificates: true    # days left"
    if met:
        yield "  certificates:    # days left"
        words = ", ".join(word(str(address)) for address in met[:MOST_LISTENERS])
        yield f"    listeners: [{words}]"


def _has_tls(found: Found) -> bool:
    match found:
        case KafkaPort():
            return found.security.endswith("SSL")
        case JmxPort():
            return found.has_registry_tls
        case MetricsPage() | ConnectWorker():
            return found.url.startswith("https:")
        case Unknown():
            return found.has_tls
        case _:
            return False


def _jmx(survey: Survey, port: JmxPort) -> Iterator[str]:
    first, *rest = jmx_access(port)
    if port.trouble:
        yield f"    # {plain(port.trouble)}"
    yield f"    - {first}"
    yield f"      job: {_JOBS[role_of(survey, port)]}"
    yield from (f"      {line}" for line in rest)


def _page(survey: Survey, page: MetricsPage, why_not: str) -> Iterator[str]:
    mark = "    "
    if why_not:
        yield f"    # {page.exporter}: {why_not}"
        mark = "    # "
    yield f"{mark}- url: {word(page.url)}"
    yield f"{mark}  job: {_job(survey, page)}"


def _job(survey: Survey, page: MetricsPage) -> str:
    process = survey.owners.get(page.address)
    if page.exporter == "jmx_exporter":
        return _JOBS[process.role] if process is not None else "kafka"
    name = {"node_exporter": "node"}.get(page.exporter, page.exporter)
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)


def _why_not(survey: Survey, page: MetricsPage, has_kafka: bool) -> str:
    """Say why a page is not to be scraped; "" where it is."""
    if page.exporter == "edgevitals":
        return "a collector that runs already; its metrics are delivered by itself"
    if page.exporter == "node_exporter" and survey.is_here:
        return "host: true gives the same"
    if page.exporter in _LAG_EXPORTERS and has_kafka:
        return "kafka: true gives the same"
    if page.exporter == "jmx_exporter" and _is_read_by_jmx(survey, page):
        return "the JMX port above gives the same"
    if page.exporter not in _TAKEN:
        return "not of Kafka; take it in if you want it"
    return ""


def _is_read_by_jmx(survey: Survey, page: MetricsPage) -> bool:
    own = survey.owners.get(page.address)
    for one in survey.found:
        if isinstance(one, JmxPort) and not one.trouble:
            process = survey.owners.get(one.address)
            if own is not None and process is not None:
                if own.pid == process.pid:
                    return True
            elif one.address.host == page.address.host:
                return True
    return False


def _topic_size(survey: Survey, disk_bytes: Callable[[str], int | None]) -> str:
    """Return a bound for the topic: a tenth of the broker's disk where that is known."""
    folders = [folder for file in survey.files.values() for folder in file.log_dirs]
    sizes = [size for folder in folders[:16] if (size := disk_bytes(folder)) is not None]
    if not sizes:
        return "1GiB"
    mib = max(64, int(min(sizes) * _PART_OF_DISK) >> 20)
    if mib >= _MOST_MIB:
        return f"{_MOST_MIB >> 10}GiB"
    return f"{mib}MiB    # a tenth of the disk that the broker's data are on"


def _disk_bytes(folder: str) -> int | None:
    try:
        disk = os.statvfs(folder)
    except (OSError, ValueError):
        return None
    return disk.f_blocks * disk.f_frsize
