"""A site with a real spool and sources that do what a test says: rounds without a process."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Event
from typing import Self

from collector.clock import Tick
from collector.errors import SourceError
from collector.flow.foresight import Foresight
from collector.flow.pump import Appetite, Batch
from collector.frames.dictionary import Stream
from collector.frames.frame import Instant
from collector.rounds.recorder import Epochs, Recorder
from collector.rounds.room import Own, Rounds
from collector.rounds.timeline import beginning
from collector.rounds.tracing import NoTraces
from collector.series import Family, Kind, Series, SeriesTable, TargetSeries
from collector.spool.cursor import Cursor
from collector.spool.spool import Limits, Spool
from collector.target import Reading, Scraper, Target
from collector.telemetry import PumpReport, Telemetry
from tests.unit.examples import BOOT

TIER = "standard"
START_MS = 1_790_000_000_000
INTERVAL_S = 15.0
TEMPERATURE = Family("temperature", Kind.GAUGE)
NOISE = Family("noise", Kind.GAUGE)


class FakeSource:
    """Gives the number that the test sets; None: it is down."""

    def __init__(self, series: TargetSeries) -> None:
        self._id = series.intern(TEMPERATURE, {})
        self._noise = [series.intern(NOISE, {"number": str(i)}) for i in range(1000)]
        self.value: float | None = 1.0
        self.may_answer = Event()
        self.may_answer.set()
        self.is_noisy = False  # 7 KB a round that no compression makes less

    def read(self, deadline: float) -> Reading:
        self.may_answer.wait(30.0)
        if self.value is None:
            raise SourceError("nobody listens", "start the broker")
        noise = self._noise if self.is_noisy else []
        return Reading([self._id, *noise], [self.value, *(random.random() for _ in noise)])

    def close(self) -> None:
        pass


class Site:
    """One target, `kafka`, and all that puts its rounds on disk. Used as a context."""

    def __init__(self, folder: Path, *, max_bytes: int = 1 << 30, boot_id: bytes = BOOT) -> None:
        self.spool = Spool(folder, "store-1", "node-a", Limits(max_bytes, lambda _: 0))
        self.stream = Stream("store-1", "node-a", TIER)
        self.table = SeriesTable()
        self.telemetry = Telemetry()
        labels = {"site": "store-1", "node": "node-a"}
        series = TargetSeries(self.table, {**labels, "job": "kafka", "instance": "b:9999"})
        self.source = FakeSource(series)
        self.target = Target("kafka", "b:9999", self.source, series)
        self.scraper = Scraper([self.target])
        epochs = Epochs(boot_id)
        begins = beginning(self.spool, TIER, epochs)
        self.recorder = Recorder(self.stream, self.table, begins.lineage)
        own = TargetSeries(self.table, {**labels, "job": "edgevitals", "instance": "node-a"})
        self.rounds = Rounds(
            INTERVAL_S,
            self.scraper,
            Own(own, self.telemetry.values),
            self.recorder,
            epochs,
            self.spool,
            self.telemetry,
            NoTraces(),
        )
        self.rounds.follow(begins.last)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.scraper.close()
        self.spool.close()

    def take(self, after_s: float, ahead_s: float = 0.0) -> None:
        """Take a round, at a time since the start of the world, by a clock that is `ahead_s`."""
        self.rounds.take(tick(after_s, ahead_s=ahead_s))

    def missed(self) -> dict[str, int]:
        return self.telemetry.by_label("edgevitals_round_missed_total", "reason")

    def gaps(self) -> dict[str, int]:
        return self.telemetry.by_label("edgevitals_gap_rounds_total", "reason")

    def cursor(self, reader: str = "sink-centre", foresight: Foresight | None = None) -> Cursor:
        report = PumpReport("forward-centre", "spool", "https://centre", self.telemetry)
        return self.spool.cursor(TIER, reader, Appetite(1, 0.0), report, foresight)

    def on_disk(self) -> list[dict[str, int]]:
        """Every round: the bits of each cell by `name{job}`, with the ms as `at`."""
        cursor = self.cursor("test")
        rounds = []
        while (batch := cursor.read(0.0)) is not None:
            rounds += rounds_of(batch)
        cursor.close()
        return rounds


def tick(after_s: float, missed: int = 0, *, ahead_s: float = 0.0) -> Tick:
    ms = int(after_s * 1000)
    return Tick(Instant(START_MS + ms + int(ahead_s * 1000), ms), missed)


def rounds_of(batch: Batch) -> list[dict[str, int]]:
    found = []
    for frame in batch.frames:
        for at, row in zip(frame.at, frame.rows(batch.dictionary), strict=True):
            cells = memoryview(row).cast("B").cast("Q")
            assert at.wall_ms is not None
            names = map(_name, batch.dictionary.series)
            found.append({"at": at.wall_ms, **dict(zip(names, cells, strict=True))})
    return found


def _name(series: Series) -> str:
    return f"{series.name}{{{dict(series.labels)['job']}}}"
