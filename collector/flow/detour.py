"""The detour: a sink gets its own node's rounds from the spool while the broker is away.

The broker that is watched must not silence its own monitoring. So while nothing of ours gets into
the topic, the rounds are read where they came from. The mark of our stream is one for both ways:
each round that one delivers the other follows, so changing over is safe in both directions, and
what comes by the other way as well is a repeat and dropped there. Rounds of other nodes come by
the topic alone.

It begins when no record was acknowledged for one interval, and ends when records are acknowledged
again and the topic's reader has passed the mark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Protocol

from collector.flow.mark import Known, Mark, Withheld, mark_of, merged
from collector.flow.pump import Batch, Log

SAVE_EVERY_S = 1.0


class ReadLog(Log, Protocol):
    """Both ways are logs, as the program opens them."""

    def known(self) -> Known:
        """What is delivered of our stream, as far as this way knows."""
        ...

    def follow(self, known: Known) -> None:
        """The other way has delivered this of our stream."""
        ...

    def mark(self, stream: int) -> Mark | None: ...
    def hurry(self) -> None: ...
    def close(self) -> None: ...


class Way(ReadLog, Protocol):
    """The topic's reader."""

    def has_passed(self, known: Known) -> bool:
        """Whether the newest round of these has come by there too."""
        ...

    def linger(self, seconds: float, stop: Event, goes_on: Callable[[], bool]) -> bool:
        """Keep the membership for so long without reading on; False when it ended sooner."""
        ...


class Around(ReadLog, Protocol):
    """The reader of our own spool."""

    def go_behind(self, known: Known) -> None:
        """Read on behind what the other way has delivered."""
        ...


class Notices(Protocol):
    def turned(self, *, around: bool) -> None:
        """The detour begins, or ends."""
        ...


class Detour:
    """The topic, and the spool while the topic can't be reached: one Log for one pump."""

    def __init__(
        self,
        stream: int,
        way: Way,
        around: Around,
        is_away: Callable[[], bool],
        notices: Notices,
    ) -> None:
        """`is_away` says that what we write to the topic is not acknowledged."""
        self._stream = stream
        self._way = way
        self._around = around
        self._is_away = is_away
        self._notices = notices
        self._is_on = False
        self._out: Batch | None = None  # the last one that came from the spool
        self._saved_at = time.monotonic()
        way.follow(around.known())  # as the last process left it: the broker may not know it

    def read(self, wait: float) -> Batch | None:
        """Return the next batch, whichever way it comes."""
        self._turn()
        turn, self._out = self._out is not None, None
        if not self._is_on:
            return self._way.read(wait)
        if turn and (batch := self._way.read(0)):  # the other nodes' rounds don't wait for ours
            return batch
        self._out = self._around.read(wait / 2)
        return self._out or self._way.read(wait / 2)

    def commit(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        """Remember durably that a batch is delivered, on both ways."""
        if batch is self._out:
            self._around.commit(batch, withheld)
            self._way.follow(self._around.known())
            return
        self._way.commit(batch, withheld)
        # A backlog comes in many batches: of what isn't saved yet some is sent twice at worst.
        if batch.dictionary.stream.key == self._stream and (
            self._is_on or time.monotonic() > self._saved_at + SAVE_EVERY_S
        ):
            self._save()

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait while a batch is undelivered. One from the spool is ours whatever the group says."""
        if self._out is None:
            return self._way.wait(seconds, stop)
        return self._way.linger(seconds, stop, lambda: True)

    def hurry(self) -> None:
        self._way.hurry()
        self._around.hurry()

    def close(self) -> None:
        """Save the mark, and leave."""
        self._save()
        self._around.close()
        self._way.close()

    def mark(self, stream: int) -> Mark | None:
        """What is delivered of a stream; None while nobody has told."""
        here = self._way.mark(stream)
        known = self._around.known() if stream == self._stream else ()
        if not known:
            return here
        if here is None:
            return known[-1]
        there = mark_of(known, here.line)
        return there if there and there.seq > here.seq else here

    def _turn(self) -> None:
        away = self._is_away()
        if away and not self._is_on:
            known = merged(self._around.known(), self._way.known())
            self._around.go_behind(known)
            self._way.follow(known)
            self._switch(on=True)
        elif self._is_on and not away and self._way.has_passed(self._around.known()):
            self._switch(on=False)

    def _switch(self, *, on: bool) -> None:
        self._is_on = on
        self._notices.turned(around=on)

    def _save(self) -> None:
        """Both ways from where the topic's reader is.

        The spool's reader must not give out again what it read ahead: it begins anew behind it.
        """
        known = merged(self._around.known(), self._way.known())
        if known == self._around.known():
            return
        self._saved_at = time.monotonic()
        if self._is_on:
            self._around.go_behind(known)
        else:
            self._around.follow(known)
