"""Completeness: what the samples of a stream prove, and what they don't. Nothing here does I/O.

Every round carries its own number. A line's numbers go on over restarts, each epoch naming the one
before it; so a number that is missing between two of a line is a round that is missing. What is
special:

    a new epoch          names the epoch before it: the same line, numbers go on
    a new line           names none: its numbers begin at 1, and nobody knows how many of the line
                         before are missing, unless that one was closed in order
    the closing round    ends all series but its own number: it has no epoch, and goes on by number
    a line in between    rounds that were held in memory while the disk was full: a line of their
                         own, behind which the first line goes on
    the window's edges   the newest number from before it, the next one from behind it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from collector.cli.words import utc
from collector.frames.dictionary import Stream

Points = Sequence[tuple[int, float]]
"""Times (Unix ms) and values, oldest first."""

PATIENCE_MS = 300_000
PATIENCE_INTERVALS = 64
"""How old the newest round may be while it is only on its way: a satellite's site waits for 20
rounds a record and 20 more a request, half as long again each time."""


class Epoch(NamedTuple):
    name: str
    previous: str


class GapSaid(NamedTuple):
    """A gap that a reader has told of: the rounds, and why."""

    first_seq: int
    last_seq: int
    reason: str


@dataclass
class Told:
    """What Prometheus has of one stream in a window, times in Unix ms.

    Some of before the window too, so that its first rounds have something to follow.

    `rounds` are its numbers, `epochs` what says which epoch each of them is of. `before` is the
    newest number from before all that, `behind` the first round from behind it. The counters are
    by reason; `starts` say at each time when the process had started.
    """

    stream: Stream
    rounds: list[tuple[int, int]] = field(default_factory=list)
    epochs: list[tuple[int, Epoch]] = field(default_factory=list)
    before: int | None = None
    behind: tuple[int, int] | None = None
    missed: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    refused: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    said: set[GapSaid] = field(default_factory=set)
    degraded: set[int] = field(default_factory=set)  # times of rounds that the disk had refused
    starts: list[tuple[int, float]] = field(default_factory=list)
    backlog: tuple[int, float] | None = None


class Window(NamedTuple):
    """What is asked about: rounds from a time on and before another; and the time it is now."""

    from_ms: int
    to_ms: int
    now_ms: int


class Hole(NamedTuple):
    """Rounds first_seq..last_seq should lie between two times, and don't."""

    first_seq: int
    last_seq: int
    after_ms: int | None
    before_ms: int | None
    reasons: tuple[str, ...]

    @property
    def rounds(self) -> int:
        return self.last_seq - self.first_seq + 1


@dataclass
class Verdict:
    """What is proven of a stream. `problems` are sentences beside the holes."""

    stream: Stream
    rounds: int = 0
    first: tuple[int, int] | None = None  # time and number
    last: tuple[int, int] | None = None
    epochs: int = 0
    lines: int = 0
    closed: bool = False
    holes: list[Hole] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Rounds of which the receiver refused a series or all: set aside at the site."""
    problems: list[str] = field(default_factory=list)
    on_the_way: int | None = None
    """Rounds behind the last one that the site still has to deliver; None: nobody says."""

    @property
    def is_complete(self) -> bool:
        return bool(self.rounds) and not (self.holes or self.problems or self.missed)


class _Line:
    """Rounds of one line: its epochs are linked to one another."""

    def __init__(self, root: str, *, begins: bool) -> None:
        self.root = root
        self.begins = begins  # with round 1, within the window
        self.at: dict[int, int] = {}  # time by number
        self.is_closed = False

    @property
    def first_ms(self) -> int:
        return min(self.at.values())

    @property
    def last_ms(self) -> int:
        return max(self.at.values())


def judge(told: Told, window: Window) -> Verdict:
    """Say what the samples of a stream prove."""
    found = Verdict(told.stream)
    found.missed = _increases(told.missed, told.starts, window)
    found.gaps = _increases(told.gaps, told.starts, window)
    found.refused = _increases(told.refused, told.starts, window)
    rounds = sorted(set(told.rounds))
    inside = [one for one in rounds if one[0] >= window.from_ms]
    if not inside:
        found.problems.append("no round of this time is there")
        return found
    found.rounds = len(inside)
    found.first, found.last = inside[0], inside[-1]
    found.epochs = len({epoch for ms, epoch in told.epochs if ms >= window.from_ms})
    _look_for_two_collectors(told, inside, found)
    lines = _lines(rounds, told, found)
    found.lines = sum(line.last_ms >= window.from_ms for line in lines)
    for line in lines:
        found.holes += (
            hole for hole in _holes(line, told) if (hole.before_ms or 0) >= window.from_ms
        )
    _look_at_beginnings(lines, told, window, found)
    if rounds[0] == inside[0]:
        _look_at_the_beginning(lines[0], told, window, found)
    _look_at_the_end(lines, told, window, found)
    found.holes.sort(key=lambda hole: (hole.before_ms or 0, hole.first_seq))
    return found


def interval_ms(rounds: Sequence[tuple[int, int]]) -> int:
    """The time between two rounds that follow each other; 0 when that isn't known."""
    steps = [
        later - earlier
        for (earlier, seq), (later, following) in pairwise(sorted(rounds))
        if following == seq + 1
    ]
    return int(median(steps)) if steps else 0


