"""A real Alertmanager with a configuration of its own."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.lab import go
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

HOST = "127.0.0.1"
START_SECONDS = 30.0


class Alertmanager(Part):
    """One of its own, no cluster. `flags` beside the configuration's and the address."""

    def __init__(self, config: Path, directory: Path, flags: Sequence[str] = ()) -> None:
        self.address = f"{HOST}:{free_port()}"
        self.url = f"http://{self.address}"
        self.process = Process(
            "Alertmanager",
            [
                go.alertmanager(),
                f"--config.file={config}",
                f"--storage.path={directory}",
                f"--web.listen-address={self.address}",
                *flags,
            ],
            directory / "alertmanager.log",
        )

    def start(self) -> None:
        """Start it and return when it says that it is ready. Raises StartError."""
        self.process.start()
        self.process.wait_until(self._is_ready, START_SECONDS)

    def stop(self) -> None:
        self.process.stop()

    def post(self, alerts: Iterable[Mapping[str, str]]) -> None:
        """Tell alerts by their labels, as Prometheus does: firing now, and for an hour."""
        now = datetime.now(UTC)
        body = [
            {
                "labels": dict(labels),
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(hours=1)).isoformat(),
            }
            for labels in alerts
        ]
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10.0):
            pass

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it has, as its API words them: `status.state` and so on."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10.0) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2.0) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
