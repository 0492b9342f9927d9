"""Every error, as a tree, by the question its catcher asks.

    CollectorError(message, hint)      hint: what a person can do about it
    |-- ConfigError      may I start?          no: every problem on a line of its own, exit 2
    |-- SourceError      is this source up?    no: up 0, counted, the next source goes on
    |-- DeliveryError    what about this batch?
    |   |-- Retry        keep it, wait, send the same batch again
    |   |   `-- Paced    nothing is wrong: our own limit lets it leave later
    |   |-- Rejected     set it aside, count it, go on with the next
    |   `-- Rewind       the far side has lost what it had: go back, send from there again
    |-- FormatError      are these bytes ours? no: set aside, counted, the line goes on
    |   |-- TooNew       yes, but from a newer version: untouched, the stream waits
    |   `-- WrongSite    yes, but in the topic of another site: refused, counted
    |-- SpoolError       may I use this spool? no: exit 1 with a sentence
    `-- DiskError        is the round on disk? no: it is held in memory, the next one is tried

Anything else is a bug: a traceback and exit 70, and the supervisor starts the process again.

The JMX library has a tree of its own (`collector.jmx`): it imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable


class CollectorError(Exception):
    """Something went wrong in the world, not in the code; `hint` says what a person can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigError(CollectorError):
    """The configuration can't be used. `message` may have several lines, one a problem."""


class SourceError(CollectorError):
    """A source could not be read; the others go on."""


class DeliveryError(CollectorError):
    """A destination did not take a batch."""


class Retry(DeliveryError):  # noqa: N818 - it is an answer, and reads as one
    """Keep the batch and send it again.

    `after` is the wait in seconds that the far side asked for, None when it named none.
    `hold` is True when only a person can end this (a wrong password): the wait is long.
    `reached` is False when no connection was made: then a short wait is kind enough.
    `renewed` says whether what a person may have to change (a file) is another one by now: asked
    now and then during a hold, which then ends.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        after: float | None = None,
        hold: bool = False,
        reached: bool = True,
    ) -> None:
        super().__init__(message, hint)
        self.after = after
        self.hold = hold
        self.reached = reached
        self.renewed: Callable[[], bool] | None = None


class Paced(Retry):
    """Keep the batch until our own limit of what may leave lets it: in `after` seconds."""


class Rejected(DeliveryError):  # noqa: N818
    """The far side will never take this batch. `reason` is a short code for the counter."""

    def __init__(self, message: str, hint: str = "", *, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason


class Rewind(DeliveryError):  # noqa: N818
    """The far side has lost some of what it had taken: go back in the log, and on from there.

    `to` names the newest round that it has for certain, as (line, epoch, seq, Unix ms); None when
    it has nothing of the stream any more. Too far back is harmless: readers judge repeats by round.
    """

    def __init__(
        self, message: str, hint: str = "", *, to: tuple[int, int, int, int] | None
    ) -> None:
        super().__init__(message, hint)
        self.to = to


class FormatError(CollectorError):
    """Bytes that should be a record of ours are not."""


class TooNew(FormatError):  # noqa: N818
    """A record that says it needs a newer reader than this one."""


class WrongSite(FormatError):  # noqa: N818
    """A record of a site in the topic of another one."""


class SpoolError(CollectorError):
    """The spool can't be opened: another process has it, another node's, a newer format."""


class DiskError(CollectorError):
    """A round could not be made durable. `in_doubt`: it may be on the disk all the same."""

    def __init__(self, message: str, hint: str = "", *, in_doubt: bool = False) -> None:
        super().__init__(message, hint)
        self.in_doubt = in_doubt
