"""Reading the files of a spool without its lock: while a process writes them, or after its end.

Nothing here writes, waits or takes a lock, so that looking can never stop the one who keeps. What a
process holds in memory (the ring of a disk that is full) can't be seen from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.errors import FormatError, SpoolError, TooNew
from collector.flow.mark import Position
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Body, Frame, decode
from collector.spool.identity import SPOOL_FORMAT
from collector.spool.position import load_position
from collector.spool.segment import SegmentReader, number_of
from collector.spool.spool import TIERS


class Trouble(StrEnum):
    """Why a piece of a file is no record that can be used."""

    DAMAGED = "damaged"  # its check fails, or it is no record at all
    UNFINISHED = "unfinished"  # nothing whole follows up to the end of the file
    NOT_OURS = "not ours"  # whole by its check, and can't be decoded
    NEWER = "newer"  # written by a newer version
    UNREADABLE = "unreadable"  # the disk doesn't give it back


class Piece(NamedTuple):
    """What stands from `at` to before `end` of a file: a body, or trouble and what it is."""

    at: int
    end: int
    body: Body | None
    trouble: Trouble | None = None
    says: str = ""


class Placed(NamedTuple):
    """A frame, where it stands, and its dictionary if one was read before it."""

    path: Path
    at: int
    end: int
    frame: Frame
    dictionary: Dictionary | None


def pieces(path: Path, known: dict[int, Dictionary] | None = None) -> Iterator[Piece]:
    """Every byte of a file of segment format, in order. `known` is added to.

    Up to the size it has now: what is appended meanwhile isn't read. Raises OSError when it can't
    be opened.
    """
    known = {} if known is None else known
    with closing(SegmentReader(path)) as reader:
        at, end = 0, reader.size
        while at < end:
            try:
                entry = reader.read(at, end)
            except OSError as error:
                yield Piece(at, end, None, Trouble.UNREADABLE, error.strerror or str(error))
                return
            if entry is None:
                yield Piece(at, end, None, Trouble.UNFINISHED, f"{end - at} bytes, no whole record")
                return
            begins = at + entry.damaged
            if entry.damaged:
                yield Piece(at, begins, None, Trouble.DAMAGED, f"{entry.damaged} bytes")
            yield _piece(begins, entry.end, entry.payload, known)
            at = entry.end


def _piece(at: int, end: int, payload: bytes, known: dict[int, Dictionary]) -> Piece:
    try:
        body = decode(payload, known)
    except TooNew as error:
        return Piece(at, end, None, Trouble.NEWER, error.message)
    except FormatError as error:
        return Piece(at, end, None, Trouble.NOT_OURS, error.message)
    if isinstance(body, Dictionary):
        known.setdefault(body.id, body)
    return Piece(at, end, body)


def frames(path: Path, known: dict[int, Dictionary] | None = None) -> Iterator[Placed]:
    """The frames of a file that can be read.

    `known` are dictionaries of files read before, and is added to: equal ids are equal content, so
    that a damaged copy does no harm where another was read. Raises TooNew when a newer version has
    written to the file: what it means by that is not ours to say.
    """
    known = {} if known is None else known
    for at, end, body, trouble, says in pieces(path, known):
        if trouble is Trouble.NEWER:
            raise TooNew(f"{path}: {says}", "use the version that wrote it, or a newer one")
        if isinstance(body, Frame):
            yield Placed(path, at, end, body, known.get(body.dictionary_id))


class SpoolFiles:
    """The folder of a spool, to be read."""

    def __init__(self, path: Path) -> None:
        """Raises SpoolError when there is none, or only a newer version may judge it."""
        self.path = path
        self.site, self.node = _identity(path)

    def stream(self, tier: str) -> Stream:
        return Stream(self.site, self.node, tier)

    @property
    def tiers(self) -> list[str]:
        """Those that have a folder, highest first."""
        return [tier for tier in TIERS if (self.path / tier).is_dir()]

    def segments(self, tier: str) -> list[tuple[int, Path]]:
        """Numbers and files, oldest first. Raises SpoolError."""
        return numbered(self.path / tier)

    def frames(self, tier: str) -> Iterator[Placed]:
        """The frames of a tier that can be read, oldest first. Raises SpoolError, TooNew.

        A segment that is dropped meanwhile is passed over.
        """
        known: dict[int, Dictionary] = {}
        for _, path in self.segments(tier):
            with suppress(FileNotFoundError):
                yield from frames(path, known)

    def unstamped(self, tier: str) -> list[tuple[int, Path]]:
        """The files of rounds that wait for a clock, oldest first. Raises SpoolError."""
        return numbered(self.path / "unstamped" / tier)

    def positions(self, tier: str) -> Mapping[str, Position | None]:
        """How far each reader has come, by its name; None for a file that can't be read."""
        files = sorted((self.path / "positions").glob(f"{tier}.*.position"))
        return {
            file.name.removeprefix(f"{tier}.").removesuffix(".position"): load_position(file)
            for file in files
        }

    def size(self) -> int:
        """Bytes of all segments."""
        return sum(size_of(path) for tier in self.tiers for _, path in self.segments(tier))

    def user(self) -> int | None:
        """The process that has the spool, None when none has or the kernel doesn't say.

        Asked of the kernel: trying the lock ourselves could keep a process that starts from it.
        """
        with suppress(OSError):
            lock = (self.path / "lock").stat()
            place = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
            for line in Path("/proc/locks").read_text("ascii").splitlines():
                words = line.split()
                if len(words) > 5 and words[1] == "FLOCK" and words[5] == place:
                    return int(words[4])
        return None


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """The numbered files of a folder, oldest first; none where there is no folder.

    Raises SpoolError.
    """
    found = []
    try:
        for path in folder.iterdir():
            with suppress(ValueError):
                found.append((number_of(path), path))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(found)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when it was dropped just now."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _Identity(msgspec.Struct):
    format: int
    site: str
    node: str


def _identity(path: Path) -> tuple[str, str]:
    file = path / "identity.json"
    try:
        identity = msgspec.json.decode(file.read_bytes(), type=_Identity)
    except FileNotFoundError as error:
        raise SpoolError(
            f"{path} is no spool: it has no identity.json",
            "name the right folder with --spool, or its configuration with -c",
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    except msgspec.DecodeError as error:
        raise SpoolError(
            f"{file} is damaged: {error}",
            f'write it anew: {{"format": {SPOOL_FORMAT}, "site": "...", "node": "..."}}',
        ) from error
    if identity.format > SPOOL_FORMAT:
        raise SpoolError(
            f"{path} has format {identity.format}, this version knows {SPOOL_FORMAT}",
            "look at it with the newer version",
        )
    return identity.site, identity.node


def _unreadable(path: Path, error: OSError) -> SpoolError:
    return SpoolError(
        f"{path} can't be read: {error.strerror}", "run this as the user that edgevitals runs as"
    )
