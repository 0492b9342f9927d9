"""A chain: the segments of one stream, oldest to newest. One thread appends, others read.

What the disk refuses is held in memory (ring.py), at its place among the rounds on disk.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Condition
from typing import NamedTuple

from collector import __version__
from collector.errors import DiskError, FormatError, SpoolError, TooNew
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import (
    Frame,
    SegmentHeader,
    decode,
    encode_dictionary,
    encode_frame,
    encode_segment_header,
)
from collector.spool.ring import Held, Ring
from collector.spool.segment import SegmentReader, SegmentWriter, number_of, path_of

SEGMENT_BYTES = 8 << 20

Payload = bytes
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class End(NamedTuple):
    """The newest segment and how far its records are durable; the newest round that is held."""

    segment: int
    offset: int
    held: int = 0


class Newest(NamedTuple):
    """The last frame that can be read; at most `unreadable` records were written behind it."""

    frame: Frame | None
    unreadable: int


class Chain:
    """Segments of one stream in a folder of their own."""

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        segment_bytes: int = SEGMENT_BYTES,
        make_way: Callable[[bool], bool] | None = None,
        make_anew: Callable[[], None] | None = None,
    ) -> None:
        """Open a chain, or begin one. Raises SpoolError.

        `make_way` drops an old segment when the disk is full, and says whether there was one; True
        asks for one that all readers are done with.
        `make_anew` makes the folders again when somebody removed them. Raises OSError, SpoolError.
        """
        self.stream = stream
        self.ring = Ring()
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._make_way = make_way or (lambda delivered: self.drop_oldest(delivered=delivered))
        self._make_anew = make_anew or self.make_folder
        self._owed = 0  # bytes to be written before a full disk may take another segment from us
        self._is_there = False  # whether what was refused last may be on the disk all the same
        self._in_doubt: Held | None = None
        self._vanished = 0
        self._readers: dict[int, int] = {}  # the segment that each is at
        self._writer: SegmentWriter | None = None
        self._sizes: dict[int, int] = {}  # closed segments, oldest first
        self._number = 0
        self._oldest: tuple[int, int | None] = (0, None)  # its number, and when it was begun
        self._grown = Condition()  # guards _sizes, _number and the writer's end; told of growth
        try:
            self.make_folder()
            for path in sorted(folder.iterdir()):
                try:
                    self._number = number_of(path)
                except ValueError:
                    continue  # not ours: left alone
                self._sizes[self._number] = path.stat().st_size
        except OSError as error:
            raise SpoolError(
                f"{folder} can't be used: {error.strerror}", "check its owner and mode"
            ) from error

    def make_folder(self) -> None:
        """Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin_behind(self, number: int) -> None:
        """Number new segments above `number`: a reader's position may name one that is gone."""
        self._number = max(self._number, number)

    @property
    def bytes(self) -> int:
        with self._grown:
            return sum(self._sizes.values()) + (self._writer.end if self._writer else 0)

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest segment was begun, by its own header.

        None without one, and while the disk doesn't tell. Looked at once a segment.
        """
        with self._grown:
            number = next(iter(self._sizes), self._number if self._writer else 0)
        if number != self._oldest[0]:
            self._oldest = (number, self._begun_ms(number) if number else None)
        return self._oldest[1]

    def append(self, dictionary: Dictionary, frame: Frame) -> None:
        """Make a frame durable, its dictionary before it where the segment lacks that.

        Raises DiskError when neither this segment nor a new one takes it. When that is `in_doubt`,
        its seq is used up all the same: it may lie in the abandoned segment, and no other round
        may ever have it. Raises SpoolError when the spool became another process's.
        """
        try:
            self._settle()
            self._append(dictionary, frame)
        except OSError as error:
            raise DiskError(
                f"{self._folder} does not take the round: {error.strerror}",
                _hint(error),
                in_doubt=self._is_there,
            ) from error

    def hold(self, dictionary: Dictionary, frame: Frame, *, in_doubt: bool = False) -> bool:
        """Keep a round in memory that the disk refused; say whether there is a reader for it.

        One that is in doubt is written once more before any other: so its line has no hole, and
        if it is there twice, both are the same.
        """
        with self._grown:
            if self._writer:
                place = self._number, self._writer.end
            else:
                place = self._number, self._sizes.get(self._number, 0)
            held = self.ring.add(place, dictionary, frame)
            if in_doubt:
                self._in_doubt = held
            self._grown.notify_all()
        return self.ring.rounds > 0

    def is_at(self, reader: object, segment: int) -> None:
        """A reader has delivered what lies before this segment."""
        with self._grown:
            self._readers[id(reader)] = segment

    def left(self, reader: object) -> None:
        with self._grown:
            self._readers.pop(id(reader), None)

    def drop_oldest(self, *, delivered: bool = False) -> bool:
        """Remove the oldest closed segment; say whether there was one. Raises OSError.

        `delivered`: only if no reader needs it any more.
        """
        with self._grown:
            if not self._sizes:
                return False
            number = next(iter(self._sizes))
            if delivered and any(at <= number for at in self._readers.values()):
                return False
            path_of(self._folder, number).unlink(missing_ok=True)
            del self._sizes[number]
        return True

    @property
    def must_roll(self) -> bool:
        """Whether the next append begins a new segment: the time to make room for it."""
        return self._writer is None or self._writer.end >= self._segment_bytes

    def end(self) -> End:
        with self._grown:
            return self._end_locked()

    def wait(self, seen: End, seconds: float) -> None:
        """Return when the chain has grown beyond `seen`, at the latest after `seconds`."""
        with self._grown:
            self._grown.wait_for(lambda: self._end_locked() != seen, timeout=seconds)

    def after(self, number: int) -> tuple[int, Path] | None:
        """The first segment at or behind a number, None when there is none."""
        with self._grown:
            numbers = [*self._sizes, *([self._number] if self._writer else [])]
        found = next((n for n in numbers if n >= number), None)
        return None if found is None else (found, path_of(self._folder, found))

    def vanished(self, number: int) -> None:
        """A reader found that a segment is gone: if it wasn't dropped, somebody removed it."""
        with self._grown:
            if self._sizes.pop(number, None) is not None:
                self._vanished = max(self._vanished, number)

    def has_vanished(self, number: int) -> bool:
        """Whether this segment may be one that somebody removed."""
        return 0 < number <= self._vanished

    def readable_end(self, number: int, reader: SegmentReader) -> tuple[int, bool]:
        """How far a segment may be read, and whether it is closed (so that this is all)."""
        with self._grown:
            if self._writer and number == self._number:
                return self._writer.end, False
            closed_at = self._sizes.get(number)
        # Dropped under its reader: the open file still has everything.
        return (reader.size if closed_at is None else closed_at), True

    def newest(self) -> Newest:
        """The last frame that can be read, however old.

        Raises SpoolError for a newer format, OSError when the disk doesn't give an answer.
        """
        unreadable = 0
        for number in reversed(list(self._sizes)):
            frame: Frame | None = None
            with closing(SegmentReader(path_of(self._folder, number))) as reader:
                at, end = 0, reader.size
                while (entry := reader.read(at, end)) is not None:
                    at = entry.end
                    frame = self._frame(entry.payload, number) or frame
                # A write that was torn looks the same as a round that was damaged later.
                unreadable += reader.count_markers(at, end) or int(at < end)
            if frame:
                return Newest(frame, unreadable)
        return Newest(None, unreadable)

    def close(self) -> None:
        self._abandon()

    def _frame(self, record: Payload, number: int) -> Frame | None:
        try:
            body = decode(record)
        except TooNew as error:
            raise SpoolError(
                f"{path_of(self._folder, number)}: {error.message}",
                "start the newer version again, or name another spool.path",
            ) from error
        except FormatError:
            return None
        return body if isinstance(body, Frame) else None

    def _begun_ms(self, number: int) -> int | None:
        try:
            with closing(SegmentReader(path_of(self._folder, number))) as reader:
                entry = reader.read(0, reader.size)
                header = decode(entry.payload) if entry else None
        except (OSError, FormatError):
            return None
        return header.created_ms if isinstance(header, SegmentHeader) else None

    def _settle(self) -> None:
        """Write the round that is in doubt again, unless a reader has gone on without it."""
        held = self._in_doubt
        try:
            if held and held.number > self.ring.pushed_out:
                self._append(held.dictionary, held.frame)
        finally:
            self._is_there = False  # of the round that comes behind it
        self._in_doubt = None

    def _append(self, dictionary: Dictionary, frame: Frame) -> None:
        try:
            self._write(dictionary, frame)
        except OSError as error:
            if error.errno == errno.ENOENT:
                self._forget_what_is_gone()
                self._make_anew()
            elif error.errno in _FULL and not self._replace_oldest():
                raise
            self._write(dictionary, frame)

    def _write(self, dictionary: Dictionary, frame: Frame) -> None:
        payloads = [encode_frame(frame)]
        writer = self._writer
        if writer is None or writer.end >= self._segment_bytes:
            payloads.insert(0, encode_dictionary(dictionary))
            self._begin_segment(payloads, dictionary)
        else:
            if dictionary.id not in writer.dictionaries:
                payloads.insert(0, encode_dictionary(dictionary))
            try:
                writer.append(payloads)
            except OSError as error:
                self._is_there |= writer.is_failed
                # A segment that is merely full up to the disk's end goes on when there is room.
                if writer.is_failed or error.errno not in _FULL:
                    self._abandon()
                raise
            writer.dictionaries.add(dictionary.id)
        self._owed -= sum(map(len, payloads))
        with self._grown:
            self._grown.notify_all()

    def _begin_segment(self, payloads: list[Payload], dictionary: Dictionary) -> None:
        """Make a segment that holds these records. Readers see it only when it is durable."""
        self._abandon()
        number = self._number + 1
        writer = SegmentWriter(path_of(self._folder, number))
        header = SegmentHeader(
            self.stream, number, time.time_ns() // 1_000_000, f"edgevitals {__version__}"
        )
        try:
            writer.append([encode_segment_header(header), *payloads])
        except OSError:
            writer.close()
            self._number = number  # taken, unless the file can be removed
            try:
                writer.path.unlink()
            except OSError:
                self._is_there = True
                raise
            self._number = number - 1
            raise
        writer.dictionaries.add(dictionary.id)
        with self._grown:
            self._writer, self._number = writer, number

    def _forget_what_is_gone(self) -> None:
        """Of all segments, once the one that grows or the folder was removed by somebody."""
        self._abandon()
        for number in list(self._sizes):
            if not path_of(self._folder, number).exists():
                self.vanished(number)

    def _replace_oldest(self) -> bool:
        """On a full disk, drop an old segment; not again before as much was written.

        Else whoever fills the disk would take the whole spool, a segment for each of our rounds.
        One that a reader still needs goes only where memory has no room for rounds either.
        """
        if self._owed > 0 or not self._make_way(not self.ring.is_full):
            return False
        self._owed = self._segment_bytes
        return True

    def _abandon(self) -> None:
        with self._grown:
            writer, self._writer = self._writer, None
            if writer:
                self._sizes[self._number] = writer.end
        if writer:
            writer.close()

    def _end_locked(self) -> End:
        return End(self._number, self._writer.end if self._writer else 0, self.ring.newest)


def _hint(error: OSError) -> str:
    hints = {
        errno.ENOSPC: "free space on that disk, or lower spool.max_size",
        errno.EDQUOT: "raise the quota of this user, or lower spool.max_size",
        errno.EROFS: "that file system is read-only: see dmesg, then remount or replace the disk",
        errno.EIO: "the disk reports errors: look at dmesg and replace it",
        errno.EACCES: "check owner and mode of spool.path",
        errno.EMFILE: "raise this process's limit of open files (ulimit -n, LimitNOFILE)",
        errno.ENFILE: "the whole machine has no open files left: see fs.file-max",
    }
    return hints.get(error.errno or 0, "look at the disk and at spool.path")
