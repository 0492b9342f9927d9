"""A target: one configured instance of a source, read once a round in a thread of its own.

The seam between the round and everything that can be read is `Source`; a source knows nothing of
rounds, intervals, `up` or stale markers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """What one read gave: values beside the ids of their series, no id twice."""

    series: Sequence[int]
    values: Sequence[float]


class Source(Protocol):
    """Something that can be read."""

    def read(self, deadline: float) -> Reading:
        """Read everything once.

        `deadline` is a `time.monotonic()` value; a source that can't answer by then raises.
        Raises SourceError with a sentence that says what to do; nothing else leaves a source.
        """
        ...

    def close(self) -> None:
        """Give back sockets, children and sessions. Never raises."""
        ...
