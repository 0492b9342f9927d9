"""What `edgevitals export` does: choose rounds, write them, say what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

from collector.cli import spool_access
from collector.cli.program import OK, PROBLEM
from collector.cli.progress import Progress
from collector.cli.spool_ls import stretch_tree
from collector.cli.words import as_json, harmless, seqs, size, utc
from collector.config import Config
from collector.errors import CollectorError, DiskError
from collector.flow.mark import Marks
from collector.frames.dictionary import Stream
from collector.spool.export import ExportFile, Rounds, SeqRange, Span, among, once, within
from collector.spool.reading import SpoolFiles, frames
from collector.spool.tally import Stretch, Tally


class Wish(NamedTuple):
    """Which rounds are wanted, and where they may come from."""

    from_ms: int | None
    to_ms: int | None
    tiers: tuple[str, ...]
    missing: str | None
    from_topic: bool
    carried: tuple[Path, ...]


class Export:
    """One export, from its sources to what is said of it."""

    def __init__(self, wish: Wish, config: Config | None, folder: Path | None) -> None:
        self._wish = wish
        self._config = config
        self._files: SpoolFiles | None = None
        if not wish.carried:
            try:
                self._files = spool_access.open_files(config, folder)
            except CollectorError as error:
                if not wish.from_topic:
                    spool_access.cannot_tell(error)
                # The spool is lost, or this is a centre: the topic is all there is.
        self._tally = Tally()
        self._ranges: list[SeqRange] = []
        self._unknown = 0  # gaps of which nobody knows the size

    def write(self, into: Path, form: str, output: str) -> int:
        """Write the file; return the exit code."""
        try:
            if self._wish.missing:
                self._ranges, self._unknown = self._missing(self._wish.missing)
            told = self._write(into, form)
        except OSError as error:
            raise DiskError(
                f"{into} can't be written: {error.strerror}",
                "name a file on a disk with room that this user may write to",
            ) from error
        except CollectorError as error:
            spool_access.cannot_tell(error)
        lacking = list(self._lacking())
        if output == "json":
            click.echo(as_json(self._tree(into, told, lacking)))
        else:
            for line in self._page(into, told, lacking):
                click.echo(line)
        return PROBLEM if lacking or not self._tally.rounds else OK

    def _write(self, into: Path, form: str) -> dict[str, int]:
        progress = Progress("exporting")
        with ExportFile(into) as segment:
            for rounds in self._rounds():
                segment.add(rounds)
                self._tally.add(rounds.stream, rounds.frame)
                progress.at(segment.rounds, "rounds")
            progress.end()
            if not segment.rounds:
                return {}
            if form == "segment":
                segment.finish()
                return {"bytes": segment.bytes}
            return _as_openmetrics(segment, into)

    def _rounds(self) -> Iterator[Rounds]:
        """What is wanted, each round once."""
        wish = self._wish
        rounds = within(self._sources(), Span(wish.from_ms, wish.to_ms))
        if wish.tiers:
            rounds = (one for one in rounds if one.stream.tier in wish.tiers)
        if wish.missing:
            rounds = among(rounds, self._ranges)
        yield from once(rounds, set())

    def _sources(self) -> Iterator[Rounds]:
        for path in self._wish.carried:
            yield from _readable(frames(path))
        if self._wish.from_topic and self._config:
            from collector.cli.topic_source import rounds_of  # noqa: PLC0415

            yield from rounds_of(self._config, self._wish.from_ms)
        if self._files:
            for tier in self._files.tiers:
                yield from _readable(self._files.frames(tier))

    def _missing(self, sink: str) -> tuple[list[SeqRange], int]:
        """The open gaps of a sink's marks, and how many of them have no known size."""
        found: list[SeqRange] = []
        unknown = 0
        known: list[Marks] = []
        for tier in self._files.tiers if self._files else ():
            position = self._files.positions(tier).get(f"sink-{sink}") if self._files else None
            if position:
                known.append(position.marks)
        if self._config and self._config.topic:
            from collector.cli.topic_source import committed  # noqa: PLC0415

            known += committed(self._config, sink)
        if not known:
            raise CollectorError(
                f"nothing is known of a sink {sink}: it has no position in this spool",
                "name a sink of the configuration; one that reads the topic needs -c FILE",
            )
        for one in known:
            lines = ((stream, mark) for stream, marks in one.of.items() for mark in marks)
            for stream, mark in lines:
                for gap in mark.gaps:
                    if gap.first_seq:
                        found.append(SeqRange(stream, mark.line, gap.first_seq, gap.last_seq))
                    else:
                        unknown += 1
        return found, unknown

    def _lacking(self) -> Iterator[str]:
        """What was wanted and is not in the file."""
        for stream in self._tally.streams:
            if not self._wish.missing:
                for hole in self._tally.holes(stream):
                    between = f"between {utc(hole.first_ms)} and {utc(hole.last_ms)}"
                    yield f"{_name(stream)} {seqs(hole.first_seq, hole.last_seq)}, {between}"
        keys = {stream.key: stream for stream in self._tally.streams}
        for wanted in self._ranges:
            stretches = self._tally.stretches(keys[wanted.stream]) if wanted.stream in keys else []
            for first, last in _rest(wanted, stretches):
                of = _name(keys[wanted.stream]) if wanted.stream in keys else "another stream's"
                yield f"{of} {seqs(first, last)}: no longer kept here"
        if self._unknown:
            yield f"{self._unknown} gaps of unknown size: rounds before a line began"

    def _page(self, into: Path, told: dict[str, int], lacking: list[str]) -> Iterator[str]:
        if told:
            what = f"{self._tally.rounds:,} rounds, {size(told['bytes'])}"
            if "samples" in told:
                what += f", {told['samples']:,} samples"
            yield f"{harmless(str(into))}: {what}"
        else:
            yield "no such round is kept here: no file was written"
        for stream in self._tally.streams:
            for one in self._tally.stretches(stream):
                yield f"  {_name(stream)} {stretch_words(one)}"
        if told.get("unsendable"):
            yield f"left out: {told['unsendable']} series with names that no receiver takes"
        for what in lacking:
            yield f"missing: {what}"

    def _tree(self, into: Path, told: dict[str, int], lacking: list[str]) -> dict[str, Any]:
        return {
            "file": str(into) if told else None,
            "rounds": self._tally.rounds,
            **told,
            "streams": [
                {
                    **stream._asdict(),
                    "stretches": [stretch_tree(one) for one in self._tally.stretches(stream)],
                }
                for stream in self._tally.streams
            ],
            "missing": lacking,
        }


