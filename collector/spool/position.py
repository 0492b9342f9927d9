"""A reader's position: a file that is replaced in one step, each time that a batch is delivered."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from collector.errors import FormatError
from collector.flow.mark import Position, decode_position
from collector.flow.mark import encode_position as position_body
from collector.frames.frame import decode, encode_position
from collector.spool.segment import SegmentReader, pack


def load_position(file: Path) -> Position | None:
    """Read a position file; None when there is none, or none that passes its check.

    A reader without a position begins at the oldest segment: everything there is sent again,
    which is harmless, and nothing is skipped.
    """
    try:
        reader = SegmentReader(file)
    except FileNotFoundError:
        return None
    try:
        entry = reader.read(0, reader.size)
        body = decode(entry.payload) if entry else None
        return decode_position(body) if isinstance(body, bytes) else None
    except (OSError, FormatError):
        return None
    finally:
        reader.close()


def save_position(file: Path, position: Position) -> None:
    """Replace a position file in one step. Raises OSError."""
    new = file.with_suffix(".new")
    file.parent.mkdir(mode=0o700, exist_ok=True)  # somebody may have removed it
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = pack(encode_position(position_body(position)))
        if os.write(fd, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # it took a part: it is full
        os.fdatasync(fd)
    finally:
        os.close(fd)
    new.replace(file)
