"""The recorder: readings of all targets become a round, and the frame that keeps it.

It turns readings into frames of one stream: a column a series, a stale marker where a
series ended, the next seq.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from collector.frames import dictionary, frame
from collector.frames.columns import NO_SAMPLE, STALE, Row, bits_of, empty_row
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import ClockStep, Frame, Instant, Lineage
from collector.series import Series, SeriesTable
from collector.target import Reading

_EMPTY = frozenset({NO_SAMPLE, STALE})


class Recorded(NamedTuple):
    """A round of one stream: as numbers, and as the frame that is to be kept."""

    seq: int
    at: Instant
    dictionary: Dictionary
    row: Row[float]
    frame: Frame

    def samples(self) -> Iterable[tuple[Series, float]]:
        """The measured values: no stale markers, no empty cells."""
        for series, value, bits in zip(
            self.dictionary.series, self.row, bits_of(self.row), strict=True
        ):
            if bits not in _EMPTY:
                yield series, value


def new_epoch() -> int:
    """A random epoch; never 0, which means "none" in a frame."""
    return secrets.randbits(64) or 1


class Epochs:
    """The epochs of a node: one at a time, for all its streams."""

    def __init__(self, boot_id: bytes) -> None:
        self.boot_id = boot_id
        self.epoch = new_epoch()
        self.step: ClockStep | None = None

    def stepped(self, monotonic_ms: int, offset_ms: int) -> None:
        """The clock went back at an instant of this boot: an epoch that says so begins."""
        self.epoch = new_epoch()
        self.step = ClockStep(self.boot_id, monotonic_ms, offset_ms)

    def behind(self, previous: tuple[int, int, int] | None, missing: int = 0) -> Lineage:
        """The lineage of a stream behind its last round (line, epoch, seq); None begins a line.

        `missing`: why rounds before the epoch's first one were never written (a GapReason).
        """
        if previous is None:
            return Lineage(self.epoch, self.epoch, None, self.boot_id, self.step)
        line, epoch, seq = previous
        return Lineage(self.epoch, line, (epoch, seq), self.boot_id, self.step, missing=missing)

    def volatile(self, previous: tuple[int, int, int] | None = None) -> Lineage:
        """The lineage of rounds that are held in memory only: a line of its own, from seq 1.

        `previous` is its newest round (line, epoch, seq) where it had some already.
        """
        epoch = new_epoch()
        line, before = (previous[0], previous[1:]) if previous else (epoch, None)
        return Lineage(epoch, line, before, self.boot_id, self.step, volatile=True)


class Recorder:
    """Writes the rounds of one stream, in the epoch that was begun last."""

    def __init__(self, stream: Stream, table: SeriesTable, lineage: Lineage) -> None:
        self.stream = stream
        self._table = table
        self._ids: list[int] = []
        self._column: dict[int, int] = {}
        self._row = self._before = empty_row(0)
        self._dictionary: Dictionary | None = None
        self._held: tuple[Lineage, int] | None = None  # the line in memory, and its next seq
        self.begin(lineage)

    def begin(self, lineage: Lineage) -> None:
        """The next round is the first of this epoch. What was measured before goes on."""
        self.lineage = lineage
        self.next_seq = lineage.previous[1] + 1 if lineage.previous else 1

    def newest(self) -> tuple[int, int, int] | None:
        """(line, epoch, seq) of the newest round of the line, None before the first one."""
        line, previous = self.lineage.line, self.lineage.previous
        if self.next_seq > (previous[1] + 1 if previous else 1):
            return line, self.lineage.epoch, self.next_seq - 1
        return (line, *previous) if previous else None

    def record(self, readings: Iterable[Reading], at: Instant) -> Recorded:
        """Make the next round. A series that had a value and has none now ends: stale."""
        readings = list(readings)
        self._make_columns(readings)
        row = empty_row(len(self._ids))
        column = self._column
        for reading in readings:
            for series, value in zip(reading.series, reading.values, strict=True):
                # Any NaN becomes the plain one: its bits could say "stale" by chance.
                row[column[series]] = value if value == value else math.nan  # noqa: PLR0124
        self._mark_ended(row)
        self._before, self._row = self._row, row
        return self._next(row, at)

    def not_kept(self) -> None:
        """The round just made is lost: a series that ended in it still has to end."""
        self._row = self._before

    def take_back(self) -> None:
        """The round just made is nowhere: the next one has its seq."""
        self.not_kept()
        self.next_seq -= 1

    @contextmanager
    def in_memory(self, epochs: Epochs) -> Iterator[None]:
        """Rounds made within belong to the line in memory; then the line on disk goes on.

        Each line goes on behind its own last round: neither has a hole for the other's rounds.
        """
        on_disk = self.lineage, self.next_seq
        previous = None
        if self._held:
            self.lineage, self.next_seq = self._held
            previous = self.newest()
        if self._held is None or self.lineage.clock_step != epochs.step:
            self.begin(epochs.volatile(previous))
        try:
            yield
        finally:
            self._held = self.lineage, self.next_seq
            self.lineage, self.next_seq = on_disk

    def record_end(self, at: Instant, kept: Reading) -> Recorded:
        """Make the last round of the epoch: everything ends but `kept`.

        That is the round's own seq: without it the round would look as if it were missing.
        """
        return self.record([kept], at)

    def _next(self, row: Row[float], at: Instant) -> Recorded:
        known = self._dictionary or dictionary.build(
            self.stream, [self._table[series] for series in self._ids]
        )
        self._dictionary = known
        seq = self.next_seq
        self.next_seq += 1
        return Recorded(seq, at, known, row, frame.frame(known.id, self.lineage, seq, [at], [row]))

    def _make_columns(self, readings: list[Reading]) -> None:
        """Give each new series a column. Then too, those that ended long ago lose theirs."""
        column = self._column
        present = dict.fromkeys(series for reading in readings for series in reading.series)
        new = [series for series in present if series not in column]
        if not new:
            return
        before = bits_of(self._row)
        kept = [
            series
            for series, bits in zip(self._ids, before, strict=True)
            if bits != NO_SAMPLE or series in present
        ]
        # By name and labels: neighbours that count the same thing make frames and dictionaries a
        # tenth smaller than the order in which sources happen to answer, and the dictionary of a
        # site is the same one after a restart.
        self._ids = sorted(kept + new, key=lambda series: self._table[series][:2])
        self._column = {series: i for i, series in enumerate(self._ids)}
        row = empty_row(len(self._ids))
        now = bits_of(row)
        for series in kept:
            now[self._column[series]] = before[column[series]]
        self._row = row
        self._dictionary = None

    def _mark_ended(self, row: Row[float]) -> None:
        bits = bits_of(row)
        ended = [
            i
            for i, (before, now) in enumerate(zip(bits_of(self._row), bits, strict=True))
            if now == NO_SAMPLE and before not in _EMPTY
        ]
        for i in ended:
            bits[i] = STALE
