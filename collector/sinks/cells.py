"""A batch decoded, and the pieces that requests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from collector.errors import FormatError, Rejected
from collector.flow.mark import Gap, GapReason, Withheld
from collector.flow.pump import Batch, Part
from collector.frames import dictionary, frame
from collector.frames.columns import Row, row
from collector.frames.frame import Frame


class Mark(Enum):
    """What is known of a piece before it is sent."""

    PLAIN = 0
    FIRST_HALF = 1  # of a piece that was refused
    OTHER_HALF = 2  # its first half goes before it
    BLAMED = 3  # it is refused, without being asked
    PROBED = 4  # refused together with its last series, which goes before it alone
    ALONE = 5  # what is left of a series that offended
    HOPELESS = 6  # the same, of one that offended in all of the batches before


class Piece(NamedTuple):
    """Rounds and series of a batch, from and to before. How the search goes on is in `mark`."""

    round: int
    round_end: int
    series: int
    series_end: int
    mark: Mark = Mark.PLAIN

    @property
    def rounds(self) -> int:
        return self.round_end - self.round

    @property
    def width(self) -> int:
        return self.series_end - self.series

    @property
    def cells(self) -> int:
        return self.rounds * self.width


class Offence(NamedTuple):
    """What the receiver refuses."""

    piece: Piece
    why: Rejected


class Cells(NamedTuple):
    """Rounds in the batch's order, series in the dictionary's.

    `runs` are the ends of the stretches of rising times: within a request they must rise.
    `frames[i]` is the frame of round i, and `places[i]` its place in that.
    """

    dictionary: dictionary.Dictionary
    at_ms: Sequence[int]
    rows: Sequence[Row[float]]
    runs: Sequence[int]
    frames: Sequence[Frame]
    places: Sequence[int]

    @property
    def size(self) -> int:
        return len(self.dictionary.series)

    def rows_of(self, piece: Piece) -> Sequence[Row[float]]:
        rows = self.rows[piece.round : piece.round_end]
        if piece.width == self.size:
            return rows
        return [one[piece.series : piece.series_end] for one in rows]

    def times_of(self, piece: Piece) -> Sequence[int]:
        return self.at_ms[piece.round : piece.round_end]

    def seq(self, at: int) -> int:
        return self.frames[at].first_seq + self.places[at]


def decoded(batch: Batch) -> tuple[Cells, list[Part]]:
    """Decode a batch; a frame that can't be is a part that is set aside, and holds up no other."""
    rows: list[Row[float]] = []
    at_ms: list[int] = []
    frames: list[Frame] = []
    places: list[int] = []
    damaged: list[Part] = []
    for one in batch.frames:
        try:
            rows += one.rows(batch.dictionary)
        except FormatError as error:
            why = Rejected(error.message, error.hint, reason="format")
            damaged.append(Part(Batch(batch.dictionary, (one,), None), why))
            continue
        at_ms += [at.wall_ms for at in one.at if at.wall_ms is not None]
        frames += [one] * len(one.at)
        places += range(len(one.at))
    return Cells(batch.dictionary, at_ms, rows, runs(at_ms), frames, places), damaged


def runs(at_ms: Sequence[int]) -> list[int]:
    """Return where each stretch of rising times ends. They fall where a late round closes a gap."""
    falls = [i for i in range(1, len(at_ms)) if at_ms[i] <= at_ms[i - 1]]
    return [*falls, len(at_ms)]


def parts(cells: Cells, offences: Sequence[Offence]) -> list[Part]:
    """What is to be set aside: what has the same rounds and reason together."""
    found: dict[tuple[int, int, str], tuple[set[int], Rejected]] = {}
    for piece, why in offences:
        key = piece.round, piece.round_end, why.reason
        found.setdefault(key, (set(), why))[0].update(range(piece.series, piece.series_end))
    return [
        Part(_part(cells, start, end, sorted(series)), why)
        for (start, end, _), (series, why) in found.items()
    ]


def _part(cells: Cells, start: int, end: int, series: Sequence[int]) -> Batch:
    """These series of these rounds as a batch, under a dictionary of their own."""
    whole = cells.dictionary
    is_whole = len(series) == cells.size
    own = whole if is_whole else dictionary.build(whole.stream, [whole.series[i] for i in series])
    frames = []
    at = start
    while at < end:
        of, first = cells.frames[at], cells.places[at]
        behind = min(end, at + len(of.at) - first)
        rows = cells.rows[at:behind]
        if not is_whole:
            rows = [row([one[i] for i in series]) for one in rows]
        frames.append(
            frame.frame(
                own.id,
                of.lineage,
                of.first_seq + first,
                of.at[first : first + behind - at],
                rows,
            )
        )
        at = behind
    return Batch(own, tuple(frames), None)


def withheld(cells: Cells, rounds: Sequence[int]) -> list[Withheld]:
    """Rounds (indices, rising) that are too old to be sent, as gaps of their lines."""
    found: list[Withheld] = []
    for at in rounds:
        line, seq, ms = cells.frames[at].lineage.line, cells.seq(at), cells.at_ms[at]
        last = found[-1] if found else None
        if last and (last.line, last.gap.last_seq + 1) == (line, seq):
            found[-1] = Withheld(line, last.gap._replace(last_seq=seq, before_ms=ms))
        else:
            found.append(Withheld(line, Gap(seq, seq, ms, ms, GapReason.OUT_OF_WINDOW)))
    return found
