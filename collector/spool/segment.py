"""A segment: one append-only file of records, written by one life of the process.

    record   FF 45 56 00 | u32 size | u32 crc | payload        little-endian

`crc` is CRC-32 (zlib) over size and payload. The four bytes in front let a reader find the next
record behind a damaged one. The first record is a segment header, the next a dictionary, so a
segment can be read by itself: it is also the export file.

A segment is never opened for writing again: a start begins a new one. So a torn tail needs no
repair, and a file that was ever read can't change under its reader.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

MARKER = b"\xffEV\x00"
SUFFIX = ".evs"
MAX_RECORD_BYTES = 64 << 20
_HEAD = struct.Struct("<4sII")
_READ_AHEAD = 1 << 20


class Entry(NamedTuple):
    """A whole record, and the offset behind it. `damaged` bytes were skipped to find it."""

    payload: bytes
    end: int
    damaged: int = 0


def path_of(folder: Path, number: int) -> Path:
    return folder / f"{number:016x}{SUFFIX}"


def number_of(path: Path) -> int:
    """The number of a segment. Raises ValueError when the file isn't named like one."""
    number = int(path.stem, 16)
    if path.name != path_of(path.parent, number).name:
        raise ValueError(path.name)
    return number


def pack(payload: bytes) -> bytes:
    """A record's bytes."""
    size = len(payload).to_bytes(4, "little")
    crc = zlib.crc32(payload, zlib.crc32(size))
    return b"".join((MARKER, size, crc.to_bytes(4, "little"), payload))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _inode(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


class SegmentWriter:
    """The segment that grows. `end` is where the last durable record ends.

    `is_failed`: something may lie behind `end` that nobody can vouch for. Then it is done with.
    """

    def __init__(self, path: Path) -> None:
        """Create the file. Raises OSError."""
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.path = path
        self._inode = _inode(os.fstat(self._fd))
        self.end = 0
        self.is_failed = False
        self.dictionaries: set[int] = set()

    def append(self, payloads: list[bytes]) -> None:
        """Write records and make them durable. Raises OSError.

        What a full disk took of them is cut off again. But after a failed fsync the kernel may
        have dropped the pages and call the next one good, so nothing is ever synced twice on one
        descriptor (https://wiki.postgresql.org/wiki/Fsync_Errors). A file that somebody removed or
        moved takes everything and keeps nothing: then FileNotFoundError is raised.
        """
        data = memoryview(b"".join(map(pack, payloads)))
        at = self.end
        self.is_failed = True
        try:
            while data:
                written = os.pwrite(self._fd, data, at)
                data = data[written:]
                at += written
        except OSError:
            os.ftruncate(self._fd, self.end)
            self.is_failed = False
            raise
        os.fdatasync(self._fd)
        if not self.end:
            sync_folder(self.path.parent)
        if _inode(os.stat(self.path)) != self._inode:  # noqa: PTH116 - a Path costs more than it
            raise FileNotFoundError(errno.ENOENT, "it was put aside while it was written")
        self.end, self.is_failed = at, False

    def hold(self) -> None:
        """Lock the file until it is closed: then others see that it still grows. Raises OSError."""
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        os.close(self._fd)


class SegmentReader:
    """Reads the records of a segment in order, from any record's offset on."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises FileNotFoundError when it was dropped."""
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._chunk = b""
        self._chunk_at = 0

    def close(self) -> None:
        os.close(self._fd)

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, at: int, end: int) -> Entry | None:
        """Return the first whole record at or behind `at`, None when there is none before `end`.

        What lies between is damage, and is said in the entry. Raises OSError.
        """
        start = at
        while True:
            payload = self._record(at, end)
            if payload is not None:
                return Entry(payload, at + _HEAD.size + len(payload), at - start)
            found = self._find_marker(at + 1, end)
            if found is None:
                return None
            at = found

    def count_markers(self, at: int, end: int) -> int:
        """How many records may have been written between two offsets. Raises OSError."""
        count = 0
        while (found := self._find_marker(at, end)) is not None:
            count, at = count + 1, found + len(MARKER)
        return count

    def _record(self, at: int, end: int) -> bytes | None:
        if at + _HEAD.size > end:
            return None
        marker, size, crc = _HEAD.unpack(self._bytes(at, _HEAD.size, end))
        if marker != MARKER or size > MAX_RECORD_BYTES or at + _HEAD.size + size > end:
            return None
        payload = self._bytes(at + _HEAD.size, size, end)
        good = zlib.crc32(payload, zlib.crc32(size.to_bytes(4, "little"))) == crc
        return payload if good else None

    def _find_marker(self, at: int, end: int) -> int | None:
        while at < end:
            size = min(_READ_AHEAD, end - at)
            if size < len(MARKER):
                return None
            found = self._bytes(at, size, end).find(MARKER)
            if found >= 0:
                return at + found
            at += size - len(MARKER) + 1
        return None

    def _bytes(self, at: int, size: int, end: int) -> bytes:
        start = at - self._chunk_at
        if start < 0 or start + size > len(self._chunk):
            # Nothing behind `end` is kept: there the writer may cut off and write again.
            self._chunk = os.pread(self._fd, min(max(size, _READ_AHEAD), end - at), at)
            self._chunk_at = at
            start = 0
        piece = self._chunk[start : start + size]
        if len(piece) < size:
            raise OSError(f"the file ends at {at + len(piece)}, inside a record")
        return piece
