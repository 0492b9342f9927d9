"""Waiting for a sign: the one place in tests where time passes on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 0.05  # seconds between two looks


def wait_for(is_so: Callable[[], object], seconds: float = 60.0, what: str = "") -> None:
    """Return as soon as `is_so()` is true. Raises TimeoutError with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what or 'what was waited for'}: not within {seconds:.0f} s")
        time.sleep(PAUSE)
