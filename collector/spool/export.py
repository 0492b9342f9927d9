"""Exports: rounds of any streams in one file of segment format, which can be read by itself.

    header, dictionary, frames...     again for each stream that follows

A segment of the spool is such a file already. An export holds only what was asked for, and the
same rounds always make the same bytes, so that a repeat can be told from news.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from collector import __version__
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import (
    Frame,
    SegmentHeader,
    encode_dictionary,
    encode_frame,
    encode_segment_header,
    part,
)
from collector.spool.segment import pack, sync_folder


class Rounds(NamedTuple):
    """A frame with its dictionary: some rounds of one stream."""

    dictionary: Dictionary
    frame: Frame

    @property
    def stream(self) -> Stream:
        return self.dictionary.stream

    def cut(self, start: int, end: int) -> Rounds:
        """Those from index `start` to before `end`."""
        return self._replace(frame=part(self.frame, self.dictionary, start, end))


class Span(NamedTuple):
    """Rounds from a time on and before another; None: no bound."""

    from_ms: int | None = None
    to_ms: int | None = None

    def of(self, frame: Frame) -> tuple[int, int]:
        """Which of a frame's rounds lie within, as indices from and to; unstamped ones never do."""
        inside = [
            i
            for i, at in enumerate(frame.at)
            if at.wall_ms is not None
            and (self.from_ms is None or at.wall_ms >= self.from_ms)
            and (self.to_ms is None or at.wall_ms < self.to_ms)
        ]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)


class SeqRange(NamedTuple):
    """Rounds first_seq..last_seq of a line of a stream; `stream` is its key."""

    stream: int
    line: int
    first_seq: int
    last_seq: int

    def of(self, frame: Frame) -> tuple[int, int]:
        """Which of a frame of the same stream lie within, as indices from and to."""
        if frame.lineage.line != self.line:
            return 0, 0
        first = max(self.first_seq, frame.first_seq) - frame.first_seq
        return first, max(first, min(self.last_seq, frame.last_seq) + 1 - frame.first_seq)


def within(rounds: Iterable[Rounds], span: Span) -> Iterator[Rounds]:
    """Those of a time span."""
    for one in rounds:
        start, end = span.of(one.frame)
        if end > start:
            yield one.cut(start, end)


def among(rounds: Iterable[Rounds], ranges: Sequence[SeqRange]) -> Iterator[Rounds]:
    """Those of some ranges of seqs, which don't overlap."""
    for one in rounds:
        for wanted in ranges:
            if wanted.stream == one.stream.key:
                start, end = wanted.of(one.frame)
                if end > start:
                    yield one.cut(start, end)


def once(rounds: Iterable[Rounds], seen: set[tuple[int, int, int]]) -> Iterator[Rounds]:
    """Each round once, those that are `seen` already left out: a log may hold repeats."""
    for one in rounds:
        frame, key = one.frame, one.stream.key
        start = None
        for i in range(len(frame.at) + 1):
            name = (key, frame.lineage.line, frame.first_seq + i)
            is_new = i < len(frame.at) and name not in seen
            if is_new:
                seen.add(name)
            if is_new and start is None:
                start = i
            elif not is_new and start is not None:
                yield one.cut(start, i)
                start = None


class ExportFile:
    """The file while it is written: beside its place, and put there whole or not at all.

    Used as a context; what is not `finish`ed is removed.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self.bytes = 0
        self.rounds = 0
        self._new = path.with_name(f".{path.name}.{os.getpid()}.new")
        self._file = self._new.open("wb")
        self._stream: Stream | None = None
        self._segments = 0
        self._dictionaries: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            self._new.unlink()

    def add(self, rounds: Rounds) -> None:
        """Append rounds. Raises OSError."""
        dictionary, frame = rounds
        if dictionary.stream != self._stream:
            self._stream = dictionary.stream
            self._segments += 1
            created_ms = frame.at[0].wall_ms or 0
            by = f"edgevitals {__version__} export"
            self._write(
                encode_segment_header(SegmentHeader(self._stream, self._segments, created_ms, by))
            )
        if dictionary.id not in self._dictionaries:
            self._dictionaries.add(dictionary.id)
            self._write(encode_dictionary(dictionary))
        self._write(encode_frame(frame))
        self.rounds += len(frame.at)

    def close(self) -> Path:
        """End writing and return where it stands for now: to be read, and removed at the end."""
        self._file.close()
        return self._new

    def finish(self) -> None:
        """Make it durable and give it its name. Raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._new.replace(self.path)
        sync_folder(self.path.absolute().parent)

    def _write(self, payload: bytes) -> None:
        record = pack(payload)
        self._file.write(record)
        self.bytes += len(record)
