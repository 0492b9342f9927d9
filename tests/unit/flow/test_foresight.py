"""What a receiver gets of rounds that a wrong clock has stamped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import BUILT_MS
from collector.errors import Rejected, Retry
from collector.flow.foresight import Dated, Foresight
from collector.flow.mark import Mark, Withheld, mark_before
from collector.flow.pump import Batch, PartlyRejected
from collector.frames.columns import row
from collector.frames.frame import ClockStep, Frame, Instant, Lineage, frame
from collector.horizon import AHEAD_MS, Horizon
from collector.rounds.recorder import Epochs
from tests.unit.examples import BOOT, STREAM, small_dictionary

KNOWN = small_dictionary()
KEY = STREAM.key
START_MS = BUILT_MS + 1_000_000_000
OTHER_BOOT = bytes(16)
HOUR = 3_600_000


class World:
    """True time, our clock and a receiver's; what a site writes, and what the receiver gets."""

    def __init__(self) -> None:
        self.ms = 0
        self.ahead_ms = 0  # of our clock
        self.boot = BOOT
        self.horizon = Horizon(self.now)
        self.foresight = Foresight(self.horizon)
        self.sink = Dated(self, self.foresight)
        self.log: list[Frame] = []
        self.read = 0
        self.got: list[tuple[int, int]] = []
        self.aside: list[tuple[int, str]] = []
        self.is_down = False
        self._moved = 0
        self._epochs = Epochs(BOOT)
        self._last: tuple[int, int, int] | None = None
        self._lineage = self._epochs.behind(None)

    def now(self) -> Instant:
        return Instant(START_MS + self.ms + self.ahead_ms, self.ms)

    def set_clock(self, ahead_ms: int) -> None:
        self._moved += ahead_ms - self.ahead_ms
        self.ahead_ms = ahead_ms

    def reboot(self, boot: bytes) -> None:
        self._epochs, self._moved = Epochs(boot), 0
        self._lineage = self._epochs.behind(self._last)

    def take(self, rounds: int = 1, interval_ms: int = 15_000) -> None:
        for _ in range(rounds):
            self.ms += interval_ms
            if self._moved < 0:
                self._epochs.stepped(self.ms, self._moved)
                self._lineage = self._epochs.behind(self._last)
            self._moved = 0
            seq = self._last[2] + 1 if self._last else 1
            self.log.append(frame(KNOWN.id, self._lineage, seq, [self.now()], [row([seq, 0.0])]))
            self._last = (self._lineage.line, self._lineage.epoch, seq)

    def deliver(self) -> None:
        """As a log and a pump do it: until what comes next may not pass."""
        while self.read < len(self.log):
            one = self.log[self.read]
            if self.foresight.is_suspect(KEY, one):
                for later in self.log[self.read :]:
                    self.foresight.observe(KEY, later)
            if not self.foresight.may_pass(KEY, one):
                return
            try:
                self.sink.send(Batch(KNOWN, (one,), None))
            except PartlyRejected as why:
                for part in why.parts:
                    self.aside += [(it.first_seq, part.why.reason) for it in part.batch.frames]
            self.read += 1

    def send(self, batch: Batch) -> Sequence[Withheld]:
        if self.is_down:
            raise Retry("down")
        for it in batch.frames:
            for i, at in enumerate(it.at):
                assert at.wall_ms is not None
                self.got.append((it.first_seq + i, at.wall_ms - START_MS))
        return ()

    def true_times(self, seqs: Iterable[int]) -> list[tuple[int, int]]:
        return [(seq, self.log[seq - 1].at[0].monotonic_ms) for seq in seqs]


def date(ms: int) -> str:
    return formatdate(ms / 1000, usegmt=True)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("ahead_ms", [HOUR, 24 * HOUR, 365 * 24 * HOUR])
def test_f15_rounds_of_a_clock_that_ran_ahead_wait_and_get_their_right_times(world, ahead_ms):
    world.take(3)
    world.deliver()
    world.horizon.heard(date(START_MS + world.ms))
    world.set_clock(ahead_ms)
    world.take(4)
    world.deliver()
    assert world.got == world.true_times(range(1, 4)), "nothing from the future leaves"
    world.set_clock(0)
    world.take(3)
    world.deliver()
    assert world.got == world.true_times(range(1, 11))
    assert world.aside == []


def test_f15_a_backlog_with_a_wrong_stretch_in_it_gets_its_right_times(world):
    """Its times are past by now: only what comes behind them tells that they were wrong."""
    world.take(3)
    world.set_clock(HOUR)
    world.take(4)
    world.set_clock(0)
    world.take(1000)
    world.deliver()
    assert world.got == world.true_times(range(1, 1008))


