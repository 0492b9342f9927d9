"""What was found, as a page for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from collector.cli.uses.given import Given
from collector.cli.uses.parts import Uses
from collector.cli.uses.promql import Answer
from collector.cli.uses.verdict import Metric, PartState, Verdict
from collector.cli.words import harmless, table

MOST_USERS: Final = 3

_WORDS: Final = {
    Answer.NO: "no",
    Answer.UNKNOWN: "unknown",
    Answer.NOT_NOW: "not now",
    Answer.PERHAPS: "perhaps",
    Answer.YES: "yes",
}
_CAN: Final = (Answer.YES, Answer.PERHAPS)
_PLURALS: Final = {"panel": "panels", "alert": "alert rules", "record": "recording rules"}


def page(files: Sequence[Uses], given: Given, verdict: Verdict, basis: str) -> str:
    lines = [f"judged by {basis}"]
    lines += [
        f"  {target.name}: {_up(target.is_up)}{f': {target.error}' if target.error else ''}"
        for target in given.targets
    ]
    lines.append("")
    if verdict.metrics:
        rows = [("METRIC", "GIVEN", "USED BY")]
        rows += [(one.name, given_text(one), _users(one)) for one in verdict.metrics]
        lines += [*table(rows), ""]
    if verdict.labels:
        lines.append("Labels that are asked for and that no series of these metrics has:")
        for label, metrics in verdict.labels:
            lines.append(f"  {label}: {_some(metrics, 'metric')}")
        names = ", ".join(f"{one.label}: ..." for one in verdict.labels)
        lines += [f"The config can set those that tell places apart: labels: {{{names}}}", ""]
    for query in verdict.unreadable:
        lines.append(f"{_place(query.used_by)} can't be read: {query.reason}: {query.text}")
    lines += [f"{uses.file}: {note}" for uses in files for note in uses.notes]
    for uses in files:
        lines += _summary(
            uses.file, [one for one in verdict.parts if one.used_by.file == uses.file]
        )
    return "\n".join(harmless(line) for line in lines)


def given_text(metric: Metric) -> str:
    found = metric.judgement
    text = _WORDS[found.answer]
    if found.nearest:
        return f"{text}, nearest: {found.nearest}"
    return f"{text}: {found.why}" if found.why else text


def page_json(files: Sequence[Uses], given: Given, verdict: Verdict, basis: str) -> str:
    def user(one: Any) -> dict[str, str]:
        return {"file": one.file, "kind": one.kind, "title": one.title}

    said = {
        "basis": basis,
        "targets": [
            {"target": one.name, "up": one.is_up, "error": one.error} for one in given.targets
        ],
        "metrics": [
            {
                "metric": one.name,
                "given": _WORDS[one.judgement.answer],
                "why": one.judgement.why,
                "nearest": one.judgement.nearest,
                "used_by": [user(by) for by in one.used_by],
            }
            for one in verdict.metrics
        ],
        "missing_labels": {one.label: one.metrics for one in verdict.labels},
        "unreadable": [
            user(one.used_by) | {"query": one.text, "reason": one.reason}
            for one in verdict.unreadable
        ],
        "parts": [
            user(one.used_by) | {"can_have_data": _WORDS[one.answer]} for one in verdict.parts
        ],
        "notes": [{"file": uses.file, "note": note} for uses in files for note in uses.notes],
    }
    return json.dumps(said, indent=2)


def _summary(file: str, parts: Sequence[PartState]) -> Iterator[str]:
    """`41 of 52 panels can have data`, and the names of the others."""
    for kind, plural in _PLURALS.items():
        some = [one for one in parts if one.used_by.kind == kind]
        if not some:
            continue
        counts = Counter(one.answer for one in some)
        can = sum(counts[answer] for answer in _CAN)
        line = f"{file}: {plural} that can have data: {can} of {len(some)}"
        if counts[Answer.NOT_NOW]:
            line += f"; {counts[Answer.NOT_NOW]} more when what they ask for is there"
        if counts[Answer.UNKNOWN]:
            line += f"; {counts[Answer.UNKNOWN]} can't be told"
        yield line
        for answer in (Answer.NO, Answer.UNKNOWN, Answer.NOT_NOW):
            titles = [one.used_by.title for one in some if one.answer is answer]
            if titles:
                yield f"  {_WORDS[answer]}: {', '.join(titles)}"


def _users(metric: Metric) -> str:
    titles = dict.fromkeys(by.title for by in metric.used_by)
    shown = ", ".join(list(titles)[:MOST_USERS])
    rest = len(titles) - MOST_USERS
    return f"{shown} and {rest} more" if rest > 0 else shown


def _place(used_by: Any) -> str:
    return f"{used_by.file}, {used_by.title}"


def _some(names: Sequence[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    return f"{len(names)} {what}s, {names[0]} and others"


def _up(is_up: bool | None) -> str:
    return {True: "up", False: "down", None: "not asked"}[is_up]
