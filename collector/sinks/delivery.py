"""A destination that posts batches to a receiver, in whatever dialect it speaks.

A batch is one request as a rule: each series with its samples of all the batch's rounds. It is
several when that is more than the link takes in a few seconds, when a late round is among newer
ones, and after an attempt that ended without a clear answer: then each round goes by itself. A
round that the receiver has already is then harmless on every receiver that was measured, while of
several rounds merged Prometheus would refuse all for one that it has.

What is refused is looked for and set aside alone (`attempt.py`). A batch that gets nothing but 5xx
while another sample is taken is refused in truth, whatever the receiver calls it: Prometheus 2.42
answers 500 to a sample that is too old, for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from collector import dictionary
from collector.columns import row
from collector.errors import DeliveryError, Rejected, Retry
from collector.horizon import AHEAD_MS, Horizon
from collector.mark import Withheld
from collector.pump import Batch, Part, PartlyRejected
from collector.series import Family, Kind, Series
from collector.sinks.attempt import Attempt
from collector.sinks.blocks import absent_cells
from collector.sinks.cells import Cells, Piece, decoded, parts, withheld
from collector.sinks.dialect import ZSTD, Dialect, Request
from collector.sinks.order import Order
from collector.sinks.pace import Pace
from collector.sinks.post import Exchange, Post
from collector.sinks.reply import (
    Ambiguous,
    Refused,
    TooLarge,
    Unconfirmed,
    Unsupported,
    is_already_stored,
)
from collector.sinks.stats import SinkStats
from collector.sinks.window import Age, age

POISON_AFTER = 10
"""Answers of 5xx to the same batch, before another sample is tried."""

UNCONFIRMED_MOST = 3
"""Requests in turn whose samples the receiver doesn't say it wrote, before the next dialect."""

LONGEST_FUTURE_S = 3600.0
"""A clock so far ahead is waited for; rounds that are further ahead are set aside."""

CANARY = Family("edgevitals_sink_canary", Kind.GAUGE, "", "Sent alone while a batch gets only 5xx.")

log = logging.getLogger(__name__)


