"""The order of a stream at a receiver: never an older new round after a newer one.

A receiver can't be trusted to refuse it: Prometheus answers 204 and drops the sample, or with an
out-of-order window stores it, in silence. The log judges what is new and what is a repeat, by its
mark; this is the check behind it, on what really leaves.

A round is known by (line, seq). One that this process has delivered before may go again, with the
same bytes; one below it that comes late closes a gap. Every other round has to be newer than all
before it.
"""

from __future__ import annotations

from typing import NamedTuple

from collector.errors import Rejected
from collector.flow.pump import Batch
from collector.frames.dictionary import Stream

_LINES = 8  # of a stream that are remembered: a line begins with a new spool, or a full disk


class _Delivered(NamedTuple):
    """`newest_ms` of all rounds of a stream; `seqs[line]` is the highest seq of a line."""

    newest_ms: int | None
    seqs: dict[int, int]


class Order:
    """What was delivered of each stream since this process started."""

    def __init__(self) -> None:
        self._of: dict[Stream, _Delivered] = {}

    def check(self, batch: Batch) -> None:
        """Raises Rejected (reason `order`) when the batch would break the order."""
        self._after(batch)

    def delivered(self, batch: Batch) -> None:
        """Remember that the receiver has the batch. It must have been checked."""
        self._of[batch.dictionary.stream] = self._after(batch)

    def newest_ms(self, stream: Stream) -> int | None:
        known = self._of.get(stream)
        return known.newest_ms if known else None

    def _after(self, batch: Batch) -> _Delivered:
        newest_ms, known = self._of.get(batch.dictionary.stream, _Delivered(None, {}))
        seqs = dict(known)
        for frame in batch.frames:
            line = frame.lineage.line
            for seq, at in enumerate(frame.at, frame.first_seq):
                if at.wall_ms is None:
                    raise ValueError(f"round {seq} has no wall time yet: no sink may get it")
                if seq <= seqs.get(line, 0):
                    continue
                if newest_ms is not None and at.wall_ms <= newest_ms:
                    raise Rejected(
                        f"round {seq} of {'/'.join(batch.dictionary.stream)} has the time "
                        f"{at.wall_ms} ms, and one of {newest_ms} ms went before it",
                        "did the clock go back, or do two collectors write this stream?",
                        reason="order",
                    )
                newest_ms = at.wall_ms
                seqs.pop(line, None)  # the line met last stands last
                seqs[line] = seq
        for line in list(seqs)[:-_LINES]:
            del seqs[line]
        return _Delivered(newest_ms, seqs)
