"""What the program counts of itself: the `edgevitals` target, and the status of the pumps."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Literal, Protocol

from collector import catalog
from collector.errors import FormatError, Paced, Rejected, Retry, Rewind, TooNew, WrongSite
from collector.flow.eta import Eta
from collector.flow.mark import Gap, GapReason, Withheld
from collector.flow.pump import Batch
from collector.frames.dictionary import Stream

log = logging.getLogger(__name__)

Key = tuple[str, tuple[tuple[str, str], ...]]
State = Literal["idle", "sending", "waiting", "holding"]

OF_WHOM = frozenset({"site", "node"})
"""Labels of a number that is about another node than ours."""

_WORSE: tuple[State, ...] = ("idle", "sending", "waiting", "holding")
_LOG_EVERY_S = 60.0
_CLASH_IS_OVER_S = 600.0
_OURS_TO_REFUSE = {"conflict", "crash", "future", "order"}


class Telemetry:
    """Numbers under the names of the catalogue. Any thread may add and set."""

    def __init__(self) -> None:
        self._values: dict[Key, float] = {}
        self._changing = Lock()

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Raise a counter. KeyError when the catalogue doesn't have it.

        Beside the labels of the catalogue, `site` and `node` say of whom it is, when not of us.
        """
        key = _key(name, labels)
        with self._changing:
            self._values[key] = self._values.get(key, 0) + amount

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge, or a counter that something else counts."""
        with self._changing:
            self._values[_key(name, labels)] = value

    def values(self) -> Mapping[Key, float]:
        with self._changing:
            return dict(self._values)

    def by_label(self, name: str, label: str) -> dict[str, int]:
        """One metric's numbers, summed over its other labels."""
        sums: dict[str, int] = {}
        for (metric, labels), value in self.values().items():
            if metric == name:
                of = dict(labels).get(label, "")
                sums[of] = sums.get(of, 0) + int(value)
        return sums


def _key(name: str, labels: Mapping[str, str]) -> Key:
    if labels.keys() - OF_WHOM != set(catalog.OWN[name].labels):
        raise KeyError(f"{name} has the labels {catalog.OWN[name].labels}, not {tuple(labels)}")
    return name, tuple(sorted(labels.items()))


class Throttle:
    """Lets a line of one kind through once a minute, and says how many it kept back."""

    def __init__(self) -> None:
        self._next = 0.0
        self._kept_back = 0

    def passes(self) -> str | None:
        """Return what to put behind the line, None when it is to be kept back."""
        now = time.monotonic()
        if now < self._next:
            self._kept_back += 1
            return None
        self._next = now + _LOG_EVERY_S
        more, self._kept_back = self._kept_back, 0
        return f" (and {more} more like it)" if more else ""


class Watch(Protocol):
    """Who else is told of a pump's tries, such as traces."""

    def sending(self) -> None: ...
    def retrying(self, why: Retry) -> None: ...
    def delivered(self, batch: Batch) -> None: ...
    def given_up(self) -> None: ...


