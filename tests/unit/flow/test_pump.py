"""The promise: in order, at least once, and a position that moves only behind what is safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import CollectorError, DiskError, FormatError, Paced, Rejected, Retry, Rewind
from collector.flow import pump
from collector.flow.mark import Gap, GapReason, Withheld
from collector.flow.pump import Backoff, Batch, Part, PartlyRejected, Pump, most_rounds
from tests.unit.examples import line_frame, small_dictionary

OLD = Withheld(1, Gap(2, 2, 1_002_000, 1_003_000, GapReason.OUT_OF_WINDOW))
Answer = CollectorError | Sequence[Withheld] | None


def _batch(number: int) -> Batch:
    return Batch(small_dictionary(), (line_frame(number),), number)


class _ListLog:
    """Batches 1..n. It says stop when they are all committed, or after so many waits."""

    def __init__(self, batches: int, stop: Event) -> None:
        self.stop = stop
        self.batches = batches
        self.committed = 0
        self.read_to = 0
        self.withheld: list[Withheld] = []
        self.waits: list[float] = []
        self.is_ours: Callable[[], bool] = lambda: True
        self.make: Callable[[int], Batch] = _batch

    def read(self, wait: float) -> Batch | None:
        assert wait == pump.READ_WAIT_S
        if self.read_to == self.batches:
            self.stop.set()
            return None
        self.read_to += 1
        return self.make(self.read_to)

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        assert batch.end == self.committed + 1
        self.withheld += withheld
        self.committed = batch.end

    def rewind(self, to: tuple[int, int, int, int] | None) -> None:
        self.read_to = self.committed = to[1] if to else 0

    def wait(self, seconds: float, stop: Event) -> bool:
        assert stop is self.stop
        self.waits.append(seconds)
        return self.is_ours()


class _ScriptedSink:
    """Answers as told, one answer a call; what comes after the script is taken."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[int] = []
        self.before: Callable[[], object] = lambda: None

    def send(self, batch: Batch) -> Sequence[Withheld]:
        self.before()
        self.seen.append(batch.end)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, CollectorError):
            raise answer
        return answer or ()


class _Shelf:
    """A rejected store; `full` so many times first."""

    def __init__(self, full: int = 0) -> None:
        self.full = full
        self.kept: list[tuple[int, str, str]] = []

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        if self.full:
            self.full -= 1
            raise DiskError("the shelf is full", "free space on that disk")
        self.kept.append((batch.end, why.reason, sink))


