"""What a configuration gives: read once from its targets, or judged by its rules alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from collector import catalog
from collector.cli.uses.promql import Answer, Matcher, Selector
from collector.cli.uses.rule_names import Possible, possible_names
from collector.series import Family

if TYPE_CHECKING:
    from collector.config import Config

OF_PROMETHEUS: Final = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
NEAR: Final = 0.4
"""How much two names must share to be called near: of their groups of three characters."""

ANYTHING: Final = Possible(frozenset(), (re.compile(".*"),))
"""Of a page that is scraped: nobody knows its names before."""

Labels = Mapping[str, str]


class Judgement(NamedTuple):
    answer: Answer
    why: str = ""
    nearest: str = ""


class TargetState(NamedTuple):
    """A target, and what it can give. `is_up` is None when it was not asked."""

    name: str
    is_up: bool | None
    error: str
    possible: Possible


class Given:
    """The names that there are, and those that there may be.

    `series` are the labels of all series by metric, None when nothing was read.
    """

    def __init__(
        self, targets: Sequence[TargetState], series: Mapping[str, Sequence[Labels]] | None
    ) -> None:
        self.targets = targets
        self.series = series
        self._always = frozenset({**catalog.OWN, **catalog.PULSE}) | OF_PROMETHEUS

    @property
    def is_live(self) -> bool:
        return self.series is not None

    def judge(self, selector: Selector) -> Judgement:
        """Say whether a selector can have data: the best of its names."""
        if selector.is_any:
            return Judgement(Answer.PERHAPS, "a variable is its name")
        if selector.names:
            found = (self._judge_name(name, selector.matchers) for name in selector.names)
            return max(found, key=lambda each: each.answer)
        return self._judge_pattern(selector)

    def missing_labels(self, selector: Selector) -> set[str]:
        """Return labels that a selector asks for and no series of its metrics has."""
        rows = [
            row
            for name, rows in (self.series or {}).items()
            if selector.matches(name)
            for row in rows
        ]
        if not rows:
            return set()
        return {
            each.label
            for each in selector.matchers
            if (each.is_open or not each.takes("")) and not any(each.label in row for row in rows)
        }

    def _judge_name(self, name: str, matchers: Sequence[Matcher]) -> Judgement:
        if name in OF_PROMETHEUS:
            return Judgement(Answer.YES, "Prometheus makes it")
        if self.series is None:
            return self._judge_by_rules(name)
        if rows := self.series.get(name):
            return _judge_rows(rows, matchers)
        if name in self._always:
            return Judgement(Answer.YES, "the collector's own")
        for target in self.targets:
            possible = target.possible
            if target.is_up is False and (name in possible.names or possible.takes(name)):
                return Judgement(Answer.UNKNOWN, f"{target.name} is down")
        if any(name in target.possible.names for target in self.targets):
            return Judgement(Answer.NOT_NOW, "the rules name it, no target has it now")
        return Judgement(Answer.NO, "", self.nearest(name))

    def _judge_by_rules(self, name: str) -> Judgement:
        if name in self._always:
            return Judgement(Answer.YES, "the collector's own")
        for target in self.targets:
            if name in target.possible.names:
                return Judgement(Answer.YES, "")
        if fits := [each for each in self.targets if each.possible.takes(name)]:
            if all(each.possible is ANYTHING for each in fits):
                return Judgement(Answer.PERHAPS, f"{fits[0].name} may have it: a page is scraped")
            return Judgement(Answer.PERHAPS, "a rule's pattern fits")
        return Judgement(Answer.NO, "", self.nearest(name))

    def _judge_pattern(self, selector: Selector) -> Judgement:
        rows = [
            row
            for name, rows in (self.series or {}).items()
            if selector.matches(name)
            for row in rows
        ]
        if rows:
            return _judge_rows(rows, selector.matchers)
        if any(selector.matches(name) for name in self._always):
            return Judgement(Answer.YES, "the collector's own")
        for target in self.targets:
            fits = any(selector.matches(name) for name in target.possible.names)
            if target.is_up is False and (fits or target.possible.patterns):
                return Judgement(Answer.UNKNOWN, f"{target.name} is down")
            if fits and self.is_live:
                return Judgement(Answer.NOT_NOW, "the rules name some, no target has them now")
            if fits:
                return Judgement(Answer.YES, "")
            if target.possible.patterns and not self.is_live:
                return Judgement(Answer.PERHAPS, "a rule's pattern may fit")
        return Judgement(Answer.NO)

    def nearest(self, name: str) -> str:
        """Return the name that shares most with this one; empty when none is near."""
        wanted = _threes(name)
        best, share = "", NEAR
        for known, threes in self._known:
            both = len(wanted & threes)
            found = both / (len(wanted) + len(threes) - both)
            if found > share:
                best, share = known, found
        return best

    @cached_property
    def _known(self) -> list[tuple[str, frozenset[str]]]:
        names: set[str] = set(self.series or ()) | self._always
        if not self.is_live:
            names.update(*(target.possible.names for target in self.targets))
        return [(name, _threes(name)) for name in sorted(names)]


def _judge_rows(rows: Iterable[Labels], matchers: Sequence[Matcher]) -> Judgement:
    fixed = [each for each in matchers if not each.is_open]
    if any(all(each.takes(row.get(each.label, "")) for each in fixed) for row in rows):
        return Judgement(Answer.YES)
    shown = ", ".join(map(str, fixed))
    return Judgement(Answer.NOT_NOW, f"there, but not with {shown} now")


def _threes(name: str) -> frozenset[str]:
    plain = re.sub(r"[_:]+", "_", name.lower())
    return frozenset(plain[at : at + 3] for at in range(max(1, len(plain) - 2)))


def read_given(config: Config, *, is_offline: bool) -> Given:
    """Ask all targets once, or only look at the rules. Raises ConfigError for wrong rules."""
    from collector import app  # noqa: PLC0415 - it imports nearly everything

    logging.getLogger("collector.target").setLevel(logging.ERROR)  # the page says who is down
    possible = _possible(config)
    if is_offline:
        return Given([TargetState(name, None, "", each) for name, each in possible.items()], None)
    once = app.read_once(config)
    series: dict[str, list[Labels]] = {}
    for one, _ in once.samples:
        series.setdefault(one.name, []).append(dict(one.labels))
    targets = [
        TargetState(name, target.up, target.error or "", each)
        for target, (name, each) in zip(once.targets, possible.items(), strict=True)
    ]
    return Given(targets, series)


def _possible(config: Config) -> dict[str, Possible]:
    """What each target may give, in the order in which the program makes them."""
    from collector.names.rules import load_rules  # noqa: PLC0415

    found: dict[str, Possible] = {}
    for jvm in config.sources.jmx:
        rules = load_rules([str(name) for name in jvm.names])
        found[f"{jvm.job} {jvm.target_instance}"] = possible_names(rules)
    if host := config.sources.host:
        found[f"{host.job} {host.instance or 'this machine'}"] = _host_names(config)
    if kafka := config.sources.kafka:
        from collector.sources.kafka import names as told  # noqa: PLC0415

        families = [each for each in vars(told).values() if isinstance(each, Family)]
        names = frozenset(each.name for each in families)
        found[f"{kafka.job} {kafka.instance or 'the node'}"] = Possible(names)
    for page in config.sources.scrape:
        found[f"{page.job} {page.target_instance}"] = ANYTHING
    return found


def _host_names(config: Config) -> Possible:
    """The names for this machine: which there are depends on its kernel and its disks."""
    from collector import app  # noqa: PLC0415
    from collector.config import SourcesConfig  # noqa: PLC0415

    alone = SourcesConfig(host=config.sources.host)
    once = app.read_once(msgspec.structs.replace(config, sources=alone))
    return Possible(frozenset(one.name for one, _ in once.samples))
