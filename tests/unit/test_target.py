from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from threading import Event
from types import SimpleNamespace

import pytest

from collector import target as target_module
from collector.errors import SourceError
from collector.series import Family, Kind, SeriesTable, TargetSeries
from collector.target import Reading, Scraper, Target
from tests.lab.waiting import wait_for

SOON = 30.0  # seconds: for what answers at once
SHORT = 0.1  # seconds: nothing here waits longer for what hangs
TEMPERATURE = Family("temperature", Kind.GAUGE)


class FakeSource:
    """A source that does what the test says; `value` is the number of its read."""

    def __init__(self, series: TargetSeries) -> None:
        self.id = series.intern(TEMPERATURE, {})
        self.reads = 0
        self.error: Exception | None = None
        self.deadlines: list[float] = []
        self.may_answer = Event()
        self.may_answer.set()
        self.closed = Event()

    def read(self, deadline: float) -> Reading:
        self.reads += 1
        number = self.reads
        self.deadlines.append(deadline)
        self.may_answer.wait(SOON)
        if self.error:
            raise self.error
        return Reading([self.id], [float(number)])

    def close(self) -> None:
        self.closed.set()


class EndlessSource(FakeSource):
    """Each read has a thousand series that were never seen before."""

    def __init__(self, series: TargetSeries) -> None:
        super().__init__(series)
        self._series = series

    def read(self, deadline: float) -> Reading:
        self.reads += 1
        names = [f"{self.reads}/{number}" for number in range(1000)]
        ids = [self._series.intern(TEMPERATURE, {"name": name}) for name in names]
        return Reading(ids, [1.0] * len(ids))


class Site:
    """Targets by job, the scraper over them, and its readings by job and metric."""

    def __init__(self, *jobs: str) -> None:
        self.table = SeriesTable()
        self.sources: dict[str, FakeSource] = {}
        targets = []
        for job in jobs:
            series = TargetSeries(self.table, {"job": job, "instance": "here"})
            self.sources[job] = FakeSource(series)
            targets.append(Target(job, "here", self.sources[job], series))
        self.scraper = Scraper(targets)

    def target(self, job: str) -> Target:
        return next(target for target in self.scraper.targets if target.job == job)

    def read_without(self, late: str) -> dict[str, dict[str, float]]:
        """Read, and let the deadline come once all the others have answered."""
        others = [one for one in self.scraper.targets if one.job != late and not one.is_busy]
        before = {one.job: self.sources[one.job].reads for one in others}

        def now() -> float:
            waits = any(
                one.is_busy or self.sources[one.job].reads == before[one.job] for one in others
            )
            return 0.0 if waits else SHORT

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(target_module, "time", SimpleNamespace(monotonic=now))
            return self.read(SHORT)

    def read(self, within_s: float = SOON) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for reading in self.scraper.read(within_s) or []:
            for series, value in zip(reading.series, reading.values, strict=True):
                name, labels, _ = self.table[series]
                assert name not in found.setdefault(dict(labels)["job"], {}), "once a round"
                found[dict(labels)["job"]][name] = value
        return found


@contextmanager
def site(*jobs):
    one = Site(*jobs)
    try:
        yield one
    finally:
        for source in one.sources.values():
            source.may_answer.set()
        one.scraper.close()
        for source in one.sources.values():
            assert source.closed.wait(SOON)


def test_a_target_that_answers_is_up_with_its_values():
    with site("kafka", "node") as here:
        before = time.monotonic()
        found = here.read()
        assert found.keys() == {"kafka", "node"}
        for values in found.values():
            duration = values.pop("scrape_duration_seconds")
            assert 0 <= duration < SOON
            assert values == {"temperature": 1.0, "up": 1.0, "scrape_samples_scraped": 1.0}
        for source in here.sources.values():
            assert before + SOON <= source.deadlines[0] <= time.monotonic() + SOON
        outcome = here.target("kafka").outcome
        assert outcome is not None
        assert (outcome.error, outcome.samples) == (None, 1)


def test_an_error_is_a_sample_and_a_sentence_and_the_others_go_on():
    with site("kafka", "node") as here:
        here.sources["kafka"].error = SourceError("nobody listens", "start the broker")
        found = here.read()
        assert (found["kafka"]["up"], found["kafka"]["scrape_samples_scraped"]) == (0.0, 0.0)
        assert "temperature" not in found["kafka"]
        assert (found["node"]["up"], found["node"]["temperature"]) == (1.0, 1.0)
        outcome = here.target("kafka").outcome
        assert outcome is not None
        assert outcome.error == "nobody listens. start the broker"
        here.sources["kafka"].error = None
        assert here.read()["kafka"]["up"] == 1.0


def test_a_bug_in_a_source_is_down_too_with_its_traceback_in_the_log(caplog):
    with site("kafka", "node") as here:
        here.sources["kafka"].error = ZeroDivisionError("by zero")
        found = here.read()
        assert (found["kafka"]["up"], found["node"]["up"]) == (0.0, 1.0)
        outcome = here.target("kafka").outcome
        assert outcome is not None
        assert outcome.error == "a bug: ZeroDivisionError: by zero. Please report it with the log"
        assert "a bug in the source of kafka here" in caplog.text
        assert "Traceback" in caplog.text
        here.sources["kafka"].error = None
        assert here.read()["kafka"]["up"] == 1.0, "its thread lives on"


