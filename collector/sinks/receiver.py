"""One receiver, as we speak to it: in the best dialect that it takes, and no more than it bears."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

from collector import catalog
from collector.errors import DeliveryError, Rejected
from collector.frames import dictionary
from collector.frames.columns import row
from collector.frames.dictionary import Dictionary, Stream
from collector.horizon import AHEAD_MS, Horizon
from collector.series import Series
from collector.sinks import own_window
from collector.sinks.cells import Cells, Piece
from collector.sinks.dialect import ZSTD, Dialect, Request
from collector.sinks.pace import Pace
from collector.sinks.post import Exchange, Post
from collector.sinks.reply import Ambiguous, Unconfirmed, Unsupported
from collector.sinks.stats import SinkStats

UNCONFIRMED_MOST = 3
"""Requests in turn whose samples the receiver doesn't say it wrote, before the next dialect."""

LOOK_EVERY_S = 6 * 3600.0

CANARY = catalog.OWN["edgevitals_sink_canary"].family

log = logging.getLogger(__name__)


class OtherDialect(DeliveryError):  # noqa: N818 - it is an answer, and reads as one
    """The receiver does not take this one: send the same once more, it goes in the next."""


class Receiver:
    """Takes requests, one after the other. Belongs to one thread."""

    def __init__(
        self,
        name: str,
        post: Post,
        dialects: Sequence[Dialect],
        pace: Pace,
        horizon: Horizon,
        on_request: Callable[[Exchange], None] | None,
    ) -> None:
        self.name = name
        self.stats = SinkStats(dialects[0].name)
        self.pace = pace
        self.status = 0  # of the last reply; 0 when there was none
        self._post = post
        post.on_exchange = self._count
        self._dialects = list(dialects)
        self._horizon = horizon
        self._on_request = on_request
        self._look_at = 0.0
        self._unconfirmed = 0
        self._is_understood = False  # a request in this dialect was taken

    @property
    def dialect(self) -> Dialect:
        return self._dialects[0]

    def ask(self, request: Request, cells: int) -> int:
        """Post a request of so many cells; return how many of its samples are refused.

        Raises OtherDialect, Retry, Rejected and TooLarge.
        """
        self.status = 0
        began = time.monotonic()
        try:
            reply = self._post.send(request.body, request.headers)
        except Ambiguous as why:
            if why.reached:
                self.pace.timed_out(cells)
            raise
        self.status = reply.status
        self.pace.answered(cells, time.monotonic() - began)
        self.stats.request_samples = self.pace.cells
        try:
            refused = self.dialect.judge(reply, request, time.time())
        except Unsupported as why:
            if self._next_dialect("does not take it"):
                raise OtherDialect(why.message) from why
            raise
        except Unconfirmed as why:
            self._unconfirmed += 1
            is_next = self._unconfirmed >= UNCONFIRMED_MOST
            if is_next and self._next_dialect("does not say what it wrote"):
                raise OtherDialect(why.message) from why
            raise
        except Rejected as why:
            # Prometheus calls it a bad request when it can't read zstd, and not by its name.
            is_zstd = request.headers["Content-Encoding"] == ZSTD.name
            if is_zstd and not self._is_understood and self._next_dialect("can't read zstd"):
                raise OtherDialect(why.message) from why
            raise
        self._unconfirmed, self._is_understood = 0, True
        self.stats.last_success_s = time.time()
        return refused

    @property
    def is_last_dialect(self) -> bool:
        return len(self._dialects) == 1

    def tell(self, words: Dictionary) -> None:
        """Tell what is due of metrics. Failing is counted as a request, and that's all."""
        request = self.dialect.metadata(words, time.monotonic())
        if request is not None:
            self._is_taken(request)

    def takes_another(self, stream: Stream, at_ms: int) -> bool:
        """Send one sample that nothing is wrong with; say whether it is taken."""
        site, node, _ = stream
        labels = {"site": site, "node": node, "job": "edgevitals", "instance": node}
        canary = Series(CANARY.name, tuple(sorted({**labels, "sink": self.name}.items())), CANARY)
        alone = Cells(dictionary.build(stream, [canary]), [at_ms], [row([1.0])], [1], [], [])
        request = self.dialect.request(alone, Piece(0, 1, 0, 1), set())
        return request is not None and self._is_taken(request)

    def now_ms(self) -> int | None:
        """What time it is there, as far as anybody knows."""
        latest_ms = self._horizon.latest_ms()
        return None if latest_ms is None else latest_ms - AHEAD_MS

    def ahead_ms(self) -> int | None:
        """By how much our clock is ahead of its; None while that isn't known."""
        return self._horizon.ahead_ms()

    def greet(self) -> None:
        """Get any reply, whatever it says. Raises Retry."""
        self._post.look(self._post.path)

    def look(self, window_s: float) -> None:
        """Ask it now and then for its own out-of-order window, and say when that is the shorter."""
        # Who takes all is VictoriaMetrics, which has such a page too, of something else.
        place = own_window.page(self._post.path) if math.isfinite(window_s) else None
        if place is None or time.monotonic() < self._look_at or not self._is_understood:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            own_s = own_window.window_s(self._post.look(place))
        except DeliveryError:
            return
        if own_s is None:
            return
        advice = ""
        if own_s < window_s:
            advice = (
                f"sink {self.name}: the receiver takes what is up to {own_s:g} s late, and "
                f"out_of_order_time_window of this sink says {window_s:g} s: rounds between the "
                "two will be refused. Make one of them like the other"
            )
        if advice and advice != self.stats.advice:
            log.warning("%s", advice)
        self.stats.advice = advice

    def close(self) -> None:
        self._post.close()

    def _is_taken(self, request: Request) -> bool:
        try:
            reply = self._post.send(request.body, request.headers)
            self.dialect.judge(reply, request, time.time())
        except DeliveryError:
            return False
        return True

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

    def _count(self, exchange: Exchange) -> None:
        self.stats.requests[exchange.code] += 1
        if exchange.code != "unreached":
            self.stats.bytes_sent += exchange.body_bytes
        if self._on_request is not None:
            self._on_request(exchange)
