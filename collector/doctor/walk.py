"""The walk along the line: every part is looked at, at once, and within one time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from threading import Thread
from typing import NamedTuple

from collector.config import Config
from collector.doctor import clock, jmx, kafka, pages, sink, spool
from collector.doctor.finding import Finding, Layer, cannot_tell
from collector.errors import CollectorError

LONGEST_S = 45.0
"""For all of it. Each look has shorter bounds of its own; they run side by side."""


class Look(NamedTuple):
    """One part to be looked at."""

    layer: Layer
    subject: str
    run: Callable[[], Iterable[Finding]]


def looks(config: Config) -> Iterator[Look]:
    """What there is to look at, in the order of the line."""
    yield Look(Layer.SPOOL, str(config.spool.path), partial(spool.look, config))
    yield Look(Layer.CLOCK, "this machine", clock.look)
    for jvm in config.sources.jmx:
        yield Look(Layer.JMX, str(jvm.address), partial(jmx.look, jvm))
    for link in config.links:
        for worker in link.jmx:
            subject = f"{worker.address} of link {link.name}"
            yield Look(Layer.JMX, subject, partial(jmx.look, worker))
    for page in config.sources.scrape:
        yield Look(Layer.SCRAPE, page.url, partial(pages.look, page))
    if config.kafka:
        servers = str(config.kafka["bootstrap.servers"])
        yield Look(Layer.KAFKA, servers, partial(kafka.look, config))
    for one in config.sinks:
        yield Look(Layer.SINK, one.name, partial(sink.look, one))


def walk(config: Config, seconds: float = LONGEST_S) -> Iterator[Finding]:
    """Give the findings of each part, in the order of the line, as soon as they are whole."""
    ends = time.monotonic() + seconds
    for running in [_Running(look) for look in looks(config)]:
        yield from running.findings(max(0.0, ends - time.monotonic()))


class _Running:
    """One look, in a thread of its own: a daemon, since it may hang for good."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._found: list[Finding] = []
        self._bug: BaseException | None = None
        self._thread = Thread(target=self._run, name=f"doctor {look.layer}", daemon=True)
        self._thread.start()

    def findings(self, wait_s: float) -> list[Finding]:
        self._thread.join(wait_s)
        found = list(self._found)
        if self._thread.is_alive():
            layer, subject, _ = self._look
            says = "it did not end in time"
            found.append(cannot_tell(layer, subject, says, "try again; if it stays so, report it"))
        elif self._bug is not None:
            raise self._bug
        return found

    def _run(self) -> None:
        try:
            self._found.extend(self._look.run())
        except CollectorError as error:
            layer, subject, _ = self._look
            self._found.append(cannot_tell(layer, subject, error.message, error.hint))
        except BaseException as bug:  # noqa: BLE001 - it belongs to the caller, who is waiting
            self._bug = bug
