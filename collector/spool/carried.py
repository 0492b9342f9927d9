"""Carried files: exports and segments brought to the centre, read in the order of their rounds.

First each file is read once as it stands: whatever is damaged is found before anything is sent.
Then the rounds of all of them are given out by stream and time, each once, as batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from collector.errors import FormatError
from collector.flow.pump import Batch, most_rounds
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, decode
from collector.spool.export import Rounds, once
from collector.spool.inspection import Finding
from collector.spool.reading import Trouble, pieces
from collector.spool.segment import SegmentReader
from collector.spool.tally import Tally

_HASHED_AT_ONCE = 1 << 20

Name = tuple[int, int, int]
"""A round: stream key, line, seq."""


class Place(NamedTuple):
    """Where a frame stands, and what its rounds are to be ordered by."""

    first_ms: int
    first_seq: int
    file: int
    at: int
    dictionary: int


class Content(NamedTuple):
    """What one file holds. `digest` names its content, `unstamped` rounds have no time yet."""

    path: Path
    digest: str
    tally: Tally
    findings: list[Finding]
    unstamped: int


class Carried:
    """Some files, indexed."""

    def __init__(self, paths: Sequence[Path], met: Callable[[int], None] = lambda _: None) -> None:
        """Read them. `met` is told how many rounds were found so far. Raises OSError."""
        self._met = met
        self._rounds_met = 0
        self.contents: list[Content] = []
        self.tally = Tally()
        self._places: dict[Stream, list[Place]] = {}
        self._dictionaries: dict[int, Dictionary] = {}
        for path in paths:
            self.contents.append(self._index(path))
        for places in self._places.values():
            places.sort()

    @property
    def streams(self) -> list[Stream]:
        return sorted(self._places)

    def batches(self, done: set[Name]) -> Iterator[Batch]:
        """Rounds in the order of each stream, without those that are `done`; adds to it.

        Raises OSError, and FormatError when a file has changed since.
        """
        with ExitStack() as at_end:
            readers = [
                at_end.enter_context(closing(SegmentReader(one.path))) for one in self.contents
            ]
            for stream in self.streams:
                waiting: list[Rounds] = []
                for rounds in once(self._rounds(readers, self._places[stream]), done):
                    if waiting and not _fits(waiting, rounds):
                        yield _batch(waiting)
                        waiting = []
                    waiting.append(rounds)
                if waiting:
                    yield _batch(waiting)

    def _index(self, path: Path) -> Content:
        file = len(self.contents)
        with path.open("rb") as opened:
            digest = hashlib.sha256()
            while chunk := opened.read(_HASHED_AT_ONCE):
                digest.update(chunk)
        found = Content(path, digest.hexdigest(), Tally(), [], 0)
        unstamped = 0
        waiting: list[tuple[int, Frame]] = []
        for at, _, body, trouble, says in pieces(path, self._dictionaries):
            if trouble:
                found.findings.append(Finding(path, at, trouble, says))
            elif isinstance(body, Frame):
                self._rounds_met += len(body.at)
                self._met(self._rounds_met)
                if body.at[0].wall_ms is None:
                    unstamped += len(body.at)
                else:
                    waiting.append((at, body._replace(columns=b"")))
        # Behind all of it: a copy of a dictionary serves wherever it stands.
        for at, frame in waiting:
            dictionary = self._dictionaries.get(frame.dictionary_id)
            if dictionary is None:
                says = f"rounds {frame.first_seq} to {frame.last_seq} have no dictionary"
                found.findings.append(Finding(path, at, Trouble.DAMAGED, says))
                continue
            stream, begins_ms = dictionary.stream, frame.at[0].wall_ms or 0
            place = Place(begins_ms, frame.first_seq, file, at, dictionary.id)
            self._places.setdefault(stream, []).append(place)
            for tally in (found.tally, self.tally):
                tally.add(stream, frame)
        return found._replace(unstamped=unstamped)

    def _rounds(
        self, readers: Sequence[SegmentReader], places: Sequence[Place]
    ) -> Iterator[Rounds]:
        for place in places:
            reader = readers[place.file]
            entry = reader.read(place.at, reader.size)
            body = decode(entry.payload) if entry else None
            if not isinstance(body, Frame):
                raise FormatError(
                    f"{self.contents[place.file].path} has changed while it was read",
                    "let nobody write to it, and import it again",
                )
            yield Rounds(self._dictionaries[place.dictionary], body)


def names_of(stream: Stream, frames: Sequence[Frame]) -> set[Name]:
    """The rounds of some frames."""
    key = stream.key
    return {
        (key, frame.lineage.line, seq)
        for frame in frames
        for seq in range(frame.first_seq, frame.last_seq + 1)
    }


def _fits(waiting: Sequence[Rounds], rounds: Rounds) -> bool:
    known = waiting[0].dictionary
    count = sum(len(one.frame.at) for one in waiting) + len(rounds.frame.at)
    return rounds.dictionary.id == known.id and count <= most_rounds(known)


def _batch(waiting: Sequence[Rounds]) -> Batch:
    return Batch(waiting[0].dictionary, tuple(one.frame for one in waiting), None)
