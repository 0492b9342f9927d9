"""A real receiver of traces: Jaeger, which keeps them in memory and answers for them by HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab import go
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

HOST = "127.0.0.1"
START_SECONDS = 30.0
_DOORS = (
    "admin.http",
    "collector.grpc-server",
    "collector.http-server",
    "collector.otlp.grpc",
    "collector.otlp.http",
    "query.grpc-server",
    "query.http-server",
)


class Span(NamedTuple):
    """Times are Unix time in seconds; `parent` is the id of another span of the trace."""

    id: str
    parent: str | None
    name: str
    start: float
    end: float
    tags: dict[str, Any]
    events: list[dict[str, Any]]


class Jaeger(Part):
    def __init__(self, directory: Path) -> None:
        ports = {door: free_port() for door in _DOORS}
        self.otlp_url = f"http://{HOST}:{ports['collector.otlp.http']}"
        self._url = f"http://{HOST}:{ports['query.http-server']}"
        flags = [f"--{door}.host-port={HOST}:{port}" for door, port in ports.items()]
        self.process = Process("Jaeger", [go.jaeger(), *flags], directory / "jaeger.log")

    def start(self) -> None:
        self.process.start()
        self.process.wait_until(lambda: self._ask("services") is not None, START_SECONDS)

    def stop(self) -> None:
        self.process.stop()

    def services(self) -> list[str]:
        return sorted(self._ask("services") or [])

    def trace(self, trace_id: int) -> list[Span]:
        """The spans of a trace by their start, the first one's before its children; none yet."""
        [found] = self._ask(f"traces/{trace_id:032x}") or [{"spans": []}]
        spans = map(_span, found["spans"])
        return sorted(spans, key=lambda span: (span.start, span.parent is not None))

    def _ask(self, what: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self._url}/api/{what}", timeout=5.0) as answer:
                return json.load(answer)["data"] or []
        except urllib.error.HTTPError as refusal:  # 404: no such trace yet
            refusal.close()
            return []
        except OSError:
            return None


def _span(it: dict[str, Any]) -> Span:
    start = it["startTime"] / 1e6
    parents = [ref["spanID"] for ref in it["references"] if ref["refType"] == "CHILD_OF"]
    return Span(
        it["spanID"],
        parents[0] if parents else None,
        it["operationName"],
        start,
        start + it["duration"] / 1e6,
        _values(it["tags"]),
        [_values(event["fields"]) for event in it["logs"]],
    )


def _values(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in pairs}
