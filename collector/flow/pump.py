"""The pump: from a Log to a Destination, in order, at least once. The only retry loop there is.

A log is read from a position. A destination takes a batch, or says *retry* or *rejected*. The
position moves only after the far side has the data (or the rejected store has it), so a pump
that dies anywhere sends at worst once more what was already there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from threading import Event
from typing import Any, NamedTuple, Protocol, runtime_checkable

from collector.errors import DiskError, FormatError, Paced, Rejected, Retry, Rewind
from collector.flow.mark import Withheld
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_UNREACHED_WAIT_S = 15.0
FIRST_HOLD_S = 30.0
LONGEST_HOLD_S = 300.0
LOOK_AGAIN_S = 10.0
READ_WAIT_S = 1.0


MOST_ROUNDS = 20
MOST_CELLS = 80_000
"""Of one batch: what every receiver measured takes in one request, about 2 MB."""


class Appetite(NamedTuple):
    """How much a reader wants at once: `least` rounds while the line is live, else what is there.

    `patience_s` bounds the wait for `least`: then it takes fewer.
    """

    least: int
    patience_s: float


def most_rounds(dictionary: Dictionary) -> int:
    """How many rounds of these series fit into a batch."""
    return max(1, min(MOST_ROUNDS, MOST_CELLS // max(1, len(dictionary.series))))


class Batch(NamedTuple):
    """Frames of one stream and one dictionary, oldest first, all of them to be delivered.

    `end` is the log's own: where to go on once they are. `aside` lay between them and must not be
    delivered: it is set aside, each part with its reason. Then there may be no frames at all.
    """

    dictionary: Dictionary
    frames: tuple[Frame, ...]
    end: Any
    aside: tuple[Part, ...] = ()

    @property
    def rounds(self) -> int:
        return sum(len(frame.at) for frame in self.frames)


class Part(NamedTuple):
    """What of a batch is refused: its rounds and series alone, under a dictionary of their own."""

    batch: Batch
    why: Rejected


class PartlyRejected(Rejected):
    """The far side has the batch, but for these parts and for what was withheld."""

    def __init__(self, parts: Sequence[Part], withheld: Sequence[Withheld] = ()) -> None:
        first = parts[0].why
        super().__init__(first.message, first.hint, reason=first.reason)
        self.parts = tuple(parts)
        self.withheld = tuple(withheld)


class Log(Protocol):
    """Something that is read in order from a position."""

    def read(self, wait: float) -> Batch | None:
        """Return what comes next; None when nothing came within `wait` seconds."""
        ...

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        """Make it durable that everything up to the end of this batch is done with.

        What was withheld of it stays as open gaps in the marks, and is told.
        """
        ...

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait while a batch is undelivered; False when it is no longer ours to deliver.

        A log with a membership to keep (a consumer group) keeps it meanwhile.
        """
        ...


@runtime_checkable
class Rewindable(Log, Protocol):
    """A log that can go back to what it has given before."""

    def rewind(self, to: tuple[int, int, int, int] | None) -> None:
        """Read next what follows this round (line, epoch, seq, Unix ms), durably so.

        None: read all there is. What isn't there any more is a gap, told with the next batch.
        """
        ...


