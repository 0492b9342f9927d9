"""Our side of the bench jmx, asked from another process."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

from bench.jmx_reader import Taken


class ReaderProcess:
    """The program `bench.jmx_reader`."""

    def __init__(self, address: str, names: str) -> None:
        command = [sys.executable, "-m", "bench.jmx_reader", address, names]
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._popen.__exit__(kind, error, trace)  # closes its stdin, and waits for the end

    @property
    def pid(self) -> int:
        return self._popen.pid

    def read(self, times: int) -> Taken:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        print(times, file=self._popen.stdin, flush=True)
        answer = self._popen.stdout.readline()
        if not answer:
            raise RuntimeError("the reader has ended; its error is above")
        wall_s, used_s, values = answer.split()
        return Taken(float(wall_s), float(used_s), int(values))
