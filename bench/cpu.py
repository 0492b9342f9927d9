"""CPU time of a piece of work: the best of several runs, since other work only ever adds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

_Prepared = TypeVar("_Prepared")

LEAST_RUNS = 5
LEAST_S = 1.5
"""Of all runs together: longer for work that is short, so that one of them meets a quiet moment."""


def best_s(work: Callable[[], object]) -> float:
    """Run it over and over; return the seconds of CPU of the quickest run."""
    return best_prepared_s(lambda: None, lambda _: work())


def best_prepared_s(prepare: Callable[[], _Prepared], work: Callable[[_Prepared], object]) -> float:
    """The same for work that uses up what it works on; making that is not counted."""
    best = float("inf")
    total = 0.0
    runs = 0
    while runs < LEAST_RUNS or total < LEAST_S:
        prepared = prepare()
        gc.collect()
        began = time.process_time()
        work(prepared)
        took = time.process_time() - began
        best = min(best, took)
        total += took
        runs += 1
    return best