def patience_ms(rounds: Sequence[tuple[int, int]]) -> int:
    """How old a round may be that is only on its way."""
    return PATIENCE_MS + PATIENCE_INTERVALS * interval_ms(rounds)


def _look_for_two_collectors(told: Told, rounds: Sequence[tuple[int, int]], found: Verdict) -> None:
    times = [ms for ms, _ in rounds]
    names: dict[int, set[str]] = {}
    for ms, epoch in told.epochs:
        if ms < times[0]:
            continue
        names.setdefault(ms, set()).add(epoch.name)
    twice = sum(earlier == later for earlier, later in pairwise(times))
    twice += sum(len(epochs) > 1 for epochs in names.values())
    if twice:
        found.problems.append(
            f"{twice} times have two rounds: do two collectors write this stream, "
            "or was a disk copied?"
        )


def _lines(rounds: Sequence[tuple[int, int]], told: Told, found: Verdict) -> list[_Line]:
    """The rounds by line, in the order in which the lines begin."""
    by_time = dict(told.epochs)
    previous = {epoch.name: epoch.previous for _, epoch in told.epochs}
    lines: dict[str, _Line] = {}
    joined: dict[str, str] = {}
    current: str | None = None
    last_seq = 0
    for place, (ms, seq) in enumerate(rounds):
        epoch = by_time.get(ms)
        closes = None
        if epoch is None and not (current is not None and seq == last_seq + 1):
            # It doesn't close the line of the round before it. Another one: that is met where the
            # last rounds were held in memory. Or the round that follows it may tell.
            closes = next((one for one in reversed(lines.values()) if max(one.at) == seq - 1), None)
            following = rounds[place + 1] if place + 1 < len(rounds) else None
            if closes is None and following and following[1] == seq + 1:
                epoch = by_time.get(following[0])
        name = epoch.name if epoch else current or ""
        root = closes.root if closes else _root(name, previous)
        root = joined.get(root, root)
        line = lines.get(root)
        if line is None and previous.get(root) != "" and lines:
            # It goes on behind an epoch of which no round is there, so the link is missing too.
            before = [
                one
                for one in lines.values()
                if max(one.at) < seq and one.first_ms not in told.degraded
            ]
            if before:
                line = max(before, key=lambda one: one.last_ms)
                joined[root] = line.root
            else:
                found.problems.append(f"at {utc(ms)} rounds follow an epoch that is not there")
        if line is None:
            line = lines[root] = _Line(root, begins=previous.get(root) == "")
        if line.at.setdefault(seq, ms) != ms:
            found.problems.append(f"round {seq} is there at two times: is this a copied disk?")
        line.is_closed = epoch is None and (closes is not None or seq == last_seq + 1)
        current, last_seq = name, seq
    return sorted(lines.values(), key=lambda line: line.first_ms)


def _root(name: str, previous: Mapping[str, str]) -> str:
    """The first epoch of a line that is known: the one that the others lead back to."""
    seen = {name}
    while (before := previous.get(name)) and before not in seen:
        seen.add(before)
        name = before
    return name


