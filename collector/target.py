"""A target: one configured instance of a source, read once a round in a thread of its own.

The seam between the round and everything that can be read is `Source`; a source knows nothing of
rounds, intervals, `up` or stale markers. A target that fails or hangs is a sample.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import NamedTuple, Protocol

from collector import catalog
from collector.errors import SourceError
from collector.series import TargetSeries

STOP_GRACE_S = 1.0
"""How long a read that is under way goes on after the program was told to stop."""

CLOSE_S = 1.0
"""How long a round waits for the targets that are no longer there to give back their ports."""

_LOOK_S = 0.2

log = logging.getLogger(__name__)


class Reading(NamedTuple):
    """What one read gave: values beside the ids of their series, no id twice."""

    series: Sequence[int]
    values: Sequence[float]


class Source(Protocol):
    """Something that can be read."""

    def read(self, deadline: float) -> Reading:
        """Read everything once.

        `deadline` is a `time.monotonic()` value; a source that can't answer by then raises.
        Raises SourceError with a sentence that says what to do; nothing else leaves a source.
        """
        ...

    def close(self) -> None:
        """Give back sockets, children and sessions. Never raises."""
        ...


class Outcome(NamedTuple):
    """How the last read of a target went. `at` is a `time.monotonic()` value."""

    at: float
    duration_s: float
    samples: int
    error: str | None


class _Done(NamedTuple):
    target: Target
    turn: int
    reading: Reading | None
    duration_s: float
    error: str | None


class Target:
    """A source with the identity and the series that a Prometheus would give it."""

    def __init__(self, job: str, instance: str, source: Source, series: TargetSeries) -> None:
        self.job = job
        self.instance = instance
        self.outcome: Outcome | None = None
        self.is_busy = False
        self._source = source
        self._series = [
            series.intern(catalog.OWN[name].family, {})
            for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped")
        ]
        self._turns: SimpleQueue[tuple[int, float, SimpleQueue[_Done]] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name=f"target-{job}", daemon=True)
        self._thread.start()

    def start(self, turn: int, deadline: float, done: SimpleQueue[_Done]) -> None:
        """Begin to read; the answer comes to `done`. Not while the read before goes on."""
        self.is_busy = True
        self._turns.put((turn, deadline, done))

    def finished(self, done: _Done) -> Reading:
        """What the target adds to the round: its values, `up`, duration and number of samples."""
        reading = done.reading or Reading((), ())
        samples = len(reading.values)
        if done.error and (self.outcome is None or self.outcome.error is None):
            log.warning("%s %s is down: %s", self.job, self.instance, done.error)
        elif not done.error and self.outcome and self.outcome.error:
            log.info("%s %s is up again", self.job, self.instance)
        self.outcome = Outcome(time.monotonic(), done.duration_s, samples, done.error)
        up = 0.0 if done.error else 1.0
        return Reading(
            [*reading.series, *self._series],
            [*reading.values, up, done.duration_s, float(samples)],
        )

    def close(self) -> None:
        """Let the thread end and the source close, once it is no longer busy."""
        self._turns.put(None)

    def join(self, within_s: float) -> None:
        """Wait, as long as that, until it is closed."""
        self._thread.join(within_s)

    def _serve(self) -> None:
        while (turn := self._turns.get()) is not None:
            number, deadline, answer_to = turn
            started = time.monotonic()
            reading: Reading | None = None
            error: str | None = None
            try:
                reading = self._source.read(deadline)
            except SourceError as why:
                error = str(why)
            except Exception as bug:
                log.exception("a bug in the source of %s %s", self.job, self.instance)
                error = f"a bug: {type(bug).__name__}: {bug}. Please report it with the log"
            answer_to.put(_Done(self, number, reading, time.monotonic() - started, error))
        self._source.close()


class Scraper:
    """Reads all targets at once, and waits for none of them beyond the deadline."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.targets = targets
        self._turn = 0
        self._done: SimpleQueue[_Done] = SimpleQueue()

    def read(self, within_s: float, stop: Event | None = None) -> list[Reading] | None:
        """Read every target once. One that is late counts as failed until it has returned.

        None when `stop` is set before all have answered: nobody knows how they are.
        """
        self._turn += 1
        started = time.monotonic()
        deadline = started + within_s
        self._collect_late()
        readings = []
        waiting = set()
        for target in self.targets:
            if target.is_busy:
                readings.append(self._failed(target, within_s, "still busy with an earlier round"))
            else:
                target.start(self._turn, deadline, self._done)
                waiting.add(target)
        give_up_at = math.inf
        while waiting:
            now = time.monotonic()
            if stop is not None and stop.is_set():
                give_up_at = min(give_up_at, now + STOP_GRACE_S)
            if now >= give_up_at:
                return None
            try:
                done = self._done.get(timeout=max(0.0, min(deadline - now, _LOOK_S)))
            except Empty:
                if time.monotonic() >= deadline:
                    break
                continue
            done.target.is_busy = False
            if done.turn == self._turn:
                waiting.discard(done.target)
                readings.append(done.target.finished(done))
        readings += (
            self._failed(target, within_s, f"no answer within {within_s:g} s") for target in waiting
        )
        return readings

    def swap(self, targets: Sequence[Target]) -> None:
        """Read these from now on, and close those that are not among them. Between two reads.

        A new target may want the port of an old one, so those are waited for, but not for long.
        """
        gone = [target for target in self.targets if target not in targets]
        self.targets = targets
        for target in gone:
            target.close()
        until = time.monotonic() + CLOSE_S
        for target in gone:
            if not target.is_busy:
                target.join(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        for target in self.targets:
            target.close()

    def _collect_late(self) -> None:
        while True:
            try:
                self._done.get_nowait().target.is_busy = False
            except Empty:
                return

    def _failed(self, target: Target, duration_s: float, why: str) -> Reading:
        return target.finished(_Done(target, self._turn, None, duration_s, why))
