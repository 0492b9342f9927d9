"""The timeline: which time, epoch and chain the next round of a stream gets (docs/time.md).

Without a clock that can be believed a round has a seq and a monotonic time, and waits in the
unstamped chain. When the clock is set within the same boot those rounds are stamped, once, and
enter the stream's chain in order. A clock that was set back begins an epoch that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from collector.clock import Known, WallClock
from collector.errors import DiskError
from collector.flow.mark import GapReason
from collector.frames.frame import Frame, Instant, Lineage
from collector.horizon import AHEAD_MS
from collector.rounds.recorder import Epochs, Recorded, Recorder
from collector.spool.spool import Last, Spool
from collector.telemetry import Telemetry, Throttle

log = logging.getLogger(__name__)


class Beginning(NamedTuple):
    """Where a stream stands at a start: its newest round, and the lineage of what comes."""

    last: Last | None
    lineage: Lineage


def beginning(spool: Spool, tier: str, epochs: Epochs, in_topic: Last | None = None) -> Beginning:
    """Go on behind the newest round that disk, topic or unstamped chain know of.

    Only where none of them knows any, a new line begins. Raises SpoolError.
    """
    last = newest_of(spool.last(tier), in_topic)
    waiting = spool.unstamped(tier).newest()
    missing = GapReason.UNKNOWN
    before = last and (last.line, last.epoch, last.seq)
    if waiting and (last is None or waiting.lineage.line == last.line):
        if last is None or waiting.last_seq > last.seq:
            before = (waiting.lineage.line, waiting.lineage.epoch, waiting.last_seq)
        if waiting.lineage.boot_id != epochs.boot_id:
            missing = GapReason.NO_CLOCK
    return Beginning(last, epochs.behind(before, missing))


def newest_of(on_disk: Last | None, in_topic: Last | None) -> Last | None:
    """The round that the next one follows, so that no seq is given twice.

    Of two lines, the one with the newer round: the disk may be a copy from long ago, or its line
    may be new since the topic could not be asked.
    """
    if on_disk is None or in_topic is None:
        return on_disk or in_topic
    if on_disk.line == in_topic.line:
        return on_disk if on_disk.seq >= in_topic.seq else in_topic
    return on_disk if on_disk.wall_ms >= in_topic.wall_ms else in_topic


class Timeline:
    """The times of one stream's rounds. Belongs to the round room.

    `others` say by how many ms our clock is ahead of theirs, None while they don't know. One that
    agrees is reason enough to believe ours.
    """

    def __init__(
        self, recorder: Recorder, epochs: Epochs, spool: Spool, telemetry: Telemetry
    ) -> None:
        tier = recorder.stream.tier
        self._recorder = recorder
        self._epochs = epochs
        self._chain = spool.chain(tier)
        self._unstamped = spool.unstamped(tier)
        self._telemetry = telemetry
        self._clock = WallClock(None, epochs.boot_id)
        self.problem: str | None = None
        self.others: Sequence[Callable[[], int | None]] = ()
        self._last: Last | None = None
        self._newest_ms = 0
        self._entered = 0  # the newest seq in the stream's chain
        self._is_entered = not self._unstamped.rounds  # all that waited is in the stream's chain
        self._quiet = Throttle()

    def follow(self, last: Last | None) -> None:
        """Stamp no round before the last one."""
        self._last = last
        self._entered = last.seq if last and last.line == self._recorder.lineage.line else 0
        if last and last.wall_ms:
            known = Known(last.boot_id, Instant(last.wall_ms, last.monotonic_ms))
            self._clock = WallClock(known, self._epochs.boot_id)
            self._newest_ms = last.wall_ms

    def at(self, tick: Instant) -> Instant | None:
        """The time of a round at this tick: without wall time, if that can't be believed.

        None: no time is right for it, since it is that of the round before.
        """
        moved_ms = self._clock.stepped(tick)
        if not self._clock.is_right and (self._unstamped.is_full or self._is_confirmed()):
            moved_ms = self._clock.stepped(tick, believe=True)
        if not self._clock.is_right:
            self.problem = _not_believed(tick, self._last)
            more = self._quiet.passes()
            if more is not None:
                log.warning("%s%s", self.problem, more)
            return tick._replace(wall_ms=None)
        self.problem = None
        if self._last and self._last.boot_id != self._epochs.boot_id:
            self._newest_ms = 0  # the last boot's; this one's clock was found to be right
        self._last = None
        if not self._is_entered:
            self._stamp()
        if moved_ms:
            self._step(tick, moved_ms)
        return tick if (tick.wall_ms or 0) > self._newest_ms else None

    def keep_unstamped(self, recorded: Recorded) -> None:
        """Keep a round that has no wall time. Raises DiskError."""
        dropped = self._unstamped.append(recorded.dictionary, recorded.frame)
        self._is_entered = False
        self._telemetry.set("edgevitals_unstamped_rounds", self._unstamped.rounds)
        self._lose(dropped, "too many waited for a clock")

    def kept(self, recorded: Recorded) -> None:
        """A stamped round is on disk: what waited before it is too, and isn't needed any more."""
        self._newest_ms = recorded.at.wall_ms or 0
        self._entered = recorded.seq
        if self._is_entered and self._unstamped.rounds:
            try:
                self._unstamped.clear()
            except OSError as error:
                log.warning("rounds that have their times now can't be removed: %s", error)
            self._telemetry.set("edgevitals_unstamped_rounds", self._unstamped.rounds)

    def held(self, recorded: Recorded) -> None:
        """A stamped round is in memory only; the next one is younger all the same."""
        self._newest_ms = recorded.at.wall_ms or 0

    def _is_confirmed(self) -> bool:
        """Whether a receiver's clock says the same as ours."""
        ahead_ms = [other() for other in self.others]
        return any(one is not None and abs(one) <= AHEAD_MS for one in ahead_ms)

    def _step(self, tick: Instant, moved_ms: int) -> None:
        seconds = moved_ms / 1000
        direction = "back" if moved_ms < 0 else "forward"
        self._telemetry.add("edgevitals_clock_steps_total", direction=direction)
        self._telemetry.set("edgevitals_clock_step_seconds", seconds)
        log.warning("the clock was set %s by %.1f s", direction, abs(seconds))
        if moved_ms < 0:
            self._epochs.stepped(tick.monotonic_ms, moved_ms)
            self._recorder.begin(self._epochs.behind(self._recorder.newest()))
            self._newest_ms = 0

    def _stamp(self) -> None:
        """Give the rounds that wait their times, and put them into the stream's chain."""
        lost: list[Frame] = []
        stamped = 0
        try:
            for dictionary, frame in self._unstamped.frames():
                lineage = frame.lineage
                if lineage.line != self._recorder.lineage.line or frame.first_seq <= self._entered:
                    continue  # a crash left it here; the chain has it
                if lineage.boot_id != self._epochs.boot_id:
                    lost.append(frame)
                    continue
                if frame.first_seq > self._entered + 1:
                    lineage = lineage._replace(missing=GapReason.NO_CLOCK)
                times = tuple(
                    at._replace(wall_ms=self._clock.wall_of(at.monotonic_ms)) for at in frame.at
                )
                self._chain.append(dictionary, frame._replace(lineage=lineage, at=times))
                self._entered = frame.last_seq
                self._newest_ms = times[-1].wall_ms or 0
                stamped += len(times)
        except DiskError as error:
            log.error("rounds wait for their times, since the disk fails: %s", error)  # noqa: TRY400
            return
        self._is_entered = True
        self._lose(sum(len(frame.at) for frame in lost), _without_clock(lost))
        if stamped:
            log.info("the clock is right: %d rounds that waited for it have their times", stamped)

    def _lose(self, rounds: int, why: str) -> None:
        if not rounds:
            return
        reason = GapReason.NO_CLOCK.label
        self._telemetry.add("edgevitals_gap_rounds_total", rounds, pump="rounds", reason=reason)
        log.error("%d rounds are lost, reason: %s: %s", rounds, reason, why)


def _not_believed(tick: Instant, last: Last | None) -> str:
    why = "before this program was built"
    if last and last.wall_ms > (tick.wall_ms or 0):
        why = "before the last round"
    return (
        f"the clock is not set: {(tick.wall_ms or 0) / 1000:.0f} s of Unix time is {why}. Rounds "
        "wait without a time: set the clock, or let NTP do it"
    )


def _without_clock(lost: Sequence[Frame]) -> str:
    if not lost:
        return ""
    return f"rounds {lost[0].first_seq} to {lost[-1].last_seq}, their boot ended without a clock"
