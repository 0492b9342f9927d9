"""Foresight: what a wrong clock has stamped, on its way to a receiver (docs/time.md).

No stamp in a log is ever edited. A round that lies in the future is held back until it is known
why: frames behind a backward step of the clock name it, and it is applied to the rounds of that
boot that lie in its future; of a boot that is over they are set aside. Whatever follows a future
round and is not in the future itself says which it was, so nothing ever waits behind one.

A receiver gets a stream's times rising. A round that would go behind a newer one (the clock was
set back, and the newer ones are delivered) is set aside, unless it closes a gap.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple, Protocol, runtime_checkable

from collector.errors import Rejected, Retry
from collector.flow.mark import Known, Withheld
from collector.flow.pump import Batch, Destination, Part, PartlyRejected, Watchful
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, part
from collector.horizon import AHEAD_MS, Horizon

JUMP_MS = 60_000
DOUBT_MS = 3_600_000
"""A round so much later than the last one sent is a reason to ask the receiver what time it is."""

ASK_EVERY_S = 5.0
_KEPT = 16  # steps and boots of a stream, and lines, that are remembered


class Step(NamedTuple):
    """A backward step: of `boot_id`, at `monotonic_ms`, by `offset_ms`, to `wall_ms`."""

    boot_id: bytes
    monotonic_ms: int
    offset_ms: int
    wall_ms: int


class Sent(NamedTuple):
    """What was sent of a stream: its newest time, and the highest seq of each line."""

    newest_ms: int | None = None
    seqs: tuple[tuple[int, int], ...] = ()

    def seq(self, line: int) -> int:
        return next((seq for known, seq in self.seqs if known == line), 0)

    def with_round(self, line: int, seq: int, time_ms: int | None) -> Sent:
        """`time_ms` None: it is done with, and was not sent."""
        newest_ms = self.newest_ms
        if time_ms is not None:
            newest_ms = max(time_ms, newest_ms or 0)
        others = [one for one in self.seqs if one[0] != line]
        return Sent(newest_ms, (*others[1 - _KEPT :], (line, max(seq, self.seq(line)))))


NOTHING = Sent()


@dataclass(slots=True)
class _Sight:
    """What is known of one stream."""

    boots: list[bytes] = field(default_factory=list)  # in the order of the log
    steps: list[Step] = field(default_factory=list)
    sent: Sent = NOTHING
    last: tuple[bytes, int] | None = None  # boot, and wall - monotonic, of the frame before

    def observe(self, frame: Frame) -> None:
        boot, step, at = frame.lineage.boot_id, frame.lineage.clock_step, frame.at[0]
        if boot not in self.boots:
            self.boots = [*self.boots[1 - _KEPT :], boot]
        if step is None or step.boot_id != boot or at.wall_ms is None:
            return
        if not any(one[:2] == step[:2] for one in self.steps):
            wall_ms = at.wall_ms - (at.monotonic_ms - step.monotonic_ms)
            steps = [*self.steps[1 - _KEPT :], Step(*step, wall_ms)]
            self.steps = sorted(steps, key=lambda one: one.monotonic_ms)

    def is_decided(self, frame: Frame, latest_ms: int) -> bool:
        """Whether something lies behind the frame that tells what its times are worth.

        Its boot is over, or there was a step to a time that isn't in the future itself.
        """
        boot, last_ms = frame.lineage.boot_id, frame.at[-1].monotonic_ms
        return boot in self.boots[:-1] or any(
            step.boot_id == boot and step.monotonic_ms > last_ms and step.wall_ms <= latest_ms
            for step in self.steps
        )

    def times(self, frame: Frame, sent: Sent) -> list[int]:
        """The times of the rounds, right as far as is known.

        A step is not applied where it would put a new round behind one that was sent: then the
        clock had been wrong for so long that its times were the receiver's too.
        """
        line, newest_ms, sent_seq = frame.lineage.line, sent.newest_ms, sent.seq(frame.lineage.line)
        steps = [one for one in self.steps if one.boot_id == frame.lineage.boot_id]
        found: list[int] = []
        for seq, (wall_ms, monotonic_ms) in enumerate(frame.at, frame.first_seq):
            if wall_ms is None:
                raise ValueError(f"round {seq} of {line:016x} has no time yet: no sink may get it")
            time_ms, is_new = wall_ms, seq > sent_seq
            for step in steps:
                back_ms = time_ms + step.offset_ms
                may_go_back = not is_new or newest_ms is None or back_ms > newest_ms
                rises = not found or back_ms > found[-1]
                is_wrong = monotonic_ms < step.monotonic_ms and time_ms > step.wall_ms
                if is_wrong and may_go_back and rises:
                    time_ms = back_ms
            if is_new:
                newest_ms = max(time_ms, newest_ms or 0)
            found.append(time_ms)
        return found


class Foresight:
    """What one sink may get, and under which times, stream by stream.

    The log holds back what may not pass yet; `Dated` gives what passes its times.
    """

    def __init__(self, horizon: Horizon) -> None:
        self._horizon = horizon
        self._sights: dict[int, _Sight] = {}
        self.can_ask = False  # somebody asks the receiver for its time while rounds wait for it
        self.is_in_doubt = False

    def begin(self, stream: int, known: Known) -> None:
        """Go on behind what these marks say was sent."""
        sight = self._sight(stream)
        for mark in known:
            is_begun = mark.first_seq != mark.seq + 1  # else its time is that of a round to come
            newest_ms = (mark.sent_ms or mark.latest_ms) if is_begun else None
            sight.sent = sight.sent.with_round(mark.line, mark.seq, newest_ms or None)

    def noted(self, stream: int, known: Known) -> Known:
        """The marks, with the newest time that was sent where it is not that of the stamps."""
        newest_ms = self._sight(stream).sent.newest_ms
        if not known or newest_ms is None:
            return known
        last = known[-1]
        sent_ms = 0 if newest_ms == last.latest_ms else newest_ms
        return known if sent_ms == last.sent_ms else (*known[:-1], last._replace(sent_ms=sent_ms))

    def observe(self, stream: int, frame: Frame) -> None:
        """Take in a frame that lies ahead in the log."""
        self._sight(stream).observe(frame)

    def is_suspect(self, stream: int, frame: Frame) -> bool:
        """Whether to look ahead first: the clock may have been wrong. A jump forward says so."""
        boot, offset_ms = _clock_of(frame)
        last = self._sight(stream).last
        if last is None or last[0] != boot or offset_ms - last[1] > JUMP_MS:
            return True
        return self.is_in_future(stream, frame)

    def is_in_future(self, stream: int, frame: Frame) -> bool:
        latest_ms = self._horizon.latest_ms()
        sight = self._sight(stream)
        return latest_ms is not None and max(sight.times(frame, sight.sent)) > latest_ms

    def is_decided(self, stream: int, frame: Frame) -> bool:
        """Whether what lies ahead tells what the frame's times are worth."""
        latest_ms = self._horizon.latest_ms()
        return latest_ms is not None and self._sight(stream).is_decided(frame, latest_ms)

    def may_pass(self, stream: int, frame: Frame) -> bool:
        """Whether the frame need wait no longer, whatever it is worth."""
        sight = self._sight(stream)
        sight.observe(frame)
        latest_ms = self._horizon.latest_ms()
        if latest_ms is None:
            return False
        if self.is_in_future(stream, frame) and not sight.is_decided(frame, latest_ms):
            return False
        self.is_in_doubt = self._doubts(sight, frame)
        if self.is_in_doubt:
            return False
        sight.last = _clock_of(frame)
        return True

    def _doubts(self, sight: _Sight, frame: Frame) -> bool:
        """Whether ours may be the wrong clock, and the receiver has not told its time yet.

        A process that starts after hours has no other clock than one that may have been set wrong.
        """
        if not self.can_ask or self._horizon.has_answered or sight.sent.newest_ms is None:
            return False
        return max(sight.times(frame, sight.sent)) > sight.sent.newest_ms + DOUBT_MS

    @property
    def wants_time(self) -> bool:
        """Whether the receiver is to be asked what time it is there."""
        is_wanted = self._horizon.is_wanted and not self._horizon.has_answered
        return self.is_in_doubt or is_wanted

    def why(self, frame: Frame) -> str:
        """Why a frame may not pass, and what a person can do."""
        if self.is_in_doubt:
            return "the receiver has not been reached, to say what time it is there"
        latest_ms = self._horizon.latest_ms()
        if latest_ms is None:
            return "no clock to trust: what is the future isn't known. Set the clock"
        seconds = ((frame.at[-1].wall_ms or 0) - latest_ms + AHEAD_MS) / 1000
        return (
            f"rounds lie {seconds:.0f} s in the future: they wait until the clock is set right, or "
            "their time has come. Set the clock, or let NTP do it"
        )

    def judge(self, batch: Batch) -> tuple[Batch, list[Part], Sent]:
        """A batch as the receiver may have it, what is to be set aside, and what is sent then."""
        sight = self._sight(batch.dictionary.stream.key)
        for frame in batch.frames:
            sight.observe(frame)
        latest_ms, sent = self._horizon.latest_ms(), sight.sent
        passed: list[Frame] = []
        aside: list[Part] = []
        for frame in batch.frames:
            times = sight.times(frame, sent)
            right = _with_times(frame, times)
            line, reasons = frame.lineage.line, []
            for seq, time_ms in enumerate(times, frame.first_seq):
                newest_ms = sent.newest_ms if seq > sent.seq(line) else None
                reasons.append(_reason(time_ms, latest_ms, newest_ms))
                sent = sent.with_round(line, seq, None if reasons[-1] else time_ms)
            start = 0
            for reason, run in groupby(reasons):
                end = start + len(list(run))
                if reason:
                    piece = part(frame, batch.dictionary, start, end)
                    aside.append(_aside(batch.dictionary, piece, reason, sent))
                else:
                    passed.append(part(right, batch.dictionary, start, end))
                start = end
        return batch._replace(frames=tuple(passed)), aside, sent

    def done(self, batch: Batch, sent: Sent) -> None:
        """The receiver has what `judge` let pass of a batch."""
        self._sight(batch.dictionary.stream.key).sent = sent

    def _sight(self, stream: int) -> _Sight:
        return self._sights.setdefault(stream, _Sight())