def test_f15_steps_over_steps(world):
    world.horizon.heard(date(START_MS))
    world.take(2)
    world.deliver()
    world.set_clock(HOUR)
    world.take(2)
    world.set_clock(25 * HOUR)
    world.take(2)
    world.set_clock(HOUR)
    world.take(2)
    world.deliver()
    world.set_clock(0)
    world.take(2)
    world.deliver()
    assert world.got == world.true_times(range(1, 11))


def test_f15_of_a_boot_that_is_over_they_are_set_aside_and_hold_up_nothing(world):
    world.horizon.heard(date(START_MS))
    world.take(2)
    world.set_clock(HOUR)
    world.take(3)
    world.deliver()
    world.ahead_ms = 0
    world.reboot(OTHER_BOOT)
    world.take(2)
    world.deliver()
    assert world.got == world.true_times([1, 2, 6, 7])
    assert world.aside == [(3, "future"), (4, "future"), (5, "future")]


def test_f15_what_nobody_corrects_goes_when_its_time_has_come(world):
    world.horizon.heard(date(START_MS))
    world.set_clock(HOUR)
    world.take(1)
    world.deliver()
    assert world.got == []
    world.ms += HOUR
    world.deliver()
    assert world.got == [(1, 15_000 + HOUR)]


def test_f15_without_a_second_clock_ours_is_the_judge(world):
    world.take(1)
    world.set_clock(HOUR)
    world.take(1)
    world.set_clock(0)
    world.deliver()
    assert [seq for seq, _ in world.got] == [1], "the clock is back, its frame isn't there yet"
    world.take(1)
    world.deliver()
    assert world.got == world.true_times([1, 2, 3])


@pytest.mark.parametrize("back_ms", [5_000, HOUR])
def test_f16_times_never_fall_and_what_would_go_behind_is_set_aside(world, back_ms):
    world.horizon.heard(date(START_MS))
    world.take(5)
    world.deliver()
    world.set_clock(-back_ms)
    world.take(3)
    world.deliver()
    world.set_clock(0)
    world.take(2)
    world.deliver()
    times = [time for _, time in world.got]
    assert times == sorted(set(times))
    assert {seq for seq, _ in world.got} | {seq for seq, _ in world.aside} == set(range(1, 11))
    assert {reason for _, reason in world.aside} <= {"order"}
    if back_ms == HOUR:
        assert [seq for seq, _ in world.aside] == [6, 7, 8]


def test_f16_a_backlog_keeps_its_times_when_the_clock_is_set_back_behind_it(world):
    """It had been an hour's more than the step: half of it moved would be in disorder."""
    world.take(500)
    world.set_clock(-HOUR)
    world.take(3)
    world.horizon.heard(date(START_MS + world.ms))
    world.deliver()
    assert world.got[:500] == world.true_times(range(1, 501))
    assert world.aside == [(seq, "order") for seq in (501, 502, 503)]


def test_f16_after_a_restart_it_is_still_known_what_was_sent(world):
    world.horizon.heard(date(START_MS))
    world.take(3)
    world.deliver()
    line, epoch = world.log[0].lineage.line, world.log[0].lineage.epoch
    newest = world.log[2].at[0].wall_ms or 0
    world.foresight = Foresight(world.horizon)
    world.foresight.begin(KEY, (Mark(line, epoch, 3, newest),))
    world.sink = Dated(world, world.foresight)
    world.set_clock(-HOUR)
    world.take(1)
    world.deliver()
    assert world.aside == [(4, "order")]


def test_f01_a_reader_that_died_before_its_first_round_was_sent_sends_it(world):
    """Its mark was written down with the time of that round."""
    world.take(1)
    world.foresight.begin(KEY, (mark_before(world.log[0]),))
    world.deliver()
    assert (world.got, world.aside) == (world.true_times([1]), [])


def test_the_marks_say_what_was_sent_where_the_stamps_do_not(world):
    world.set_clock(HOUR)
    world.take(1)
    world.set_clock(0)
    world.take(1)
    world.read = 0
    world.foresight.observe(KEY, world.log[1])
    world.sink.send(Batch(KNOWN, (world.log[0],), None))
    stamp = world.log[0].at[0].wall_ms or 0
    mark = Mark(1, 1, 1, stamp)
    (noted,) = world.foresight.noted(KEY, (mark,))
    assert noted.sent_ms == stamp - HOUR
    again = Foresight(world.horizon)
    again.begin(KEY, (noted,))
    world.sink = Dated(world, again)
    world.sink.send(Batch(KNOWN, (world.log[1],), None))
    assert world.got == world.true_times([1, 2])
    (noted,) = again.noted(KEY, (noted._replace(wall_ms=world.log[1].at[0].wall_ms),))
    assert noted.sent_ms == 0


