"""What `edgevitals import` does: read the files, deliver, say what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

from collector.cli import spool_access
from collector.cli.errand import Errand, sinks_of
from collector.cli.exporting import stretch_words
from collector.cli.program import CANNOT_TELL, OK, PROBLEM
from collector.cli.progress import Progress
from collector.cli.spool_ls import gap_tree, gap_words, stretch_tree
from collector.cli.words import as_json, harmless, seqs, utc
from collector.config import Config, SinkConfig
from collector.errors import CollectorError, FormatError
from collector.flow.mark import Gap, Marks, Withheld
from collector.flow.pump import Batch
from collector.spool.carried import Carried, Name, names_of
from collector.spool.journal import Journal
from collector.spool.reading import SpoolFiles

_SAVE_EVERY_S = 2.0


class Outcome(NamedTuple):
    """What one sink has got, by rounds."""

    sink: str
    delivered: int
    already: int
    refused: dict[str, int]
    """By what the receiver said."""
    withheld: list[Gap]
    closed: int
    """Rounds that the sink's mark in this spool had as missing."""
    gave_up: str
    unsaved: str
    """Why the journal could not be written."""


class Import:
    """One import of some files into some sinks."""

    def __init__(self, config: Config, paths: Sequence[Path], sink: str | None) -> None:
        self._config = config
        self._sinks = sinks_of(config, sink)
        progress = Progress("reading")
        try:
            self._carried = Carried(paths, lambda rounds: progress.at(rounds, "rounds"))
        except OSError as error:
            spool_access.cannot_tell(
                CollectorError(f"{error.filename} can't be read: {error.strerror}")
            )
        progress.end()

    def run(self, output: str) -> int:
        """Deliver to each sink; return the exit code."""
        outcomes = [self._deliver(sink) for sink in self._sinks]
        if output == "json":
            click.echo(as_json(self._tree(outcomes)))
        else:
            for line in self._page(outcomes):
                click.echo(line)
        if any(one.gave_up for one in outcomes):
            return CANNOT_TELL
        damaged = any(one.findings for one in self._carried.contents)
        lost = any(one.refused or one.withheld for one in outcomes)
        return PROBLEM if damaged or lost or not self._carried.tally.rounds else OK

    def _deliver(self, sink: SinkConfig) -> Outcome:
        from collector.line import destinations_of  # noqa: PLC0415

        journals = _Journals(self._config, self._carried, sink.name)
        before = len(journals.done)
        total = self._carried.tally.rounds - before
        with closing(destinations_of(sink)[0]) as destination:
            errand = Errand(
                self._carried.batches(set(journals.done)),
                destination,
                Progress(f"{sink.name}: delivering", total),
                journals.settled,
            )
            gave_up = ""
            try:
                errand.run(f"import-{sink.name}")
            except FormatError as error:
                gave_up = str(error)
            except OSError as error:
                gave_up = f"a file can't be read: {error.strerror}"
        journals.save()
        refused: dict[str, int] = {}
        for batch, why in errand.refused:
            refused[str(why)] = refused.get(str(why), 0) + batch.rounds
        return Outcome(
            sink.name,
            len(journals.delivered),
            before,
            refused,
            [gap for _, gap in errand.withheld],
            len(journals.delivered & _missing(self._config, sink.name)),
            gave_up or (str(errand.gave_up) if errand.gave_up else ""),
            journals.unsaved,
        )

    def _page(self, outcomes: Sequence[Outcome]) -> Iterator[str]:
        for content in self._carried.contents:
            yield f"{harmless(str(content.path))}: {content.tally.rounds:,} rounds"
            for stream in content.tally.streams:
                for one in content.tally.stretches(stream):
                    yield f"  {harmless('/'.join(stream))} {stretch_words(one)}"
            for finding in content.findings:
                yield f"  DAMAGED at {finding.at}: {finding.trouble}: {harmless(finding.says)}"
            if content.unstamped:
                yield f"  left out: {content.unstamped} rounds that have no time yet"
        for outcome in outcomes:
            yield from _outcome_words(outcome)
        for stream in self._carried.streams:
            for hole in self._carried.tally.holes(stream):
                between = f"between {utc(hole.first_ms)} and {utc(hole.last_ms)}"
                numbers = seqs(hole.first_seq, hole.last_seq)
                yield f"in no file: {harmless('/'.join(stream))} {numbers}, {between}"

    def _tree(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        return {
            "files": [
                {
                    "file": str(one.path),
                    "sha256": one.digest,
                    "rounds": one.tally.rounds,
                    "unstamped_rounds": one.unstamped,
                    "damage": [
                        {"at": it.at, "trouble": str(it.trouble), "says": it.says}
                        for it in one.findings
                    ],
                    "streams": [
                        {
                            **stream._asdict(),
                            "stretches": [stretch_tree(it) for it in one.tally.stretches(stream)],
                        }
                        for stream in one.tally.streams
                    ],
                }
                for one in self._carried.contents
            ],
            "sinks": [
                {
                    "sink": one.sink,
                    "delivered_rounds": one.delivered,
                    "already_delivered_rounds": one.already,
                    "refused_rounds": one.refused,
                    "withheld": [gap_tree(gap) for gap in one.withheld],
                    "closed_gap_rounds": one.closed,
                    "error": one.gave_up or None,
                }
                for one in outcomes
            ],
        }


class _Journals:
    """The journals of all files for one sink: what it has is known by round, whichever file."""

    def __init__(self, config: Config, carried: Carried, sink: str) -> None:
        self._journals: list[tuple[Journal, set[Name]]] = []
        self.done: set[Name] = set()
        self.delivered: set[Name] = set()
        self.unsaved = ""
        self._save_at = time.monotonic() + _SAVE_EVERY_S
        for content in carried.contents:
            folder = config.spool.path
            folder = folder / "imports" if folder.is_dir() else _beside(content.path)
            journal = Journal(folder, content.digest, sink)
            tally = content.tally
            mine = {
                (stream.key, one.line, seq)
                for stream in tally.streams
                for one in tally.stretches(stream)
                for seq in range(one.first_seq, one.last_seq + 1)
            }
            self._journals.append((journal, mine))
            self.done |= journal.done & mine

    def settled(self, batch: Batch, refused: Sequence[Batch], withheld: Sequence[Withheld]) -> None:
        """Note what of a batch the sink has now: all but what it refused or would refuse."""
        stream = batch.dictionary.stream
        names = names_of(stream, batch.frames)
        for one in refused:
            names -= names_of(stream, one.frames)
        for line, gap in withheld:
            rounds = range(gap.first_seq, gap.last_seq + 1)
            names -= {(stream.key, line, seq) for seq in rounds}
        self.delivered |= names
        for journal, mine in self._journals:
            journal.add(names & mine)
        if time.monotonic() >= self._save_at:
            self.save()
            self._save_at = time.monotonic() + _SAVE_EVERY_S

    def save(self) -> None:
        try:
            for journal, _ in self._journals:
                journal.save()
        except OSError as error:
            self.unsaved = f"{error.filename}: {error.strerror}"


def _beside(path: Path) -> Path:
    """Where there is no spool: next to the file."""
    return path.absolute().parent / ".edgevitals-imports"


def _missing(config: Config, sink: str) -> set[Name]:
    """The rounds that a sink's mark in this spool has as missing."""
    known: list[Marks] = []
    with suppress(CollectorError):
        files = SpoolFiles(config.spool.path)
        positions = [files.positions(tier).get(f"sink-{sink}") for tier in files.tiers]
        known += [position.marks for position in positions if position]
    if config.topic:
        from collector.cli.topic_source import committed  # noqa: PLC0415

        with suppress(CollectorError):
            known += committed(config, sink)
    return {
        (stream, mark.line, seq)
        for marks in known
        for stream, lines in marks.of.items()
        for mark in lines
        for gap in mark.gaps
        if gap.first_seq
        for seq in range(gap.first_seq, gap.last_seq + 1)
    }


def _outcome_words(one: Outcome) -> Iterator[str]:
    what = f"{one.delivered:,} rounds delivered"
    if one.already:
        what += f", {one.already:,} were delivered before"
    if one.closed:
        what += f", {one.closed:,} of them closed gaps"
    yield f"{one.sink}: {what}"
    for says, rounds in one.refused.items():
        yield f"  REFUSED: {rounds:,} rounds: {harmless(says)}"
    for gap in one.withheld:
        yield f"  NOT SENT: {gap_words(gap)}: use export --format openmetrics"
    if one.gave_up:
        yield f"  NOT FINISHED: {harmless(one.gave_up)}"
        yield "  run it again: what is delivered is remembered"
    if one.unsaved:
        yield f"  note: what is delivered could not be remembered: {harmless(one.unsaved)}"