@runtime_checkable
class Greeted(Destination, Protocol):
    """A destination that can be asked for a reply without being sent anything."""

    def greet(self) -> None:
        """Raises Retry."""
        ...


class Dated:
    """A sink behind foresight: it gets each round at its right time, and none from the future."""

    def __init__(self, destination: Destination, foresight: Foresight) -> None:
        self._destination = destination
        self._foresight = foresight
        self._asked_at = -math.inf
        foresight.can_ask = isinstance(destination, Greeted)

    def send(self, batch: Batch) -> Sequence[Withheld]:
        """Raises what the sink raises, and PartlyRejected for what must not be sent."""
        passed, aside, sent = self._foresight.judge(batch)
        withheld: Sequence[Withheld] = ()
        try:
            if passed.frames:
                withheld = self._destination.send(passed)
        except PartlyRejected as why:
            aside += why.parts
            withheld = why.withheld
        except Rejected as why:
            aside.append(Part(passed, why))
        self._foresight.done(batch, sent)
        if aside:
            raise PartlyRejected(aside, withheld)
        return withheld

    def look(self) -> None:
        """While nothing is sent: ask what time it is there, if that is what rounds wait for."""
        now = time.monotonic()
        due = now - self._asked_at >= ASK_EVERY_S
        if self._foresight.wants_time and due and isinstance(self._destination, Greeted):
            self._asked_at = now
            with suppress(Retry):
                self._destination.greet()
        if isinstance(self._destination, Watchful):
            self._destination.look()