class _Tally:
    def __init__(self) -> None:
        self.told: list[str] = []

    def idle(self) -> None:
        self.told.append("idle")

    def sending(self, batch: Batch) -> None:
        self.told.append(f"sending {batch.end}")

    def delivered(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        rounds = batch.rounds - sum(gap.rounds for _, gap in withheld)
        self.told.append(f"delivered {batch.end}" if rounds else f"withheld {batch.end}")

    def retrying(self, why: Retry, wait: float) -> None:
        self.told.append(f"retrying: {why.message}")

    def rejected(self, batch: Batch, why: Rejected) -> None:
        self.told.append(f"rejected {batch.end}: {why.reason}")

    def rewound(self, why: Rewind) -> None:
        self.told.append(f"rewound: {why.message}")


class _Run:
    """A pump over all of these, run until its log is at its end or it was told to stop."""

    def __init__(self, *answers: Answer, batches: int = 3, full: int = 0) -> None:
        self.stop = Event()
        self.log = _ListLog(batches, self.stop)
        self.sink = _ScriptedSink(*answers)
        self.shelf = _Shelf(full)
        self.tally = _Tally()
        self.pump = Pump("centre", self.log, self.sink, self.shelf, self.tally)

    def go(self) -> _Run:
        self.pump.run(self.stop)
        return self


def test_order_survives_retries_and_a_rejected_batch_does_not_block_the_next():
    run = _Run(Retry("503"), None, Rejected("400", reason="bad"), None).go()
    assert run.sink.seen == [1, 1, 2, 3]
    assert run.log.committed == 3
    assert run.shelf.kept == [(2, "bad", "centre")]
    assert run.tally.told == [
        "sending 1",
        "retrying: 503",
        "sending 1",
        "delivered 1",
        "sending 2",
        "rejected 2: bad",
        "sending 3",
        "delivered 3",
        "idle",
    ]


@given(
    st.lists(
        st.sampled_from(
            [None, Retry("503"), Retry("cut", reached=False), Rejected("4", reason="b")]
        ),
        max_size=30,
    )
)
def test_every_batch_is_delivered_or_kept_in_order_whatever_is_answered(answers):
    run = _Run(*answers, batches=6).go()
    assert run.log.committed == 6
    assert list(dict.fromkeys(run.sink.seen)) == [1, 2, 3, 4, 5, 6]
    assert run.sink.seen == sorted(run.sink.seen)
    done = [told for told in run.tally.told if told.startswith(("delivered", "rejected"))]
    assert [int(told.split()[1].rstrip(":")) for told in done] == [1, 2, 3, 4, 5, 6]
    assert len(run.log.waits) == len(run.sink.seen) - 6


def test_nothing_is_committed_before_the_far_side_has_it():
    run = _Run(Retry("503"), None, Rejected("400", reason="bad"))
    committed = []
    run.sink.before = lambda: committed.append(run.log.committed)
    run.go()
    assert list(zip(run.sink.seen, committed, strict=True)) == [(1, 0), (1, 0), (2, 1), (3, 2)]


def test_a_rejected_batch_that_cannot_be_kept_is_not_let_go():
    run = _Run(Rejected("400", reason="bad"), batches=2, full=2).go()
    assert run.sink.seen == [1, 2], "what was refused once is not asked for again"
    assert run.shelf.kept == [(1, "bad", "centre")]
    assert run.tally.told[1] == "retrying: the shelf is full"
    assert run.log.committed == 2


def test_of_a_batch_that_is_refused_in_parts_the_parts_alone_are_set_aside():
    parts = [Part(_batch(70 + i), Rejected("400", reason=f"bad_{i}")) for i in range(3)]
    run = _Run(None, PartlyRejected(parts, [OLD]), batches=3, full=1).go()
    assert run.sink.seen == [1, 2, 3]
    assert run.shelf.kept == [(70 + i, f"bad_{i}", "centre") for i in range(3)]
    assert run.log.withheld == [OLD]
    assert run.log.committed == 3
    assert "delivered 2" in run.tally.told[:-3] or "withheld 2" in run.tally.told


def test_rounds_that_were_not_sent_for_their_age_are_committed_as_such():
    run = _Run(None, [OLD], batches=2).go()
    assert run.tally.told[2:4] == ["sending 2", "withheld 2"]
    assert run.log.withheld == [OLD]
    assert run.log.committed == 2


def test_a_batch_that_cannot_be_decoded_is_set_aside_and_does_not_end_the_program():
    run = _Run(None, FormatError("columns have 3 bytes"), None).go()
    assert run.sink.seen == [1, 2, 3]
    assert run.shelf.kept == [(2, "format", "centre")]
    assert run.log.committed == 3


def test_a_stop_before_the_batch_is_safe_leaves_the_position_where_it_was():
    run = _Run(None, Retry("503"), Retry("503"))

    def told_to_stop() -> bool:
        run.stop.set()
        return True

    run.log.is_ours = told_to_stop  # while it waits
    run.go()
    assert run.sink.seen == [1, 2]
    assert run.log.committed == 1


def test_a_stop_while_a_batch_is_under_way_still_commits_what_arrived():
    run = _Run()
    run.sink.before = run.stop.set
    run.go()
    assert run.sink.seen == [1]
    assert run.log.committed == 1


def test_a_stop_before_the_first_try_sends_nothing():
    run = _Run()
    read = run.log.read

    def read_and_stop(wait: float) -> Batch | None:
        run.stop.set()
        return read(wait)

    run.log.read = read_and_stop  # type: ignore[method-assign]
    run.go()
    assert run.sink.seen == []
    assert run.log.committed == 0


def test_a_batch_that_is_no_longer_ours_is_neither_sent_again_nor_committed():
    run = _Run(Retry("503"), batches=1)
    run.log.is_ours = lambda: False
    run.go()
    assert run.sink.seen == [1]
    assert run.log.committed == 0


def test_an_error_that_nobody_expected_ends_the_room():
    run = _Run()

    def bug() -> None:
        raise ZeroDivisionError

    run.sink.before = bug
    with pytest.raises(ZeroDivisionError):
        run.go()
    assert run.log.committed == 0


def test_each_batch_starts_with_short_waits_again():
    run = _Run(*[Retry("503")] * 8, None, Retry("503"), batches=2).go()
    assert run.log.waits[7] >= pump.LONGEST_WAIT_S / 2
    assert run.log.waits[8] <= pump.FIRST_WAIT_S


def _waits(*whys: Retry) -> list[float]:
    backoff = Backoff()
    return [backoff.after(why) for why in whys]


def test_waits_grow_to_a_bound_and_are_never_all_at_once():
    steps = [min(2.0**n, 60.0) for n in range(40)]
    for wait, step in zip(_waits(*[Retry("503")] * 40), steps, strict=True):
        assert step / 2 <= wait <= step
    assert len(set(_waits(*[Retry("503")] * 40)[-10:])) > 5


def test_a_far_side_that_was_not_reached_is_tried_more_often():
    waits = _waits(*[Retry("refused", reached=False)] * 2000)
    assert max(waits) <= pump.LONGEST_UNREACHED_WAIT_S
    assert min(waits[5:]) >= pump.LONGEST_UNREACHED_WAIT_S / 2


def test_what_only_a_person_can_end_is_tried_rarely():
    assert _waits(*[Retry("401", hold=True)] * 6) == [30, 60, 120, 240, 300, 300]


def test_the_wait_that_the_far_side_asked_for_is_taken():
    assert _waits(Retry("429", after=7.0), Retry("401", hold=True, after=2.5)) == [7.0, 2.5]
    assert 1 <= _waits(Retry("429", after=7.0), Retry("503"))[1] <= 2


@pytest.mark.parametrize(
    "series, rounds", [(0, 20), (1, 20), (4000, 20), (4001, 19), (80_000, 1), (200_000, 1)]
)
def test_a_batch_holds_what_receivers_take_in_one_request(series, rounds):
    dictionary = small_dictionary()._replace(series=small_dictionary().series[:1] * series)
    assert most_rounds(dictionary) == rounds


def test_a_far_side_that_lost_what_it_had_gets_it_again_in_order():
    run = _Run(None, None, Rewind("the log came back shorter", to=(1, 1, 1, 0))).go()
    assert run.sink.seen == [1, 2, 3, 2, 3]
    assert run.log.committed == 3
    assert run.tally.told.count("rewound: the log came back shorter") == 1


def test_a_far_side_that_has_nothing_any_more_gets_everything():
    run = _Run(None, Retry("no such topic"), Rewind("the topic was made anew", to=None)).go()
    assert run.sink.seen == [1, 2, 2, 1, 2, 3]
    assert run.log.committed == 3


class _WatchfulSink(_ScriptedSink):
    """Sees once, when there is nothing to send, that all it had is gone."""

    def __init__(self, stop: Event) -> None:
        super().__init__()
        self._stop = stop
        self._looked = 0

    def look(self) -> None:
        self._looked += 1
        if self._looked == 1:
            self._stop.clear()  # the log's end is not the end this time
            raise Rewind("the topic was made anew", to=None)


def test_a_far_side_can_look_after_itself_while_there_is_nothing_to_send():
    run = _Run()
    sink = _WatchfulSink(run.stop)
    Pump("topic", run.log, sink, run.shelf, run.tally).run(run.stop)
    assert sink.seen == [1, 2, 3, 1, 2, 3]
    assert run.log.committed == 3


def test_f31_a_hold_ends_when_what_it_waits_for_has_changed():
    answers = iter([False, True])
    hold = Retry("no", hold=True)
    hold.renewed = lambda: next(answers)
    stop = Event()
    log = _ListLog(1, stop)
    Pump("p", log, _ScriptedSink(hold), _Shelf(), _Tally()).run(stop)
    assert log.waits == [pump.LOOK_AGAIN_S, pump.LOOK_AGAIN_S]
    assert log.committed == 1


def test_a_hold_that_nobody_ends_is_as_long_as_ever():
    hold = Retry("no", hold=True)
    hold.renewed = lambda: False
    stop = Event()
    log = _ListLog(1, stop)
    Pump("p", log, _ScriptedSink(hold), _Shelf(), _Tally()).run(stop)
    assert sum(log.waits) == pump.FIRST_HOLD_S


def test_a_limit_of_our_own_is_waited_for_and_is_no_failed_try():
    backoff = Backoff()
    for _ in range(10):
        assert backoff.after(Paced("later", after=0.25)) == 0.25
    assert backoff.after(Retry("no")) <= pump.FIRST_WAIT_S


def _clashing(number: int, *, alone: bool) -> Batch:
    """A batch in which a clone's round lay, or that has nothing else."""
    whole = _batch(number)
    part = Part(whole._replace(end=number * 10), Rejected("a clone's", reason="conflict"))
    return whole._replace(frames=() if alone else whole.frames, aside=(part,))


@pytest.mark.parametrize("alone", [True, False])
def test_f39_what_clashes_is_set_aside_before_its_batch_is_done_with(alone):
    run = _Run(Retry("503"), None, batches=1, full=1)
    run.log.make = lambda number: _clashing(number, alone=alone)
    run.go()
    assert run.log.committed == 1
    assert run.shelf.kept == [(10, "conflict", "centre")], "once, though the batch is tried again"
    assert run.sink.seen == ([] if alone else [1, 1]), "never sent"
    assert run.tally.told[:2] == ["retrying: the shelf is full", "rejected 10: conflict"]
