"""Which records ended the process, and how often: a small file of the spool (flow/careful.py)."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec

from collector.flow.careful import Where

MOST_PLACES = 64
_TRACEBACK_CHARACTERS = 350
"""Of its end, which names the place: what is set aside is kept with 500 characters."""


class _Place(msgspec.Struct):
    whose: str
    first: int
    last: int
    times: int
    traceback: str

    def touches(self, where: Where) -> bool:
        return self.whose == where.whose and self.first <= where.last and where.first <= self.last


class AttemptsFile:
    """Several pumps may use it. A file that can't be read or written counts nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changing = Lock()
        self._places: list[_Place] = []
        with suppress(OSError, msgspec.DecodeError):
            self._places = msgspec.json.decode(file.read_bytes(), type=list[_Place])

    def any(self, whose: str) -> bool:
        return any(place.whose == whose for place in self._places)

    def count(self, where: Where) -> tuple[int, str]:
        found = [place for place in self._places if place.touches(where)]
        worst = max(found, key=lambda place: place.times, default=None)
        return (worst.times, worst.traceback) if worst else (0, "")

    def failed(self, places: Sequence[Where], error: Exception) -> None:
        text = "".join(traceback.format_exception(error))[-_TRACEBACK_CHARACTERS:]
        with self._changing:
            for where in places:
                times = self.count(where)[0] + 1
                kept = [place for place in self._places if not place.touches(where)]
                self._places = [*kept, _Place(*where, times, text)][-MOST_PLACES:]
            self._save()

    def passed(self, where: Where) -> None:
        self._keep([place for place in self._places if not place.touches(where)])

    def forget_before(self, whose: str, first: int) -> None:
        self._keep([it for it in self._places if it.whose != whose or it.last >= first])

    def _keep(self, places: list[_Place]) -> None:
        with self._changing:
            if len(places) < len(self._places):
                self._places = places
                self._save()

    def _save(self) -> None:
        with suppress(OSError):  # a full disk: then it is counted at another start
            new = self._file.with_suffix(".new")
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, msgspec.json.encode(self._places))
                os.fdatasync(fd)
            finally:
                os.close(fd)
            new.replace(self._file)
