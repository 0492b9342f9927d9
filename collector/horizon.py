"""The horizon: the latest time that a round may have to be sent, by the best clock there is.

One sample from the future makes some receivers refuse everybody's present ones (Prometheus before
2.49 takes it, and is then ahead of all its senders). Our own clock may be the wrong one, so the
receiver's word counts more: the Date of its replies. It is held against the monotonic clock, which
doesn't step when ours is set.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime

from collector import BUILT_MS, clock
from collector.frames.frame import Instant

AHEAD_MS = 300_000
"""How far a clock may be ahead: the least that a receiver which was measured grants is 10 min."""


class Horizon:
    """One receiver's. The sink's thread tells it the time, the log's asks: it is the same one."""

    def __init__(self, now: Callable[[], Instant] = clock.now) -> None:
        self._now = now
        self._receiver_ms: int | None = None  # its time less our monotonic one
        self.has_answered = False  # the receiver, with a Date or without
        self.is_wanted = False  # its time, for our own clock is in doubt

    def heard(self, date: str | None) -> None:
        """Take in the Date header of a reply; what is no date is passed over."""
        self.has_answered = True
        try:
            its = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, OverflowError):
            return
        if its * 1000 >= BUILT_MS:
            self._receiver_ms = round(its * 1000) - self._now().monotonic_ms

    def latest_ms(self) -> int | None:
        """Unix ms; None: neither clock can be believed, so nothing may be sent."""
        now = self._now()
        if self._receiver_ms is not None:
            return self._receiver_ms + now.monotonic_ms + AHEAD_MS
        if now.wall_ms is None or now.wall_ms < BUILT_MS:
            return None
        return now.wall_ms + AHEAD_MS

    def ahead_ms(self) -> int | None:
        """By how much our clock is ahead of the receiver's; None while it has told no time.

        Then it will be asked for it.
        """
        self.is_wanted = self._receiver_ms is None
        now = self._now()
        if self._receiver_ms is None or now.wall_ms is None:
            return None
        return now.wall_ms - now.monotonic_ms - self._receiver_ms
