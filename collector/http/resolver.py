"""Looking up a name, with an end: `getaddrinfo` has no time-out and can't be interrupted.

It runs in a thread of its own, one for each name at most: whoever asks while one is under way waits
for that one. So a dead name server holds up a request for as long as it may take, and no threads
pile up behind it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NamedTuple

LATE_S = 60.0
"""How long an answer is good that came when nobody waited any more: where every answer is late,
that one is all there is."""


class Address(NamedTuple):
    """Where to connect to, as `socket.socket` and `connect` want it."""

    family: int
    at: Any


class Resolver:
    """Looks up one host, anew each time. Belongs to one thread."""

    def __init__(
        self, host: str, port: int, lookup: Callable[..., list[Any]] = socket.getaddrinfo
    ) -> None:
        self.host = host
        self.port = port
        self._lookup = lookup
        self._underway: _Lookup | None = None

    def addresses(self, wait_s: float) -> list[Address]:
        """Return the addresses of the host. Raises OSError; TimeoutError when none came in time."""
        if self._underway is None or self._underway.is_old():
            self._underway = _Lookup(self._ask)
        asked = self._underway
        if not asked.done.wait(wait_s):
            raise TimeoutError(f"no answer from the name server within {wait_s:g} s")
        self._underway = None
        if asked.error is not None:
            raise asked.error
        return asked.found

    def _ask(self) -> list[Address]:
        found = self._lookup(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(Address(family, at) for family, *_, at in found)
        return list(addresses)


class _Lookup:
    """One question, asked in a thread of its own."""

    def __init__(self, ask: Callable[[], list[Address]]) -> None:
        self.done = Event()
        self.found: list[Address] = []
        self.error: OSError | None = None
        self._ask = ask
        self._ended_at = 0.0
        # A daemon: a name server that never answers must not keep the process.
        Thread(target=self._run, name="resolver", daemon=True).start()

    def is_old(self) -> bool:
        return self.done.is_set() and time.monotonic() > self._ended_at + LATE_S

    def _run(self) -> None:
        try:
            self.found = self._ask()
        except OSError as error:
            self.error = error
        except UnicodeError as error:  # a label of more than 63 characters
            self.error = socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}")
        finally:
            self._ended_at = time.monotonic()
            self.done.set()
