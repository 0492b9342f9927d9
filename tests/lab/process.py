"""A real program that the lab started, and that ends with the test, whatever happens to the test.

Three nets, one under the other: `stop()`, which every owner calls; `atexit`; and the kernel, which
kills the program when the thread that started it is gone (PR_SET_PDEATHSIG, through setpriv). So
start parts from a thread that lives as long as they shall.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.lab.part import Part
from tests.lab.waiting import wait_for

TAIL = 40  # lines of a log that are shown when something fails

_running: list[Process] = []
_fallen: list[Process] = []  # those that ended without being asked to


class StartError(Exception):
    """A part did not start; the message holds the end of its log."""


class Process(Part):
    """One program with a session of its own, so that its children end with it.

    Its output is added to `log`, also over restarts. `environment` is added to ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self._environment = {**os.environ, **(environment or {})}
        self._popen: subprocess.Popen[bytes] | None = None
        self._asked = False  # to end

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self.returncode is None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        child = self._child
        if child.returncode is None and self._has_exited():
            # While it isn't reaped its number belongs to nobody else: now or never is the
            # moment to end what it left behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            _running.remove(self)
            if not self._asked:
                _fallen.append(self)
        return child.returncode

    def start(self) -> None:
        assert not self.is_running, f"{self.name} runs already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._asked = False
        _running.append(self)

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Ask until the part says that it is ready.

        Raises StartError with the end of the log when it ended instead, or time ran out.
        """
        try:
            wait_for(lambda: is_ready() or not self.is_running, seconds)
        except TimeoutError:
            self.kill()
            raise StartError(
                f"{self.name} is not ready after {seconds:.0f} s\n{self.tail()}"
            ) from None
        if not self.is_running:
            raise StartError(f"{self.name} ended with {self.returncode}\n{self.tail()}")

    def wait(self, seconds: float) -> int:
        """Return the exit code. Raises TimeoutError when it goes on."""
        wait_for(lambda: not self.is_running, seconds, f"the end of {self.name}")
        assert self.returncode is not None
        return self.returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program, and not to its children."""
        if self.is_running:
            os.kill(self.pid, number)

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, its children with it: SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, grace: float = 10.0) -> None:
        """Ask it to end, and make it when it hasn't after `grace` seconds. Safe to call twice."""
        self._end(signal.SIGTERM, grace)

    def tail(self, lines: int = TAIL) -> str:
        """Return the end of the log under a line that names the file."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"--- {self.name}: {self.log}", *text.splitlines()[-lines:]])

    def _end(self, number: signal.Signals, grace: float) -> None:
        if not self.is_running:
            return
        self._asked = True
        self.send(number)
        self.send(signal.SIGCONT)  # one that is paused takes no SIGTERM
        try:
            self.wait(grace)
        except TimeoutError:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait(grace + 10.0)

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None, f"{self.name} was never started"
        return self._popen

    def _has_exited(self) -> bool:
        """Look without reaping."""
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, look) is not None


def running() -> list[Process]:
    """Return what was started and hasn't ended."""
    for process in tuple(_running):
        _ = process.returncode  # looks, and takes note
    return list(_running)


def fallen() -> list[Process]:
    """Return what ended without being asked to since `fallen` was last called."""
    running()
    found = _fallen.copy()
    _fallen.clear()
    return found


@atexit.register
def _stop_all() -> None:
    for process in running():
        process.kill()