class Delivery:
    """Sends batches to one receiver, one request at a time. Belongs to one thread.

    `dialects` are tried in turn: the next when the receiver doesn't take one. `window_s` is its
    out_of_order_time_window, `horizon` knows what time it is there. `on_request` is told of each
    request that ended.
    """

    def __init__(
        self,
        name: str,
        post: Post,
        dialects: Sequence[Dialect],
        window_s: float,
        *,
        pace: Pace | None = None,
        horizon: Horizon | None = None,
        on_request: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.name = name
        self.stats = SinkStats(dialects[0].name)
        self._post = post
        post.on_exchange = self._count
        self._dialects = list(dialects)
        self._window_s = window_s
        self._horizon = horizon or Horizon()
        self._on_request = on_request
        self._order = Order()
        self._pace = pace or Pace()
        self._attempts: dict[int, Attempt] = {}  # undelivered batches, by stream
        self._unconfirmed = 0
        self._is_understood = False  # a request in this dialect was taken

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Return when the receiver has the batch, but for what is too old; else raise.

        Raises Retry, Rejected and PartlyRejected.
        """
        self._order.check(batch)
        stream = batch.dictionary.stream
        cells, aside = decoded(batch)
        attempt = self._attempt(batch, cells)
        self._send_rest(cells, attempt)
        del self._attempts[stream.key]
        old = withheld(cells, sorted(attempt.old))
        self._tell_left_out(cells, attempt)
        self._set_aside(batch, cells, attempt, aside, old)
        self._delivered(batch)
        return old

    def close(self) -> None:
        self._post.close()

    def _attempt(self, batch: Batch, cells: Cells) -> Attempt:
        """Return how far this batch had come.

        Another batch of the stream than the one before may still be made of its rounds (the log
        was opened anew): it is sent as carefully.
        """
        key = tuple((f.lineage.epoch, f.first_seq, len(f.at)) for f in batch.frames)
        stream = batch.dictionary.stream.key
        before = self._attempts.get(stream)
        if before is None or before.batch != key:
            whole = Piece(0, len(cells.at_ms), 0, cells.size)
            before = Attempt(
                key,
                [whole] if whole.cells else [],
                is_ambiguous=before is not None and before.is_ambiguous,
            )
            self._attempts[stream] = before
        return before

    def _send_rest(self, cells: Cells, attempt: Attempt) -> None:
        """Send what is left of a batch. Raises Retry, with the attempt at the place to go on from.

        A refusal is kept in the attempt and the rest is sent: one bad sample holds up no other.
        """
        while (piece := attempt.next(cells, self._pace.cells)) is not None:
            piece = self._of_age(cells, attempt, piece)
            if piece is None:
                continue
            request = self._dialects[0].request(cells, piece, attempt.without(piece))
            if request is None:
                continue
            try:
                refused = self._ask(cells, attempt, piece, request)
            except TooLarge as why:
                attempt.back(piece)
                self._pace.too_large(piece.cells, why.message)
            except Unsupported:
                attempt.back(piece)
                if not self._next_dialect("does not take it"):
                    raise
            except Unconfirmed:
                attempt.back(piece)
                if not self._counts_unconfirmed():
                    raise
            except Retry:
                attempt.back(piece)
                raise
            except Rejected as why:
                is_new = (
                    request.headers["Content-Encoding"] == ZSTD.name and not self._is_understood
                )
                if is_new and self._next_dialect("can't read zstd"):
                    attempt.back(piece)  # Prometheus calls it a bad request, and not by its name
                elif attempt.is_ambiguous and is_already_stored(why):
                    self.stats.already_stored += request.samples
                else:
                    is_all = isinstance(why, Refused) and why.is_all
                    attempt.refused(cells, piece, why, is_all=is_all)
            else:
                self.stats.samples_delivered += request.samples - refused
                attempt.taken(piece)
                attempt.failures = 0
                self._is_understood = True
                if refused:
                    says = f"the receiver took the request and refused {refused} of its samples"
                    attempt.condemn(piece, Rejected(says, reason="partial_success"))

    def _of_age(self, cells: Cells, attempt: Attempt, piece: Piece) -> Piece | None:
        """The first rounds of a piece if they may be sent now, the rest going back; else None.

        Raises Retry for rounds that are a little ahead of our clock.
        """
        now_ms = self._now_ms()
        if now_ms is None:
            attempt.back(piece)
            raise Retry("no clock to trust: how old a round is isn't known", "set the clock")
        ages = [age(ms, now_ms, self._window_s) for ms in cells.times_of(piece)]
        if all(one is Age.GOOD for one in ages):
            return piece
        same = next((i for i, one in enumerate(ages) if one is not ages[0]), len(ages))
        if same < len(ages):
            attempt.back(piece._replace(round=piece.round + same))
            piece = piece._replace(round_end=piece.round + same)
        if ages[0] is Age.TOO_OLD:
            attempt.old.update(range(piece.round, piece.round_end))
            return None
        if ages[0] is Age.FUTURE:
            ahead_s = (cells.at_ms[piece.round] - now_ms) / 1000
            says = f"round {cells.seq(piece.round)} is {ahead_s:.0f} s ahead of our clock"
            hint = "is the clock of that site, or ours, right? Set it, or let NTP do it"
            if ahead_s <= LONGEST_FUTURE_S:
                attempt.back(piece)
                raise Retry(says, hint, after=min(max(ahead_s - 300.0, 1.0), 300.0))
            attempt.condemn(piece, Rejected(says, hint, reason="future"))
            return None
        return piece

    def _ask(self, cells: Cells, attempt: Attempt, piece: Piece, request: Request) -> int:
        """Post a request; return how many of its samples are refused. Raises DeliveryError."""
        began = time.monotonic()
        try:
            reply = self._post.send(request.body, request.headers)
        except Ambiguous as why:
            attempt.is_ambiguous = True
            if why.reached:
                self._pace.timed_out(piece.cells)
            raise
        self._pace.answered(piece.cells, time.monotonic() - began)
        self.stats.request_samples = self._pace.cells
        try:
            refused = self._dialects[0].judge(reply, request, time.time())
        except Retry as why:
            if 500 <= reply.status < 600:
                self._judge_failure(cells, attempt, reply.status, why)
            attempt.is_ambiguous |= isinstance(why, Ambiguous)
            raise
        self._unconfirmed = 0
        self.stats.last_success_s = time.time()
        return refused

    def _judge_failure(self, cells: Cells, attempt: Attempt, status: int, why: Retry) -> None:
        """Raise Rejected when it is the batch that the receiver fails on, and not the receiver."""
        attempt.failures += 1
        if attempt.failures < POISON_AFTER and not attempt.is_poison:
            return
        if self._takes_another(cells):
            attempt.is_poison = True
            raise Rejected(why.message, why.hint, reason=f"http_{status}") from why

    def _takes_another(self, cells: Cells) -> bool:
        """Send one sample that nothing is wrong with; say whether it is taken.

        Its time is now, but where that would push what is late out of the receiver's bounds.
        """
        site, node, _ = cells.dictionary.stream
        now_ms = self._now_ms()
        at_ms = now_ms if now_ms and self._window_s else max(cells.at_ms)
        labels = {"site": site, "node": node, "job": "edgevitals", "instance": node}
        canary = Series(CANARY.name, tuple(sorted({**labels, "sink": self.name}.items())), CANARY)
        alone = Cells(
            dictionary.build(cells.dictionary.stream, [canary]), [at_ms], [row([1.0])], [1], [], []
        )
        request = self._dialects[0].request(alone, Piece(0, 1, 0, 1), set())
        if request is None:
            return False
        try:
            reply = self._post.send(request.body, request.headers)
            self._dialects[0].judge(reply, request, time.time())
        except DeliveryError:
            return False
        return True

    def _counts_unconfirmed(self) -> bool:
        """Say whether to send again at once: in this dialect a few times, then in the next one."""
        self._unconfirmed += 1
        if self._unconfirmed >= UNCONFIRMED_MOST:
            return self._next_dialect("does not say what it wrote")
        return len(self._dialects) > 1

    def _now_ms(self) -> int | None:
        """What time it is at the receiver, as far as anybody knows."""
        latest_ms = self._horizon.latest_ms()
        return None if latest_ms is None else latest_ms - AHEAD_MS

    def _next_dialect(self, why: str) -> bool:
        """Go on with the next dialect; False when there is none."""
        if len(self._dialects) < 2:
            return False
        before = self._dialects.pop(0)
        self._unconfirmed, self._is_understood = 0, False
        self.stats.protocol = self._dialects[0].name
        self.stats.fallbacks += 1
        log.warning(
            "%s: the receiver %s (%s): %s from now on",
            self.name,
            why,
            before.name,
            self.stats.protocol,
        )
        return True

    def _tell_left_out(self, cells: Cells, attempt: Attempt) -> None:
        rounds = len(cells.at_ms) - len(attempt.old)
        for reason in self._dialects[0].unsendable(cells.dictionary).values():
            self.stats.unsendable[reason] += rounds
        self.stats.withheld_rounds += len(attempt.old)
        for piece, why in attempt.offences:
            absent = sum(map(len, absent_cells(cells.rows_of(piece)).values()))
            self.stats.rejected[why.reason] += piece.cells - absent

    def _set_aside(
        self,
        batch: Batch,
        cells: Cells,
        attempt: Attempt,
        damaged: Sequence[Part],
        old: Sequence[Withheld],
    ) -> None:
        """Raise when something of the batch is refused."""
        refused = [*damaged, *parts(cells, attempt.offences)]
        if not refused:
            return
        if attempt.accepted or old or len(refused) > 1:
            if attempt.accepted:
                self._delivered(batch)
            raise PartlyRejected(refused, old)
        [(part, why)] = refused
        if part.rounds == batch.rounds and part.dictionary is batch.dictionary:
            raise why
        raise PartlyRejected(refused, old)

    def _delivered(self, batch: Batch) -> None:
        stream = batch.dictionary.stream
        self._order.delivered(batch)
        newest_ms = self._order.newest_ms(stream)
        if newest_ms is not None:
            self.stats.newest_ms[stream] = newest_ms
        request = self._dialects[0].metadata(batch.dictionary, time.monotonic())
        if request is None:
            return
        try:  # failing is counted as a request, and that's all
            reply = self._post.send(request.body, request.headers)
            self._dialects[0].judge(reply, request, time.time())
        except DeliveryError:
            return

    def _count(self, exchange: Exchange) -> None:
        self.stats.requests[exchange.code] += 1
        if exchange.code != "unreached":
            self.stats.bytes_sent += exchange.body_bytes
        if self._on_request is not None:
            self._on_request(exchange)
