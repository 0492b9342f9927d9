"""What happens when: a minute of rest, a minute of cut with a SIGKILL within, the way back."""

from __future__ import annotations

import time

from tests.demo.cost import Cost
from tests.demo.evidence import Centre
from tests.demo.screen import Moment, Screen
from tests.demo.stage import Stage
from tests.lab.process import StartError

CUT_AT, KILL_AT, RESTART_AT, RESTORE_AT, END_AT = 60.0, 90.0, 95.0, 120.0, 155.0
LATEST_END = 240.0  # a backlog that isn't drained by then never will be
MEASURE_EVERY, LINE_EVERY = 2.0, 5.0  # seconds


class Story:
    """Runs in the main thread, second by second."""

    def __init__(self, stage: Stage, centre: Centre, screen: Screen) -> None:
        self.cost = Cost()
        self._stage = stage
        self._centre = centre
        self._screen = screen
        self._began = time.monotonic()
        self._measure_at = 0.0
        self._line_at = LINE_EVERY
        self._is_link_up = True
        self._is_killed = False
        self._backlog: int | None = None

    def tell(self) -> int | None:
        """Return the collector's exit code after SIGTERM. Raises StartError when it ends before."""
        stage = self._stage
        self._screen.head()
        self._start("the collector is started")
        self._watch_until(CUT_AT)

        stage.cut()
        self._is_link_up = False
        self._event("the link to the centre is cut")
        self._watch_until(KILL_AT)

        self._measure()
        stage.collector.kill()
        self._is_killed = True
        self._event("SIGKILL to the collector")
        self._watch_until(RESTART_AT)
        self._is_killed = False
        self._start("the collector is started again")
        self._watch_until(RESTORE_AT)

        stage.restore()
        self._is_link_up = True
        self._event("the link is back")
        self._watch_until_drained(time.monotonic())
        self._watch_until_mirrored(time.monotonic())
        self._watch_until(END_AT)

        self._measure()
        code, seconds = stage.collector.stop()
        self._event(f"SIGTERM to the collector: exit code {code} after {seconds:.1f} s")
        return code

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _start(self, what: str) -> None:
        seconds = self._stage.collector.start()
        self._event(f"{what}: it answers after {seconds:.1f} s")

    def _watch_until_drained(self, since: float) -> None:
        while self._backlog != 0 and self._now < LATEST_END:
            self._watch_until(self._now + 1.0)
        if self._backlog == 0:
            self._event(
                f"all is delivered, {time.monotonic() - since:.0f} s after the link is back"
            )

    def _watch_until_mirrored(self, since: float) -> None:
        """Until the centre hears that the mirror is there again, and close behind."""
        while not self._centre.is_mirrored() and self._now < LATEST_END:
            self._watch_until(self._now + 1.0)
        if self._centre.is_mirrored():
            self._event(f"the mirror has caught up too, {time.monotonic() - since:.0f} s later")

    def _watch_until(self, end: float) -> None:
        while (now := self._now) < end:
            self._look(now)
            time.sleep(max(0.0, min(int(now) + 1, end) - self._now))

    def _look(self, now: float) -> None:
        self._check()
        if now >= self._measure_at:
            self._measure_at = now + MEASURE_EVERY
            self._measure()
        status = self._stage.collector.status() if not self._is_killed else None
        streams = status["streams"] if status else []
        backlogs = [pump["backlog_rounds"] for pump in status["pumps"]] if status else []
        # None: it does not know yet, as before its first round.
        self._backlog = max(backlogs) if streams and backlogs and None not in backlogs else None
        if now < self._line_at:
            return
        self._line_at = (now // LINE_EVERY + 1) * LINE_EVERY
        state = "killed" if self._is_killed else "runs" if status else "silent"
        taken = max((stream["last_seq"] for stream in streams), default=None)
        arrived = self._centre.newest_round()
        self._screen.moment(Moment(now, self._is_link_up, state, taken, arrived, self._backlog))

    def _measure(self) -> None:
        if self._stage.collector.process.is_running:
            self.cost.look(self._stage.collector.process.pid)

    def _check(self) -> None:
        process = self._stage.collector.process
        if not self._is_killed and not process.is_running:
            raise StartError(f"the collector ended with {process.returncode}\n{process.tail()}")

    def _event(self, text: str) -> None:
        self._screen.event(self._now, text)
