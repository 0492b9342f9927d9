"""The spool: a folder that holds every round until the far side has it.

lock            held by the one process that uses the spool
identity.json   site and node, from the first start on
standard/       a chain of segments a tier
unstamped/      rounds that wait for a clock that can be believed
positions/      how far each reader of each chain has come
rejected/       what a receiver refused for good
attempts.json   which records ended the process, where any did
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from collector.errors import DiskError, SpoolError
from collector.flow.foresight import Foresight
from collector.flow.mark import Mark
from collector.flow.pump import Appetite
from collector.frames.dictionary import Stream
from collector.frames.frame import Frame
from collector.spool.attempts import AttemptsFile
from collector.spool.chain import SEGMENT_BYTES, Chain
from collector.spool.cursor import Cursor, Notices
from collector.spool.identity import SPOOL_FORMAT, Identity, identify, write_identity
from collector.spool.position import load_position
from collector.spool.rejected import Rejected
from collector.spool.segment import sync_folder
from collector.spool.unstamped import MAX_BYTES as MAX_UNSTAMPED_BYTES
from collector.spool.unstamped import Unstamped

TIERS = ("vital", "standard", "detail")
"""Highest first: what is dropped last. A tier's place is its partition in the topic."""

log = logging.getLogger(__name__)

_LEAST_SEGMENT_BYTES = 64 << 10
_LEAST_FREE_BYTES = 1 << 30
_LEAST_FREE_SHARE = 0.05


def least_free(disk_bytes: int) -> int:
    """What is left for others on a disk, unless the config says otherwise."""
    return max(_LEAST_FREE_BYTES, int(disk_bytes * _LEAST_FREE_SHARE))


class Limits(NamedTuple):
    """`max_bytes` of all chains; the spool stops growing when less than `min_free` is left.

    `min_free` takes the size of the disk; all in bytes.
    """

    max_bytes: int
    min_free: Callable[[int], int] = least_free


class Last(NamedTuple):
    """The newest round that a stream is known to have had, by its segments or by its readers.

    `boot_id` and `monotonic_ms` say when it was taken, where its frame can be read.
    """

    line: int
    epoch: int
    seq: int
    wall_ms: int
    boot_id: bytes = b""
    monotonic_ms: int = 0


