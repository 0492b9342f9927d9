"""Care with records that end the process: one that did so three times is set aside.

A bug that a record meets would be met again at each start: the line behind it would never move, and
nothing would be said of the site. So who dies over a batch is written down before the process ends
(its frames, and the traceback). After the next start these frames are handed over one by one,
which shows which it is, and at the third time that one goes to the rejected store.

A kill, a power cut or a full memory are not counted: they say nothing of the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collector.errors import CollectorError, FormatError, Rejected
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, Destination, Part, PartlyRejected, Watchful
from collector.frames.frame import Frame

MOST_ATTEMPTS = 3


class Where(NamedTuple):
    """Rounds first..last of a line, on their way through a pump: `whose` names all three."""

    whose: str
    first: int
    last: int


class Attempts(Protocol):
    """What ended the process, kept over restarts."""

    def any(self, whose: str) -> bool:
        """Whether there is anything of these."""
        ...

    def failed(self, places: Sequence[Where], error: Exception) -> None:
        """Count, durably, that these ended the process."""
        ...

    def count(self, where: Where) -> tuple[int, str]:
        """How often these rounds did, and the last traceback."""
        ...

    def passed(self, where: Where) -> None:
        """They did not, this time: forget them."""
        ...

    def forget_before(self, whose: str, first: int) -> None:
        """What lies before this round is done with."""
        ...


class Careful:
    """A destination that doesn't die of the same record for ever."""

    def __init__(self, pump: str, destination: Destination, attempts: Attempts) -> None:
        self._pump = pump
        self._destination = destination
        self._attempts = attempts

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Raises what the destination raises, and PartlyRejected for what is set aside."""
        places = [self._where(batch, frame) for frame in batch.frames]
        whose = places[0].whose
        if not self._attempts.any(whose):
            return self._send(batch, places)
        self._attempts.forget_before(whose, places[0].first)
        parts: list[Part] = []
        withheld: list[Withheld] = []
        for frame, where in zip(batch.frames, places, strict=True):
            one = batch._replace(frames=(frame,), aside=())
            times, traceback = self._attempts.count(where)
            if times >= MOST_ATTEMPTS:
                parts.append(Part(one, _crashed(where, times, traceback)))
                continue
            try:
                withheld += self._send(one, [where])
            except PartlyRejected as why:
                parts += why.parts
                withheld += why.withheld
            except Rejected as why:
                parts.append(Part(one, why))
            except FormatError as why:
                parts.append(Part(one, Rejected(why.message, why.hint, reason="format")))
            self._attempts.passed(where)
        if parts:
            raise PartlyRejected(parts, withheld)
        return withheld

    def _send(self, batch: Batch, places: Sequence[Where]) -> Sequence[Withheld]:
        try:
            return self._destination.send(batch)
        except CollectorError:
            raise
        except Exception as error:
            self._attempts.failed(places, error)
            raise

    def _where(self, batch: Batch, frame: Frame) -> Where:
        stream, line = batch.dictionary.stream.key, frame.lineage.line
        whose = f"{self._pump} {stream:016x} {line:016x}"
        return Where(whose, frame.first_seq, frame.last_seq)


class _Watchful(Careful):
    """One that can lose what it had."""

    def __init__(self, pump: str, destination: Watchful, attempts: Attempts) -> None:
        super().__init__(pump, destination, attempts)
        self.look = destination.look


def careful(pump: str, destination: Destination, attempts: Attempts) -> Destination:
    """The destination, handled with care."""
    if isinstance(destination, Watchful):
        return _Watchful(pump, destination, attempts)
    return Careful(pump, destination, attempts)


def _crashed(where: Where, times: int, traceback: str) -> Rejected:
    return Rejected(
        f"rounds {where.first} to {where.last} ended the process {times} times: {traceback}",
        "report it with this text; edgevitals spool rejected lists what was set aside",
        reason="crash",
    )
