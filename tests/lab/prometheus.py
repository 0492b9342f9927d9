"""A real Prometheus that takes remote write and answers PromQL, and keeps no clock of its own.

Debian's package, which is a Prometheus 2, or a Prometheus 3 built from its Go module; both without
their web pages: `http://.../api/v1` is all there is.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.lab import go, parts
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

HOST = "127.0.0.1"
START_SECONDS = 30.0


class Sample(NamedTuple):
    labels: dict[str, str]
    time: float
    value: float


class Track(NamedTuple):
    """A series and its (time, value) pairs, oldest first."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class QueryError(Exception):
    """Prometheus refused a query; the message is its own."""


class Prometheus(Part):
    """One receiver. It keeps its port and its data over `stop`, `kill` and `start`.

    `out_of_order` is the time window as Prometheus writes it ("30d"), None for none. `release` 3
    takes remote write 2.0 and OTLP too, at `otlp_url`. With a `config` of its own it is left as it
    is, and `out_of_order`, `rules` and `evaluation_interval` say nothing.
    """

    def __init__(
        self,
        directory: Path,
        *,
        out_of_order: str | None = "31d",
        rules: Sequence[Path] = (),
        evaluation_interval: str = "5s",
        flags: Sequence[str] = (),
        release: Literal[2, 3] = 2,
        config: Path | None = None,
    ) -> None:
        self.directory = directory
        self._file = config or directory / "prometheus.yml"
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.write_url = f"{self.url}/api/v1/write"
        self.otlp_url = f"{self.url}/api/v1/otlp/v1/metrics"
        self._config: dict[str, Any] = {
            "global": {"evaluation_interval": evaluation_interval},
            "rule_files": [str(path.absolute()) for path in rules],
        }
        if out_of_order:
            self._config["storage"] = {"tsdb": {"out_of_order_time_window": out_of_order}}
        self.process = Process(
            "Prometheus",
            [
                go.prometheus3() if release == 3 else parts.prometheus(),
                f"--config.file={self._file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={HOST}:{self.port}",
                "--web.enable-remote-write-receiver",
                *(["--web.enable-otlp-receiver"] if release == 3 else []),
                *flags,
            ],
            directory / "prometheus.log",
        )

    def start(self) -> None:
        """Start it and return when it says that it is ready. Raises StartError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._file.parent == self.directory:
            self._file.write_text(json.dumps(self._config))  # which is YAML too
        self.process.start()
        self.process.wait_until(self._is_ready, START_SECONDS)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """Return an instant vector, or a scalar as one sample without labels; `at` in epoch s."""
        result = self._ask("query", query=promql, time=at)
        if result["resultType"] == "scalar":
            return [Sample({}, *_point(result["result"]))]
        return [Sample(one["metric"], *_point(one["value"])) for one in result["result"]]

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[Track]:
        return _tracks(self._ask("query_range", query=promql, start=start, end=end, step=step))

    def samples(self, selector: str, window: str, at: float | None = None) -> list[Track]:
        """Return the stored samples themselves, as of `at` and back to `window` ("10m") before.

        Stale markers are not among them: Prometheus shows them to nobody.
        """
        return _tracks(self._ask("query", query=f"{selector}[{window}]", time=at))

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing, as the API words them."""
        found: list[dict[str, Any]] = self._ask("alerts")["alerts"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their `health` and `lastError`, as the API words them."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2.0) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _ask(self, what: str, **arguments: str | float | None) -> dict[str, Any]:
        given = {name: value for name, value in arguments.items() if value is not None}
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(given)}"
        try:
            with urllib.request.urlopen(url, timeout=30.0) as answer:
                data: dict[str, Any] = json.load(answer)["data"]
                return data
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise QueryError(refusal.read().decode(errors="replace")) from refusal


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def _tracks(result: dict[str, Any]) -> list[Track]:
    return [Track(one["metric"], [_point(p) for p in one["values"]]) for one in result["result"]]