class Spool:
    """An open spool. Only the round room appends; each reader has its own cursor."""

    def __init__(self, path: Path, site: str, node: str | None, limits: Limits) -> None:
        """Open or begin a spool for a node (None: the one it was begun for, else the host's name).

        Raises SpoolError with what to do: in use, another node's, a newer format, no such right.
        """
        self.path = path
        self._limits = limits
        self._segment_bytes = max(_LEAST_SEGMENT_BYTES, min(SEGMENT_BYTES, limits.max_bytes // 8))
        self._dropped = 0
        self._stopped_at: int | None = None  # what the chains took when the disk was nearly full
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / "positions").mkdir(mode=0o700, exist_ok=True)
            self._lock = _lock(path / "lock")
        except OSError as error:
            raise SpoolError(
                f"the spool {path} can't be used: {error.strerror}",
                "make the folder writable for this user, or set spool.path",
            ) from error
        try:
            self.site, self.node = identify(path, TIERS, site, node)
            self._chains = {
                tier: Chain(
                    path / tier,
                    Stream(self.site, self.node, tier),
                    self._segment_bytes,
                    self._drop_oldest,
                    self._make_anew,
                )
                for tier in TIERS
            }
            self._identity = Identity(SPOOL_FORMAT, self.site, self.node)
            self.rejected = Rejected(path / "rejected")
            self.attempts = AttemptsFile(path / "attempts.json")
            self._unstamped: dict[str, Unstamped] = {}
            for tier, chain in self._chains.items():
                positions = map(load_position, (path / "positions").glob(f"{tier}.*.position"))
                chain.begin_behind(max((p.segment for p in positions if p), default=0))
            _sync(path)
        except OSError as error:
            os.close(self._lock)
            raise SpoolError(
                f"the spool {path} can't be used: {error.filename or path}: {error.strerror}",
                "check owner and mode of everything in it, or set spool.path",
            ) from error
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def chain(self, tier: str) -> Chain:
        return self._chains[tier]

    def unstamped(self, tier: str) -> Unstamped:
        """Where rounds of a tier wait for a clock. Raises SpoolError."""
        if tier not in self._unstamped:
            stream = Stream(self.site, self.node, tier)
            folder = self.path / "unstamped" / tier
            most = min(MAX_UNSTAMPED_BYTES, self._limits.max_bytes)
            self._unstamped[tier] = Unstamped(folder, stream, most)
        return self._unstamped[tier]

    def cursor(
        self,
        tier: str,
        reader: str,
        appetite: Appetite,
        notices: Notices,
        foresight: Foresight | None = None,
    ) -> Cursor:
        """The Log of one reader of a tier, from where it stopped the last time.

        One that leads to a sink looks ahead for what clocks were worth: `foresight`.
        """
        file = self.path / "positions" / f"{tier}.{reader}.position"
        return Cursor(self._chains[tier], file, appetite, notices, foresight)

    def last(self, tier: str) -> Last | None:
        """The newest round of a stream: what the next epoch follows; None begins a new line.

        No seq may be given to two rounds. So the readers' marks are asked too, which know rounds
        that the disk has lost since; records that can't be read count as rounds; and where no
        round can be read at all, nobody knows how many there were: a new line. Raises SpoolError.
        """
        chain = self._chains[tier]
        try:
            frame, unreadable = chain.newest()
        except OSError:
            return None
        if frame is None:
            return None
        last = _last_of_frame(frame, unreadable)
        for file in (self.path / "positions").glob(f"{tier}.*.position"):
            position = load_position(file)
            for mark in position.marks.of.get(chain.stream.key, ()) if position else ():
                if mark.line == last.line:
                    # By seq: a clock that was wrong for a while stamps earlier rounds later. The
                    # mark names the epoch, where rounds that can't be read only count.
                    last = max(_last_of_mark(mark), last, key=lambda one: one.seq)
                elif mark.wall_ms > last.wall_ms and not mark.volatile:
                    return None  # the disk has lost a whole line
        return last

    @property
    def bytes(self) -> int:
        return sum(chain.bytes for chain in self._chains.values())

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest segment was begun; None before the first round."""
        return min(
            (at for chain in self._chains.values() if (at := chain.oldest_ms) is not None),
            default=None,
        )

    @property
    def max_bytes(self) -> int:
        return self._limits.max_bytes

    def make_room(self, tier: str) -> int:
        """Before a new segment of `tier`: drop old segments while the spool is over its quota.

        Returns how many segments went since the last call. The lowest tier goes first. On a disk
        that is nearly full a new segment replaces an old one: the spool stops growing, it never
        shrinks for others. Raises DiskError.
        """
        try:
            if self._chains[tier].must_roll:
                most = self._most_bytes()
                while self.bytes > most and self._drop_oldest():
                    pass
        except OSError as error:
            raise DiskError(
                f"an old segment in {self.path} can't be removed: {error.strerror}",
                "check owner and mode of spool.path",
            ) from error
        dropped, self._dropped = self._dropped, 0
        return dropped

    @property
    def rounds_in_memory(self) -> int:
        """Rounds that the disk refused and that some reader doesn't have yet."""
        return sum(chain.ring.rounds for chain in self._chains.values())

    def close(self) -> None:
        if self.rounds_in_memory:
            log.error("%d rounds that were only in memory are lost", self.rounds_in_memory)
        for chain in self._chains.values():
            chain.close()
        for unstamped in self._unstamped.values():
            unstamped.close()
        self.rejected.close()
        os.close(self._lock)

    def _make_anew(self) -> None:
        """Somebody removed the folder, or a part of it: make what we need to go on.

        What was on disk is gone, and readers find the gap; the line goes on, as its seqs are known
        here. Raises OSError, and SpoolError when another process has taken the place.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = self._lock
        if not _is_at(held, self.path / "lock"):
            self._lock = _lock(self.path / "lock")
            os.close(held)
        if not (self.path / "identity.json").exists():
            write_identity(self.path / "identity.json", self._identity)
        for folder in ("positions", "rejected", *TIERS):
            (self.path / folder).mkdir(mode=0o700, exist_ok=True)
        sync_folder(self.path)

    def _drop_oldest(self, delivered: bool = False) -> bool:
        """Of the lowest tier that has one."""
        chains = [self._chains[tier] for tier in reversed(TIERS)]
        dropped = any(chain.drop_oldest(delivered=delivered) for chain in chains)
        self._dropped += dropped
        return dropped

    def _most_bytes(self) -> int:
        """What the chains may hold before another segment begins."""
        quota = self._limits.max_bytes - self._segment_bytes
        if not self._disk_is_nearly_full():
            self._stopped_at = None
            return quota
        if self._stopped_at is None:
            self._stopped_at = self.bytes
        return min(quota, self._stopped_at)

    def _disk_is_nearly_full(self) -> bool:
        disk = os.statvfs(self.path)
        least = self._limits.min_free(disk.f_blocks * disk.f_frsize)
        return disk.f_bavail * disk.f_frsize < least


def _sync(folder: Path) -> None:
    """Make names durable. On a read-only disk there are none to be made so. Raises OSError."""
    try:
        sync_folder(folder)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise


def _is_at(fd: int, file: Path) -> bool:
    """Whether a path leads to this open file."""
    try:
        return os.path.samestat(os.fstat(fd), file.stat())
    except FileNotFoundError:
        return False


def _lock(file: Path) -> int:
    try:
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)  # a site isn't dark for a read-only disk
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise SpoolError(
            f"the spool {file.parent} is in use by process {holder or 'unknown'}",
            "stop that collector, or give this one another spool.path",
        ) from error
    with suppress(OSError):  # only the sentence above needs it, and the disk may be full
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _last_of_frame(frame: Frame, unreadable: int) -> Last:
    lineage, seq = frame.lineage, frame.last_seq + unreadable
    at = frame.at[-1]
    return Last(lineage.line, lineage.epoch, seq, at.wall_ms or 0, lineage.boot_id, at.monotonic_ms)


def _last_of_mark(mark: Mark) -> Last:
    return Last(mark.line, mark.epoch, mark.seq, mark.wall_ms)
