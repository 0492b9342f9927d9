"""Patterns of whole names, as the configuration has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable


def matcher(patterns: Iterable[str], but: Iterable[str] = ()) -> Callable[[str], bool]:
    """Say of a name whether one of the patterns is the whole of it, and none of the others is."""
    wanted = [re.compile(pattern) for pattern in patterns]
    unwanted = [re.compile(pattern) for pattern in but]
    return lambda name: (
        any(one.fullmatch(name) for one in wanted)
        and not any(one.fullmatch(name) for one in unwanted)
    )
