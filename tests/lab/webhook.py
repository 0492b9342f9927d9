"""A receiver of webhooks that takes everything and remembers it, each connection by itself."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

from tests.lab.part import Part
from tests.lab.ports import free_port

HOST = "127.0.0.1"


class Call(NamedTuple):
    """What came: the path, the login, and the JSON of the body."""

    path: str
    authorization: str
    told: dict[str, Any]


class Webhook(Part):
    """`calls` has what came, oldest first."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"

    def start(self) -> None:
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                login = self.headers.get("Authorization", "")
                calls.append(Call(self.path, login, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, self.port), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
