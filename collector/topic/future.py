"""Streams that wait, since their next round lies in the future (flow/foresight.py). No I/O.

What comes behind it tells whether that is so, and is read on for. A stream doesn't wait when too
many bytes would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.flow.foresight import Foresight
from collector.topic.backlog import InHand

MAX_FUTURE_BYTES = 1 << 20
"""Of a stream's frames that are held back since they lie in the future."""


class _Wait(NamedTuple):
    """Frames in hand that wait for what comes behind them: their bytes, and why they wait."""

    bytes: int
    why: str


class Waiting:
    """The streams of a partition whose next round may not pass yet."""

    def __init__(self, foresight: Foresight | None) -> None:
        """Without foresight every round passes."""
        self._foresight = foresight
        self._waits: dict[int, _Wait] = {}

    @property
    def bytes(self) -> int:
        """Of all that wait."""
        return sum(one.bytes for one in self._waits.values())

    @property
    def why(self) -> str | None:
        return next((one.why for one in self._waits.values()), None)

    def may_pass(self, stream: int, frames: Sequence[InHand]) -> bool:
        """Whether the first of a stream's frames need wait no longer for what comes behind it.

        Of too many that wait for their time the oldest goes on, and the sink sets it aside.
        """
        frame = frames[0].frame
        if self._foresight is None or self._foresight.may_pass(stream, frame):
            self._waits.pop(stream, None)
            return True
        held = sum(len(it.frame.columns) for it in frames)
        self._waits[stream] = _Wait(held, self._foresight.why(frame))
        return held > MAX_FUTURE_BYTES