@dataclass
class PumpReport:
    """How a pump is doing: its Counts, and the Notices of its log. One thread writes."""

    name: str
    source: str
    to: str
    telemetry: Telemetry
    state: State = "idle"
    last_error: str | None = None
    retries: int = 0
    delivered_rounds: int = 0
    rejected_rounds: int = 0
    next_try_at: float | None = None
    oldest_ms: int | None = None
    watch: Watch | None = None
    eta: Eta = field(default_factory=Eta)
    eta_s: float | None = None  # until the backlog is gone; None: can't be said
    is_around: bool = False  # it takes the detour
    owed_since: float | None = None  # monotonic: the batch that is sent waits for its answer
    claimed: tuple[str, float] | None = None  # what clashed last, and when (monotonic)
    advice: Mapping[str, str] = field(default_factory=dict)
    _quiet: Throttle = field(default_factory=Throttle)
    _unsaved: Throttle = field(default_factory=Throttle)
    _refusals: Throttle = field(default_factory=Throttle)
    _old: Throttle = field(default_factory=Throttle)
    _strange: Throttle = field(default_factory=Throttle)

    def idle(self) -> None:
        if self.state == "sending":
            self.state, self.oldest_ms = "idle", None

    def sending(self, batch: Batch) -> None:
        self.state = "sending"
        if self.owed_since is None:
            self.owed_since = time.monotonic()
        self.oldest_ms = batch.frames[0].at[0].wall_ms
        if self.watch:
            self.watch.sending()

    def delivered(self, batch: Batch, withheld: Sequence[Withheld] = ()) -> None:
        if self.last_error is not None:
            log.info("%s: %s takes the data again", self.name, self.to)
        if self.watch:
            self.watch.delivered(batch)
        rounds = batch.rounds - sum(gap.rounds for _, gap in withheld)
        self.delivered_rounds += rounds
        self.last_error = self.next_try_at = self.owed_since = None
        self._quiet = Throttle()
        self.telemetry.add("edgevitals_pump_delivered_rounds_total", rounds, pump=self.name)

    def retrying(self, why: Retry, wait: float) -> None:
        if isinstance(why, Paced):
            return  # as wanted: it goes on sending, at its pace
        self.state = "holding" if why.hold else "waiting"
        self.last_error = str(why)
        self.retries += 1
        self.next_try_at = time.time() + wait
        if self.watch:
            self.watch.retrying(why)
        self.telemetry.add("edgevitals_pump_retries_total", pump=self.name)
        self._say_waiting(why)

    def _say_waiting(self, why: Retry) -> None:
        more = self._quiet.passes()
        if more is not None:
            log.warning("%s waits: %s%s", self.name, why, more)

    def rejected(self, batch: Batch, why: Rejected) -> None:
        self.rejected_rounds += batch.rounds
        if self.watch:
            self.watch.given_up()
        # Nothing waits for it any more.
        self.last_error = self.next_try_at = self.owed_since = None
        if why.reason == "conflict":
            self.claimed = str(why), time.monotonic()
        self.telemetry.add(
            "edgevitals_pump_rejected_rounds_total",
            batch.rounds,
            pump=self.name,
            reason=why.reason,
        )
        more = self._refusals.passes()
        if more is not None:
            log.error(
                "%s set %d rounds of %d series aside%s: %s%s",
                self.name,
                batch.rounds,
                len(batch.dictionary.series),
                "" if why.reason in _OURS_TO_REFUSE else f", {self.to} refused them",
                why,
                more,
            )

    def advise(self, advice: Mapping[str, str]) -> None:
        """What a person should change at the far side, by problem; what was told before ends."""
        for problem in {**self.advice, **advice}:
            self.telemetry.set("edgevitals_topic_problem", problem in advice, problem=problem)
        for problem, text in advice.items():
            if self.advice.get(problem) != text:
                log.warning("%s: %s", self.name, text)
        self.advice = advice

    def throttled(self, seconds: float) -> None:
        self.telemetry.add("edgevitals_topic_throttled_seconds_total", seconds)

    @property
    def clash(self) -> str | None:
        """What two collectors claim, as long as it goes on."""
        if self.claimed is None or time.monotonic() > self.claimed[1] + _CLASH_IS_OVER_S:
            return None
        return self.claimed[0]

    def owes(self, seconds: float) -> bool:
        """Whether a batch has waited so long for the far side's answer."""
        since = self.owed_since
        return since is not None and time.monotonic() > since + seconds

    def turned(self, *, around: bool) -> None:
        """The log takes the detour, or the straight way again."""
        self.is_around = around
        self.telemetry.set("edgevitals_pump_detour", around, pump=self.name)
        way = "the spool: nothing of ours gets into the topic" if around else f"{self.source} again"
        log.warning("%s reads our rounds from %s", self.name, way)

    def rewound(self, why: Rewind) -> None:
        if self.watch:
            self.watch.given_up()
        self.telemetry.add("edgevitals_pump_rewinds_total", pump=self.name)
        log.warning("%s goes back: %s", self.name, why)

    def met(
        self, gaps: Sequence[Gap], closed: int, repeated: int, stream: Stream | None = None
    ) -> None:
        """Gaps are told under the stream's own site and node, whoever meets them."""
        whom = {"site": stream.site, "node": stream.node} if stream else {}
        for gap in gaps:
            labels = {**whom, "pump": self.name, "reason": gap.reason.label}
            self.telemetry.add("edgevitals_gap_rounds_total", gap.rounds, **labels)
            for name, seq in (
                ("edgevitals_gap_first_seq", gap.first_seq),
                ("edgevitals_gap_last_seq", gap.last_seq),
            ):
                self.telemetry.set(name, seq, **labels)
            if gap.reason is not GapReason.OUT_OF_WINDOW:
                log.error("%s: %s%s", self.name, _of(stream), _sentence(gap))
            elif (more := self._old.passes()) is not None:  # days of them, batch by batch
                log.warning("%s: %s%s%s", self.name, _of(stream), _sentence(gap), more)
        if closed:
            self.telemetry.add("edgevitals_gap_closed_rounds_total", closed, **whom, pump=self.name)
            log.info("%s: %s%d missing rounds came after all", self.name, _of(stream), closed)
        if repeated:
            self.telemetry.add("edgevitals_pump_repeated_rounds_total", repeated, pump=self.name)

    def held(self, why: TooNew) -> None:
        self.state, self.last_error = "holding", str(why)
        more = self._quiet.passes()
        if more is not None:
            log.error("%s holds a stream: %s%s", self.name, why, more)

    def waits(self, why: str) -> None:
        self.state, self.last_error = "holding", why
        more = self._quiet.passes()
        if more is not None:
            log.warning("%s holds a stream: %s%s", self.name, why, more)

    def damaged(self, why: FormatError) -> None:
        log.error("%s passed over a record that is not ours: %s", self.name, why)

    def passed_over(self, why: FormatError, where: str) -> None:
        reason = "wrong_site" if isinstance(why, WrongSite) else "format"
        self.telemetry.add("edgevitals_pump_refused_records_total", pump=self.name, reason=reason)
        more = self._strange.passes()
        if more is not None:
            log.error("%s passed over a record (%s): %s%s", self.name, where, why, more)

    def unsaved(self, why: OSError) -> None:
        more = self._unsaved.passes()
        if more is not None:
            log.error(
                "%s can't write its position (%s); after a restart some rounds are sent twice%s",
                self.name,
                why.strerror,
                more,
            )

    def unread(self, why: OSError) -> None:
        self.state = "waiting"
        self.last_error = f"a segment of the spool can't be opened: {why.strerror}"
        more = self._quiet.passes()
        if more is not None:
            log.error("%s waits: %s%s", self.name, self.last_error, more)

    def away(self, why: str) -> None:
        if self.is_around:
            return  # that is why
        if why:
            self.state, self.last_error = "waiting", why
        elif self.state == "waiting" and self.last_error:
            self.state, self.last_error = "sending", None


