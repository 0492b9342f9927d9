"""Pieces of the configuration that several of its sections have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from collector.discovery.found import JmxPort
from collector.discovery.telling import plain_sentence

FOLDER = "/etc/edgevitals"
"""Where secrets and certificates are supposed to be put."""


def word(text: str) -> str:
    """Return text as YAML has it, in quotes: no other form is safe for what comes from outside."""
    return json.dumps(plain_sentence(text), ensure_ascii=False)


def fits(kind: Callable[[str], object], text: str) -> bool:
    """Whether the configuration takes a text, by the function that reads it there."""
    try:
        kind(text)
    except ValueError:
        return False
    return text.isprintable()


def jmx_access(port: JmxPort) -> Iterator[str]:
    """Keys that say how a JVM is reached; the address comes first."""
    yield f"address: {word(str(port.address))}"
    if port.wants_password:
        yield "username: monitor    # of the role readonly"
        yield f"password_file: {FOLDER}/jmx-password"
    if port.has_tls:
        yield f"tls: true    # or: tls: {{ca_file: {FOLDER}/jmx-ca.pem}}"
    if port.has_registry_tls:
        yield "registry_tls: true"
