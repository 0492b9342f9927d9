"""The journal of an import: which rounds of a file a sink has, so that a repeat sends the rest.

A JSON file for each content and sink, in the spool's folder `imports`. Losing one does no harm: the
rounds are sent once more, the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from collector.spool.carried import Name

MOST_FILES = 200
"""Of a folder; then the oldest goes."""

MOST_ROUNDS = 10_000_000
"""Of one range: a round a second for a hundred days. More is damage."""

_FORMAT = 1


class _Book(msgspec.Struct):
    """`done`: by stream key and line, in hexadecimal, the rounds from..to."""

    format: int
    done: dict[str, dict[str, list[tuple[int, int]]]]


class Journal:
    """The rounds that one sink has of one content. Written with `save`."""

    def __init__(self, folder: Path, digest: str, sink: str) -> None:
        """Read it; one that is damaged or missing knows nothing."""
        self._file = folder / f"{digest[:32]}.{sink}.json"
        self.done = _load(self._file)

    def add(self, names: Iterable[Name]) -> None:
        self.done.update(names)

    def save(self) -> None:
        """Replace the file in one step. Raises OSError."""
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        new = self._file.with_suffix(f".{os.getpid()}.new")
        with new.open("wb") as out:
            out.write(msgspec.json.encode(_Book(_FORMAT, _ranges(self.done))))
            out.flush()
            os.fsync(out.fileno())
        new.replace(self._file)
        _forget_oldest(self._file.parent)


def _load(file: Path) -> set[Name]:
    try:
        book = msgspec.json.decode(file.read_bytes(), type=_Book)
    except (OSError, msgspec.DecodeError):
        return set()
    if book.format != _FORMAT:
        return set()
    try:
        return {
            (int(stream, 16), int(line, 16), seq)
            for stream, lines in book.done.items()
            for line, ranges in lines.items()
            for first, last in ranges
            if last - first < MOST_ROUNDS
            for seq in range(first, last + 1)
        }
    except ValueError:
        return set()


def _ranges(names: Iterable[Name]) -> dict[str, dict[str, list[tuple[int, int]]]]:
    found: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for stream, line, seq in sorted(names):
        ranges = found.setdefault(f"{stream:016x}", {}).setdefault(f"{line:016x}", [])
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return found


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-MOST_FILES]:
        file.unlink(missing_ok=True)
