"""The inspection: every record of a spool read, checked and decoded, and what damage has cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from collector.errors import FormatError
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, SegmentHeader
from collector.spool.reading import Piece, SpoolFiles, Trouble, numbered, pieces, size_of


class Finding(NamedTuple):
    """Something wrong in a file, `at` the byte where it begins."""

    path: Path
    at: int
    trouble: Trouble
    says: str


class Hole(NamedTuple):
    """Rounds first_seq..last_seq of a line that should stand here and don't."""

    tier: str
    line: int
    first_seq: int
    last_seq: int
    after_ms: int
    before_ms: int
    path: Path
    """Where the round behind them stands."""
    beside_damage: bool

    @property
    def rounds(self) -> int:
        return self.last_seq - self.first_seq + 1


class Inspection(NamedTuple):
    """What was read, what is wrong, which rounds are missing.

    `unfinished` are the ends of files where a write was cut off: by a crash, or it goes on now.
    """

    records: int
    rounds: int
    findings: list[Finding]
    holes: list[Hole]
    unfinished: list[Finding]

    @property
    def is_sound(self) -> bool:
        return not self.findings and not self.holes


def inspect(files: SpoolFiles) -> Inspection:
    """Read everything: segments, positions, the rejected store. Raises SpoolError."""
    found = Inspection(0, 0, [], [], [])
    for tier in files.tiers:
        found = _Chain(files, tier).inspect(found)
        for reader, position in files.positions(tier).items():
            if position is None:
                path = files.path / "positions" / f"{tier}.{reader}.position"
                says = "the reader will begin at the oldest segment and send again what is there"
                found.findings.append(Finding(path, 0, Trouble.DAMAGED, says))
    others = [numbered(files.path / "rejected"), *map(files.unstamped, files.tiers)]
    for _, path in (one for found_there in others for one in found_there):
        for piece in _pieces_of(path):
            found = found._replace(records=found.records + (piece.body is not None))
            if piece.trouble:
                _note(found, path, piece)
    return found


class _Chain:
    """One tier's segments, and how far each of its lines has come."""

    def __init__(self, files: SpoolFiles, tier: str) -> None:
        self._stream = files.stream(tier)
        self._segments = files.segments(tier)
        self._last: dict[int, tuple[int, int]] = {}  # seq and time, by line
        self._damaged = False
        self._dictionaries: dict[int, Dictionary] = {}

    def inspect(self, found: Inspection) -> Inspection:
        records = rounds = 0
        for number, path in self._segments:
            here: set[int] = set()
            is_first = True
            for piece in _pieces_of(path, self._dictionaries):
                body = piece.body
                records += body is not None
                if is_first and body is not None:
                    self._check_header(found, number, path, piece)
                is_first = False
                if piece.trouble:
                    self._damaged = True
                    _note(found, path, piece)
                elif isinstance(body, Dictionary):
                    here.add(body.id)
                elif isinstance(body, Frame):
                    rounds += len(body.at)
                    dictionary = (
                        self._dictionaries[body.dictionary_id]
                        if body.dictionary_id in here
                        else None
                    )
                    found.findings.extend(self._check_frame(path, piece.at, body, dictionary))
                    found.holes.extend(self._holes_before(path, body))
        return found._replace(records=found.records + records, rounds=found.rounds + rounds)

    def _check_header(self, found: Inspection, number: int, path: Path, piece: Piece) -> None:
        header = piece.body
        if not isinstance(header, SegmentHeader):
            says = "the file doesn't begin with the header of a segment"
        elif header.number != number or header.stream != self._stream:
            says = f"the header is that of segment {header.number} of {'/'.join(header.stream)}"
        else:
            return
        found.findings.append(Finding(path, piece.at, Trouble.NOT_OURS, says))

    def _check_frame(
        self, path: Path, at: int, frame: Frame, dictionary: Dictionary | None
    ) -> Iterator[Finding]:
        what = f"rounds {frame.first_seq} to {frame.last_seq}"
        if frame.first_seq == frame.last_seq:
            what = f"round {frame.first_seq}"
        if dictionary is None:
            says = f"{what}: the segment has no dictionary {frame.dictionary_id:016x} before it"
            yield Finding(path, at, Trouble.DAMAGED, says)
        else:
            try:
                frame.rows(dictionary)
            except FormatError as error:
                yield Finding(path, at, Trouble.NOT_OURS, f"{what}: {error.message}")
        last = self._last.get(frame.lineage.line)
        if last and frame.first_seq <= last[0]:
            says = f"{what}: stands behind round {last[0]} of its line"
            yield Finding(path, at, Trouble.NOT_OURS, says)

    def _holes_before(self, path: Path, frame: Frame) -> Iterator[Hole]:
        line = frame.lineage.line
        last = self._last.get(line)
        begins_ms = frame.at[0].wall_ms or 0
        if last and frame.first_seq > last[0] + 1:
            yield Hole(
                self._stream.tier,
                line,
                last[0] + 1,
                frame.first_seq - 1,
                last[1],
                begins_ms,
                path,
                self._damaged,
            )
        if last is None or frame.last_seq > last[0]:
            self._last[line] = frame.last_seq, frame.at[-1].wall_ms or 0
        self._damaged = False


def _pieces_of(path: Path, known: dict[int, Dictionary] | None = None) -> Iterator[Piece]:
    try:
        yield from pieces(path, known)
    except FileNotFoundError:  # dropped just now
        return
    except OSError as error:
        yield Piece(0, size_of(path), None, Trouble.UNREADABLE, error.strerror or str(error))


def _note(found: Inspection, path: Path, piece: Piece) -> None:
    assert piece.trouble is not None
    finding = Finding(path, piece.at, piece.trouble, piece.says)
    ends = piece.trouble is Trouble.UNFINISHED
    (found.unfinished if ends else found.findings).append(finding)
