"""What must be right between keys: what needs what, and what may not be there twice.

Looks only at sections that could be read; those that could not have their own problem already.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from collector.config.headers import FILE_ENDING
from collector.config.links import LINK_JOB, LinkConfig
from collector.config.otlp import OtlpConfig
from collector.config.problems import WHOLE_FILE, KeyPath, Place, Problems, shown_path
from collector.config.reader import Reader
from collector.config.sinks import SinkConfig
from collector.config.sources import (
    CertificatesConfig,
    HostConfig,
    JmxAccess,
    JmxConfig,
    KafkaConfig,
    ScrapeConfig,
)
from collector.config.tree import Config, TopicConfig

_SERIES_OF_A_JVM, _SERIES_OF_A_HOST, _SERIES_OF_KAFKA = 4000, 600, 1000
_SERIES_OF_A_PAGE = 1000
_BYTES_A_SAMPLE = 1.7  # on the disk, at a round a record
_DAY_S = 86_400.0

OWN_JOB = "edgevitals"
"""The job label of what the collector says of itself."""


class _Target(NamedTuple):
    path: KeyPath
    job: str
    instance: str | None
    """None is the node's name."""


def check(reader: Reader, problems: Problems, node: str | None) -> None:
    """Report what doesn't fit together. `node` is the configured one."""
    _kafka_is_there(reader, problems)
    _targets_differ(reader, problems, node)
    _pulse_has_its_own_topic(reader, problems)
    _sinks_differ(reader, problems)
    _jvms_have_names(reader, problems)
    _links_fit(reader, problems)
    _jvms_can_be_entered(reader, problems)
    _urls_can_be_entered(reader, problems)
    _strangers_stay_out(reader, problems)
    _windows_hold_the_spool(reader, problems)
    config = reader.built.get(())
    if not isinstance(config, Config) or problems.has_errors:
        return
    if config.is_forwarder:
        _forwarder_makes_no_topic(reader, problems)
        return
    _lanes_are_a_forwarders(config, reader, problems)
    if not (config.sources.is_any or config.links or problems.has_errors):
        problems.warning(WHOLE_FILE, "nothing is read but the collector itself: add sources")


def _place(reader: Reader, path: KeyPath) -> Place:
    """The nearest thing above that is written somewhere."""
    while path and path not in reader.places:
        path = path[:-1]
    return reader.places.get(path, WHOLE_FILE).head


def _kafka_is_there(reader: Reader, problems: Problems) -> None:
    if ("kafka",) not in reader.places:
        for path in ("sources", "kafka"), ("topic",), ("links", 0):
            if path in reader.built:
                problems.error(
                    _place(reader, path),
                    'needs a connection: write "kafka: {bootstrap.servers: HOST:PORT}"',
                    path,
                )


def _forwarder_makes_no_topic(reader: Reader, problems: Problems) -> None:
    for key in ("max_size", "frame_after"):
        path = ("topic", key)
        if path in reader.places:
            problems.warning(
                reader.places[path],
                "has no effect without sources: then topics are only read. Leave it out, or add "
                "sources",
                path,
            )


def _lanes_are_a_forwarders(config: Config, reader: Reader, problems: Problems) -> None:
    for index, sink in enumerate(config.sinks):
        path = ("sinks", index, "lanes")
        if sink.lanes not in {None, 1}:
            problems.error(
                reader.places[path],
                "belongs to a forwarder (kafka, topic and sinks, and no sources): a site sends one "
                "request after the other. Leave it out",
                path,
            )


def _targets(reader: Reader) -> Iterator[_Target]:
    for path, section in sorted(reader.built.items(), key=lambda item: _place(reader, item[0])):
        if isinstance(section, JmxConfig | ScrapeConfig):
            yield _Target(path, section.job, section.target_instance)
        elif isinstance(section, HostConfig | KafkaConfig | CertificatesConfig | OtlpConfig):
            yield _Target(path, section.job, section.instance)
        elif isinstance(section, LinkConfig):
            yield _Target(path, LINK_JOB, section.name)


