"""The certificates that the configuration names already: its own ways in and out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from collector.config import Config
from collector.config.scalars import Address, address

_OF_KAFKA = ("ssl.certificate.location", "ssl.ca.location")


def configured_files(config: Config) -> Iterator[Path]:
    """Files of certificates of every `tls` section, and of the connection to Kafka."""
    sources = config.sources
    of_sinks = [sink.tls for sink in config.sinks]
    of_sources = [*(jmx.tls for jmx in sources.jmx), *(page.tls for page in sources.scrape)]
    for tls in (*of_sinks, *of_sources):
        if tls is not None:
            yield from (file for file in (tls.cert_file, tls.ca_file) if file)
    for name in _OF_KAFKA:
        value = config.kafka.get(name)
        if value and value != "probe" and not Path(value).is_dir():
            yield Path(value)


def configured_listeners(config: Config) -> Iterator[Address]:
    """What is read by TLS: brokers, JVMs whose port is known, pages. The sinks are far away."""
    if str(config.kafka.get("security.protocol", "")).upper() in {"SSL", "SASL_SSL"}:
        for server in str(config.kafka.get("bootstrap.servers", "")).split(","):
            try:
                yield address(server.strip().rpartition("://")[2])
            except ValueError:
                continue  # librdkafka takes more than we do: a name without a port
    for jmx in config.sources.jmx:
        if jmx.tls and (jmx.rmi_port or jmx.registry_tls):
            yield Address(jmx.address.host, jmx.rmi_port or jmx.address.port)
    for page in config.sources.scrape:
        parts = urlsplit(page.url)
        if parts.scheme == "https" and parts.hostname:
            yield Address(parts.hostname, parts.port or 443)
