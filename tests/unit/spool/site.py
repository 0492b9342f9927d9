"""What the tests of the spool stand on: rounds whose content is known, readers that tell all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from collector.errors import TooNew
from collector.flow.mark import Gap
from collector.flow.pump import Appetite, Batch
from collector.frames import dictionary
from collector.frames.columns import row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, Instant, Lineage, frame
from collector.spool.chain import Chain
from collector.spool.cursor import Cursor
from tests.unit.examples import BOOT, STREAM, bits, numbered, wall_of

EAGER = Appetite(1, 0.0)
Round = tuple[int, int]  # line, seq


def dictionary_of(version: int = 0, stream: Stream = STREAM) -> Dictionary:
    """A dictionary; another for each version."""
    return dictionary.build(stream, numbered(2 + version))


def round_of(line: int, seq: int, known: Dictionary, lineage: Lineage | None = None) -> Frame:
    """The round of a line with this seq: its time and its cells follow from both."""
    return frame(
        known.id,
        lineage or Lineage(line, line, None, BOOT),
        seq,
        [Instant(wall_of(line, seq), seq * 10)],
        [row([line + seq * 0.1 + i for i in range(len(known.series))])],
    )


def content(batch: Batch) -> list[tuple[Round, tuple[int | None, list[int]]]]:
    """The rounds of a batch as a sink decodes them: times and bits."""
    return [
        ((it.lineage.line, it.first_seq + i), (it.at[i].wall_ms, bits(cells)))
        for it in batch.frames
        for i, cells in enumerate(it.rows(batch.dictionary))
    ]


class Told:
    """Notices, kept."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.closed = 0
        self.repeated = 0
        self.newer: list[TooNew] = []
        self.errors: list[OSError] = []
        self.waiting: list[str] = []

    def met(self, gaps: Sequence[Gap], closed: int, repeated: int) -> None:
        self.gaps += gaps
        self.closed += closed
        self.repeated += repeated

    def held(self, why: TooNew) -> None:
        self.newer.append(why)

    def unsaved(self, why: OSError) -> None:
        self.errors.append(why)

    def unread(self, why: OSError) -> None:
        self.errors.append(why)

    def waits(self, why: str) -> None:
        self.waiting.append(why)


class Site:
    """A chain of small segments, without a spool around it."""

    def __init__(self, folder: Path, segment_bytes: int = 1000) -> None:
        self.folder = folder / "standard"
        self.positions = folder
        self.segment_bytes = segment_bytes
        self.known = dictionary_of()
        self.next_seq = 1
        self._cursors: list[Cursor] = []
        self.chain = Chain(self.folder, STREAM, segment_bytes)

    def append(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.chain.append(self.known, round_of(1, self.next_seq, self.known))
            self.next_seq += 1

    def reader(self, name: str = "centre", appetite: Appetite = EAGER) -> tuple[Cursor, Told]:
        told = Told()
        file = self.positions / f"standard.{name}.position"
        cursor = Cursor(self.chain, file, appetite, told)
        self._cursors.append(cursor)
        return cursor, told

    def reopen(self) -> None:
        self.close()
        self.chain = Chain(self.folder, STREAM, self.segment_bytes)

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()
        self.chain.close()

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


def drain(cursor: Cursor, *, commit: bool = True) -> list[int]:
    """Read all there is; return the seqs."""
    seqs = []
    while (batch := cursor.read(0)) is not None:
        seqs += [seq for (_, seq), _ in content(batch)]
        if commit:
            cursor.commit(batch)
    return seqs


def seqs_of(gaps: Iterable[Gap]) -> list[int]:
    return [seq for gap in gaps if gap.first_seq for seq in range(gap.first_seq, gap.last_seq + 1)]


def flip(file: Path, at: int, mask: int = 0xFF) -> None:
    """Damage one byte."""
    data = bytearray(file.read_bytes())
    data[at] ^= mask
    file.write_bytes(data)


class SmallDisk:
    """A disk that is full at `capacity` bytes of the files in a folder: it takes what fits."""

    def __init__(self, monkeypatch: Any, folder: Path, capacity: int) -> None:
        self.folder = folder
        self.capacity = capacity
        self.writes = 0
        self._pwrite = os.pwrite
        self._write = os.write
        monkeypatch.setattr(os, "pwrite", self.pwrite)
        monkeypatch.setattr(
            os, "write", lambda fd, data: self._write(fd, self._what_fits(fd, data, 0))
        )

    @property
    def used(self) -> int:
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def pwrite(self, fd: int, data: memoryview, at: int) -> int:
        return self._pwrite(fd, self._what_fits(fd, data, at), at)

    def write(self, fd: int, data: bytes) -> int:
        return self._write(fd, self._what_fits(fd, data, 0))

    def _what_fits(self, fd: int, data: Any, at: int) -> Any:
        self.writes += 1
        grows = at + len(data) - os.fstat(fd).st_size
        room = self.capacity - self.used
        if grows <= max(0, room):
            return data
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return data[: len(data) - (grows - room)]
