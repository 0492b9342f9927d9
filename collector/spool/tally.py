"""A tally: which rounds were met, as stretches without a hole, and the holes between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from collector.frames.dictionary import Stream
from collector.frames.frame import Frame


class Stretch(NamedTuple):
    """Rounds of one line that follow each other without a hole."""

    line: int
    first_seq: int
    last_seq: int
    first_ms: int | None
    last_ms: int | None

    @property
    def rounds(self) -> int:
        return self.last_seq - self.first_seq + 1


def extend(stretches: list[Stretch], frame: Frame) -> None:
    """Add a frame behind the last stretch, or begin another."""
    line, last_ms = frame.lineage.line, frame.at[-1].wall_ms
    before = stretches[-1] if stretches else None
    if before and before.line == line and before.last_seq + 1 == frame.first_seq:
        stretches[-1] = before._replace(last_seq=frame.last_seq, last_ms=last_ms)
    else:
        first_ms = frame.at[0].wall_ms
        stretches.append(Stretch(line, frame.first_seq, frame.last_seq, first_ms, last_ms))


class Tally:
    """Rounds by stream, met in any order."""

    def __init__(self) -> None:
        self._met: dict[Stream, list[Stretch]] = {}

    def add(self, stream: Stream, frame: Frame) -> None:
        extend(self._met.setdefault(stream, []), frame)

    @property
    def streams(self) -> list[Stream]:
        return list(self._met)

    @property
    def rounds(self) -> int:
        """Each counted once."""
        return sum(one.rounds for stream in self._met for one in self.stretches(stream))

    def stretches(self, stream: Stream) -> list[Stretch]:
        """By line as they were met first, then by seq; those that touch or overlap are one."""
        lines: dict[int, list[Stretch]] = {}
        for one in self._met.get(stream, ()):
            lines.setdefault(one.line, []).append(one)
        return [one for met in lines.values() for one in _merged(met)]

    def holes(self, stream: Stream) -> Iterator[Stretch]:
        """What is missing within each line, with the times of the rounds around it."""
        before: Stretch | None = None
        for one in self.stretches(stream):
            if before and before.line == one.line:
                first, last = before.last_seq + 1, one.first_seq - 1
                yield Stretch(one.line, first, last, before.last_ms, one.first_ms)
            before = one


def _merged(stretches: list[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for one in sorted(stretches, key=lambda one: (one.first_seq, one.last_seq)):
        last = merged[-1] if merged else None
        if last is None or one.first_seq > last.last_seq + 1:
            merged.append(one)
        elif one.last_seq > last.last_seq:
            merged[-1] = last._replace(last_seq=one.last_seq, last_ms=one.last_ms)
    return merged
