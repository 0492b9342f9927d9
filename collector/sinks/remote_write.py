"""Remote write 1.0: a destination that posts batches to Prometheus and all that speak its language.

A batch is one request as a rule: each series with its samples of all the batch's rounds. It is
several when the receiver took nothing so large (413), when a late round is among newer ones, and
after an attempt that ended without a clear answer: then each round goes by itself. A round that the
receiver has already is then harmless on every receiver that was measured, while of several rounds
merged Prometheus would refuse all for one that it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cramjam

from collector.columns import Row
from collector.errors import Rejected, Retry
from collector.mark import Withheld
from collector.pump import MOST_CELLS, Batch
from collector.sinks.access import Access
from collector.sinks.body import metadata_request, write_request
from collector.sinks.labels import EncodedLabels, LabelCache
from collector.sinks.metadata import Announcements
from collector.sinks.order import Order, runs
from collector.sinks.post import DEADLINE_S, Exchange, Post
from collector.sinks.reply import Ambiguous, TooLarge, is_already_stored, judge
from collector.sinks.stats import SinkStats

HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

FEWEST_CELLS = 100
"""A request as small as this is not halved once more: 413 must mean something else."""


class RemoteWrite:
    """Sends batches to one receiver, one request at a time. Belongs to one thread.

    `access` is the way in. `on_request` is told of each request that ended.
    """

    def __init__(
        self,
        name: str,
        url: str,
        access: Access | None = None,
        on_request: Callable[[Exchange], None] | None = None,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.name = name
        self.stats = SinkStats()
        self._on_request = on_request
        self._post = Post(
            url,
            HEADERS,
            access,
            on_exchange=self._count,
            deadline_s=deadline_s,
        )
        self._labels = LabelCache()
        self._order = Order()
        self._announcements = Announcements()
        self._attempts: dict[int, _Attempt] = {}  # undelivered batches, by stream
        self._most_cells = MOST_CELLS  # of a request; less once the receiver said 413

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Return when the receiver has the batch; else raise Retry or Rejected.

        Raises FormatError when a frame can't be decoded.
        """
        self._order.check(batch)
        stream = batch.dictionary.stream
        cells = _cells(batch, self._labels)
        attempt = self._attempt(batch)
        self._send_rest(cells, attempt)
        del self._attempts[stream.key]
        if attempt.refusal is not None:
            raise attempt.refusal
        self._order.delivered(batch)
        newest_ms = self._order.newest_ms(stream)
        if newest_ms is not None:
            self.stats.newest_ms[stream] = newest_ms
        self._announce(batch)
        return ()

    def close(self) -> None:
        self._post.close()

    def _attempt(self, batch: Batch) -> _Attempt:
        """Return how far this batch had come.

        Another batch of the stream than the one before may still be made of its rounds (the log
        was opened anew): it is sent as carefully.
        """
        key = tuple((f.lineage.epoch, f.first_seq, len(f.at)) for f in batch.frames)
        stream = batch.dictionary.stream.key
        before = self._attempts.get(stream)
        if before is None or before.batch != key:
            before = _Attempt(key, is_ambiguous=before is not None and before.is_ambiguous)
            self._attempts[stream] = before
        return before

    def _send_rest(self, cells: _Cells, attempt: _Attempt) -> None:
        """Send what is left of a batch. Raises Retry, with the attempt at the place to go on from.

        A refusal is kept in the attempt and the rest is sent: one bad round holds up no other.
        """
        while cells.labels.encoded and attempt.round < len(cells.at_ms):
            piece = self._next_piece(cells, attempt)
            body = write_request(*cells.of(piece))
            if body.samples:
                try:
                    self._send(bytes(cramjam.snappy.compress_raw(body.plain)))
                except TooLarge as why:
                    self._most_cells = _half(piece.cells, why)
                    continue
                except Ambiguous:
                    # The tenth 5xx for one batch while others pass would be told apart here.
                    attempt.is_ambiguous = True
                    raise
                except Rejected as why:
                    if attempt.is_ambiguous and is_already_stored(why):
                        self.stats.already_stored += body.samples
                    else:
                        attempt.refuse(why)
                else:
                    self.stats.samples_delivered += body.samples
            for i in cells.labels.unsendable.keys() & range(piece.series, piece.series_end):
                self.stats.unsendable[cells.labels.unsendable[i]] += piece.round_end - piece.round
            attempt.advance(piece, len(cells.labels.encoded))

    def _next_piece(self, cells: _Cells, attempt: _Attempt) -> _Piece:
        """Say what the next request is made of: as much as it may be."""
        first, series = attempt.round, attempt.series
        size = len(cells.labels.encoded)
        most = self._most_cells
        if attempt.is_ambiguous or series or most < 2 * size:
            return _Piece(first, first + 1, series, min(size, series + most))
        end = next(end for end in cells.runs if end > first)
        return _Piece(first, min(end, first + most // size), 0, size)

    def _send(self, body: bytes) -> None:
        """Raises Retry, Rejected, TooLarge."""
        reply = self._post.send(body)
        judge(reply, time.time())
        self.stats.last_success_s = time.time()

    def _announce(self, batch: Batch) -> None:
        """Tell kind, unit and help of metrics. Failing is counted as a request, and that's all."""
        due = self._announcements.due(batch.dictionary, time.monotonic())
        if not due:
            return
        try:
            self._send(bytes(cramjam.snappy.compress_raw(metadata_request(due))))
        except (Retry, Rejected, TooLarge):
            return

    def _count(self, exchange: Exchange) -> None:
        self.stats.requests[exchange.code] += 1
        if exchange.code != "unreached":
            self.stats.bytes_sent += exchange.body_bytes
        if self._on_request is not None:
            self._on_request(exchange)


class _Piece(NamedTuple):
    """What one request is made of: rounds and series, from and to."""

    round: int
    round_end: int
    series: int
    series_end: int

    @property
    def cells(self) -> int:
        return (self.round_end - self.round) * (self.series_end - self.series)


@dataclass(slots=True)
class _Attempt:
    """How far an undelivered batch has come: everything before `round` and `series` is done with.

    `is_ambiguous`: a request ended without a clear answer, so a part may be stored already.
    """

    batch: tuple[tuple[int, int, int], ...]
    round: int = 0
    series: int = 0
    is_ambiguous: bool = False
    refusal: Rejected | None = None

    def advance(self, piece: _Piece, size: int) -> None:
        is_row_done = piece.series_end >= size
        self.round = piece.round_end if is_row_done else piece.round
        self.series = 0 if is_row_done else piece.series_end

    def refuse(self, why: Rejected) -> None:
        """Keep the first refusal: the others of a batch most often say the same."""
        self.refusal = self.refusal or why


class _Cells(NamedTuple):
    """A batch decoded: rounds in the batch's order, series in the dictionary's."""

    labels: EncodedLabels
    at_ms: Sequence[int]
    rows: Sequence[Row[float]]
    runs: Sequence[int]  # ends of the stretches of rising times

    def of(self, piece: _Piece) -> tuple[Sequence[bytes], Sequence[int], Sequence[Row[float]]]:
        """The arguments of `write_request`."""
        labels = self.labels.encoded
        rows = self.rows[piece.round : piece.round_end]
        if piece.series_end - piece.series < len(labels):
            labels = labels[piece.series : piece.series_end]
            rows = [row[piece.series : piece.series_end] for row in rows]
        return labels, self.at_ms[piece.round : piece.round_end], rows


def _half(cells: int, why: TooLarge) -> int:
    """The next size to try. Raises Retry where no receiver has its limit: a person set it."""
    if cells <= FEWEST_CELLS:
        hint = f"allow larger requests at the receiver, or at the proxy before it: {cells} samples"
        raise Retry(why.message, f"{hint} are too many", hold=True) from why
    return cells // 2


def _cells(batch: Batch, labels: LabelCache) -> _Cells:
    rows: list[Row[float]] = []
    at_ms: list[int] = []
    for frame in batch.frames:
        rows += frame.rows(batch.dictionary)
        at_ms += [at.wall_ms for at in frame.at if at.wall_ms is not None]
    return _Cells(labels.of(batch.dictionary), at_ms, rows, runs(at_ms))
