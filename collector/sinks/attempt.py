"""An attempt: how far an undelivered batch has come, and the search for what of it is refused.

What is left of a batch is a stack of pieces, the next one on top. A piece that is more than one
request may hold is cut; one that is refused is halved, by rounds first and then by series, until
single samples are left: those are the offenders, and nothing else is. The halves of a piece go in
the order of their rounds, so no receiver sees an older sample of a series behind a newer one.

One offender among n samples costs about 2 log2(n) requests. To keep it so for several:

- a series that offends in one round leaves the pieces of later rounds and goes behind them alone;
- where many series in turn offend, the last one of a round's piece is asked before it is halved: is
  it refused too, the whole piece is;
- the series that offended go alone in the next batch from the start (`Suspects`);
- behind MOST_REFUSALS nothing is halved any more: what is refused then is refused whole.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from collector.errors import Rejected
from collector.sinks.cells import Cells, Mark, Offence, Piece

MOST_REFUSALS = 300
"""That the search in one batch may take."""

MANY = 8
"""Samples refused one after the other, and none taken: whole rounds may be bad."""

HOPELESS_AFTER = 2
"""Batches in turn in which a series is refused in all rounds: then its rounds are not halved."""

MOST_SUSPECTS = 64

_ALONE = (Mark.ALONE, Mark.HOPELESS)

Key = tuple[object, ...]


@dataclass(slots=True)
class Attempt:
    """How far a batch has come. `batch` says which it is, by its dictionary and its frames.

    `is_ambiguous`: a request ended without a clear answer, so a part may be stored already.
    `failures` counts 5xx in a row; `is_poison`: they are refusals, since others are taken.
    """

    batch: Key
    stack: list[Piece]
    is_ambiguous: bool = False
    is_poison: bool = False
    failures: int = 0
    taken_before: int = 0  # requests of the sink that were taken when the failures began
    accepted: int = 0  # requests
    offences: list[Offence] = field(default_factory=list)
    old: set[int] = field(default_factory=set)  # rounds that are withheld
    offenders: dict[int, int] = field(default_factory=dict)  # series that are alone: since round
    refusals: int = 0
    streak: int = 0  # samples refused since one was taken

    def next(self, cells: Cells, most_cells: int) -> Piece | None:
        """Take the next piece from the stack, as large as one request may be. None: all is done."""
        while self.stack:
            piece = self.stack.pop()
            if piece.width == 1 and piece.mark not in _ALONE and piece.series in self.offenders:
                continue  # it goes behind the others
            piece = self._fitted(cells, piece, most_cells)
            if piece.mark is not Mark.BLAMED or piece.cells == 1:
                return piece
            self._halve(piece)
        return None

    def back(self, piece: Piece) -> None:
        """It is not done with: the next one is the same."""
        self.stack.append(piece)

    def without(self, piece: Piece) -> set[int]:
        """The series that a piece leaves out."""
        if piece.width == 1 or not self.offenders:
            return set()
        return self.offenders.keys() & set(range(piece.series, piece.series_end))

    def taken(self, piece: Piece) -> None:
        """The receiver has it. What was refused together with it is to blame."""
        self.accepted += 1
        self.streak = 0
        if not self.stack:
            return
        top = self.stack[-1]
        if (piece.mark is Mark.FIRST_HALF and top.mark is Mark.OTHER_HALF) or _probes(piece, top):
            self.stack[-1] = top._replace(mark=Mark.BLAMED)

    def refused(self, cells: Cells, piece: Piece, why: Rejected, *, is_all: bool = False) -> None:
        """Look for what of a piece is refused; `is_all`: the receiver says that nothing is kept."""
        self.refusals += 1
        if self.stack and _probes(piece, self.stack[-1]):
            whole = self.stack.pop()
            self.condemn(whole._replace(series_end=piece.series_end), why)
            self._forgive(whole.round)
        elif piece.mark is Mark.HOPELESS:
            self.condemn(piece, why)
        elif piece.cells == 1:
            self.streak += 1
            self.condemn(piece, why)
            self._part_from(cells, piece)
        elif self.refusals > MOST_REFUSALS:
            self.condemn(piece, why)
        elif piece.rounds == 1 and (is_all or self.streak >= MANY):
            last = piece.series_end - 1
            self.stack.append(piece._replace(series_end=last, mark=Mark.PROBED))
            self.stack.append(piece._replace(series=last, mark=Mark.PLAIN))
        else:
            self._halve(piece)

    def condemn(self, piece: Piece, why: Rejected) -> None:
        """All of a piece is refused, but for the series that it left out."""
        out = self.without(piece)
        start = piece.series
        for i in sorted(out):
            if start < i:
                self.offences.append(Offence(piece._replace(series=start, series_end=i), why))
            start = i + 1
        if start < piece.series_end:
            self.offences.append(Offence(piece._replace(series=start), why))

    def _fitted(self, cells: Cells, piece: Piece, most: int) -> Piece:
        """The first of a piece that one request may hold; the rest goes back."""
        end = next(end for end in cells.runs if end > piece.round)
        rounds = 1 if self.is_ambiguous else max(1, most // max(1, piece.width))
        end = min(piece.round_end, end, piece.round + rounds)
        rest = piece.mark if piece.mark in _ALONE else Mark.PLAIN
        if end < piece.round_end:
            self.stack.append(piece._replace(round=end, mark=rest))
            piece = piece._replace(round_end=end, mark=rest)
        if piece.width > most:
            middle = piece.series + most
            self.stack.append(piece._replace(series=middle, mark=rest))
            piece = piece._replace(series_end=middle, mark=rest)
        return piece

    def _halve(self, piece: Piece) -> None:
        """By rounds first: then the search for a series is one in the samples of one round."""
        alone = piece.mark is Mark.ALONE
        first, other = (Mark.ALONE,) * 2 if alone else (Mark.FIRST_HALF, Mark.OTHER_HALF)
        if piece.rounds > 1:
            middle = piece.round + piece.rounds // 2
            self.stack.append(piece._replace(round=middle, mark=other))
            self.stack.append(piece._replace(round_end=middle, mark=first))
        else:
            middle = piece.series + piece.width // 2
            self.stack.append(piece._replace(series=middle, mark=other))
            self.stack.append(piece._replace(series_end=middle, mark=first))

    def _part_from(self, cells: Cells, piece: Piece) -> None:
        """The series goes alone from here on, behind all others."""
        if piece.mark in _ALONE or piece.series in self.offenders:
            return
        self.offenders[piece.series] = piece.round
        if piece.round_end < len(cells.at_ms):
            rest = piece._replace(
                round=piece.round_end, round_end=len(cells.at_ms), mark=Mark.ALONE
            )
            self.stack.insert(0, rest)

    def _forgive(self, round_: int) -> None:
        """A whole round is bad: that its series offended in it says nothing about them."""
        forgiven = {i for i, since in self.offenders.items() if since == round_}
        self.stack = [p for p in self.stack if p.mark not in _ALONE or p.series not in forgiven]
        for i in forgiven:
            del self.offenders[i]


def begun(batch: Key, cells: Cells, suspects: Suspects, *, is_ambiguous: bool) -> Attempt:
    """An attempt at a new batch. Series that offended in the ones before go alone, behind it."""
    rounds, size = len(cells.at_ms), cells.size
    alone = suspects.of(cells)
    stack = [
        Piece(0, rounds, i, i + 1, Mark.HOPELESS if strikes >= HOPELESS_AFTER else Mark.ALONE)
        for i, strikes in alone.items()
    ]
    whole = Piece(0, rounds, 0, size)
    return Attempt(
        batch,
        [*stack, whole] if whole.cells else [],
        is_ambiguous=is_ambiguous,
        offenders=dict.fromkeys(alone, -1),
    )


class Suspects:
    """The series that offended in the last batch of each stream, and in how many in turn wholly."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[int, dict[int, int]]] = {}  # by stream: dictionary, strikes

    def of(self, cells: Cells) -> dict[int, int]:
        id_, strikes = self._of.get(cells.dictionary.stream.key, (0, {}))
        return dict(strikes) if id_ == cells.dictionary.id and cells.size > 1 else {}

    def learn(self, cells: Cells, attempt: Attempt) -> None:
        """Take in how an attempt ended."""
        refused: Counter[int] = Counter()
        for piece, _ in attempt.offences:
            if piece.width == 1:
                refused[piece.series] += piece.rounds
        sent = len(cells.at_ms) - len(attempt.old)
        before = self.of(cells)
        strikes = {
            i: before.get(i, 0) + 1 if rounds >= sent else 0
            for i, rounds in refused.most_common(MOST_SUSPECTS)
        }
        if strikes:
            self._of[cells.dictionary.stream.key] = cells.dictionary.id, strikes
        else:
            self._of.pop(cells.dictionary.stream.key, None)


def _probes(piece: Piece, whole: Piece) -> bool:
    """Say whether a piece is the last series of one that is probed."""
    return (
        whole.mark is Mark.PROBED
        and piece.cells == 1
        and (piece.round, piece.series) == (whole.round, whole.series_end)
    )
