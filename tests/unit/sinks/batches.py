"""Small batches to send."""

from __future__ import annotations

from collections.abc import Sequence

from collector.flow.pump import Batch
from collector.frames import dictionary, frame
from collector.frames.columns import row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, Instant, Lineage
from collector.series import Family, Kind, Series

NOW_MS = 1_790_000_000_000
STEP_MS = 15_000
STREAM = Stream("store-1", "n1", "standard")
LINEAGE = Lineage(7, 7, None, bytes(16))


def series(name: str, kind: Kind = Kind.GAUGE, help: str = "", **labels: str) -> Series:  # noqa: A002
    return Series(name, tuple(sorted(labels.items())), Family(name, kind, "", help))


def words(*names: str, stream: Stream = STREAM) -> Dictionary:
    return dictionary.build(stream, [series(name, site="store-1") for name in names])


def rounds(
    of: Dictionary,
    first_seq: int,
    rows: Sequence[Sequence[float]],
    *,
    lineage: Lineage = LINEAGE,
    at_ms: Sequence[int | None] | None = None,
) -> Frame:
    """A frame; round 1 is at NOW_MS."""
    times = at_ms or [NOW_MS + (first_seq - 1 + i) * STEP_MS for i in range(len(rows))]
    at = [Instant(wall, 0 if wall is None else wall - NOW_MS) for wall in times]
    return frame.frame(of.id, lineage, first_seq, at, [row(values) for values in rows])


def batch(of: Dictionary, *frames: Frame) -> Batch:
    return Batch(of, frames, None)


def times(first_seq: int, last_seq: int) -> list[int]:
    return [NOW_MS + (seq - 1) * STEP_MS for seq in range(first_seq, last_seq + 1)]