def test_a_frame_of_many_rounds_is_cut_where_its_rounds_differ(world):
    world.horizon.heard(date(START_MS))
    lineage = Lineage(1, 1, None, BOOT)
    at = [Instant(START_MS + ms, ms) for ms in (1000, 2000)]
    at.append(Instant(START_MS + HOUR, 3000))
    one = frame(KNOWN.id, lineage, 1, at, [row([i, 0.0]) for i in range(3)])
    with pytest.raises(PartlyRejected) as caught:
        world.sink.send(Batch(KNOWN, (one,), None))
    assert world.got == [(1, 1000), (2, 2000)]
    (part,) = caught.value.parts
    assert (part.batch.frames[0].first_seq, part.why.reason) == (3, "future")


def test_a_retry_changes_nothing_and_a_repeat_may_go_again(world):
    world.take(2)
    world.is_down = True
    with pytest.raises(Retry):
        world.sink.send(Batch(KNOWN, tuple(world.log), None))
    world.is_down = False
    for _ in range(2):
        world.sink.send(Batch(KNOWN, tuple(world.log), None))
    assert world.got == world.true_times([1, 2, 1, 2])


def test_what_the_sink_refuses_is_told_with_what_foresight_does(world):
    world.horizon.heard(date(START_MS))

    def refuse(batch):
        raise Rejected("no", reason="http_400")

    world.send = refuse
    world.take(1)
    world.set_clock(HOUR)
    world.take(1)
    with pytest.raises(PartlyRejected) as caught:
        Dated(world, world.foresight).send(Batch(KNOWN, tuple(world.log), None))
    assert [part.why.reason for part in caught.value.parts] == ["future", "http_400"]


def test_without_any_clock_nothing_leaves(world):
    world.take(1)
    world.ahead_ms = -START_MS
    world.deliver()
    assert world.got == world.aside == []
    assert "no clock to trust" in world.foresight.why(world.log[0])
    world.horizon.heard(date(START_MS))
    world.deliver()
    assert world.got == world.true_times([1])


def test_f15_a_start_after_hours_asks_the_receiver_for_its_time_before_anything_is_sent(world):
    asked = []

    class Receiver:
        def send(self, batch):
            return world.send(batch)

        def greet(self):
            asked.append(world.ms)
            if world.is_down:
                raise Retry("down")
            world.horizon.heard(date(START_MS + world.ms))

        def look(self):
            asked.append("window")

    world.take(1)
    world.foresight.begin(KEY, (Mark(1, 1, 1, world.log[0].at[0].wall_ms or 0),))
    world.log.clear()
    world.sink = Dated(Receiver(), world.foresight)
    world.set_clock(24 * HOUR)
    world.take(1)
    world.is_down = True
    world.deliver()
    world.sink.look()
    assert "not been reached" in world.foresight.why(world.log[0])
    assert world.got == world.aside == []
    assert asked == [world.ms, "window"]
    world.sink.look()
    assert asked[2:] == ["window"], "not each second"
    world.is_down = False
    world.sink._asked_at -= 10
    world.sink.look()
    world.deliver()
    assert world.got == world.aside == [], "now it is known to lie in the future"
    world.set_clock(0)
    world.take(1)
    world.deliver()
    assert [seq for seq, _ in world.got] == [2, 3]


def test_a_step_of_another_boot_says_nothing(world):
    world.foresight.observe(
        KEY,
        frame(
            KNOWN.id,
            Lineage(9, 9, None, OTHER_BOOT, ClockStep(OTHER_BOOT, 50_000, -HOUR)),
            1,
            [Instant(START_MS - HOUR, 50_000)],
            [row([0.0, 0.0])],
        ),
    )
    world.take(1)
    world.deliver()
    assert world.got == world.true_times([1])


actions = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.just("clock"), st.sampled_from([-HOUR, -10_000, 0, 400_000, HOUR, 48 * HOUR])),
        st.tuples(st.just("pass"), st.sampled_from([1, 60_000, HOUR])),
        st.tuples(st.just("deliver"), st.just(0)),
        st.tuples(st.just("date"), st.just(0)),
    ),
    max_size=40,
)


@given(actions)
def test_f15_f16_whatever_the_clock_does_times_rise_none_is_ahead_and_none_is_lost(actions):
    world = World()
    world.horizon.heard(date(START_MS))
    for action, number in actions:
        if action == "take":
            world.take(number)
        elif action == "clock":
            world.set_clock(number)
        elif action == "pass":
            world.ms += number
        elif action == "date":
            world.horizon.heard(date(START_MS + world.ms))
        else:
            before = len(world.got)
            world.deliver()
            latest = world.ms + AHEAD_MS + 1000
            assert all(time <= latest for _, time in world.got[before:])
    world.set_clock(0)
    world.take(1)
    world.ms += 100 * HOUR
    world.deliver()
    times = [time for _, time in world.got]
    assert times == sorted(set(times))
    done = sorted([seq for seq, _ in world.got] + [seq for seq, _ in world.aside])
    assert done == list(range(1, len(world.log) + 1)), "each is sent or set aside, once"
