"""What a site still holds of its own streams, held against what the centre has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple

from collector.cli.completeness import GapSaid, Told, Window
from collector.config import Config
from collector.errors import CollectorError
from collector.flow.mark import Marks
from collector.frames.dictionary import Stream
from collector.spool.export import Rounds, Span, once, within
from collector.spool.reading import SpoolFiles


class Lacking(NamedTuple):
    """Rounds that are at hand and not at the centre: within its rounds, and behind the last."""

    between: int
    behind: int
    oldest_behind_ms: int | None


class AtHand:
    """The spool of a site, and the topic beside it if a configuration names one.

    `files` None: there is no spool here, so nothing but the topic.
    """

    def __init__(self, files: SpoolFiles | None, config: Config | None) -> None:
        self._files = files
        self._config = config

    @property
    def streams(self) -> list[Stream]:
        """Those that have rounds on disk."""
        if self._files is None:
            return []
        return [
            self._files.stream(tier)
            for tier in self._files.tiers
            if next(self._files.frames(tier), None) is not None
        ]

    def said(self, stream: Stream) -> set[GapSaid]:
        """The gaps that the spool's readers know of, and why."""
        if self._files is None:
            return set()
        return {
            GapSaid(gap.first_seq, gap.last_seq, gap.reason.label)
            for position in self._files.positions(stream.tier).values()
            if position
            for mark in position.marks.of.get(stream.key, ())
            for gap in mark.gaps
            if gap.first_seq
        }

    def lacking(self, told: Told, window: Window) -> Lacking:
        """Count what the spool has of a stream and the centre lacks. Raises SpoolError."""
        last_ms = max((ms for ms, _ in told.rounds), default=None)
        between = behind = 0
        oldest_ms: int | None = None
        for rounds in self._lacked(self._spool(told.stream), told, window):
            for at in rounds.frame.at:
                if last_ms is not None and (at.wall_ms or 0) < last_ms:
                    between += 1
                else:
                    behind += 1
                    oldest_ms = min(oldest_ms or at.wall_ms or 0, at.wall_ms or 0)
        return Lacking(between, behind, oldest_ms)

    def lost(self, told: Told, window: Window, sink: str) -> Iterator[Rounds]:
        """What the centre lacks and has been given once: all but what is on its way to it.

        In no order, from the topic too, which may reach further back. Raises SpoolError, Retry.
        """
        last_ms = max((ms for ms, _ in told.rounds), default=None)
        delivered = self._delivered(told.stream, sink)
        for rounds in self._lacked(self._sources(told.stream, window), told, window):
            frame = rounds.frame
            is_between = last_ms is not None and (frame.at[-1].wall_ms or 0) < last_ms
            if is_between or frame.last_seq <= delivered.get(frame.lineage.line, 0):
                yield rounds

    def _sources(self, stream: Stream, window: Window) -> Iterator[Rounds]:
        if self._config and self._config.topic:
            from collector.cli.topic_source import rounds_of  # noqa: PLC0415

            yield from rounds_of(self._config, window.from_ms)
        yield from self._spool(stream)

    def _spool(self, stream: Stream) -> Iterator[Rounds]:
        if self._files is None or self._files.stream(stream.tier) != stream:
            return
        for placed in self._files.frames(stream.tier):
            if placed.dictionary is not None:
                yield Rounds(placed.dictionary, placed.frame)

    def _lacked(self, rounds: Iterable[Rounds], told: Told, window: Window) -> Iterator[Rounds]:
        """Those of the stream and window that the centre hasn't, each once."""
        there = set(told.rounds)
        mine = (one for one in rounds if one.stream == told.stream)
        for one in once(within(mine, Span(window.from_ms, window.to_ms)), set()):
            frame = one.frame
            lacks = [
                (at.wall_ms, seq) not in there for seq, at in enumerate(frame.at, frame.first_seq)
            ]
            start = 0
            for is_lacked, run in groupby(lacks):
                end = start + len(list(run))
                if is_lacked:
                    yield one.cut(start, end)
                start = end

    def _delivered(self, stream: Stream, sink: str) -> dict[int, int]:
        """The newest round of each line that the sink's marks say it has."""
        known: list[Marks] = []
        if self._files is not None:
            position = self._files.positions(stream.tier).get(f"sink-{sink}")
            if position:
                known.append(position.marks)
        if self._config and self._config.topic:
            from collector.cli.topic_source import committed  # noqa: PLC0415

            with suppress(CollectorError):
                known += committed(self._config, sink)
        newest: dict[int, int] = {}
        for marks in known:
            for mark in marks.of.get(stream.key, ()):
                newest[mark.line] = max(mark.seq, newest.get(mark.line, 0))
        return newest