def joined(reports: Sequence[PumpReport]) -> PumpReport:
    """How several pumps that do one thing are doing: what the worst of them says, and their sums.

    They share a name, so what they count has added up already.
    """
    worst = max(reports, key=lambda one: (_WORSE.index(one.state), one.last_error is not None))
    return replace(
        worst,
        retries=sum(one.retries for one in reports),
        delivered_rounds=sum(one.delivered_rounds for one in reports),
        rejected_rounds=sum(one.rejected_rounds for one in reports),
        next_try_at=min((one.next_try_at for one in reports if one.next_try_at), default=None),
        oldest_ms=min((one.oldest_ms for one in reports if one.oldest_ms), default=None),
    )


def _of(stream: Stream | None) -> str:
    return f"{'/'.join(stream)}: " if stream else ""


def _sentence(gap: Gap) -> str:
    if not gap.first_seq and gap.reason is not GapReason.NEW_LINE:
        return (
            f"rounds before {_utc(gap.before_ms)} are missing, how many is not known, "
            f"reason: {gap.reason.label}"
        )
    if not gap.first_seq:
        return "a new line of rounds begins; how many of the one before are missing is not known"
    if gap.reason is GapReason.OUT_OF_WINDOW:
        return (
            f"rounds {gap.first_seq} to {gap.last_seq} ({_utc(gap.after_ms)} and later) are older "
            "than the receiver takes and are not sent: bring them with edgevitals export"
        )
    return (
        f"rounds {gap.first_seq} to {gap.last_seq} are missing ({gap.rounds} rounds between "
        f"{_utc(gap.after_ms)} and {_utc(gap.before_ms)}), reason: {gap.reason.label}"
    )


def _utc(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ms / 1000))
