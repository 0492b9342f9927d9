"""Which metrics a set of files asks for, whether they are given, and what that does to panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from collector.cli.uses.given import Given, Judgement
from collector.cli.uses.parts import Part, Uses
from collector.cli.uses.promql import Answer, Query, Selector, Unreadable, read


class UsedBy(NamedTuple):
    file: str
    kind: str
    title: str


class Metric(NamedTuple):
    """A metric that is asked for, the least answer of all who ask, and who they are."""

    name: str
    judgement: Judgement
    used_by: tuple[UsedBy, ...]


class PartState(NamedTuple):
    """Whether a panel, a rule, a variable or an annotation can have data."""

    used_by: UsedBy
    answer: Answer


class MissingLabel(NamedTuple):
    """A label that selectors ask for and no series of theirs has."""

    label: str
    metrics: tuple[str, ...]


class UnreadableQuery(NamedTuple):
    used_by: UsedBy
    text: str
    reason: str


class Verdict(NamedTuple):
    """Everything that is to be told."""

    metrics: tuple[Metric, ...]
    parts: tuple[PartState, ...]
    labels: tuple[MissingLabel, ...]
    unreadable: tuple[UnreadableQuery, ...]
    least: Answer
    """Of all queries that are shown."""


def judge(files: Sequence[Uses], given: Given) -> Verdict:
    return _Judge(given).verdict(files)


class _Judge:
    def __init__(self, given: Given) -> None:
        self._given = given
        self._records: dict[str, list[Query]] = {}
        self._asked: set[str] = set()  # records whose own query is being judged
        self._metrics: dict[str, tuple[Judgement, dict[UsedBy, None]]] = {}
        self._labels: dict[str, dict[str, None]] = {}
        self._unreadable: list[UnreadableQuery] = []

    def verdict(self, files: Sequence[Uses]) -> Verdict:
        read_parts = [(part, self._read(part)) for uses in files for part in uses.parts]
        for part, queries in read_parts:
            if part.record:
                self._records.setdefault(part.record, []).extend(query for query, _ in queries)
        least = Answer.YES
        states = []
        for part, queries in read_parts:
            by = UsedBy(part.file, part.kind, part.title)
            answers = []
            for query, is_shown in queries:
                for selector in query.selectors:
                    self._take_down(selector, by)
                if is_shown:
                    answers.append(query.answer(lambda one: self._judge(one).answer))
            if any(one.used_by == by for one in self._unreadable):
                answers.append(Answer.UNKNOWN)
            if answers:
                least = min(least, *answers)
                states.append(PartState(by, max(answers)))
        metrics = [Metric(name, found, tuple(by)) for name, (found, by) in self._metrics.items()]
        return Verdict(
            tuple(sorted(metrics, key=lambda one: (one.judgement.answer, one.name))),
            tuple(states),
            tuple(MissingLabel(label, tuple(names)) for label, names in self._labels.items()),
            tuple(self._unreadable),
            least,
        )

    def _read(self, part: Part) -> list[tuple[Query, bool]]:
        queries = []
        for text in part.texts:
            try:
                queries.append((read(text.text, text.values), text.is_shown))
            except Unreadable as reason:
                if part.kind != "variable":  # a variable's query may be of any form
                    by = UsedBy(part.file, part.kind, part.title)
                    self._unreadable.append(UnreadableQuery(by, text.text, str(reason)))
        return queries

    def _take_down(self, selector: Selector, by: UsedBy) -> None:
        for name in selector.shown:
            one = selector._replace(names=(name,)) if selector.names else selector
            found = self._judge(one)
            known, users = self._metrics.get(name, (found, {}))
            users[by] = None
            self._metrics[name] = (min(known, found, key=lambda each: each.answer), users)
            for label in sorted(self._given.missing_labels(one)):
                self._labels.setdefault(label, {})[name] = None

    def _judge(self, selector: Selector) -> Judgement:
        """Judge by what is given, and by the rules of these files that record a name."""
        found = self._given.judge(selector)
        for name in selector.names:
            if found.answer < Answer.PERHAPS and name in self._records and name not in self._asked:
                self._asked.add(name)
                answers = [
                    query.answer(lambda one: self._judge(one).answer)
                    for query in self._records[name]
                ]
                self._asked.discard(name)
                recorded = Judgement(max(answers, default=Answer.NO), "recorded by a rule")
                found = max(recorded, found, key=lambda each: each.answer)
        return found
