"""The unstamped chain: rounds of this boot that wait for a clock, on disk like all others.

They have their seqs already. Once the clock is right they get their times and enter the stream's
chain, in order; what a crash in between left here is known there by its seq. If the boot ends
first, nobody can tell their times any more: they are a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from collector.errors import DiskError, FormatError, SpoolError, TooNew
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, decode
from collector.spool.chain import Chain
from collector.spool.segment import SUFFIX, SegmentReader

MAX_BYTES = 8 << 20
"""Half a day of a large site, weeks of a small one."""

_SEGMENT_BYTES = 1 << 20


class Unstamped:
    """Frames of one stream without wall times. Only the round room uses it."""

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        max_bytes: int = MAX_BYTES,
        segment_bytes: int = _SEGMENT_BYTES,
    ) -> None:
        """Nothing is made on the disk before the first round. Raises SpoolError."""
        self._folder = folder
        self._stream = stream
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max(max_bytes // 8, 1))
        self._chain = Chain(folder, stream, self._segment_bytes) if folder.exists() else None
        self.rounds = self._count()

    @property
    def bytes(self) -> int:
        return self._chain.bytes if self._chain else 0

    @property
    def is_full(self) -> bool:
        """Whether the next segment takes the place of the oldest."""
        return self.bytes > self._max_bytes - self._segment_bytes

    def append(self, dictionary: Dictionary, frame: Frame) -> int:
        """Keep a round durably; return how many of the oldest went for it. Raises DiskError."""
        dropped = 0
        try:
            if self._chain is None:
                self._folder.parent.mkdir(mode=0o700, exist_ok=True)
                self._chain = Chain(self._folder, self._stream, self._segment_bytes)
            if self._chain.must_roll and self.is_full:
                before = self.rounds
                self._chain.drop_oldest()
                self.rounds = self._count()
                dropped = before - self.rounds
            self._chain.append(dictionary, frame)
        except SpoolError as error:
            raise DiskError(error.message, error.hint) from error
        except OSError as error:
            raise DiskError(
                f"{self._folder} does not take the round: {error.strerror}",
                "look at the disk and at spool.path",
            ) from error
        self.rounds += len(frame.at)
        return dropped

    def frames(self) -> Iterator[tuple[Dictionary, Frame]]:
        """All that can be read, oldest first."""
        known: dict[int, Dictionary] = {}
        for path in self._paths():
            with closing(SegmentReader(path)) as reader:
                at, end = 0, reader.size
                while (entry := reader.read(at, end)) is not None:
                    at = entry.end
                    body = _decoded(entry.payload, known)
                    if isinstance(body, Dictionary):
                        known = {body.id: body}
                    elif isinstance(body, Frame) and body.dictionary_id in known:
                        yield known[body.dictionary_id], body

    def newest(self) -> Frame | None:
        """The last frame that can be read."""
        newest = None
        for _, newest in self.frames():  # noqa: B007
            pass
        return newest

    def clear(self) -> None:
        """Remove everything: it is in the stream's chain, or lost. Raises OSError."""
        self.close()
        for path in self._paths():
            path.unlink()
        self.rounds = 0

    def close(self) -> None:
        if self._chain:
            self._chain.close()
            self._chain = None

    def _count(self) -> int:
        return sum(len(frame.at) for _, frame in self.frames())

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder.exists() else []


def _decoded(record: bytes, known: dict[int, Dictionary]) -> object:
    try:
        return decode(record, known)
    except TooNew as error:
        raise SpoolError(
            error.message, "start the newer version again, or name another spool.path"
        ) from error
    except FormatError:
        return None
