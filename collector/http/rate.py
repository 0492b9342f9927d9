"""`rate_limit`: what may leave for a sink, a token bucket that may be overdrawn.

A request is never split or slowed down: it leaves when the ones before it are paid for. So the
average holds however large a request is, and a request larger than the bucket is no dead end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Rate:
    """Bytes a second, shared by everything that sends to one sink. Safe for threads."""

    def __init__(self, bytes_a_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.bytes_a_second = bytes_a_second
        self._clock = clock
        self._changing = Lock()
        self._free = float(bytes_a_second)  # a second's worth may leave at once
        self._at = clock()

    def wait_s(self) -> float:
        """Return how long to wait until the next request may leave; 0.0 for now."""
        with self._changing:
            self._refill()
            return max(0.0, -self._free / self.bytes_a_second)

    def take(self, size: int) -> None:
        """Write down that so many bytes left."""
        with self._changing:
            self._refill()
            self._free -= size

    def _refill(self) -> None:
        now = self._clock()
        earned = (now - self._at) * self.bytes_a_second
        self._free, self._at = min(self._free + earned, float(self.bytes_a_second)), now
