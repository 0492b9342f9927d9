"""`edgevitals spool verify`: what an inspection of a spool has found, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector.cli.words import harmless, seqs, utc
from collector.spool.inspection import Finding, Inspection
from collector.spool.reading import SpoolFiles


def page(files: SpoolFiles, found: Inspection) -> Iterator[str]:
    """What a person reads: what is wrong, what it costs, what is only said."""
    for one in found.findings:
        yield f"{_where(files, one.path, one.at)}: {one.trouble}: {harmless(one.says)}"
    for hole in found.holes:
        why = "beside damage" if hole.beside_damage else "they were never written here"
        yield (
            f"missing: {hole.rounds} rounds, {hole.tier} {seqs(hole.first_seq, hole.last_seq)}, "
            f"between {utc(hole.after_ms)} and {utc(hole.before_ms)} ({why})"
        )
    user = files.user()
    for one in found.unfinished:
        says = "a write was cut off there, or goes on" if user else "a write was cut off there"
        yield f"note: {_where(files, one.path, one.at)}: ends with {one.says}: {says}"
    verdict = "sound" if found.is_sound else "DAMAGED"
    if found.findings and not found.holes:
        verdict += ", no round that stands between others is missing"
    yield f"{harmless(str(files.path))}: {found.records} records, {found.rounds} rounds: {verdict}"


def _where(files: SpoolFiles, path: Path, at: int) -> str:
    return f"{harmless(str(path.relative_to(files.path)))} at {at}"


def as_tree(files: SpoolFiles, found: Inspection) -> dict[str, Any]:
    """What a script reads. Times are Unix ms."""
    return {
        "path": str(files.path),
        "sound": found.is_sound,
        "records": found.records,
        "rounds": found.rounds,
        "findings": [_finding(files, one) for one in found.findings],
        "unfinished": [_finding(files, one) for one in found.unfinished],
        "missing": [
            {
                "tier": hole.tier,
                "line": f"{hole.line:016x}",
                "first_seq": hole.first_seq,
                "last_seq": hole.last_seq,
                "rounds": hole.rounds,
                "after_ms": hole.after_ms,
                "before_ms": hole.before_ms,
                "beside_damage": hole.beside_damage,
            }
            for hole in found.holes
        ],
    }


def _finding(files: SpoolFiles, one: Finding) -> dict[str, Any]:
    path = str(one.path.relative_to(files.path))
    return {"file": path, "at": one.at, "trouble": str(one.trouble), "says": one.says}
