"""The recording as the collector would have kept it: readings, one-round frames, a dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count, islice
from typing import NamedTuple

from bench.recording import NODE, SITE, Recording, load
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Frame, Instant, Lineage
from collector.rounds.recorder import Recorder
from collector.series import SeriesTable
from collector.target import Reading
from collector.topic.packing import join

STREAM = Stream(SITE, NODE, "standard")
INTERVAL_S = 15
"""What frames and dictionaries come at, in sizes "all in". The recording itself has 8 s."""

# Of a site that has been up for ten days and was restarted once: no number is small by luck.
_LINE, _EPOCH, _SEQ = 0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 57_600
_LINEAGE = Lineage(_EPOCH, _LINE, (_LINE, _SEQ), bytes(range(16)))
_UPTIME_MS = 864_000_000


class Material(NamedTuple):
    """What the benches work on; `frames` hold a round each."""

    recording: Recording
    readings: list[Reading]
    dictionary: Dictionary
    frames: list[Frame]

    @property
    def series(self) -> int:
        return len(self.dictionary.series)

    @property
    def samples(self) -> int:
        """In all rounds of the recording."""
        return self.series * len(self.recording.rounds)


class Taker:
    """Takes the recording's rounds over and over, as if the broker had gone on like that."""

    def __init__(self, recording: Recording) -> None:
        table = SeriesTable()
        ids = [table.intern(one.name, one.labels, one.family) for one in recording.series]
        self.readings = [Reading(ids, values) for values in recording.rounds]
        self.recorder = Recorder(STREAM, table, _LINEAGE)
        self._times = self._instants(recording.at_ms)

    def take(self, rounds: int) -> tuple[Dictionary, list[Frame]]:
        """Record the next rounds, a frame each."""
        taken = [
            self.recorder.record([reading], at)
            for reading, at in zip(
                islice(self._endless(), rounds), islice(self._times, rounds), strict=True
            )
        ]
        return taken[-1].dictionary, [one.frame for one in taken]

    def _endless(self) -> Iterator[Reading]:
        while True:
            yield from self.readings

    @staticmethod
    def _instants(at_ms: Sequence[int]) -> Iterator[Instant]:
        length = at_ms[-1] - at_ms[0] + at_ms[1] - at_ms[0]
        for turn in count():
            for ms in at_ms:
                after = turn * length + ms - at_ms[0]
                yield Instant(at_ms[0] + after, _UPTIME_MS + after)


@cache
def recorded() -> Material:
    """The recording, loaded once."""
    recording = load()
    taker = Taker(recording)
    dictionary, frames = taker.take(len(recording.rounds))
    return Material(recording, taker.readings, dictionary, frames)


def joined(frames: Sequence[Frame], dictionary: Dictionary, rounds: int) -> list[Frame]:
    """Join one-round frames as the topic's writer does; the last frame may hold fewer rounds."""
    return [
        one
        for at in range(0, len(frames), rounds)
        for one in join(frames[at : at + rounds], dictionary)
    ]
