"""What the demo claims, judged: numbers in, a verdict out, nothing asked of anybody.

All times are seconds since 1970: those of rounds as Prometheus gives them, those of lives and of
what was written by the demo's own clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.lab.witness import Report

LEAVE_SECONDS = 10.0  # after SIGTERM
CLOSE_BEHIND = 500.0  # records: what is written in some seconds


class Life(NamedTuple):
    """One life of the process: started, sent a signal that ends it, and gone."""

    started: float
    ended: float
    gone: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


class Round(NamedTuple):
    """What `edgevitals_round_seq` says: one sample, one round."""

    time: float
    seq: float


class Sample(NamedTuple):
    """A sample of any series."""

    time: float
    value: float


class Dark(NamedTuple):
    """When nothing left the site; `end` is None as long as it lasts."""

    begin: float
    end: float | None


class Epoch(NamedTuple):
    """What `edgevitals_epoch_info` says, with the times of its samples, oldest first.

    The last round of a process that ended in order has none: it ends all series but its own seq.
    """

    name: str
    previous: str
    times: Sequence[float]


class Completeness(NamedTuple):
    """What PromQL says of the whole run: samples = last - first + 1 and no reset is complete."""

    samples: int
    first: int
    last: int
    resets: int


class Verdict(NamedTuple):
    """A claim holds when there are no problems; each says what was found and what was expected."""

    claim: str
    found: list[str]
    problems: list[str]

    @property
    def holds(self) -> bool:
        return not self.problems


def all_seqs(
    says: Completeness, rounds: Sequence[Round], epochs: Sequence[Epoch], lives: Sequence[Life]
) -> Verdict:
    """Every seq from 1 on is there once, in order; each epoch is one start of the process.

    What PromQL `says` is judged, and beside it the samples themselves.
    """
    sum_ = f"{says.samples} samples, {says.last} - {says.first} + 1, {says.resets} resets"
    found = [f"PromQL: {sum_}"]
    for number, (epoch, mine) in enumerate(_by_epoch(rounds, epochs), 1):
        seqs = [round_.seq for round_ in mine]
        after = f"after {epoch.previous}" if epoch.previous else "the first"
        missing = seqs[-1] - seqs[0] + 1 - len(seqs)
        found.append(
            f"epoch {number}: {epoch.name}, {after}: "
            f"rounds {seqs[0]:.0f}..{seqs[-1]:.0f}, {missing:.0f} missing"
        )
    problems = [*_holes(rounds), *_strays(rounds, epochs, lives), *_unexplained(epochs, lives)]
    if not says.samples or says.samples != says.last - says.first + 1 or says.resets:
        problems.append(f"PromQL finds {sum_}, expected as many samples as numbers, no reset")
    return Verdict("PromQL finds every round of every epoch", found, problems)


def rounds_by_the_clock(
    times: Collection[float], lives: Sequence[Life], interval: float
) -> Verdict:
    """Each life has as many rounds as it has intervals, give or take one."""
    found, problems = [], []
    for number, life in enumerate(lives, 1):
        rounds = sum(life.started <= at <= life.gone for at in times)
        due = life.seconds / interval
        text = f"life {number}: {life.seconds:.1f} s / {interval:g} s = {due:.1f}: {rounds} rounds"
        found.append(text)
        if abs(rounds - due) > 1:
            problems.append(f"{text}, expected {due - 1:.1f} to {due + 1:.1f}")
    problems += [
        f"a round at {clock(at)}, when no process ran"
        for at in sorted(times)
        if not any(life.started <= at <= life.gone for life in lives)
    ]
    return Verdict("rounds at the centre = seconds alive / interval, +-1", found, problems)


def end_offsets(
    times: Collection[float],
    offsets: Mapping[float, float],
    between: Callable[[float, float], tuple[int, int]],
    deadline: float,
) -> Verdict:
    """Each round's end offset is one that the topic had between the round's time and its deadline.

    `offsets` has the sum over all partitions, of those rounds that have all of them. `between` is
    `Books.end_offset_between`.
    """
    claim = "end offset of each round = what the demo itself had written"
    if not times:
        return Verdict(claim, [], ["no round to compare"])
    problems = []
    widths = []
    for at in sorted(times):
        least, most = between(at, at + deadline)
        widths.append(most - least)
        offset = offsets.get(at)
        if offset is None:
            problems.append(f"{clock(at)}: no end offset of all partitions in this round")
        elif not least <= offset <= most:
            problems.append(f"{clock(at)}: {offset:.0f}, expected {least} to {most}")
    agree = f"{len(times) - len(problems)} of {len(times)} rounds lie within their bounds"
    width = f"{sum(widths) / len(widths):.0f} records apart on average"
    return Verdict(claim, [f"{agree}, {width}"], problems)


def order_on_the_wire(report: Report) -> Verdict:
    """Nothing new came after something newer, and no time has two values."""
    wrong = f"{report.out_of_order} out of order, {report.conflicts} with a second value"
    found = [
        f"{report.samples:,} samples of {report.series:,} series in {report.requests} requests",
        f"{wrong}, {report.repeats:,} identical repeats",
    ]
    problems = [
        f"{dict(one.labels)['__name__']} at {clock(one.time / 1000)}: {one.value!r}, {one.beside}"
        for one in report.findings
    ]
    if len(problems) < report.out_of_order + report.conflicts:
        problems.append(f"{report.out_of_order + report.conflicts} such samples in all")
    if report.unreadable:
        problems.append(f"{report.unreadable} accepted requests are not remote write 1.0")
    if not report.samples:
        problems.append("no sample came by")
    return Verdict("the wire: in order, one value for a time", found, problems)


def farewell(code: int | None, seconds: float, ended: int, left: int) -> Verdict:
    """SIGTERM: it leaves in time and well.

    `ended` and `left`: how many series of its last full round have a stale marker at the centre,
    and how many have none.
    """
    last = "arrived" if ended and not left else "did NOT arrive"
    leaving = f"exit code {code} after {seconds:.1f} s"
    found = [f"{leaving}; its closing round {last}: it ended {ended:,} of {ended + left:,} series"]
    problems = []
    if code != 0:
        problems.append(f"exit code {code}, expected 0")
    if seconds > LEAVE_SECONDS:
        problems.append(f"it took {seconds:.1f} s to leave, expected {LEAVE_SECONDS:.0f} at most")
    return Verdict("SIGTERM: it leaves in order", found, problems)


def clock(at: float) -> str:
    """The time of day, to the millisecond."""
    milliseconds = round(at * 1000)
    return time.strftime("%H:%M:%S", time.localtime(milliseconds // 1000)) + (
        f".{milliseconds % 1000:03d}"
    )


def _by_epoch(
    rounds: Sequence[Round], epochs: Sequence[Epoch]
) -> list[tuple[Epoch, Sequence[Round]]]:
    """The rounds from an epoch's first one until the next epoch begins; epochs with rounds only."""
    starts = [*(epoch.times[0] for epoch in epochs), float("inf")]
    parts = [
        (epoch, [round_ for round_ in rounds if start <= round_.time < end])
        for epoch, (start, end) in zip(epochs, pairwise(starts), strict=True)
    ]
    return [(epoch, mine) for epoch, mine in parts if mine]