def test_a_source_that_hangs_is_down_at_the_deadline_and_the_others_are_not():
    with site("kafka", "node") as here:
        here.sources["kafka"].may_answer.clear()
        found = here.read_without("kafka")
        assert found["kafka"] == {
            "up": 0.0,
            "scrape_duration_seconds": SHORT,
            "scrape_samples_scraped": 0.0,
        }
        assert (found["node"]["up"], found["node"]["temperature"]) == (1.0, 1.0)
        outcome = here.target("kafka").outcome
        assert outcome is not None
        assert outcome.error == "no answer within 0.1 s"


def test_a_source_that_is_late_is_not_started_again_until_it_returned():
    with site("kafka", "node") as here:
        slow = here.sources["kafka"]
        slow.may_answer.clear()
        here.read_without("kafka")
        for _ in range(3):
            assert here.read()["kafka"]["up"] == 0.0, "without a wait: the others have answered"
        assert slow.reads == 1
        assert here.sources["node"].reads == 4
        outcome = here.target("kafka").outcome
        assert outcome is not None
        assert outcome.error == "still busy with an earlier round"

        slow.may_answer.set()
        rounds = [here.read()["kafka"]]
        while not rounds[-1]["up"]:  # until its answer has passed the queue
            rounds.append(here.read()["kafka"])
        assert slow.reads == 2
        assert rounds[-1]["temperature"] == 2.0, "what came late belongs to no round"
        assert all("temperature" not in one for one in rounds[:-1])


def test_a_late_answer_in_the_middle_of_a_round_frees_the_target_for_the_next():
    with site("kafka", "node") as here:
        kafka, node = here.sources["kafka"], here.sources["node"]
        kafka.may_answer.clear()
        here.read(SHORT)
        node.may_answer.clear()
        kafka.may_answer.set()
        found = here.read(SHORT)
        assert (found["kafka"]["up"], found["node"]["up"]) == (0.0, 0.0)
        node.may_answer.set()
        wait_for(lambda: here.read()["node"]["up"] == 1.0, SOON)
        assert here.read()["kafka"]["up"] == 1.0


def test_a_stop_waits_a_moment_for_a_target_and_no_longer(monkeypatch):
    stop = Event()
    stop.set()
    with site("kafka", "node") as here:
        monkeypatch.setattr(target_module, "STOP_GRACE_S", SOON)
        assert here.scraper.read(SOON, stop), "all have answered"
        monkeypatch.setattr(target_module, "STOP_GRACE_S", SHORT)
        here.sources["kafka"].may_answer.clear()
        assert here.scraper.read(SOON, stop) is None
        outcome = here.target("kafka").outcome
        assert outcome is not None
        assert outcome.error is None, "nobody knows how it is"


def test_down_and_up_again_are_one_line_each(caplog):
    caplog.set_level(logging.INFO)
    with site("kafka") as here:
        here.read()
        here.sources["kafka"].error = SourceError("nobody listens")
        for _ in range(3):
            here.read()
        here.sources["kafka"].error = None
        here.read()
        here.read()
    assert caplog.messages == [
        "kafka here is down: nobody listens",
        "kafka here is up again",
    ]


def test_a_target_that_is_down_from_the_start_is_told_once(caplog):
    with site("kafka") as here:
        here.sources["kafka"].error = SourceError("nobody listens")
        here.read()
        here.read()
    assert caplog.messages == ["kafka here is down: nobody listens"]


def test_a_site_without_targets_has_rounds_all_the_same():
    with site() as here:
        assert here.read() == {}


def test_a_busy_source_is_closed_by_its_own_thread_once_it_returned():
    with site("kafka") as here:
        source = here.sources["kafka"]
        source.may_answer.clear()
        here.read(SHORT)
        here.scraper.close()
        assert not source.closed.is_set()
        source.may_answer.set()
        assert source.closed.wait(SOON)


def test_f33_a_target_of_endless_series_goes_down_alone():
    table = SeriesTable()
    targets, sources = [], []
    for job, kind, limit in (("wild", EndlessSource, 2500), ("calm", FakeSource, 10)):
        series = TargetSeries(table, {"job": job, "instance": "here"}, limit)
        sources.append(kind(series))
        targets.append(Target(job, "here", sources[-1], series))
    scraper = Scraper(targets)
    for _ in range(5):
        scraper.read(SOON)
    wild, calm = targets
    assert wild.outcome is not None
    assert calm.outcome is not None
    assert wild.outcome.error is not None
    assert "more than 2500 different series of this target" in wild.outcome.error
    assert wild.outcome.samples == 0, "the whole scrape is refused"
    assert calm.outcome.error is None
    assert len(table) < 2600
    scraper.close()


def another(here: Site, job: str) -> Target:
    series = TargetSeries(here.table, {"job": job, "instance": "here"})
    here.sources[job] = FakeSource(series)
    return Target(job, "here", here.sources[job], series)


def test_a_swap_closes_those_that_go_and_keeps_the_others():
    with site("kafka", "node") as here:
        here.read()
        here.scraper.swap([here.target("kafka"), another(here, "till")])
        assert here.sources["node"].closed.is_set()
        assert not here.sources["kafka"].closed.is_set()
        found = here.read()
        assert {job: values["temperature"] for job, values in found.items()} == {
            "kafka": 2.0,
            "till": 1.0,
        }


def test_a_swap_does_not_wait_for_a_busy_target_whose_late_answer_is_nobodys():
    with site("kafka", "node") as here:
        late = here.sources["node"]
        late.may_answer.clear()
        here.read(SHORT)
        here.scraper.swap([here.target("kafka")])
        assert not late.closed.is_set()
        late.may_answer.set()
        assert late.closed.wait(SOON)
        assert here.read().keys() == {"kafka"}
