"""An errand: a pump's one walk through batches that are all there already, and what came of it.

The same Destination, the same retries and the same reply table as `run`; but it ends, with the
last batch or when the receiver has taken nothing for too long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event

from collector.cli.progress import Progress
from collector.config import Config, SinkConfig
from collector.errors import Paced, Rejected, Retry, Rewind
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, Destination, Pump

PATIENCE_S = 60.0
"""How long a receiver may take nothing before a person is told so."""

_SHORTEST_LOOK_S = 0.05


class Errand:
    """Log, Rejects and Counts of its own pump.

    `settled` is told of each batch that is done with, and of what of it the receiver has not: parts
    that it refused, and what was withheld since it would refuse it for its age.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        destination: Destination,
        progress: Progress,
        settled: Callable[[Batch, Sequence[Batch], Sequence[Withheld]], None] = lambda *_: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.refused: list[tuple[Batch, Rejected]] = []
        self.withheld: list[Withheld] = []
        self.gave_up: Retry | None = None
        self._batches: Iterator[Batch] = iter(batches)
        self._destination = destination
        self._progress = progress
        self._settled = settled
        self._patience_s = patience_s
        self._since = time.monotonic()
        self._stop = Event()
        self._passed = 0
        self._set_aside: list[Batch] = []

    def run(self, name: str) -> None:
        """Deliver what there is. Returns also when it gave up: `gave_up` says why."""
        try:
            Pump(name, self, self._destination, self, self).run(self._stop)
        finally:
            self._progress.end()

    # The Log.

    def read(self, wait: float) -> Batch | None:
        del wait
        return next(self._batches, None)

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        refused, self._set_aside = self._set_aside, []
        self.withheld += withheld
        self.gave_up = None
        self._since = time.monotonic()
        self._settled(batch, refused, withheld)
        self._passed += batch.rounds
        self._progress.at(self._passed, "rounds")

    def wait(self, seconds: float, stop: Event) -> bool:
        left = self._since + self._patience_s - time.monotonic()
        if left <= 0:
            stop.set()
            return False
        stop.wait(max(_SHORTEST_LOOK_S, min(seconds, left)))
        return True

    # The Rejects.

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        del sink
        self._set_aside.append(batch)
        self.refused.append((batch, why))

    # The Counts.

    def idle(self) -> None:
        self._stop.set()

    def sending(self, batch: Batch) -> None:
        pass

    def delivered(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        pass

    def retrying(self, why: Retry, wait: float) -> None:
        self._progress.say(f"waiting {wait:.0f} s: {why.message}")
        if isinstance(why, Paced):  # our own rate_limit: all is well, and it may take its time
            self._since = time.monotonic() + wait
            return
        self.gave_up = why
        if why.hold:  # only a person can end it, and one is here
            self._patience_s = 0.0

    def rejected(self, batch: Batch, why: Rejected) -> None:
        pass

    def rewound(self, why: Rewind) -> None:
        raise AssertionError("an errand can't go back") from why


def sinks_of(config: Config, name: str | None) -> Sequence[SinkConfig]:
    """The sinks of a configuration, or the one of a name. Raises click.UsageError."""
    import click  # noqa: PLC0415

    if name is None:
        if not config.sinks:
            raise click.UsageError("the configuration has no sinks to deliver to")
        return config.sinks
    found = [sink for sink in config.sinks if sink.name == name]
    if not found:
        there = ", ".join(sink.name for sink in config.sinks) or "none"
        raise click.UsageError(f"the configuration has no sink {name}, it has: {there}")
    return found
