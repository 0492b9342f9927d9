"""Rooms: the threads of the program, one function `run(stop)` each.

Nobody sleeps, everybody waits on `stop`. A room that dies ends the house: the supervisor (systemd,
Kubernetes) starts it again better than we could. Rooms that only show things start again here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

Room = Callable[[Event], None]

FIRST_RESTART_S = 1.0
LONGEST_RESTART_S = 60.0

log = logging.getLogger(__name__)


class House:
    """Rooms that run until they are told to stop, or one of them dies."""

    def __init__(self) -> None:
        self.stop = Event()
        self.died = Event()
        self.error: BaseException | None = None
        self._threads: dict[str, Thread] = {}

    def open(self, name: str, room: Room) -> None:
        """Start a room that the program can't do without."""

        def live() -> None:
            try:
                room(self.stop)
            except BaseException as error:  # noqa: BLE001 - told to whoever waits for the house
                self.error = self.error or error
                self.died.set()

        self._start(name, live)

    def open_again(self, name: str, room: Room) -> None:
        """Start a room that is started again, ever later, when it dies."""

        def live() -> None:
            wait = FIRST_RESTART_S
            while not self.stop.is_set():
                try:
                    room(self.stop)
                except Exception as error:  # noqa: BLE001 - the rest of the house goes on
                    log.error("%s ended and starts again in %.0f s: %s", name, wait, error)  # noqa: TRY400
                    self.stop.wait(wait)
                    wait = min(wait * 2, LONGEST_RESTART_S)

        self._start(name, live)

    def join(self, grace_s: float) -> list[str]:
        """Tell all rooms to stop, wait for them, and return the names of those that don't."""
        self.stop.set()
        until = time.monotonic() + grace_s
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))
        return [name for name, thread in self._threads.items() if thread.is_alive()]

    def _start(self, name: str, live: Callable[[], None]) -> None:
        # Daemons: a thread that is stuck in a system call must not keep the process.
        thread = Thread(target=live, name=name, daemon=True)
        self._threads[name] = thread
        thread.start()