def _targets_differ(reader: Reader, problems: Problems, node: str | None) -> None:
    seen: dict[tuple[str, str | None], str] = {(OWN_JOB, node): "the collector's own"}
    for path, job, instance in _targets(reader):
        instance = instance or node  # noqa: PLW2901
        other = seen.get((job, instance))
        if other is None:
            line = _place(reader, path).line
            where = f" in line {line}" if line else ""
            seen[job, instance] = f"those of {shown_path(path)}{where}"
            continue
        named = f'"{instance}"' if instance else "the node"
        problems.error(
            _place(reader, path),
            f'job "{job}" and instance {named} are already {other}: give this one another instance',
            path,
        )


def _jvms_have_names(reader: Reader, problems: Problems) -> None:
    for path, section in reader.built.items():
        if isinstance(section, JmxConfig) and not section.names:
            below = (*path, "names")
            problems.error(reader.places[below], "is empty: write [default]", below)


def _links_fit(reader: Reader, problems: Problems) -> None:
    for path, link in reader.built.items():
        if not isinstance(link, LinkConfig):
            continue
        wrong = []
        if not link.jmx:
            wrong.append(("jmx", "is empty: write [{address: HOST:PORT}]"))
        if link.kind == "cluster_link":
            says = "is MirrorMaker's: a cluster link has none, leave it out"
            keys = ("source", "target", "connect", "offset_syncs")
            wrong += [(key, says) for key in keys if getattr(link, key)]
        elif link.side == "target" and link.offset_syncs:
            wrong.append(("offset_syncs", "is at the source: leave it out, or write side: source"))
        for key, says in wrong:
            problems.error(reader.places[*path, key], says, (*path, key))


def _jvms_can_be_entered(reader: Reader, problems: Problems) -> None:
    for path, jvm in reader.built.items():
        if not isinstance(jvm, JmxAccess):
            continue
        for key, says in wrong_keys(jvm):
            problems.error(reader.places[*path, *key], says, (*path, *key))
        if jvm.password_file and not jvm.tls and not _is_loopback(jvm.address.host):
            below = (*path, "password_file")
            problems.warning(
                reader.places[below], "the password travels unencrypted: use tls", below
            )


def wrong_keys(jvm: JmxAccess) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys of a JVM that don't go together, with what to do."""
    tls = jvm.tls
    if jvm.username and not jvm.password_file:
        yield ("username",), "needs a password_file beside it"
    if jvm.password_file and not jvm.username:
        yield ("password_file",), "needs a username beside it"
    if jvm.registry_tls and not tls:
        yield ("registry_tls",), 'needs tls beside it: write "tls: true", or keys below tls'
    if tls and tls.key_file and not tls.cert_file:
        yield ("tls", "key_file"), "needs the cert_file that it is the key of"
    if tls and not tls.verify_hostname and not tls.ca_file:
        yield (
            ("tls", "verify_hostname"),
            (
                "false needs a ca_file beside it: else a certificate for any host in the world "
                "would do. Name a CA that signs nothing else, or the JVM's own certificate"
            ),
        )
    if isinstance(jvm, JmxConfig) and jvm.engine == "jmxquery":
        for key, is_set, says in (
            ("password_file", jvm.password_file, "would show the password in the process list"),
            ("tls", tls, "can't be told which certificates to trust"),
            ("rmi_port", jvm.rmi_port, "connects to the port that the registry names"),
        ):
            if is_set:
                yield (key,), f"engine jmxquery {says}: leave this out, or use engine native"


def _pulse_has_its_own_topic(reader: Reader, problems: Problems) -> None:
    topic = reader.built.get(("topic",))
    if isinstance(topic, TopicConfig) and topic.pulse == topic.name:
        path = ("topic", "pulse")
        problems.error(
            reader.places[path], "is the topic of the rounds: give the pulse its own", path
        )


def _sinks_differ(reader: Reader, problems: Problems) -> None:
    seen: dict[str, KeyPath] = {}
    for path, section in sorted(reader.built.items(), key=lambda item: _place(reader, item[0])):
        if not isinstance(section, SinkConfig):
            continue
        first = seen.setdefault(section.name, path)
        if first != path:
            line = _place(reader, (*first, "name")).line
            problems.error(
                reader.places[*path, "name"],
                f'"{section.name}" is already the name of {shown_path(first)} in line {line}: '
                "positions are kept by this name, choose another",
                (*path, "name"),
            )


