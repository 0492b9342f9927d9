"""The door to traces of rounds: is anybody asked for them, and by what names.

One trace a round, from the scrape to each delivery, for whoever runs a receiver of traces. The
standard variables of OpenTelemetry decide (OTEL_EXPORTER_OTLP_ENDPOINT and its kind:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/); where they say
nothing, nothing of OpenTelemetry is imported. `spans.py` does the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from collector.rounds.recorder import Recorded
from collector.target import Target
from collector.telemetry import Telemetry, Watch

log = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class Traces(Protocol):
    """Who is told of rounds and of their deliveries."""

    def taken(self, recorded: Recorded, seconds: float, targets: Sequence[Target]) -> None:
        """A round was read from its targets, in so many seconds from its tick on."""
        ...

    def watch(self, name: str, to: str) -> Watch | None:
        """Who traces the deliveries of the pump `name`; None when nobody does."""
        ...

    def close(self) -> None:
        """Send what is left, for half a second at most."""
        ...


class NoTraces:
    """Nobody asked."""

    def taken(self, recorded: Recorded, seconds: float, targets: Sequence[Target]) -> None:
        pass

    def watch(self, name: str, to: str) -> Watch | None:
        pass

    def close(self) -> None:
        pass


def traces(environment: Mapping[str, str], telemetry: Telemetry) -> Traces:
    """The traces that the environment asks for.

    None without the extra `otel`, or where it asks for what isn't there: a line in the log says so.
    """
    if not are_asked_for(environment):
        return NoTraces()
    try:
        from collector.rounds.spans import Spans  # noqa: PLC0415 - 15 MiB, for those who asked alone
    except ImportError as error:
        log.warning(
            "the OTEL_ variables ask for traces, but %s is missing: pip install 'edgevitals[otel]'",
            error.name,
        )
        return NoTraces()
    return Spans(telemetry)


def are_asked_for(environment: Mapping[str, str]) -> bool:
    """Say whether the standard variables name a receiver that we can send traces to."""

    def value(name: str) -> str:
        return environment.get(name, "").strip()  # an empty variable counts as unset

    if value("OTEL_SDK_DISABLED").lower() == "true":
        return False
    exporters = value("OTEL_TRACES_EXPORTER").lower()
    if exporters == "none" or not (exporters or any(map(value, _ENDPOINTS))):
        return False
    if exporters and "otlp" not in exporters.split(","):
        log.warning("OTEL_TRACES_EXPORTER=%s: only otlp is known here, no traces", exporters)
        return False
    protocol = next(filter(None, map(value, _PROTOCOLS)), _PROTOCOL)
    if protocol != _PROTOCOL:
        log.warning("OTLP by %s is not known here, no traces: set it to %s", protocol, _PROTOCOL)
        return False
    return True