class Destination(Protocol):
    """Something that takes batches."""

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Return when the batch is safe at the far side; else raise Retry or Rejected.

        What is returned was not sent: the far side would refuse it for its age. PartlyRejected
        says which parts alone are refused. One whose log is Rewindable may raise Rewind: what it
        had taken is no longer there.
        """
        ...


@runtime_checkable
class Watchful(Destination, Protocol):
    """A destination that can lose what it had, also while nothing is sent."""

    def look(self) -> None:
        """Called about once a second while there is nothing to send. Raises Rewind."""
        ...


class Rejects(Protocol):
    """Where rejected batches are kept, so that a person can look and send them again."""

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        """Keep it durably. Raises DiskError."""
        ...


class Counts(Protocol):
    """What a pump tells of itself."""

    def idle(self) -> None: ...
    def sending(self, batch: Batch) -> None: ...
    def delivered(self, batch: Batch, withheld: Sequence[Withheld]) -> None: ...
    def retrying(self, why: Retry, wait: float) -> None: ...
    def rejected(self, batch: Batch, why: Rejected) -> None: ...
    def rewound(self, why: Rewind) -> None: ...


class Backoff:
    """How long to wait before the next try: longer each time, never all sites at once."""

    def __init__(self) -> None:
        self._tries = 0

    def after(self, why: Retry) -> float:
        """Return seconds: what the far side asked for, else a random share of the next step."""
        self._tries += not isinstance(why, Paced)
        if why.after is not None:
            return why.after
        if why.hold:
            return min(FIRST_HOLD_S * (1 << min(self._tries - 1, 16)), LONGEST_HOLD_S)
        longest = LONGEST_WAIT_S if why.reached else LONGEST_UNREACHED_WAIT_S
        step = min(FIRST_WAIT_S * (1 << min(self._tries - 1, 16)), longest)
        return random.uniform(step / 2, step)  # noqa: S311 - spreads load, guards nothing


class Pump:
    """Move batches from a log to a destination until told to stop."""

    def __init__(
        self, name: str, log: Log, destination: Destination, rejects: Rejects, counts: Counts
    ) -> None:
        self.name = name
        self._log = log
        self._destination = destination
        self._rejects = rejects
        self._counts = counts

    def run(self, stop: Event) -> None:
        """The room: read, deliver, commit, again."""
        while not stop.is_set():
            batch = self._log.read(READ_WAIT_S)
            try:
                if batch is None:
                    self._counts.idle()
                    if isinstance(self._destination, Watchful):
                        self._destination.look()
                elif (withheld := self._deliver(batch, stop)) is not None:
                    self._log.commit(batch, withheld)
            except Rewind as why:
                self._go_back(why)

    def _deliver(self, batch: Batch, stop: Event) -> Sequence[Withheld] | None:
        """Return what was withheld of a batch that is done with; None: it must not be committed."""
        backoff = Backoff()
        clashing = PartlyRejected(batch.aside) if batch.aside else None
        refused: PartlyRejected | None = None  # by a far side that is not asked again
        while not stop.is_set():
            try:
                if clashing:
                    self._set_aside(clashing)
                if not batch.frames:
                    return ()
                if refused is None:
                    self._counts.sending(batch)
                    refused, withheld = self._send(batch)
                    if refused is None:
                        return withheld
                self._set_aside(refused)
            except Retry as why:
                wait = backoff.after(why)
                self._counts.retrying(why, wait)
                if not self._wait(wait, why, stop):
                    return None
            else:
                return refused.withheld
        return None

    def _wait(self, seconds: float, why: Retry, stop: Event) -> bool:
        """Wait through the log; a hold only until what a person may change has been changed."""
        while why.renewed is not None and seconds > LOOK_AGAIN_S:
            if not self._log.wait(LOOK_AGAIN_S, stop):
                return False
            if stop.is_set() or why.renewed():
                return True
            seconds -= LOOK_AGAIN_S
        return self._log.wait(seconds, stop)

    def _send(self, batch: Batch) -> tuple[PartlyRejected | None, Sequence[Withheld]]:
        """Send a batch; return what is refused of it for good and withheld. Raises Retry."""
        try:
            withheld = self._destination.send(batch)
        except PartlyRejected as why:
            self._counts.delivered(batch, why.withheld)
            return why, why.withheld
        except Rejected as why:
            return PartlyRejected([Part(batch, why)]), ()
        except FormatError as why:
            # Whole by its checksum, and no frame all the same. It must not end us at each start.
            whole = Part(batch, Rejected(why.message, why.hint, reason="format"))
            return PartlyRejected([whole]), ()
        self._counts.delivered(batch, withheld)
        return None, withheld

    def _go_back(self, why: Rewind) -> None:
        if not isinstance(self._log, Rewindable):
            raise TypeError(f"{self.name} reads a log that can't go back") from why
        self._log.rewind(why.to)
        self._counts.rewound(why)

    def _set_aside(self, refused: PartlyRejected) -> None:
        """Keep what is refused; what is kept leaves the list. Raises Retry on a full disk."""
        while refused.parts:
            batch, why = refused.parts[0]
            try:
                self._rejects.keep(batch, why, self.name)
            except DiskError as full:
                raise Retry(full.message, full.hint) from why
            refused.parts = refused.parts[1:]
            self._counts.rejected(batch, why)
