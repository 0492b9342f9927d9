"""A partition's log as the broker keeps it, and the rounds that come out of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from collector.flow.pump import Batch
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, encode_dictionary, encode_frame
from collector.topic.record import Labelled, Record, dictionary_headers, frame_headers, read_headers
from tests.unit.examples import line_frame, small_dictionary, wall_of

A = Stream("store-1", "node-a", "standard")
B = Stream("store-1", "node-b", "standard")
C = Stream("store-2", "node-a", "standard")
STREAMS = (A, B, C)
WORDS = {(stream, size): small_dictionary(stream, size) for stream in STREAMS for size in (1, 2, 3)}
"""Dictionaries by stream and number of series: a stream has three, one after the other."""

NEWER = b"\x08\x09"
"""A record that needs version 9 of the format: who knows what it holds."""


class Round(NamedTuple):
    """A round by its name: what may be delivered once."""

    stream: int
    line: int
    seq: int


def words(stream: Stream, size: int = 2) -> Dictionary:
    return WORDS[stream, size]


class PartitionLog:
    """Records in the order of their offsets, the first one at `start`."""

    def __init__(self, start: int = 0) -> None:
        self.records: list[Record] = []
        self.start = start

    @property
    def end(self) -> int:
        return self.start + len(self.records)

    def dictionary(self, of: Dictionary) -> Record:
        return self.raw(encode_dictionary(of), read_headers(_pairs(dictionary_headers(of))))

    def frame(self, of: Dictionary, seq: int, rounds: int = 1, **line: Any) -> Record:
        """Append rounds of a line; each has its seq in all its cells."""
        it = line_frame(seq, rounds, values=len(of.series), id_=of.id, **line)
        return self.raw(encode_frame(it), read_headers(_pairs(frame_headers(of.stream, it))))

    def newer(self, stream: Stream | None) -> Record:
        """Append a record that only a later version can read."""
        return self.raw(NEWER, Labelled(stream, 9))

    def raw(self, value: bytes, labels: Labelled | None = None) -> Record:
        record = Record(self.end, labels or Labelled(None, 1), value)
        self.records.append(record)
        return record

    def since(self, offset: int) -> Sequence[Record]:
        return self.records[max(0, offset - self.start) :]


def rounds_of(batch: Batch) -> list[Round]:
    """The rounds of a batch in their order; their cells and times are what they should be."""
    found = []
    for frame in batch.frames:
        assert frame.dictionary_id == batch.dictionary.id
        line = frame.lineage.line
        for i, row in enumerate(frame.rows(batch.dictionary)):
            seq = frame.first_seq + i
            assert list(row) == [float(seq)] * len(batch.dictionary.series)
            assert frame.at[i].wall_ms == wall_of(line, seq)
            found.append(Round(batch.dictionary.stream.key, line, seq))
    return found


def seqs(batch: Batch | None) -> list[int]:
    return [one.seq for one in rounds_of(batch)] if batch else []


def seqs_of_frame(frame: Frame) -> range:
    return range(frame.first_seq, frame.last_seq + 1)


def _pairs(headers):
    return [(name, value) for name, value in headers]
