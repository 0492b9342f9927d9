"""Finding a round in a chain: where a reader that must go back begins again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from collector.errors import FormatError
from collector.frames.frame import Frame, decode
from collector.spool.chain import Chain
from collector.spool.segment import SegmentReader


class Found(NamedTuple):
    """The place just behind a round: the next byte to read in a segment."""

    segment: int
    offset: int


def place_behind(chain: Chain, line: int, seq: int) -> Found | None:
    """Return the place behind the round, or where it would have been in its segment.

    None when the chain has no round of the line at or before this seq: it starts behind it, or
    lost it. Reads segments from the newest back, since a reader seldom goes back far.
    """
    for number, path in reversed(list(_segments(chain))):
        try:
            with closing(SegmentReader(path)) as reader:
                end, _ = chain.readable_end(number, reader)
                behind = _behind(reader, end, line, seq)
        except OSError:  # dropped meanwhile, or the disk can't give it back
            continue
        if behind is not None:
            return Found(number, behind)
    return None


def first_segment(chain: Chain) -> int:
    """The oldest segment's number, 0 when there is none."""
    return next((number for number, _ in _segments(chain)), 0)


def _segments(chain: Chain) -> Iterator[tuple[int, Path]]:
    number = 0
    while (found := chain.after(number)) is not None:
        yield found
        number = found[0] + 1


def _behind(reader: SegmentReader, end: int, line: int, seq: int) -> int | None:
    behind: int | None = None
    at = 0
    while (entry := reader.read(at, end)) is not None:
        at = entry.end
        try:
            body = decode(entry.payload)
        except FormatError:
            continue
        if isinstance(body, Frame) and body.lineage.line == line and body.last_seq <= seq:
            behind = at
    return behind
