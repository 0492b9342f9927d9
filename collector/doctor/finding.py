"""A finding: what was looked at, how it is, and what a person can type."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple


class Layer(StrEnum):
    """What a finding is about, in the order of the line."""

    CONFIG = "config"
    SPOOL = "spool"
    CLOCK = "clock"
    JMX = "jmx"
    SCRAPE = "scrape"
    DNS = "dns"
    NETWORK = "network"
    TLS = "tls"
    LOGIN = "login"
    KAFKA = "kafka"
    RIGHTS = "rights"
    TOPIC = "topic"
    PROXY = "proxy"
    SINK = "sink"


class Verdict(StrEnum):
    OK = "ok"
    PROBLEM = "problem"
    CANNOT_TELL = "cannot tell"


class Finding(NamedTuple):
    """`subject` is what was looked at, `says` how it is and why, `do` what to type, a line each."""

    layer: Layer
    subject: str
    verdict: Verdict
    says: str
    do: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same for scripts. Keys are only ever added."""
        return {
            "layer": self.layer.value,
            "subject": self.subject,
            "verdict": self.verdict.value,
            "says": self.says,
            "do": list(self.do),
        }


def ok(layer: Layer, subject: str, says: str, *do: str) -> Finding:
    return Finding(layer, subject, Verdict.OK, says, _told(do))


def problem(layer: Layer, subject: str, says: str, *do: str) -> Finding:
    return Finding(layer, subject, Verdict.PROBLEM, says, _told(do))


def cannot_tell(layer: Layer, subject: str, says: str, *do: str) -> Finding:
    return Finding(layer, subject, Verdict.CANNOT_TELL, says, _told(do))


def _told(do: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for line in do if line)


def worst(findings: Iterable[Finding]) -> Verdict:
    """A problem before a doubt, a doubt before nothing wrong."""
    found = {finding.verdict for finding in findings}
    for verdict in (Verdict.PROBLEM, Verdict.CANNOT_TELL):
        if verdict in found:
            return verdict
    return Verdict.OK
