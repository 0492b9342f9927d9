"""Today's agents as they are run beside EdgeVitals: a page to scrape, and what scrapes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

from tests.lab import go
from tests.lab.part import Part
from tests.lab.ports import free_port
from tests.lab.process import Process

HOST = "127.0.0.1"
NUMBER = "scrape_number"
VMAGENT, PROMETHEUS_AGENT = "vmagent", "prometheus-agent"


class Page(Part):
    """A page of metrics for each agent; the value of every series is the number of the scrape."""

    def __init__(self, series: int) -> None:
        self.served: Counter[str] = Counter()
        page = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = page.text(self.path.strip("/"), series)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer((HOST, free_port()), Handler)
        self._thread = Thread(target=self._server.serve_forever, name="page", daemon=True)

    @property
    def address(self) -> str:
        return f"{HOST}:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def text(self, agent: str, series: int) -> bytes:
        self.served[agent] += 1
        number = self.served[agent]
        lines = [f"{NUMBER} {number}"]
        lines += (f'load{{place="{at // 40}",unit="{at % 40}"}} {number}' for at in range(series))
        return "\n".join([*lines, ""]).encode()


def vmagent(directory: Path, page: Page, write_url: str, interval_s: float) -> Process:
    config = _config(VMAGENT, directory, page, interval_s)
    command: list[str | Path] = [
        go.vmagent(),
        f"-promscrape.config={config}",
        f"-remoteWrite.url={write_url}",
        "-remoteWrite.forcePromProto",
        f"-remoteWrite.tmpDataPath={directory / 'queue'}",
        f"-httpListenAddr={HOST}:{free_port()}",
    ]
    return Process(VMAGENT, command, directory / "vmagent.log")


def prometheus_agent(directory: Path, page: Page, write_url: str, interval_s: float) -> Process:
    more = {"remote_write": [{"url": write_url}]}
    config = _config(PROMETHEUS_AGENT, directory, page, interval_s, more)
    command: list[str | Path] = [
        go.prometheus3(),
        "--agent",
        f"--config.file={config}",
        f"--storage.agent.path={directory / 'wal'}",
        f"--web.listen-address={HOST}:{free_port()}",
    ]
    return Process(PROMETHEUS_AGENT, command, directory / "prometheus-agent.log")


def _config(
    name: str,
    directory: Path,
    page: Page,
    interval_s: float,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write what to scrape: the page of this agent, as the job of its name."""
    target = {
        "job_name": name,
        "metrics_path": f"/{name}",
        "static_configs": [{"targets": [page.address]}],
    }
    interval = {"scrape_interval": f"{interval_s:g}s"}
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "config.yml"
    file.write_text(json.dumps({"global": interval, "scrape_configs": [target], **more}))
    return file
