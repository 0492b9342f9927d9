"""Samples a second of CPU: rounds into frames, and frames into bodies of remote write.

All of it is the collector's own code on one core, with cramjam as the only extension. Bodies are
made as the reader and the sink make them: a record is decoded, judged against the mark, gathered
with others to about 20 rounds, decoded, merged by series, compressed with snappy. Dictionaries are
counted at their pace in the topic.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.cpu import best_prepared_s, best_s
from bench.rounds import STREAM, Material, Taker, joined, recorded
from bench.table import Row, Table, Target, Unit
from collector.flow.mark import Marks
from collector.flow.pump import MOST_ROUNDS, Appetite
from collector.frames import dictionary
from collector.frames.frame import Frame, encode_dictionary, encode_frame
from collector.sinks.cells import Piece, decoded
from collector.sinks.dialect import GZIP, ZSTD
from collector.sinks.otlp import Otlp
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import WRITTEN, RemoteWrite2
from collector.sinks.reply import Reply
from collector.topic.packing import join
from collector.topic.partition import PartitionState
from collector.topic.record import Labelled, Record
from collector.topic.writer import DICTIONARY_EVERY_FRAMES

ROUNDS_A_FRAME = (1, 6, 20)
DRAIN_TARGET = Target(3.0, at_least=True)  # at 6 rounds a frame

_Dialect = RemoteWrite1 | RemoteWrite2 | Otlp
_HOW = {"remote_write_2": "remote write 2.0, ", "otlp": "OTLP, "}
_LABELLED = Labelled(STREAM, 1)
_DRAINING = Appetite(MOST_ROUNDS, float("inf"))
_AT_THE_END = Appetite(1, 0.0)


def run() -> list[Table]:
    material = recorded()
    return [encoding(material), draining(material)]


def encoding(material: Material) -> Table:
    """From readings to records."""
    rounds = len(material.frames)
    taker = Taker(material.recording)
    taker.take(1)  # makes the dictionary

    def record_rounds() -> None:
        for frame in taker.take(rounds)[1]:
            encode_frame(frame)

    rows = [_row("readings to frames of 1 round", material.samples, best_s(record_rounds))]
    for size in ROUNDS_A_FRAME[1:]:
        seconds = best_s(lambda size=size: _join(material, size))  # type: ignore[misc]
        rows.append(_row(f"those to frames of {size} rounds", material.samples, seconds))
    whole = material.dictionary
    seconds = best_s(lambda: dictionary.build(whole.stream, whole.series))
    rows.append(
        Row("a dictionary is made", 1e3 * seconds, Unit.MILLISECONDS, note="when series change")
    )
    return Table("Samples a second of CPU, encoded", rows)


def draining(material: Material) -> Table:
    """From records to request bodies."""
    announced = Record(0, _LABELLED, encode_dictionary(material.dictionary))
    first_s = best_s(lambda: PartitionState(1, 0, Marks({})).add(announced))
    again_s = best_prepared_s(lambda: _reader(announced), lambda state: state.add(announced))
    rows = []
    ways: list[tuple[int, _Dialect]] = [(size, RemoteWrite1()) for size in ROUNDS_A_FRAME]
    ways += [(6, RemoteWrite2()), (6, Otlp(GZIP)), (6, Otlp(ZSTD))]
    for size, dialect in ways:
        records = _records(joined(material.frames, material.dictionary, size))
        seconds = best_prepared_s(
            lambda: _reader(announced),
            lambda state, records=records, dialect=dialect: _drain(state, records, dialect),  # type: ignore[misc]
        )
        frames_s = material.samples / seconds / 1e6
        seconds += again_s * len(records) / DICTIONARY_EVERY_FRAMES
        is_first = isinstance(dialect, RemoteWrite1)
        target = DRAIN_TARGET if size == 6 and is_first else None
        note = f"without dictionaries {frames_s:.2f}"
        how = "" if is_first else f", {_HOW[dialect.name]}{dialect.packing.name}"
        what = f"{size} round{'s' * (size > 1)} a frame{how}"
        rows.append(_row(what, material.samples, seconds, target, note))
    rows.append(Row("a dictionary is read", 1e3 * first_s, Unit.MILLISECONDS))
    rows.append(Row("a known one once more", 1e3 * again_s, Unit.MILLISECONDS))
    return Table(
        "Samples a second of CPU, from frames to remote-write bodies of about 20 rounds", rows
    )


def _join(material: Material, rounds: int) -> None:
    for at in range(0, len(material.frames), rounds):
        for frame in join(material.frames[at : at + rounds], material.dictionary):
            encode_frame(frame)


def _records(frames: Sequence[Frame]) -> list[Record]:
    return [Record(at, _LABELLED, encode_frame(frame)) for at, frame in enumerate(frames, 1)]


def _reader(announced: Record) -> PartitionState:
    """A partition of which nothing but the dictionary is read."""
    state = PartitionState(1, 0, Marks({}))
    state.add(announced)
    return state


def _drain(state: PartitionState, records: Sequence[Record], dialect: _Dialect) -> None:
    for record in records:
        state.add(record)
        _make_bodies(state, _DRAINING, dialect)
    _make_bodies(state, _AT_THE_END, dialect)


def _make_bodies(state: PartitionState, appetite: Appetite, dialect: _Dialect) -> None:
    while (batch := state.batch(appetite)) is not None:
        cells, _ = decoded(batch)
        request = dialect.request(cells, Piece(0, len(cells.at_ms), 0, cells.size), set())
        if request is not None:  # taken: what it told of metrics is not told again
            dialect.judge(Reply(204, {WRITTEN: str(request.samples)}, b""), request, 0.0)
        state.delivered(batch.end)


def _row(
    what: str, samples: int, seconds: float, target: Target | None = None, note: str = ""
) -> Row:
    return Row(what, samples / seconds / 1e6, Unit.SAMPLES_A_SECOND, target, note)
