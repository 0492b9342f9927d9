"""Whose spool it is: a site and a node, from the first start on, in identity.json."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from collector.errors import FormatError, SpoolError
from collector.frames.frame import SegmentHeader, decode
from collector.spool.segment import SUFFIX, SegmentReader

SPOOL_FORMAT = 1

log = logging.getLogger(__name__)


class _Format(msgspec.Struct, frozen=True):
    format: int


class Identity(_Format, frozen=True):
    """The content of the file."""

    site: str
    node: str


def identify(path: Path, tiers: Collection[str], site: str, node: str | None) -> tuple[str, str]:
    """Hold the spool against who asks for it; write the identity at the first start.

    The segments have a checksum, the identity has none: where they say something else, it was
    damaged, and is written anew. Raises SpoolError, and OSError where the disk does.
    """
    file = path / "identity.json"
    by_segments = _owner(path, tiers)
    identity: Identity | None = None
    try:
        identity = _read_identity(file)
    except FileNotFoundError:
        identity = by_segments or Identity(SPOOL_FORMAT, site, node or os.uname().nodename)
        write_identity(file, identity)
    except msgspec.DecodeError as error:
        if by_segments is None:
            raise SpoolError(
                f"{file} is damaged: {error}",
                f'write it anew: {{"format": {SPOOL_FORMAT}, "site": "...", "node": "..."}}',
            ) from error
    if by_segments and identity != by_segments:
        log.error("%s was damaged: it is written anew, as the segments say", file)
        identity = by_segments
        with suppress(OSError):  # the disk may be read-only
            write_identity(file, identity)
    if identity is None:
        raise AssertionError("neither read nor written")
    for what, kept, asked in (("site", identity.site, site), ("node", identity.node, node)):
        if asked is not None and asked != kept:
            raise SpoolError(
                f"{path} belongs to {what} {kept}, the config says {asked}",
                f"set {what} back, or give {asked} a spool.path of its own",
            )
    return identity.site, identity.node


def _read_identity(file: Path) -> Identity:
    """Raises FileNotFoundError, msgspec.DecodeError, and SpoolError for a newer format."""
    text = file.read_bytes()
    written = msgspec.json.decode(text, type=_Format).format
    if written > SPOOL_FORMAT:
        raise SpoolError(
            f"{file.parent} has format {written}, this version knows {SPOOL_FORMAT}",
            "start the newer version again, or name another spool.path",
        )
    return msgspec.json.decode(text, type=Identity)


def _owner(path: Path, tiers: Collection[str]) -> Identity | None:
    """Whose rounds the newest segment holds that can be read; None where there is none."""
    for file in sorted(path.glob(f"*/*{SUFFIX}"), key=lambda file: file.name, reverse=True):
        if file.parent.name not in tiers:
            continue
        with suppress(OSError, FormatError), closing(SegmentReader(file)) as reader:
            entry = reader.read(0, reader.size)
            header = decode(entry.payload) if entry else None
            if isinstance(header, SegmentHeader):
                return Identity(SPOOL_FORMAT, header.stream.site, header.stream.node)
    return None


def write_identity(file: Path, identity: Identity) -> None:
    """Replace the file in one step, durably. Raises OSError."""
    new = file.with_suffix(".new")
    with new.open("wb") as out:
        out.write(msgspec.json.encode(identity) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
