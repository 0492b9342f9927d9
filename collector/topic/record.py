"""A record of the topic: what its headers say, so that nobody has to decode it to count rounds.

    stream       site/node/tier
    epoch        8 bytes, as in the frame
    seq          first-last, or one number
    time         first-last in Unix ms, or one number
    dictionary   8 bytes: the id of the dictionary in the record, or of the one it needs
    min_reader   the oldest format version that can read it

A dictionary's record has no epoch, seq and time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import FORMAT, Frame

_MOST_DIGITS = 9

Header = tuple[str, str | bytes | None]


class Labelled(NamedTuple):
    """What the headers say: enough to hold a stream that only a newer version can read."""

    stream: Stream | None
    min_reader: int


class Record(NamedTuple):
    """A record as the consumer gives it."""

    offset: int
    labels: Labelled
    value: bytes


def frame_headers(stream: Stream, frame: Frame) -> list[Header]:
    first_ms, last_ms = frame.at[0].wall_ms, frame.at[-1].wall_ms
    return [
        ("stream", "/".join(stream).encode()),
        ("epoch", frame.lineage.epoch.to_bytes(8, "big")),
        ("seq", _span(frame.first_seq, frame.last_seq)),
        ("time", _span(first_ms, last_ms) if first_ms and last_ms else b""),
        ("dictionary", frame.dictionary_id.to_bytes(8, "big")),
        ("min_reader", b"%d" % FORMAT),
    ]


def dictionary_headers(dictionary: Dictionary) -> list[Header]:
    return [
        ("stream", "/".join(dictionary.stream).encode()),
        ("dictionary", dictionary.id.to_bytes(8, "big")),
        ("min_reader", b"%d" % FORMAT),
    ]


def read_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> Labelled:
    """Read what is there; other programs' records have none of it."""
    found = {name: value or b"" for name, value in headers or ()}
    parts = found.get("stream", b"").decode(errors="replace").split("/")
    version = found.get("min_reader", b"")
    is_number = version.isdigit() and len(version) <= _MOST_DIGITS
    return Labelled(
        Stream(*parts) if len(parts) == 3 else None, int(version) if is_number else FORMAT
    )


def _span(first: int, last: int) -> bytes:
    return b"%d" % first if first == last else b"%d-%d" % (first, last)
