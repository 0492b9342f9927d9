"""Kafka: its name, the login, every broker that it names, our rights, and the telemetry topic."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from collector.admin.client import Admin
from collector.admin.wire import Broker, Failure
from collector.config import Config
from collector.doctor.finding import Finding, Layer, cannot_tell, ok, problem
from collector.doctor.handshake import Listener, listener
from collector.doctor.kafka_words import command, judged
from collector.doctor.sink import named
from collector.errors import ConfigError
from collector.rights import look as look_at_rights
from collector.rights import needed
from collector.security.credentials import kafka_properties
from collector.topic.settings import advise

_CALL_S = 8.0
_CONNECT_S = 3.0
_MOST_BROKERS = 20


def look(config: Config) -> Iterator[Finding]:
    """Connect, and go on as far as it goes."""
    subject = str(config.kafka["bootstrap.servers"])
    try:
        properties = kafka_properties(config)
    except ConfigError as error:
        yield problem(Layer.LOGIN, subject, error.message, error.hint)
        return
    servers = [_address(server.strip()) for server in subject.split(",")]
    names = [named(*server, "bootstrap.servers") for server in servers]
    yield from names
    if all(one.verdict != "ok" for one in names):
        return
    with closing(Admin(properties)) as admin:
        found = admin.brokers(_soon())
        if isinstance(found, Failure):
            yield judged(subject, found, config.kafka, _listener(config))
            return
        yield ok(Layer.KAFKA, subject, f"{len(found)} brokers answer to us")
        for broker in found[:_MOST_BROKERS]:
            yield _reached(broker)
        yield from _rights(config, admin)
        yield from _topic(config, admin)


def _listener(config: Config) -> Listener:
    """What the first port is that is open; the last one where none is."""
    found = Listener(is_open=False)
    ca = config.kafka.get("ssl.ca.location")
    for server in str(config.kafka["bootstrap.servers"]).split(","):
        found = listener(*_address(server.strip()), Path(ca) if ca else None)
        if found.is_open:
            break
    return found


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition("://")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else 9092


def _reached(broker: Broker) -> Finding:
    """Connect to a broker where it says that it is: most often the trouble behind a first answer.

    A connection that is opened and closed: brokers note it at most in a debug log.
    """
    subject = f"broker {broker.id} ({broker.host}:{broker.port})"
    try:
        socket.create_connection((broker.host, broker.port), timeout=_CONNECT_S).close()
    except OSError as error:
        layer = Layer.DNS if isinstance(error, socket.gaierror) else Layer.NETWORK
        says = f"its advertised address can't be reached: {error.strerror or error}"
        do = "correct advertised.listeners of that broker, or the name, route or firewall to it"
        return problem(layer, subject, says, do)
    return ok(Layer.NETWORK, subject, "its advertised address is open to us")


def _rights(config: Config, admin: Admin) -> Iterator[Finding]:
    rights = needed(config)
    if not rights:
        return
    found = look_at_rights(admin, rights, _CALL_S)
    if isinstance(found, Failure):
        yield judged("our rights", found, config.kafka)
        return
    yield from (
        problem(
            Layer.RIGHTS,
            str(right),
            f"it is missing, so there is no: {right.needs}",
            command(right, config.kafka),
        )
        for right in found.missing
    )
    known = len(rights) - len(found.missing) - len(found.unknown)
    if known and not found.missing:
        later = f"; {len(found.unknown)} can't be told yet, their topic or groups aren't there"
        says = f"{known} of {len(rights)} are there{later if found.unknown else ''}"
        yield ok(Layer.RIGHTS, "our rights", says)


def _topic(config: Config, admin: Admin) -> Iterator[Finding]:
    topic = config.topic_name
    if topic is None or "{site}" in topic:
        return
    found = admin.describe_topic(topic, _soon())
    if isinstance(found, Failure):
        if found.is_forbidden:
            return  # it was said with the rights
        if not found.is_missing:
            yield judged(topic, found, config.kafka)
        elif config.is_forwarder:
            do = "look at topic.name; a linker makes it when the first site is connected"
            yield problem(Layer.TOPIC, topic, "there is no such topic", do)
        else:
            yield ok(Layer.TOPIC, topic, "it isn't there yet, and is made at the first start")
        return
    settings = admin.topic_config(topic, _soon())
    values: Mapping[str, str] = {} if isinstance(settings, Failure) else settings.values
    least = int(values.get("min.insync.replicas", "1"))
    if found.in_sync < least:
        yield problem(
            Layer.TOPIC,
            topic,
            f"{found.in_sync} of {found.replication_factor} replicas are in sync, "
            f"min.insync.replicas asks for {least}: nothing can be written",
            "start the brokers that are down",
        )
    advice = {} if config.is_forwarder else advise(topic, found.partitions, values)
    for says in advice.values():
        yield problem(Layer.TOPIC, topic, *_split(says))
    if isinstance(settings, Failure) and not settings.is_forbidden:
        yield cannot_tell(Layer.TOPIC, topic, str(settings))
    elif not advice and found.in_sync >= least:
        yield ok(
            Layer.TOPIC, topic, f"{found.partitions} partitions, {found.in_sync} replicas in sync"
        )


def _split(advice: str) -> tuple[str, str]:
    """An advice ends with what to type."""
    says, colon, do = advice.rpartition(": ")
    return (says, do) if colon else (advice, "")


def _soon() -> float:
    return time.monotonic() + _CALL_S
