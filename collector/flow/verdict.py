"""A verdict: what of a frame is new, what comes late, what is a repeat, and what clashes.

Two collectors with one identity (a copied disk image, one node name given twice) take rounds of
the same numbers. Which of them is right nobody can tell from here. So who came first goes on, and
what clashes with it is never delivered: else a time would have two values. A round clashes when

- its number is taken by another epoch of its line, or by the same epoch at another time;
- its epoch, or the one before, clashed already: the next rounds of a clone fit in by chance;
- it was taken after a younger line of its stream had begun: that line is somebody else's.

Whoever has been silent for TAKEOVER_MS has left the stream: then a clone's new rounds are taken,
or a site would stay dark for want of a person.
"""

from __future__ import annotations

from typing import NamedTuple

from collector.errors import Rejected
from collector.flow.mark import (
    MAX_GAPS,
    MAX_REFUSED,
    Gap,
    GapReason,
    Known,
    Mark,
    mark_before,
    mark_of,
    moved,
)
from collector.frames.dictionary import Stream
from collector.frames.frame import Frame

TAKEOVER_MS = 900_000
"""By the rounds' own times."""

Spans = tuple[tuple[int, int], ...]


class Taken(NamedTuple):
    """What a frame changes.

    `mark` is that of its line, `known` all of its stream's. `spans` are (from, to) indices of its
    rounds that are to be delivered, `opened` the gaps that it uncovers, `closed` how many missing
    rounds it brings. `rival`: the epoch that its rounds clash with; then all of it is set aside.
    """

    mark: Mark
    known: Known
    spans: Spans
    opened: tuple[Gap, ...] = ()
    closed: int = 0
    rival: int | None = None


def take(known: Known, frame: Frame, reason: GapReason = GapReason.UNKNOWN) -> Taken:
    """Judge a frame, round by round, against what was delivered before of its stream.

    `reason` is what the reader knows about why something would be missing just before the frame.
    """
    if frame.lineage.volatile:
        reason = GapReason.RING
    mark = mark_of(known, frame.lineage.line)
    if frame.lineage.missing and (mark is None or mark.epoch != frame.lineage.epoch):
        reason = _writers_reason(frame.lineage.missing, reason)
    if mark is None:
        return _begin_line(known, frame, reason)
    rival = _rival(known, mark, frame)
    if rival is not None:
        return _refused(known, mark, frame, rival)
    return _go_on(known, mark, frame, reason)


def conflict(stream: Stream, frame: Frame, rival: int) -> Rejected:
    """Why a frame is set aside that clashes with what an epoch has already."""
    return Rejected(
        f"rounds {frame.first_seq} to {frame.last_seq} of site {stream.site}, node {stream.node} "
        f"(epoch {frame.lineage.epoch:016x}) clash with those of epoch {rival:016x}: two "
        "collectors have this name, or one was copied with its spool",
        "give one of them another node: and an empty spool.path, and start it again",
        reason="conflict",
    )


def _writers_reason(missing: int, reason: GapReason) -> GapReason:
    """The writer's own word about what is missing before its epoch, if this version knows it."""
    return GapReason(missing) if missing in set(GapReason) else reason


def _begin_line(known: Known, frame: Frame, reason: GapReason) -> Taken:
    """A line that is not known yet: all of its frame is new."""
    starts_ms = frame.at[0].wall_ms or 0
    before = [one for one in known if one.volatile <= frame.lineage.volatile]
    opened: tuple[Gap, ...] = ()
    if before:
        after_ms = before[-1].wall_ms
        if not frame.lineage.volatile:
            opened = (Gap(0, 0, after_ms, starts_ms, GapReason.NEW_LINE),)
        if frame.first_seq > 1:
            opened += (Gap(1, frame.first_seq - 1, after_ms, starts_ms, reason),)
    mark = _ahead(mark_before(frame), frame)._replace(
        gaps=opened, since_ms=starts_ms if before else 0
    )
    return Taken(mark, moved(known, mark), ((0, len(frame.at)),), opened)


def _go_on(known: Known, mark: Mark, frame: Frame, reason: GapReason) -> Taken:
    spans, gaps, closed = _late_rounds(mark, frame)
    if frame.lineage.epoch == mark.epoch:
        mark = mark._replace(first_seq=min(mark.first_seq or mark.seq, frame.first_seq))
    if frame.last_seq <= mark.seq:
        mark = mark._replace(gaps=gaps)
        return Taken(mark, _replaced(known, mark), spans, (), closed)
    opened: tuple[Gap, ...] = ()
    starts_ms = frame.at[0].wall_ms or 0
    if frame.first_seq > mark.seq + 1:
        missing = Gap(mark.seq + 1, frame.first_seq - 1, mark.wall_ms, starts_ms, reason)
        opened = (missing,)
        gaps = (*gaps, missing)[-MAX_GAPS:]
    fresh = (max(0, mark.seq + 1 - frame.first_seq), len(frame.at))
    after = _ahead(mark, frame)._replace(gaps=gaps)
    if any(starts_ms > one.latest_ms for one in _younger(known, mark)):
        after = after._replace(since_ms=starts_ms)  # the younger line has left the stream to it
    return Taken(after, moved(known, after), _joined(spans, fresh), opened, closed)


