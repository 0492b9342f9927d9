"""The room that takes rounds: at each tick read all targets, and put the round on disk.

While the disk refuses, rounds are held in memory, in a line of their own (docs/spool.md). Each of
them is offered to the disk first, so it is seen at once when it takes rounds again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event

from collector import __version__, catalog, clock
from collector.clock import Tick
from collector.errors import DiskError
from collector.frames.frame import Instant
from collector.rounds.history import History
from collector.rounds.recorder import Epochs, Recorded, Recorder
from collector.rounds.timeline import Timeline
from collector.rounds.tracing import Traces
from collector.series import TargetSeries
from collector.spool.spool import Last, Spool
from collector.target import Reading, Scraper, Target
from collector.telemetry import OF_WHOM, Key, Telemetry, Throttle

LONGEST_READ_S = 10.0

log = logging.getLogger(__name__)


class Own:
    """The collector as a target of its own: what it counts, and where its stream stands."""

    def __init__(self, series: TargetSeries, gauges: Callable[[], Mapping[Key, float]]) -> None:
        self._series = series
        self._gauges = gauges
        self._ids: dict[Key, int] = {}

    def read(self, recorder: Recorder) -> Reading:
        lineage = recorder.lineage
        tier = recorder.stream.tier
        previous = f"{lineage.previous[0]:016x}" if lineage.previous else ""
        epoch = (
            ("epoch", f"{lineage.epoch:016x}"),
            ("previous_epoch", previous),
            ("tier", tier),
        )
        values: dict[Key, float] = {
            **self._gauges(),
            ("edgevitals_epoch_info", epoch): 1,
            ("edgevitals_build_info", (("version", __version__),)): 1,
        }
        seq = self.seq(recorder)
        return Reading([*seq.series, *map(self._id, values)], [*seq.values, *values.values()])

    def seq(self, recorder: Recorder) -> Reading:
        """Only the number of the round."""
        key = ("edgevitals_round_seq", (("tier", recorder.stream.tier),))
        return Reading([self._id(key)], [recorder.next_seq])

    def _id(self, key: Key) -> int:
        known = self._ids.get(key)
        if known is None:
            name, labels = key[0], dict(key[1])
            series = self._series
            if labels.keys() >= OF_WHOM:
                series = series.under(labels.pop("site"), labels.pop("node"))
            known = series.intern(catalog.OWN[name].family, labels)
            self._ids[key] = known
        return known


class Rounds:
    """Takes the rounds of one tier until told to stop; the last one ends all series."""

    def __init__(
        self,
        interval_s: float,
        scraper: Scraper,
        own: Own,
        recorder: Recorder,
        epochs: Epochs,
        spool: Spool,
        telemetry: Telemetry,
        traces: Traces,
    ) -> None:
        self.interval_s = interval_s
        self.latest: Recorded | None = None
        self.taken_at: float | None = None  # time.monotonic()
        self.turned_at = time.monotonic()  # when the last one ended, kept or missed
        self.disk_error: str | None = None
        self.history = History()
        self._scraper = scraper
        self._own = own
        self._recorder = recorder
        self._epochs = epochs
        self._spool = spool
        self._telemetry = telemetry
        self._traces = traces
        self._chain = spool.chain(recorder.stream.tier)
        self._timeline = Timeline(recorder, epochs, spool, telemetry)
        self._last: Last | None = None  # before this process; None once it is said what was missed
        self._first_ms: int | None = None
        self._took_s = 0.0
        self._disk_lines = Throttle()
        self._next: tuple[Sequence[Target], Own] | None = None

    @property
    def recorder(self) -> Recorder:
        return self._recorder

    @property
    def clock_problem(self) -> str | None:
        """Why rounds have no times at present."""
        return self._timeline.problem

    def follow(self, last: Last | None) -> None:
        """Stamp no round before the last one, and say what was missed since then."""
        self._last = last
        self._timeline.follow(last)

    def compare(self, others: Sequence[Callable[[], int | None]]) -> None:
        """Other clocks: by how many ms ours is ahead of each, None while that isn't known."""
        self._timeline.others = others

    def swap(self, targets: Sequence[Target], own: Own) -> None:
        """Read these from the next round on. What is gone by then ends: stale."""
        self._next = targets, own

    @property
    def is_swapping(self) -> bool:
        """Whether others are to be read, and no round has been taken since."""
        return self._next is not None

    def run(self, stop: Event) -> None:
        """The room. Raises nothing that a full or failing disk does."""
        for tick in clock.ticks(self.interval_s, stop):
            if tick.missed:
                late = self._took_s > self.interval_s
                self._miss("overrun" if late else "suspended", tick.missed)
            self.take(tick, stop)
            self.turned_at = time.monotonic()
        self._end()

    def take(self, tick: Tick, stop: Event | None = None) -> None:
        """Read all targets once, under the time of the tick."""
        started = time.monotonic()
        following, self._next = self._next, None
        if following:
            targets, self._own = following
            self._scraper.swap(targets)
        readings = self._scraper.read(min(LONGEST_READ_S, self.interval_s / 2), stop)
        if readings is None:
            self._miss("stopping", 1)
            return
        at = self._timeline.at(tick.at)
        if at is None:
            self._miss("clock", 1)
            return
        self._miss_not_running(at)
        recorded = self._append(
            lambda: self._recorder.record([*readings, self._own.read(self._recorder)], at)
        )
        self._took_s = time.monotonic() - started
        self._traces.taken(recorded, self._took_s, self._scraper.targets)
        self._telemetry.set("edgevitals_round_duration_seconds", self._took_s)

    def _end(self) -> None:
        """End all series, so that nobody at the centre takes their last values for present ones."""
        at = self._timeline.at(clock.now())
        if self.latest is not None and at is not None:
            self._append(lambda: self._recorder.record_end(at, self._own.seq(self._recorder)))

    def _append(self, make: Callable[[], Recorded]) -> Recorded:
        """Make a round and keep it. It is made once more where memory is all that takes it."""
        self._telemetry.set("edgevitals_spool_degraded", 0)  # as the round says, if it is on disk
        recorded = make()
        try:
            if recorded.at.wall_ms is None:
                self._timeline.keep_unstamped(recorded)
            else:
                self._keep(recorded)
                self._timeline.kept(recorded)
        except DiskError as error:
            recorded = self._refused(recorded, make, error)
        else:
            if self.disk_error:
                log.info("the spool takes rounds again")
            self.disk_error = None
        self.history.add(recorded.frame.lineage.line, recorded.seq)
        self.latest = recorded
        self.taken_at = time.monotonic()
        return recorded

    def _refused(
        self, recorded: Recorded, make: Callable[[], Recorded], error: DiskError
    ) -> Recorded:
        """Hold a round in memory; return it as it is held."""
        self._telemetry.set("edgevitals_spool_degraded", 1)
        self.disk_error = str(error)
        if recorded.at.wall_ms is None:
            if error.in_doubt:
                self._recorder.not_kept()
            else:
                self._recorder.take_back()
            self._miss("disk", 1)
            return recorded
        if error.in_doubt:
            self._timeline.kept(recorded)
        else:
            self._recorder.take_back()
            with self._recorder.in_memory(self._epochs):
                recorded = make()
            self._timeline.held(recorded)
        for_somebody = self._chain.hold(
            recorded.dictionary, recorded.frame, in_doubt=error.in_doubt
        )
        if not for_somebody:
            self._miss("disk", 1)
        more = self._disk_lines.passes()
        if more is not None:
            what = "in memory only" if for_somebody else "lost"
            log.error("a round is %s: %s%s", what, error, more)
        return recorded

    def _keep(self, recorded: Recorded) -> None:
        dropped = self._spool.make_room(self._recorder.stream.tier)
        if dropped:
            self._telemetry.add("edgevitals_spool_dropped_segments_total", dropped)
        self._chain.append(recorded.dictionary, recorded.frame)

    def _miss_not_running(self, at: Instant) -> None:
        """Rounds between the last process and the first round of this one; once, when known."""
        if self._first_ms is None:
            self._first_ms = at.monotonic_ms
        last = self._last
        if last is None:
            return
        if last.boot_id == self._recorder.lineage.boot_id:
            away_ms = self._first_ms - last.monotonic_ms
        elif at.wall_ms is not None:
            away_ms = at.wall_ms - (at.monotonic_ms - self._first_ms) - last.wall_ms
        else:
            return
        self._last = None
        missed = int(away_ms / 1000 / self.interval_s)
        if missed > 0:
            self._miss("not_running", missed)

    def _miss(self, reason: str, rounds: int) -> None:
        self._telemetry.add("edgevitals_round_missed_total", rounds, reason=reason)
