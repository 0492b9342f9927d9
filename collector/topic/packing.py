"""Rounds into records: joined while they follow each other, split where a record is too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from collector.errors import FormatError
from collector.frames import frame as frames
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, encode_dictionary, encode_frame, part
from collector.topic.record import Header, dictionary_headers, frame_headers

_OVERHEAD = 120
"""Bytes that a broker counts beside value and headers: of the record, and of a batch of one."""


class Sizes(NamedTuple):
    """What is known of how large a record may be, in bytes.

    Frames are split until they have at most `wanted`; `refused` is the smallest that Kafka refused.
    """

    wanted: int | None = None
    refused: int | None = None


NO_SIZES = Sizes()


class Packed(NamedTuple):
    """A record to be written; `frame` is None for a dictionary."""

    value: bytes
    headers: list[Header]
    frame: Frame | None

    @property
    def bytes(self) -> int:
        """Its size, about as brokers count it against max.message.bytes."""
        named = sum(len(name) + len(value or b"") + 4 for name, value in self.headers)
        return len(self.value) + named + _OVERHEAD

    @property
    def rounds(self) -> int:
        return len(self.frame.at) if self.frame else 0


def pack_dictionary(dictionary: Dictionary) -> Packed:
    return Packed(encode_dictionary(dictionary), dictionary_headers(dictionary), None)


def pack_frames(
    batch: Sequence[Frame], dictionary: Dictionary, sizes: Sizes = NO_SIZES
) -> Iterator[Packed]:
    """The records of a batch's rounds, in their order."""
    for joined in join(batch, dictionary):
        yield from _split(joined, dictionary, sizes)


def is_too_large(record: Packed, sizes: Sizes) -> bool:
    """Say whether Kafka has refused one no larger, so that this one needs no try."""
    return sizes.refused is not None and record.bytes >= sizes.refused


def after_refusal(record: Packed, sizes: Sizes) -> Sizes:
    """What is known when Kafka refused a record for its size."""
    refused = min(record.bytes, sizes.refused or record.bytes)
    wanted = sizes.wanted or refused
    if record.rounds > 1:
        # How much too large it was is not told. Halves: a limit that is missed costs a try each.
        wanted = min(wanted, record.bytes // 2)
    return Sizes(min(wanted, refused - 1), refused)


def join(batch: Sequence[Frame], dictionary: Dictionary) -> list[Frame]:
    """Join frames that follow each other within an epoch into one each."""
    if not batch:
        return []
    joined: list[list[Frame]] = [[batch[0]]]
    for before, after in pairwise(batch):
        if after.lineage == before.lineage and after.first_seq == before.last_seq + 1:
            joined[-1].append(after)
        else:
            joined.append([after])
    return [_as_one(run, dictionary) for run in joined]


def _as_one(run: Sequence[Frame], dictionary: Dictionary) -> Frame:
    first = run[0]
    if len(run) == 1:
        return first
    return frames.frame(
        first.dictionary_id,
        first.lineage,
        first.first_seq,
        [at for one in run for at in one.at],
        [row for one in run for row in one.rows(dictionary)],
    )


def _split(it: Frame, dictionary: Dictionary, sizes: Sizes) -> Iterator[Packed]:
    packed = Packed(encode_frame(it), frame_headers(dictionary.stream, it), it)
    rounds = len(it.at)
    if rounds == 1 or sizes.wanted is None or packed.bytes <= sizes.wanted:
        yield packed
        return
    halves = [part(it, dictionary, *span) for span in ((0, rounds // 2), (rounds // 2, rounds))]
    if it in halves:
        raise FormatError("a frame whose numbers can't be read, and that is too large")
    for half in halves:
        yield from _split(half, dictionary, sizes)
