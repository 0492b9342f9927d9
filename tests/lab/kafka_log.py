"""A partition's files, as a power cut may leave them. Only while its broker is down."""

from __future__ import annotations

import struct
from pathlib import Path

_HEAD = struct.Struct(">qi")  # base offset, bytes behind these twelve
_LAST_DELTA = struct.Struct(">i")
_LAST_DELTA_AT = 23


def cut(folder: Path, offset: int) -> None:
    """Let the log end before an offset: later records and segments are gone, indexes too."""
    for segment in sorted(folder.glob("*.log")):
        if int(segment.stem) >= offset > 0:
            segment.unlink()
            continue
        data = segment.read_bytes()
        at = 0
        while at + _HEAD.size <= len(data):
            base, size = _HEAD.unpack_from(data, at)
            (last,) = _LAST_DELTA.unpack_from(data, at + _LAST_DELTA_AT)
            if size <= 0 or base + last >= offset:
                break
            at += _HEAD.size + size
        segment.write_bytes(data[:at])
    for suffix in ("*.index", "*.timeindex", "*.snapshot"):
        for file in folder.glob(suffix):
            file.unlink()
