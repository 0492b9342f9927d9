"""What was set aside: the rejected store as it is read, and how what was sent again leaves it.

    0000000000000003.evs      rejections and their frames, as `rejected.py` wrote them
    0000000000000003.taken    which of them a receiver has taken since: their places, one a line

The files of the store are never written by two: the process that appends to one holds its lock,
and whoever sends again only notes beside it what was taken. A file that is all taken, and that
nobody holds, goes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from collector.errors import SpoolError
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, Rejection
from collector.spool.reading import numbered, pieces
from collector.spool.rejected import TAKEN

_LOCK = "replay.lock"


class Kept(NamedTuple):
    """One frame that was set aside, and where it stands."""

    path: Path
    at: int
    rejection: Rejection
    dictionary: Dictionary
    frame: Frame


class Aside(NamedTuple):
    """What the store holds; `unreadable` pieces of its files are no rejections any more."""

    kept: list[Kept]
    unreadable: int


def read(folder: Path) -> Aside:
    """Everything that is still set aside, oldest first. Raises SpoolError."""
    kept: list[Kept] = []
    unreadable = 0
    known: dict[int, Dictionary] = {}
    for _, path in numbered(folder):
        with suppress(FileNotFoundError):  # dropped just now
            taken = _taken(path)
            rejection: Rejection | None = None
            for at, _, body, trouble, _ in pieces(path, known):
                if isinstance(body, Rejection):
                    rejection = body
                elif isinstance(body, Frame) and rejection:
                    dictionary = known.get(body.dictionary_id)
                    if dictionary is None:
                        unreadable += 1
                    elif at not in taken:
                        kept.append(Kept(path, at, rejection, dictionary, body))
                unreadable += trouble is not None
    return Aside(kept, unreadable)


@contextmanager
def replaying(folder: Path) -> Iterator[None]:
    """Hold the store against another one that sends again. Raises SpoolError when there is one."""
    try:
        fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolError(
            f"{folder} can't be written: {error.strerror}",
            "run this as the user that edgevitals runs as",
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpoolError(
                f"another one sends what is in {folder} again", "wait for its end"
            ) from error
        yield
    finally:
        os.close(fd)


def leave(taken: Sequence[Kept]) -> None:
    """Note durably that these were taken. Raises OSError."""
    for path in {one.path for one in taken}:
        places = [one.at for one in taken if one.path == path]
        with path.with_suffix(TAKEN).open("ab") as file:
            file.write(b"".join(b"%d\n" % at for at in places))
            file.flush()
            os.fsync(file.fileno())


def tidy(folder: Path) -> int:
    """Remove the files that hold nothing any more; return how many. Raises OSError, SpoolError."""
    # First who holds them, then what they hold: what nobody holds never grows again.
    free = [path for _, path in numbered(folder) if not _is_held(path)]
    still = {one.path for one in read(folder).kept}
    removed = 0
    for path in free:
        taken = path.with_suffix(TAKEN)
        if path not in still and taken.exists():
            # In this order: without its file, what was taken would be said of the next one of
            # this number.
            taken.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _taken(path: Path) -> set[int]:
    try:
        lines = path.with_suffix(TAKEN).read_bytes().split(b"\n")
    except FileNotFoundError:
        return set()
    # The last line may have been cut off in the middle: it would be another number.
    return _numbers(lines[:-1])


def _numbers(lines: Iterable[bytes]) -> set[int]:
    return {int(line) for line in lines if line.isdigit()}


def _is_held(path: Path) -> bool:
    """Whether a process still appends to a file of the store."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # dropped just now
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