def _holes(line: _Line, told: Told) -> Iterator[Hole]:
    seqs = sorted(line.at)
    if line.begins and seqs[0] > 1:
        yield _hole(1, seqs[0] - 1, None, line.at[seqs[0]], told)
    for before, after in pairwise(seqs):
        if after > before + 1:
            yield _hole(before + 1, after - 1, line.at[before], line.at[after], told)


def _hole(first: int, last: int, after_ms: int | None, before_ms: int | None, told: Told) -> Hole:
    reasons = {one.reason for one in told.said if one.first_seq <= last and first <= one.last_seq}
    return Hole(first, last, after_ms, before_ms, tuple(sorted(reasons)))


def _look_at_beginnings(lines: Sequence[_Line], told: Told, window: Window, found: Verdict) -> None:
    """A line that begins in the window hides how many rounds the one before it lacks.

    Not when that one was closed in order, and not when its rounds were held in memory: it says so,
    and the numbers of the one before go on behind it.
    """
    for place, line in enumerate(lines):
        if not line.begins or place == 0 or line.first_ms in told.degraded:
            continue
        if line.first_ms < window.from_ms:
            continue
        before = lines[:place]
        if any(one.last_ms > line.first_ms for one in before):
            continue
        ended = max(before, key=lambda one: one.last_ms)
        if not ended.is_closed:
            found.problems.append(
                f"a new line begins at {utc(line.first_ms)}: how many rounds of the one before it "
                f"are missing behind {utc(ended.last_ms)}, nobody knows"
            )


def _look_at_the_beginning(line: _Line, told: Told, window: Window, found: Verdict) -> None:
    first = min(line.at)
    if told.before is not None and not line.begins:
        if told.before < first - 1:
            # They may also belong before the window: that can't be told apart.
            found.holes.append(
                _hole(told.before + 1, first - 1, window.from_ms, line.at[first], told)
            )
    elif not line.begins:
        late_ms = line.at[first] - window.from_ms
        if late_ms > max(2 * interval_ms(told.rounds), 1000):
            found.problems.append(
                f"it begins at {utc(line.at[first])} with round {first}: nothing is known of "
                "what was before"
            )


def _look_at_the_end(lines: Sequence[_Line], told: Told, window: Window, found: Verdict) -> None:
    line = max(lines, key=lambda one: one.last_ms)
    last_ms, last = line.last_ms, max(line.at)
    found.closed = line.is_closed
    silent_ms = window.to_ms - last_ms
    step_ms = interval_ms(told.rounds)
    if told.behind is not None:
        behind_ms, behind = told.behind
        if behind > last + 1 and silent_ms > 1.5 * step_ms:
            found.holes.append(_hole(last + 1, behind - 1, last_ms, behind_ms, told))
        return
    if line.is_closed:
        return
    if window.now_ms - window.to_ms > patience_ms(told.rounds):
        if silent_ms > max(2 * step_ms, 1000):
            found.problems.append(f"nothing is there behind {utc(last_ms)}")
    elif silent_ms > patience_ms(told.rounds):
        found.problems.append(
            f"nothing came behind {utc(last_ms)}: the site is cut off, or it is down"
        )


def _increases(
    counters: Mapping[str, Sequence[tuple[int, float]]], starts: Points, window: Window
) -> dict[str, int]:
    """How much counters have risen, those that began anew with a process counted from 0."""
    started = dict(starts)
    since: dict[float, int] = {}  # the first sample of each process
    for ms, start in sorted(starts):
        since.setdefault(start, ms)
    begin_ms = window.from_ms
    found = {}
    for name, points in counters.items():
        risen = before = 0.0
        process: float | None = None
        for place, (ms, value) in enumerate(sorted(points)):
            own = started.get(ms)
            if place == 0:
                # A counter is there from its first count on. Only of one that was there when all
                # this began nobody knows how much of it is older.
                is_new = own is not None and (own * 1000 >= begin_ms or since[own] < ms)
                rise = value if is_new else 0.0
            elif value < before or own not in {None, process}:
                rise = value
            else:
                rise = value - before
            risen += rise if ms >= begin_ms else 0.0
            before, process = value, own
        if risen > 0:
            found[name] = round(risen)
    return found
