"""systemd, where it started us: it is told when we are ready, and now and then that we are alive.

The protocol of sd_notify(3): a datagram of lines to the socket in NOTIFY_SOCKET. Alive means
that rounds are taken, not that a thread still turns: when they hang, nobody says so, and systemd
starts the process anew after WatchdogSec (WATCHDOG_USEC). Elsewhere all of this does nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

LATE_S = 30.0
"""A round that has not ended so long after its time is stuck: a read gives up after 10 s."""


class Supervisor:
    """Says how we are. Nothing here raises: a deaf supervisor is no reason to end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of Linux's abstract names.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        self._every_s = int(microseconds) / 2e6 if microseconds.isdigit() else 0.0
        self._next = 0.0

    def ready(self) -> None:
        """All rooms are open."""
        self._tell("READY=1")

    def alive(self, since_round_s: float, interval_s: float, status: Callable[[], str]) -> None:
        """Say so, at half of the watchdog's time, while rounds are on time.

        `status` is asked for the line that `systemctl status` shows.
        """
        now = time.monotonic()
        if not self._every_s or now < self._next:
            return
        if since_round_s <= interval_s + LATE_S:
            self._next = now + self._every_s
            self._tell(f"WATCHDOG=1\nSTATUS={status()}")

    def stopping(self) -> None:
        """The last rounds are delivered: this takes some seconds."""
        self._tell("STOPPING=1\nSTATUS=delivering the last rounds")

    def _tell(self, lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)  # a full queue must not hold up the program
            to.sendto(lines.encode(), self._address)