def _clock_of(frame: Frame) -> tuple[bytes, int]:
    at = frame.at[-1]
    return frame.lineage.boot_id, (at.wall_ms or 0) - at.monotonic_ms


def _with_times(frame: Frame, times: Sequence[int]) -> Frame:
    at = tuple(it._replace(wall_ms=time_ms) for it, time_ms in zip(frame.at, times, strict=True))
    return frame if at == frame.at else frame._replace(at=at)


def _reason(time_ms: int, latest_ms: int | None, newest_ms: int | None) -> str | None:
    """Why a round must not be sent, None when it may."""
    if latest_ms is None or time_ms > latest_ms:
        return "future"
    if newest_ms is not None and time_ms <= newest_ms:
        return "order"
    return None


def _aside(dictionary: Dictionary, frame: Frame, reason: str, sent: Sent) -> Part:
    rounds = f"rounds {frame.first_seq} to {frame.last_seq} of {'/'.join(dictionary.stream)}"
    if reason == "future":
        message = f"{rounds} lie in the future: the clock was wrong, and nobody knows by how much"
    else:
        message = f"{rounds} lie before {sent.newest_ms} ms, which was sent: the clock went back"
    hint = "edgevitals spool rejected lists them"
    return Part(Batch(dictionary, (frame,), None), Rejected(message, hint, reason=reason))
