"""A wall clock of its own for one program, which a test may set while it runs.

libfaketime of Debian, preloaded. The monotonic clocks stay as they are, as they do when somebody
sets a real clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.lab import parts

# time.sleep() of Python 3.11 ends with EINVAL there: libfaketime 0.9.10 takes the deadline that it
# gives to clock_nanosleep for one of the clock that is faked.
_SITE = """\
import threading, time
time.sleep = lambda seconds: threading.Event().wait(seconds) and None
"""


class WallClock:
    """Runs `ahead` seconds ahead of the true one; negative: behind."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(_SITE)
        self._folder = folder
        self._file = folder / "clock"
        self.set(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """Of the program that is to have this clock."""
        return {
            "LD_PRELOAD": str(parts.faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "PYTHONPATH": str(self._folder),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead: float) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+.0f}\n")
        new.replace(self._file)
