"""What is answered under each path. No sockets here: `server` asks, `listener` sends.

Everything is made when it is asked for, from what the rest of the program has at hand: a page
never waits for a round, and no round waits for a page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import NamedTuple, Protocol

import msgspec

from collector.series import Series
from collector.status import exposition
from collector.status.model import Status

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"

_SILENT_ROUNDS = 3
_SILENT_SECONDS = 60.0

HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
"""On every answer: a status page is data, and no other page's business."""


class View(Protocol):
    """What the pages need to know. Called from the server's threads, at most two at a time."""

    def samples(self) -> Iterable[tuple[Series, float]]:
        """The latest round and what the process counts of itself.

        No stale markers, no cells without a sample, no series twice.
        """
        ...

    def status(self) -> Status: ...

    def last_round_age(self) -> float | None:
        """Seconds since the last round was taken, None before the first."""
        ...


class Answer(NamedTuple):
    code: int
    content_type: str
    body: bytes


class Pages:
    """The paths and their answers."""

    def __init__(self, view: View, clock: Callable[[], float] = time.monotonic) -> None:
        self._view = view
        self._clock = clock
        self._since = clock()
        self._rendering = Lock()  # one big page in memory at a time, however many ask
        self._paths: dict[str, Callable[[], Answer]] = {
            "/": self._index,
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/readyz": self._ready,
            "/status.json": self._status,
        }

    def answer(self, path: str) -> Answer:
        """Return the answer to a GET of `path`."""
        page = self._paths.get(path)
        if page is None:
            known = "  ".join(self._paths)
            return _text(404, f"Nothing is here. What there is: {known}")
        return page()

    def _index(self) -> Answer:
        status = self._view.status()
        lines = [
            f"EdgeVitals {status.version}, site {status.site}, node {status.node}",
            *(f"Problem: {problem}" for problem in status.problems),
            "",
            "/metrics      the latest round, for Prometheus",
            "/status.json  what each part is doing",
            "/healthz      200 while rounds are taken",
            "/readyz       200 after the first round",
        ]
        return _text(200, "\n".join(lines))

    def _metrics(self) -> Answer:
        with self._rendering:
            body = exposition.render(self._view.samples())
        return Answer(200, exposition.CONTENT_TYPE, body)

    def _status(self) -> Answer:
        return Answer(200, _JSON, msgspec.json.encode(self._view.status()) + b"\n")

    def _health(self) -> Answer:
        interval = self._view.status().interval_seconds
        bound = max(_SILENT_ROUNDS * interval, _SILENT_SECONDS)
        age = self._view.last_round_age()
        if age is None:
            # The first round gets the same time, by the monotonic clock: a device without a
            # battery jumps from 1970 to today soon after its start.
            age = self._clock() - self._since
            if age < bound:
                return _text(200, f"No round yet, {age:.0f} s after the start.")
        elif age < bound:
            return _text(200, f"The last round was taken {age:.0f} s ago.")
        return _text(
            503,
            f"No round for {age:.0f} s, more than {bound:.0f} s. "
            "The log says why; a full or failing disk is the usual reason.",
        )

    def _ready(self) -> Answer:
        age = self._view.last_round_age()
        if age is None:
            return _text(503, "The first round is not taken yet. Ask again in an interval.")
        return _text(200, "Ready.")


def _text(code: int, message: str) -> Answer:
    return Answer(code, _TEXT, f"{message}\n".encode("utf-8", "replace"))
