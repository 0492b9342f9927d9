"""CPU time of a piece of work: the best of several runs, since other work only ever adds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

_Prepared = TypeVar("_Prepared")

LEAST_RUNS = 5
LEAST_S = 2.0
"""Of all runs together, preparations too: one of them will meet a quiet moment."""


def best_s(work: Callable[[], object]) -> float:
    """Run it over and over; return the seconds of CPU of the quickest run."""
    return best_prepared_s(lambda: None, lambda _: work())


def best_prepared_s(prepare: Callable[[], _Prepared], work: Callable[[_Prepared], object]) -> float:
    """The same for work that uses up what it works on; making that is not counted."""
    best = float("inf")
    runs = 0
    started = time.process_time()
    while runs < LEAST_RUNS or time.process_time() - started < LEAST_S:
        prepared = prepare()
        gc.collect()
        began = time.process_time()
        work(prepared)
        best = min(best, time.process_time() - began)
        runs += 1
    return best