def _urls_can_be_entered(reader: Reader, problems: Problems) -> None:
    for path, sink in reader.built.items():
        if not isinstance(sink, SinkConfig | ScrapeConfig):
            continue
        wrong = _wrong_sink_keys(sink) if isinstance(sink, SinkConfig) else _wrong_logins(sink)
        for key, says in wrong:
            problems.error(reader.places[*path, *key], says, (*path, *key))
        what = "the token" if sink.token_file else "the password"
        if (sink.token_file or sink.password_file) and not _is_safe(sink.url):
            below = (*path, "url")
            problems.warning(reader.places[below], f"{what} travels unencrypted: use https", below)


def _strangers_stay_out(reader: Reader, problems: Problems) -> None:
    otlp = reader.built.get(("sources", "otlp"))
    if isinstance(otlp, OtlpConfig) and not _is_loopback(otlp.listen.host):
        path = ("sources", "otlp", "listen")
        problems.warning(
            _place(reader, path),
            "is open to everyone who reaches it, without a login: keep it to 127.0.0.1, or let a "
            "firewall choose",
            path,
        )


def _windows_hold_the_spool(reader: Reader, problems: Problems) -> None:
    """A spool that holds more time than a receiver takes brings rounds that are then withheld."""
    config = reader.built.get(())
    if not isinstance(config, Config):
        return
    sources = config.sources
    series = _SERIES_OF_A_JVM * len(sources.jmx)
    series += _SERIES_OF_A_PAGE * len(sources.scrape)
    series += _SERIES_OF_A_HOST * bool(sources.host) + _SERIES_OF_KAFKA * bool(sources.kafka)
    if not sources.jmx:
        return  # a few hundred series fit for years, and nobody means that
    held_s = config.spool.max_size / (series * _BYTES_A_SAMPLE) * config.interval_of("standard")
    for path, sink in reader.built.items():
        if isinstance(sink, SinkConfig) and held_s > 1.5 * sink.out_of_order_time_window:
            below = (*path, "out_of_order_time_window")
            problems.warning(
                _place(reader, below),
                f"the spool can hold about {held_s / _DAY_S:.0f} days of some {series:,} series, "
                "more than this: what is older is not sent, edgevitals export brings it. Make the "
                "receiver's window longer, or spool.max_size smaller",
                below,
            )


def _wrong_sink_keys(sink: SinkConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys of a sink that don't go together, with what to do."""
    yield from _wrong_logins(sink)
    if sink.proxy:
        yield from _half_logins(("proxy",), sink.proxy.username, sink.proxy.password_file)
    is_otlp = sink.protocol == "otlp"
    if sink.compression == ("snappy" if is_otlp else "gzip"):
        other = "gzip or zstd" if is_otlp else "snappy or zstd"
        yield ("compression",), f"protocol {sink.protocol} has {other}, or leave this out"
    seen: set[str] = set()
    for name in sink.headers:
        plain = name.removesuffix(FILE_ENDING).lower()
        if plain in seen:
            yield ("headers", name), "this header is already set above: leave one out"
        seen.add(plain)


def _wrong_logins(to: SinkConfig | ScrapeConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    if to.token_file and to.username:
        yield ("token_file",), "a request has one login: leave out this, or username"
    yield from _half_logins((), to.username, to.password_file)
    if to.tls and not to.url.startswith("https:"):
        yield ("tls",), "needs an https url"
    if to.tls and to.tls.key_file and not to.tls.cert_file:
        yield ("tls", "key_file"), "needs the cert_file that it is the key of"


def _half_logins(
    above: tuple[str, ...], username: str | None, password_file: object
) -> Iterator[tuple[tuple[str, ...], str]]:
    if username and not password_file:
        yield (*above, "username"), "needs a password_file beside it"
    if password_file and not username:
        yield (*above, "password_file"), "needs a username beside it"
    if username and ":" in username:
        yield (*above, "username"), "basic authentication can't carry a colon in it"


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
