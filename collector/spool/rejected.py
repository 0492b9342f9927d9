"""What a receiver refused for good: kept, bounded, so that a person can look and send it again.

Files of the segments' own format, a rejection before each frame it speaks of, the frame's
dictionary before both.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock

from collector.errors import DiskError, SpoolError
from collector.errors import Rejected as Why
from collector.flow.pump import Batch
from collector.frames.frame import Rejection, encode_dictionary, encode_frame, encode_rejection
from collector.spool.segment import SegmentWriter, number_of, path_of

MAX_BYTES = 64 << 20
TAKEN = ".taken"
"""The ending of the file that says what of another was taken since (aside.py)."""

_FILE_BYTES = 4 << 20
_DETAIL_CHARACTERS = 500


class Rejected:
    """The rejected store of a spool. Several pumps may keep batches in it."""

    def __init__(self, folder: Path) -> None:
        """Open or begin the store. Raises SpoolError."""
        self._folder = folder
        self._writer: SegmentWriter | None = None
        self._writing = Lock()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SpoolError(
                f"{folder} can't be made: {error.strerror}", "check its owner and mode"
            ) from error

    def keep(self, batch: Batch, why: Why, sink: str) -> None:
        """Set a batch aside, durably. Raises DiskError: then the batch must not be let go."""
        rejection = Rejection(
            sink, why.reason, why.message[:_DETAIL_CHARACTERS], time.time_ns() // 1_000_000
        )
        payloads = []
        with self._writing:
            try:
                writer = self._open()
            except OSError as error:
                raise self._failed(error) from error
            if batch.dictionary.id not in writer.dictionaries:
                payloads.append(encode_dictionary(batch.dictionary))
            for frame in batch.frames:
                payloads += [encode_rejection(rejection), encode_frame(frame)]
            try:
                writer.append(payloads)
            except OSError as error:
                self._abandon(writer)
                raise self._failed(error) from error
            writer.dictionaries.add(batch.dictionary.id)

    def _abandon(self, writer: SegmentWriter) -> None:
        """A full disk asks every minute: it must not get an empty file each time."""
        self._writer = None
        writer.close()
        if not writer.end:
            with suppress(OSError):
                writer.path.unlink()

    def _failed(self, error: OSError) -> DiskError:
        return DiskError(
            f"{self._folder} does not take what was rejected: {error.strerror}",
            "free space on that disk",
        )

    def close(self) -> None:
        with self._writing:
            if self._writer:
                self._writer.close()
                self._writer = None

    def _open(self) -> SegmentWriter:
        if self._writer and self._writer.end < _FILE_BYTES:
            return self._writer
        if self._writer:
            full, self._writer = self._writer, None
            full.close()
        files = self._files()
        number = files[-1][0] + 1 if files else 1
        while files and sum(size for _, size in files) > MAX_BYTES - _FILE_BYTES:
            oldest = path_of(self._folder, files.pop(0)[0])
            # What was taken of it goes first: it must not be said of a later file.
            oldest.with_suffix(TAKEN).unlink(missing_ok=True)
            oldest.unlink(missing_ok=True)
        self._writer = SegmentWriter(path_of(self._folder, number))
        with suppress(OSError):  # a disk without locks: the writer notices if it loses its file
            self._writer.hold()
        return self._writer

    def _files(self) -> list[tuple[int, int]]:
        found = []
        for entry in os.scandir(self._folder):
            try:
                found.append((number_of(Path(entry.name)), entry.stat().st_size))
            except ValueError:
                continue
        return sorted(found)
