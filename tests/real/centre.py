"""The centre of deploy/central for a test: its own files, started."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.lab.alertmanager import Alertmanager
from tests.lab.part import Part
from tests.lab.prometheus import Prometheus
from tests.lab.webhook import Call, Webhook

PROJECT = Path(__file__).parents[2]
CENTRAL = PROJECT / "deploy/central"
SHARED = ("deploy/central", "alerts", "dashboards/out")
IN_CONTAINERS = "/etc/edgevitals"
TOKEN = "let-me-in"

_DURATION = re.compile(
    r"^(?P<key>[\s-]*(?:\w*interval|for|keep_firing_for|group_wait): )(?P<n>\d+)(?P<unit>[smhd])$",
    re.MULTILINE,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Centre(Part):
    """Prometheus and Alertmanager by the files of deploy/central, and a webhook that they reach.

    The addresses are put right as its README says, and nothing else; when `hurried`, each minute of
    an interval, a `for` and a group's wait is a second.
    """

    def __init__(self, directory: Path, *, hurried: bool = False) -> None:
        self.directory = directory
        self.files = directory / "deploy/central"
        for name in SHARED:
            shutil.copytree(PROJECT / name, directory / name)
        (self.files / "secrets/webhook_token").write_text(TOKEN)
        self.webhook = Webhook()
        self.alertmanager = Alertmanager(
            self.files / "alertmanager.yml",
            directory / "alertmanager",
            self._flags("alertmanager", "--config.file", "--storage.path"),
        )
        self.prometheus = Prometheus(
            directory / "prometheus",
            release=3,
            config=self.files / "prometheus.yml",
            flags=self._flags(
                "prometheus",
                "--config.file",
                "--storage.tsdb.path",
                "--web.enable-remote-write-receiver",
            ),
        )
        self._put("prometheus.yml", "alertmanager:9093", self.alertmanager.address)
        self._put("prometheus.yml", "localhost:9090", self.prometheus.url.removeprefix("http://"))
        self._put("alertmanager.yml", "https://alerts.example", self.webhook.url)
        if hurried:
            for file in (*self.files.glob("*.yml"), *(directory / "alerts").glob("*.yaml")):
                file.write_text(hurry(file.read_text()))
        self._stack = ExitStack()

    def start(self) -> None:
        for part in (self.webhook, self.alertmanager, self.prometheus):
            self._stack.enter_context(part)

    def stop(self) -> None:
        self._stack.close()

    def calls(self, receiver: str) -> list[Call]:
        """What the webhook of a receiver was told, oldest first."""
        return [call for call in list(self.webhook.calls) if call.path == f"/{receiver}"]

    def _flags(self, service: str, *given: str) -> list[str]:
        """The flags of compose.yaml, without those that the lab gives with paths of its own."""
        flags = command_of(service)
        names = {flag.partition("=")[0] for flag in flags}
        assert set(given) <= names, f"{service} lacks one of {given}"
        return [flag for flag in flags if flag.partition("=")[0] not in given]

    def _put(self, name: str, old: str, new: str) -> None:
        file = self.files / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CENTRAL / "compose.yaml").read_text())["services"]
    return found


def command_of(service: str) -> list[str]:
    return [str(flag) for flag in services()[service]["command"]]


def hurry(text: str) -> str:
    """The text with each minute of its waits and intervals made a second."""
    return _DURATION.sub(
        lambda m: f"{m['key']}{int(m['n']) * _SECONDS[m['unit']] * 1000 // 60}ms", text
    )
