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

from collections.abc import Callable, Sequence

from collector.errors import Rejected, Retry
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, Part, PartlyRejected
from collector.horizon import Horizon
from collector.sinks.attempt import Attempt, Suspects, begun
from collector.sinks.blocks import absent_cells
from collector.sinks.cells import Cells, Piece, decoded, parts, withheld
from collector.sinks.dialect import Dialect, Request
from collector.sinks.order import Order
from collector.sinks.pace import Pace
from collector.sinks.post import Exchange, Post
from collector.sinks.receiver import OtherDialect, Receiver
from collector.sinks.reply import Ambiguous, Refused, TooLarge, Unconfirmed, is_already_stored
from collector.sinks.window import Age, age

PARTIAL = "partial_success"
"""Why a request is set aside of which OTLP says that a part was refused."""

POISON_AFTER = 10
"""Answers of 5xx to the same batch, before another sample is tried."""

LONGEST_FUTURE_S = 3600.0
"""A clock so far ahead is waited for; rounds that are further ahead are set aside."""


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
        self._receiver = Receiver(
            name, post, dialects, pace or Pace(), horizon or Horizon(), on_request
        )
        self.stats = self._receiver.stats
        self._window_s = window_s
        self._order = Order()
        self._suspects = Suspects()
        self._attempts: dict[int, Attempt] = {}  # undelivered batches, by stream

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
        self._suspects.learn(cells, attempt)
        self._tell_left_out(cells, attempt)
        self._set_aside(batch, cells, attempt, aside, old)
        if not old or len(attempt.old) < len(cells.at_ms):
            self._delivered(batch)
        return old

    def look(self) -> None:
        """While there is nothing to send: ask whether the receiver takes what we think it does."""
        self._receiver.look(self._window_s)

    def ahead_ms(self) -> int | None:
        """By how much our clock is ahead of the receiver's, None while that isn't known."""
        return self._receiver.ahead_ms()

    def greet(self) -> None:
        """Ask for any reply: each tells what time it is there. Raises Retry."""
        self._receiver.greet()

    def close(self) -> None:
        self._receiver.close()

    def _attempt(self, batch: Batch, cells: Cells) -> Attempt:
        """Return how far this batch had come.

        Another batch of the stream than the one before may still be made of its rounds (the log
        was opened anew): it is sent as carefully.
        """
        words = batch.dictionary
        frames = ((f.lineage.epoch, f.first_seq, len(f.at)) for f in batch.frames)
        key = (words.id, *frames)
        before = self._attempts.get(words.stream.key)
        if before is None or before.batch != key:
            is_ambiguous = before is not None and before.is_ambiguous
            before = begun(key, cells, self._suspects, is_ambiguous=is_ambiguous)
            self._attempts[words.stream.key] = before
        return before

    def _send_rest(self, cells: Cells, attempt: Attempt) -> None:
        """Send what is left of a batch. Raises Retry, with the attempt at the place to go on from.

        A refusal is kept in the attempt and the rest is sent: one bad sample holds up no other.
        """
        receiver = self._receiver
        while (piece := attempt.next(cells, receiver.pace.cells)) is not None:
            piece = self._of_age(cells, attempt, piece)
            if piece is None:
                continue
            request = receiver.dialect.request(cells, piece, attempt.without(piece))
            if request is None:
                continue
            try:
                refused = self._ask(cells, attempt, request, piece)
            except TooLarge as why:
                attempt.back(piece)
                receiver.pace.too_large(piece.cells, why.message)
            except OtherDialect:
                attempt.back(piece)
            except Retry as why:
                attempt.back(piece)
                if not isinstance(why, Unconfirmed) or receiver.is_last_dialect:
                    raise
            except Rejected as why:
                if attempt.is_ambiguous and is_already_stored(why):
                    self.stats.already_stored += request.samples
                else:
                    is_all = isinstance(why, Refused) and why.is_all
                    attempt.refused(cells, piece, why, is_all=is_all)
            else:
                self.stats.samples_delivered += request.samples - refused
                attempt.taken(piece)
                if not attempt.refusals:
                    attempt.failures = 0
                if refused:  # which of them, it doesn't say
                    self.stats.rejected[PARTIAL] += refused
                    says = f"the receiver took the request and refused {refused} of its samples"
                    attempt.condemn(piece, Rejected(says, reason=PARTIAL))

    def _of_age(self, cells: Cells, attempt: Attempt, piece: Piece) -> Piece | None:
        """The first rounds of a piece if they may be sent now, the rest going back; else None.

        Raises Retry for rounds that are a little ahead of our clock.
        """
        now_ms = self._receiver.now_ms()
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

    def _ask(self, cells: Cells, attempt: Attempt, request: Request, piece: Piece) -> int:
        """Post a request; return how many of its samples are refused. Raises DeliveryError."""
        try:
            return self._receiver.ask(request, piece.cells)
        except OtherDialect as why:
            attempt.is_ambiguous |= isinstance(why.__cause__, Ambiguous)
            raise
        except Retry as why:
            if 500 <= self._receiver.status < 600 and self._is_poison(cells, attempt):
                code = f"http_{self._receiver.status}"
                raise Rejected(why.message, why.hint, reason=code) from why
            attempt.is_ambiguous |= isinstance(why, Ambiguous)
            raise

    def _is_poison(self, cells: Cells, attempt: Attempt) -> bool:
        """Say whether it is the batch that the receiver fails on, and not the receiver itself.

        Each refusal is held against another sample, which is taken right behind it; the first
        time only the next try counts, since the receiver may have come back just now.
        """
        attempt.failures += 1
        if attempt.failures < POISON_AFTER and not attempt.is_poison:
            return False
        # Now, but where that would push what is late out of the receiver's bounds.
        now_ms = self._receiver.now_ms()
        at_ms = now_ms if now_ms and self._window_s else max(cells.at_ms)
        was_poison, attempt.is_poison = (
            attempt.is_poison,
            self._receiver.takes_another(cells.dictionary.stream, at_ms),
        )
        return was_poison and attempt.is_poison

    def _tell_left_out(self, cells: Cells, attempt: Attempt) -> None:
        rounds = len(cells.at_ms) - len(attempt.old)
        for reason in self._receiver.dialect.unsendable(cells.dictionary).values():
            self.stats.unsendable[reason] += rounds
        self.stats.withheld_rounds += len(attempt.old)
        for piece, why in attempt.offences:
            if why.reason == PARTIAL:
                continue
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
        self._receiver.tell(batch.dictionary)
