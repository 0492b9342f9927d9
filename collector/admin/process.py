"""One child process, as its parent sees it: started, asked, and found dead."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from collector.admin.wire import (
    Answer,
    Done,
    Hello,
    Properties,
    Request,
    decode_answer,
    encode,
    take_messages,
)

KEPT_STDERR = 2000
"""Bytes: an assertion's text or the end of a traceback."""


class Died(Exception):  # noqa: N818 - it is what happened
    """The child ended, or said what no child of ours says."""


class Late(Exception):  # noqa: N818
    """The child didn't answer by the deadline."""


class AdminProcess:
    """A running child. Everything but `kill` belongs to one thread."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], properties: Properties
    ) -> None:
        """Start the child. Raises Died when the machine can't start one."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:
            raise Died(f"the admin process can't be started: {error}") from error
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
        os.set_blocking(stdin.fileno(), False)  # certificates in the properties may fill the pipe
        self._writable = select.poll()  # not select(): it ends at file descriptor 1023
        self._writable.register(stdin, select.POLLOUT)
        self._readable = select.poll()
        self._readable.register(stdout, select.POLLIN)
        self._readable.register(stderr, select.POLLIN)
        self._received = bytearray()
        self._said = b""
        self._first = encode(Hello(properties, os.getpid()))

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: Request, deadline: float, take: Callable[[Answer], None]) -> bool:
        """Send one request and `take` each part of its answer as it comes.

        Returns whether the child is leaving now. Raises Died or Late; either way the child is of
        no more use.
        """
        first, self._first = self._first, b""
        try:
            self._send(first + encode(request), deadline)
        except BrokenPipeError:
            raise Died(self._reason()) from None
        while True:
            for fd, _ in _events(self._readable, deadline):
                if fd == self._stderr.fileno():
                    self._listen()
                    continue
                data = self._stdout.read(1 << 16)
                if not data:
                    raise Died(self._reason())
                self._received += data
                for answer in self._answers():
                    if isinstance(answer, Done):
                        return answer.is_leaving
                    take(answer)

    def reason_of_death(self) -> str:
        """Return why the child died, empty while it lives."""
        return "" if self._process.poll() is None else self._reason()

    def kill(self) -> None:
        """End the child from any thread."""
        self._process.kill()

    def end(self) -> None:
        """Close everything. The child holds nothing that it could lose."""
        self._process.kill()
        self._stdin.close()
        self._stdout.close()
        self._stderr.close()
        self._process.wait()

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            _events(self._writable, deadline)
            rest = rest[self._stdin.write(rest) or 0 :]

    def _answers(self) -> list[Answer]:
        try:
            return [decode_answer(message) for message in take_messages(self._received)]
        except ValueError as error:  # msgspec's errors are ValueErrors
            raise Died(f"the admin process said what can't be understood: {error}") from error

    def _listen(self) -> None:
        """Take what the child wrote to stderr, and no longer watch it once that is closed."""
        data = self._stderr.read(1 << 12)
        if not data:
            self._readable.unregister(self._stderr)
        self._said = (self._said + data)[-KEPT_STDERR:]

    def _reason(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it closed its stdout and lives on
            self._process.kill()
            code = self._process.wait()
        os.set_blocking(self._stderr.fileno(), False)
        self._said = (self._said + (self._stderr.read() or b""))[-KEPT_STDERR:]
        how = (
            f"by signal {-code}, {signal.strsignal(-code)}"
            if code < 0
            else f"with exit code {code}"
        )
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return f"the admin process ended {how}" + (f": {lines[-1]}" if lines else "")


def _events(poll: select.poll, deadline: float) -> list[tuple[int, int]]:
    left = deadline - time.monotonic()
    events = poll.poll(left * 1000) if left > 0 else []
    if not events:
        raise Late("the admin process gave no answer in time")
    return events