def _holes(rounds: Sequence[Round]) -> list[str]:
    if not rounds:
        return ["no round is there"]
    problems = []
    if rounds[0].seq != 1:
        problems.append(f"the first round there is {rounds[0].seq:.0f}, expected 1")
    for before, after in pairwise(rounds):
        at = f"between {clock(before.time)} and {clock(after.time)}"
        if after.seq <= before.seq:
            problems.append(f"round {after.seq:.0f} stands behind {before.seq:.0f} {at}")
        elif after.seq > before.seq + 1:
            problems.append(f"rounds {before.seq + 1:.0f}..{after.seq - 1:.0f} are missing {at}")
    return problems


def mirror(
    states: Mapping[str, Sequence[float]], lags: Sequence[Sample], dark: Dark, lost: int
) -> Verdict:
    """The link was told as disconnected while it was cut, never as broken, and has caught up."""
    end = dark.end or dark.begin
    cut = [at for at in states.get("disconnected", ()) if dark.begin <= at <= end]
    worst = max((lag.value for lag in lags if dark.begin <= lag.time <= end), default=0.0)
    last = lags[-1].value if lags else None
    after = [at for at in states.get("connected", ()) if at > end]
    before = [at for at in states.get("connected", ()) if at < dark.begin]
    problems = []
    if not before:
        problems.append("it was never connected before the cut")
    if not cut:
        problems.append("it was never told as disconnected while it was cut")
    if states.get("broken"):
        problems.append(f"it was told as broken at {clock(states['broken'][0])}")
    if not after:
        problems.append("it is not connected again")
    if worst <= CLOSE_BEHIND:
        problems.append(f"its lag in the cut was {worst:.0f} records at most")
    if last is None or last > CLOSE_BEHIND:
        problems.append(f"its lag at the end is {last}, expected at most {CLOSE_BEHIND:.0f}")
    if lost:
        problems.append(f"{lost} records were lost on the way")
    found = [
        f"disconnected in {len(cut)} rounds of the cut, {worst:,.0f} records behind at most",
        f"connected in {len(after)} rounds after it, {last or 0:,.0f} records behind at the end",
    ]
    return Verdict("the mirror's link: disconnected in the cut, then caught up", found, problems)


def _strays(rounds: Sequence[Round], epochs: Sequence[Epoch], lives: Sequence[Life]) -> list[str]:
    """Rounds without an epoch, but for the last one of a process that was told to end."""
    known = {at for epoch in epochs for at in epoch.times}
    closing = (lives[-1].ended, lives[-1].gone) if lives else (0.0, 0.0)
    problems = [
        f"round {round_.seq:.0f} at {clock(round_.time)} says no epoch"
        for round_ in rounds
        if round_.time not in known
        and not (round_ is rounds[-1] and closing[0] <= round_.time <= closing[1])
    ]
    numbered = {round_.time for round_ in rounds}
    problems += [
        f"epoch {epoch.name} has a round without a number at {clock(at)}"
        for epoch in epochs
        for at in epoch.times
        if at not in numbered
    ]
    return problems


def _unexplained(epochs: Sequence[Epoch], lives: Sequence[Life]) -> list[str]:
    problems = []
    if len(epochs) != len(lives):
        problems.append(f"{len(epochs)} epochs, expected {len(lives)}: one a start of the process")
    before = ""
    for epoch in epochs:
        if epoch.previous != before:
            problems.append(
                f"epoch {epoch.name} names {epoch.previous or 'none'} as the one before it, "
                f"expected {before or 'none'}"
            )
        before = epoch.name
    for epoch, life in zip(epochs, lives, strict=False):
        if not life.started <= epoch.times[0] <= life.gone:
            problems.append(
                f"epoch {epoch.name} begins at {clock(epoch.times[0])}, expected between the "
                f"start of the process at {clock(life.started)} and its end at {clock(life.gone)}"
            )
    for earlier, later in pairwise(epochs):
        if later.times[0] <= earlier.times[-1]:
            problems.append(f"epoch {later.name} begins before {earlier.name} ends")
    return problems
