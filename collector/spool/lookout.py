"""The lookout: reads ahead in a chain, for what later frames say of the clock of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from collector.errors import FormatError
from collector.flow.foresight import Foresight
from collector.frames.frame import Frame, decode
from collector.spool.chain import Chain
from collector.spool.segment import SegmentReader

LOOK_AHEAD_BYTES = 8 << 20
"""For a step of a clock that may have been wrong: a day of a small site. Of a clock that was wrong
by what is known the end is looked for, however far."""


class Lookout:
    """Goes ahead of one cursor, over each frame once."""

    def __init__(self, chain: Chain, foresight: Foresight) -> None:
        self._chain = chain
        self._foresight = foresight
        self._segment = self._offset = 0

    def holds(self, frame: Frame, segment: int, offset: int) -> str | None:
        """Say why the frame at this place may not pass yet, None when it may."""
        foresight, stream = self._foresight, self._chain.stream.key
        if foresight.is_suspect(stream, frame):
            in_sight = LOOK_AHEAD_BYTES
            for later, size in self._frames_behind(segment, offset):
                foresight.observe(stream, later)
                in_sight -= size
                is_future = foresight.is_in_future(stream, frame)
                if foresight.is_decided(stream, frame) or (in_sight < 0 and not is_future):
                    break
        return None if foresight.may_pass(stream, frame) else foresight.why(frame)

    def _frames_behind(self, segment: int, offset: int) -> Iterator[tuple[Frame, int]]:
        """Frames behind a place that were not looked at yet, each with the bytes read for it.

        Ends at the present end of the chain; what can't be read is passed over.
        """
        self._segment, self._offset = max((self._segment, self._offset), (segment, offset))
        while (found := self._chain.after(self._segment)) is not None:
            number, path = found
            if number != self._segment:
                self._segment, self._offset = number, 0
            try:
                reader = SegmentReader(path)
            except FileNotFoundError:  # dropped just now
                self._segment, self._offset = number + 1, 0
                continue
            with closing(reader):
                end, is_closed = self._chain.readable_end(number, reader)
                try:
                    while (entry := reader.read(self._offset, end)) is not None:
                        size, self._offset = entry.end - self._offset, entry.end
                        frame = _frame(entry.payload)
                        if frame:
                            yield frame, size
                except OSError:  # the disk can't give it back: the cursor will meet that
                    pass
            if not is_closed:
                return
            self._segment, self._offset = number + 1, 0


def _frame(record: bytes) -> Frame | None:
    try:
        body = decode(record)
    except FormatError:
        return None
    return body if isinstance(body, Frame) else None