def stretch_words(one: Stretch) -> str:
    """A stretch as a person reads it."""
    return f"{seqs(one.first_seq, one.last_seq)}, {utc(one.first_ms)} to {utc(one.last_ms)}"


def _as_openmetrics(segment: ExportFile, into: Path) -> dict[str, int]:
    """The page of an export that is not yet finished: its rounds can't change meanwhile."""
    from collector.cli import openmetrics  # noqa: PLC0415

    source = segment.close()
    new = into.with_name(f".{into.name}.text.new")
    try:
        with new.open("wb") as out:
            written = openmetrics.write(
                lambda: _readable(frames(source)), out, Progress("writing series")
            )
        bytes_ = new.stat().st_size
        new.replace(into)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    return {"bytes": bytes_, "samples": written.samples, "unsendable": written.unsendable}


def _readable(placed: Iterable[Any]) -> Iterator[Rounds]:
    """Frames whose dictionary is there."""
    return (Rounds(one.dictionary, one.frame) for one in placed if one.dictionary is not None)


def _rest(wanted: SeqRange, stretches: Iterable[Stretch]) -> Iterator[tuple[int, int]]:
    """What of a range lies in no stretch."""
    first = wanted.first_seq
    for one in stretches:
        if one.line == wanted.line and one.last_seq >= first and one.first_seq <= wanted.last_seq:
            if one.first_seq > first:
                yield first, one.first_seq - 1
            first = one.last_seq + 1
    if first <= wanted.last_seq:
        yield first, wanted.last_seq


def _name(stream: Stream) -> str:
    return harmless("/".join(stream))
