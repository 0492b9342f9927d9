"""Simulated days: real spool, pumps' logs and sinks' foresight under a told clock, with faults.

A receiver that remembers everything checks what it gets: times rise, none is ahead, none is twice.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from email.utils import formatdate
from pathlib import Path

import psutil
import pytest

from collector.errors import Retry
from collector.flow.foresight import Dated, Foresight
from collector.flow.mark import GapReason
from collector.flow.pump import Batch, PartlyRejected
from collector.frames.frame import Instant
from collector.horizon import AHEAD_MS, Horizon
from tests.unit.site import INTERVAL_S, START_MS, TIER, Site

DAYS = float(os.environ.get("SOAK_DAYS", "0.25"))
"""30 in `make soak`: 172,800 rounds."""

FAULTS = ["restart", "reboot", "ahead", "back", "away"]
HOUR_S = 3600.0
UNSET_S = -START_MS / 1000
MOST_FILES = 400  # a segment for each start, until the quota of 8 MiB drops the oldest
MOST_GROWTH_BYTES = 2 << 20  # and 1 MiB for each 10,000 rounds


class Days:
    """A site's life: `s` true seconds since its start, its clock `ahead_s` of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.draw = random.Random(seed)
        self.s = 0.0
        self.ahead_s = 0.0
        self.boots = 0
        self.faults: Counter[str] = Counter()
        self.bag: list[str] = []
        self.plan: list[tuple[int, float]] = []  # rounds from now, and what the clock is then
        self.away = 0  # rounds that the centre is away for
        self.newest_ms = 0
        self.got: list[int] = []
        self.aside: dict[int, str] = {}
        self.no_clock = 0
        self.site = self._start()

    def _start(self) -> Site:
        boot = self.boots.to_bytes(16, "big")
        site = Site(self.folder, max_bytes=8 << 20, boot_id=boot)
        horizon = Horizon(lambda: Instant(self._ms(self.ahead_s), int(self.s * 1000)))
        horizon.heard(formatdate(self._ms() / 1000, usegmt=True))
        self.foresight = Foresight(horizon)
        self.sink = Dated(self, self.foresight)
        self.cursor = site.cursor("sink-centre", self.foresight)
        return site

    def _ms(self, ahead_s: float = 0.0) -> int:
        return START_MS + int((self.s + ahead_s) * 1000)

    def stop(self) -> None:
        gaps = "edgevitals_gap_rounds_total"
        of = {"pump": "rounds", "reason": GapReason.NO_CLOCK.label}
        key = gaps, tuple(sorted(of.items()))
        self.no_clock += int(self.site.telemetry.values().get(key, 0))
        self.cursor.close()
        self.site.__exit__()

    def round(self) -> None:
        self.s += INTERVAL_S
        if self.plan and self.plan[0][0] <= 0:
            self.ahead_s = self.plan.pop(0)[1]
        self.plan = [(rounds - 1, ahead) for rounds, ahead in self.plan]
        self.site.source.value = None if self.draw.random() < 0.01 else self.draw.random()
        self.site.take(self.s, self.ahead_s)
        self.away = max(0, self.away - 1)
        self.deliver()

    def fault(self) -> None:
        """Draw one, if the one before is over."""
        if self.plan or self.away or self.draw.random() > 0.03:
            return
        if not self.bag:
            self.bag = self.draw.sample(FAULTS, len(FAULTS))
        name = self.bag.pop()
        self.faults[name] += 1
        rounds = self.draw.randint(1, 30)
        if name == "ahead":
            self.ahead_s = self.draw.choice([600.0, HOUR_S, 24 * HOUR_S])
            self.plan = [(rounds, 0.0)]
        elif name == "back":
            self.ahead_s = -self.draw.choice([10.0, 600.0])
            self.plan = [(rounds, 0.0)]
        elif name == "away":
            self.away = rounds * 10
        else:
            self.stop()
            if name == "reboot":
                self.boots += 1
                self.s += self.draw.uniform(30, 7200)
                if self.draw.random() < 0.5:
                    self.ahead_s = UNSET_S
                    self.plan = [(rounds, 0.0)]
            self.site = self._start()
            if self.ahead_s == UNSET_S and self.draw.random() < 0.3:
                self.round()  # and once more, before there was a clock
                self.stop()
                self.boots += 1
                self.site = self._start()

    def deliver(self) -> None:
        while not self.away and (batch := self.cursor.read(0.0)) is not None:
            try:
                self.sink.send(batch)
            except PartlyRejected as why:
                for part in why.parts:
                    for one in part.batch.frames:
                        seqs = range(one.first_seq, one.last_seq + 1)
                        self.aside |= dict.fromkeys(seqs, part.why.reason)
            self.cursor.commit(batch)

    def send(self, batch: Batch) -> tuple[()]:
        """The receiver."""
        if self.away:
            raise Retry("away")
        for one in batch.frames:
            for seq, at in enumerate(one.at, one.first_seq):
                assert at.wall_ms is not None
                assert self.newest_ms < at.wall_ms, f"round {seq} is not newer"
                assert at.wall_ms <= self._ms() + AHEAD_MS + 1000
                self.newest_ms = at.wall_ms
                self.got.append(seq)
        return ()

    def end(self) -> int:
        """Let all be well, and return how many rounds were numbered."""
        self.plan, self.away, self.ahead_s = [], 0, 0.0
        self.s += 25 * HOUR_S
        for _ in range(3):
            self.round()
        last = self.site.spool.last(TIER)
        assert last is not None
        self.stop()
        return last.seq


@pytest.mark.timeout(3600)
def test_f40_days_of_faults_lose_nothing_and_leave_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.CRITICAL, "collector")  # what is kept of it would look like a leak
    days = Days(tmp_path / "spool", seed=40)
    process = psutil.Process()
    rounds = int(DAYS * 86400 / INTERVAL_S)
    memory: list[int] = []
    descriptors: list[int] = []
    files: list[int] = []
    for number in range(rounds):
        days.fault()
        days.round()
        if number % 100 == 99:
            memory.append(process.memory_info().rss)
            descriptors.append(process.num_fds())
            files.append(sum(1 for path in (tmp_path / "spool").rglob("*") if path.is_file()))
    numbered = days.end()
    assert len(set(days.got)) == len(days.got), "none came twice"
    assert not set(days.got) & set(days.aside)
    missing = set(range(1, numbered + 1)) - set(days.got) - set(days.aside)
    assert len(missing) == days.no_clock, "written = stored + set aside + reported gaps"
    assert set(days.aside.values()) <= {"order", "future"}
    assert len(days.got) > 0.8 * rounds
    assert set(days.faults) == set(FAULTS)
    third = len(memory) // 3
    allowed = MOST_GROWTH_BYTES + (1 << 20) * rounds / 10_000
    assert max(memory[2 * third :]) - max(memory[third : 2 * third]) < allowed
    assert max(descriptors) - min(descriptors) <= 4
    assert max(files) <= MOST_FILES
