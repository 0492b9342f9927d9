"""`edgevitals spool ls`: what a spool holds, and how far its readers have come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from collector.cli.words import harmless, seqs, size, table, utc
from collector.flow.mark import Gap, Position, mark_of
from collector.spool.reading import Placed, SpoolFiles, frames, size_of
from collector.spool.tally import Stretch, extend


class Segment(NamedTuple):
    number: int
    bytes: int
    stretches: list[Stretch]


class Reader(NamedTuple):
    """One position file. `backlog` are the rounds behind it, `gaps` those it lacks before it."""

    name: str
    position: Position | None
    backlog: int
    oldest_ms: int | None
    gaps: list[Gap]


class Tier(NamedTuple):
    name: str
    segments: list[Segment]
    stretches: list[Stretch]
    readers: list[Reader]
    unstamped: int
    """Rounds that wait for a clock that can be believed."""


def tiers(files: SpoolFiles) -> Iterator[Tier]:
    """Read every segment once. Raises SpoolError, TooNew."""
    for tier in files.tiers:
        key = files.stream(tier).key
        positions = files.positions(tier)
        backlog = dict.fromkeys(positions, 0)
        oldest: dict[str, int | None] = dict.fromkeys(positions)
        segments: list[Segment] = []
        stretches: list[Stretch] = []
        known: dict[int, Any] = {}
        for number, path in files.segments(tier):
            mine: list[Stretch] = []
            try:
                for placed in frames(path, known):
                    extend(mine, placed.frame)
                    extend(stretches, placed.frame)
                    for name, position in positions.items():
                        if _is_owed(position, key, number, placed):
                            if not backlog[name]:
                                oldest[name] = placed.frame.at[0].wall_ms
                            backlog[name] += len(placed.frame.at)
            except FileNotFoundError:
                continue  # dropped just now
            segments.append(Segment(number, size_of(path), mine))
        readers = [
            Reader(name, position, backlog[name], oldest[name], gaps_of(position, key))
            for name, position in positions.items()
        ]
        unstamped = 0
        for _, path in files.unstamped(tier):
            with suppress(FileNotFoundError):
                unstamped += sum(len(placed.frame.at) for placed in frames(path, known))
        yield Tier(tier, segments, stretches, readers, unstamped)


def _is_owed(position: Position | None, stream: int, number: int, placed: Placed) -> bool:
    """Whether a reader has a frame still before it. It may have had it by another way."""
    if position is None:
        return True
    mark = mark_of(position.marks.of.get(stream, ()), placed.frame.lineage.line)
    had = mark is not None and placed.frame.last_seq <= mark.seq
    return (number, placed.at) >= position[:2] and not had


def gaps_of(position: Position | None, stream: int) -> list[Gap]:
    """The open gaps of a stream that a position file knows."""
    known = position.marks.of.get(stream, ()) if position else ()
    return [gap for mark in known for gap in mark.gaps]


def page(files: SpoolFiles, found: list[Tier], *, with_segments: bool) -> Iterator[str]:
    """What a person reads."""
    user = files.user()
    used = f"in use by process {user}" if user else "no process is seen to use it"
    where = f"{harmless(str(files.path))}   {size(files.size())}, {used}"
    yield f"{harmless(files.site)} / {harmless(files.node)}   {where}"
    rows: list[tuple[str, ...]] = [("TIER", "ROUNDS", "SEQS", "FROM", "TO", "LINE")]
    for tier in found:
        rows += [(tier.name, *_cells(one)) for one in tier.stretches]
    readers = [_reader(tier.name, one) for tier in found for one in tier.readers]
    yield ""
    yield from table(rows) if len(rows) > 1 else ["no rounds"]
    yield ""
    yield from table([_READER_HEAD, *readers]) if readers else ["no readers"]
    for tier in found:
        for reader in tier.readers:
            for gap in reader.gaps:
                yield f"GAP      {harmless(reader.name)} lacks {gap_words(gap)}"
        if tier.unstamped:
            yield f"WAITING  {tier.unstamped} rounds of {tier.name} have no time yet: no clock"
    if with_segments:
        yield ""
        yield from table([_SEGMENT_HEAD, *(row for tier in found for row in _segments(tier))])


_READER_HEAD = ("READER", "TIER", "BACKLOG", "BACK TO", "GAPS")
_SEGMENT_HEAD = ("SEGMENT", "TIER", "SIZE", "ROUNDS", "SEQS", "FROM", "TO", "LINE")


def gap_words(gap: Gap) -> str:
    """A gap as a person reads it."""
    if not gap.first_seq:
        return f"an unknown number of rounds before {utc(gap.before_ms)}: {gap.reason.label}"
    between = f"between {utc(gap.after_ms)} and {utc(gap.before_ms)}"
    return f"rounds {seqs(gap.first_seq, gap.last_seq)}, {between}: {gap.reason.label}"


def _cells(one: Stretch) -> tuple[str, ...]:
    numbers = seqs(one.first_seq, one.last_seq)
    return str(one.rounds), numbers, utc(one.first_ms), utc(one.last_ms), f"{one.line:016x}"


def _reader(tier: str, one: Reader) -> tuple[str, ...]:
    if one.position is None:
        return one.name, tier, f"{one.backlog}, its position can't be read", utc(one.oldest_ms), "?"
    return one.name, tier, str(one.backlog), utc(one.oldest_ms), str(len(one.gaps))


def _segments(tier: Tier) -> Iterator[tuple[str, ...]]:
    for segment in tier.segments:
        head = (f"{segment.number:016x}", tier.name, size(segment.bytes))
        for one in segment.stretches:
            yield (*head, *_cells(one))
        if not segment.stretches:
            yield (*head, "0", "-", "-", "-", "-")


def as_tree(files: SpoolFiles, found: list[Tier]) -> dict[str, Any]:
    """What a script reads. Times are Unix ms."""
    return {
        "path": str(files.path),
        "site": files.site,
        "node": files.node,
        "bytes": files.size(),
        "process": files.user(),
        "tiers": [
            {
                "tier": tier.name,
                "rounds": sum(one.rounds for one in tier.stretches),
                "unstamped_rounds": tier.unstamped,
                "stretches": [stretch_tree(one) for one in tier.stretches],
                "segments": [
                    {
                        "number": one.number,
                        "bytes": one.bytes,
                        "stretches": [stretch_tree(it) for it in one.stretches],
                    }
                    for one in tier.segments
                ],
                "readers": [
                    {
                        "reader": one.name,
                        "readable": one.position is not None,
                        "backlog_rounds": one.backlog,
                        "oldest_ms": one.oldest_ms,
                        "gaps": [gap_tree(gap) for gap in one.gaps],
                    }
                    for one in tier.readers
                ],
            }
            for tier in found
        ],
    }


def gap_tree(gap: Gap) -> dict[str, Any]:
    """A gap for a script; `rounds` is null when nobody knows how many."""
    return {
        "first_seq": gap.first_seq,
        "last_seq": gap.last_seq,
        "rounds": gap.rounds or None,
        "after_ms": gap.after_ms,
        "before_ms": gap.before_ms,
        "reason": gap.reason.label,
    }


def stretch_tree(one: Stretch) -> dict[str, Any]:
    """A stretch for a script."""
    return {**one._asdict(), "line": f"{one.line:016x}", "rounds": one.rounds}