def _ahead(mark: Mark, frame: Frame) -> Mark:
    """The mark behind a frame that brings something newer."""
    epoch, wall_ms = frame.lineage.epoch, frame.at[-1].wall_ms or 0
    return mark._replace(
        epoch=epoch,
        seq=frame.last_seq,
        wall_ms=wall_ms,
        first_seq=mark.first_seq if epoch == mark.epoch else frame.first_seq,
        back_ms=max(0, mark.latest_ms - wall_ms),
        refused=tuple(one for one in mark.refused if one != epoch),
    )


def _late_rounds(mark: Mark, frame: Frame) -> tuple[Spans, tuple[Gap, ...], int]:
    """The rounds of a frame that fall into open gaps, and what is left of those gaps."""
    spans: list[tuple[int, int]] = []
    left: list[Gap] = []
    closed = 0
    for gap in mark.gaps:
        first = max(gap.first_seq, frame.first_seq)
        last = min(gap.last_seq, frame.last_seq)
        if not gap.first_seq or first > last:
            left.append(gap)
            continue
        closed += last - first + 1
        start, end = first - frame.first_seq, last - frame.first_seq + 1
        spans.append((start, end))
        if gap.first_seq < first:
            left.append(
                gap._replace(last_seq=first - 1, before_ms=frame.at[start].wall_ms or gap.before_ms)
            )
        if last < gap.last_seq:
            left.append(
                gap._replace(first_seq=last + 1, after_ms=frame.at[end - 1].wall_ms or gap.after_ms)
            )
    return tuple(sorted(spans)), tuple(left[-MAX_GAPS:]), closed


def _joined(spans: Spans, fresh: tuple[int, int]) -> Spans:
    if spans and spans[-1][1] == fresh[0]:
        return (*spans[:-1], (spans[-1][0], fresh[1]))
    return (*spans, fresh)


def _replaced(known: Known, mark: Mark) -> Known:
    """The marks with this one changed; it has not moved."""
    return tuple(mark if one.line == mark.line else one for one in known)


def _refused(known: Known, mark: Mark, frame: Frame, rival: int) -> Taken:
    epoch = frame.lineage.epoch
    if epoch not in {mark.epoch, *mark.refused}:
        mark = mark._replace(refused=(*mark.refused, epoch)[-MAX_REFUSED:])
    return Taken(mark, _replaced(known, mark), (), rival=rival)


def _rival(known: Known, mark: Mark, frame: Frame) -> int | None:
    """The epoch that the frame's rounds clash with, None when all is well."""
    epoch, previous = frame.lineage.epoch, frame.lineage.previous
    starts_ms, ends_ms = frame.at[0].wall_ms, frame.at[-1].wall_ms
    if starts_ms is None or ends_ms is None or not mark.wall_ms:
        return None  # without a time nothing can be told
    if frame.last_seq > mark.seq:
        for one in _younger(known, mark):
            if one.since_ms < ends_ms and starts_ms <= one.latest_ms + TAKEOVER_MS:
                return one.epoch
    follows = previous[0] if previous and previous[1] + 1 == frame.first_seq else epoch
    if epoch in mark.refused or follows in mark.refused:
        is_free = frame.first_seq > mark.seq and starts_ms > mark.latest_ms + TAKEOVER_MS
        return None if is_free else mark.epoch
    if epoch == mark.epoch:
        return epoch if _has_other_times(mark, frame) else None
    if frame.first_seq > mark.seq:
        return None
    clashes = frame.last_seq >= (mark.first_seq or mark.seq) or ends_ms > mark.latest_ms
    return mark.epoch if clashes else None


def _younger(known: Known, mark: Mark) -> list[Mark]:
    """The lines that began after this one."""
    if mark.volatile:
        return []
    return [one for one in known if not one.volatile and one.since_ms > mark.since_ms]


def _has_other_times(mark: Mark, frame: Frame) -> bool:
    """Whether rounds of the mark's own epoch come again with other times than they had.

    Times rise within an epoch, so the newest round delivered tells of those before it.
    """
    if not 0 < mark.first_seq <= mark.seq:
        return False  # none of the epoch's rounds is known
    newest = mark.seq - frame.first_seq  # its index, if it is in the frame
    if newest < 0:
        return False
    if newest < len(frame.at):
        return frame.at[newest].wall_ms != mark.wall_ms
    return (frame.at[-1].wall_ms or 0) >= mark.wall_ms
