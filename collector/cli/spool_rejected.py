"""`edgevitals spool rejected`: what was set aside, and sending it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import click

from collector.cli.errand import Errand, sinks_of
from collector.cli.program import CANNOT_TELL, OK, PROBLEM
from collector.cli.progress import Progress
from collector.cli.words import as_json, harmless, seqs, table, utc
from collector.config import Config, SinkConfig
from collector.errors import DiskError
from collector.flow.mark import Withheld
from collector.flow.pump import Batch, most_rounds
from collector.spool import aside
from collector.spool.aside import Kept

NOT_AGAIN = ("order", "conflict")
"""Reasons for which the sink itself would break a promise by sending: only when they are named."""

_TO_TOPIC = "publish"
_TO_SINK = ("forward-", "own-")  # a forwarder's own rounds have a pump of their own


class Row(NamedTuple):
    """Frames that were set aside together: the same answer, rounds that follow each other."""

    first: Kept
    last_seq: int
    last_ms: int | None
    rounds: int


def rows(kept: Sequence[Kept]) -> list[Row]:
    """Those that belong together, joined."""
    found: list[Row] = []
    for one in kept:
        frame, before = one.frame, found[-1] if found else None
        if (
            before
            and before.first.rejection == one.rejection
            and before.first.dictionary.id == one.dictionary.id
            and before.first.frame.lineage.line == frame.lineage.line
            and before.last_seq + 1 == frame.first_seq
        ):
            found[-1] = before._replace(
                last_seq=frame.last_seq,
                last_ms=frame.at[-1].wall_ms,
                rounds=before.rounds + len(frame.at),
            )
        else:
            found.append(Row(one, frame.last_seq, frame.at[-1].wall_ms, len(frame.at)))
    return found


def page(found: aside.Aside) -> Iterator[str]:
    """What a person reads."""
    if not found.kept:
        yield "nothing is set aside"
    else:
        yield from table([_HEAD, *map(_cells, rows(found.kept))])
    if found.unreadable:
        yield f"{found.unreadable} records can't be read: see `edgevitals spool verify`"


_HEAD = ("WHEN", "BY", "REASON", "STREAM", "ROUNDS", "SEQS", "FROM", "TO", "SERIES", "DETAIL")


def _cells(row: Row) -> tuple[str, ...]:
    rejection, dictionary, frame = row.first.rejection, row.first.dictionary, row.first.frame
    return (
        utc(rejection.at_ms),
        rejection.sink,
        rejection.reason,
        "/".join(dictionary.stream),
        str(row.rounds),
        seqs(frame.first_seq, row.last_seq),
        utc(frame.at[0].wall_ms),
        utc(row.last_ms),
        str(len(dictionary.series)),
        rejection.detail,
    )


def as_tree(found: aside.Aside) -> dict[str, Any]:
    """What a script reads. Times are Unix ms."""
    return {
        "rejected": [
            {
                "at_ms": row.first.rejection.at_ms,
                "by": row.first.rejection.sink,
                "reason": row.first.rejection.reason,
                "detail": row.first.rejection.detail,
                **row.first.dictionary.stream._asdict(),
                "rounds": row.rounds,
                "first_seq": row.first.frame.first_seq,
                "last_seq": row.last_seq,
                "first_ms": row.first.frame.at[0].wall_ms,
                "last_ms": row.last_ms,
                "series": len(row.first.dictionary.series),
            }
            for row in rows(found.kept)
        ],
        "unreadable": found.unreadable,
    }


class Replay:
    """Sends again what was set aside. What all it is meant for have taken leaves the store."""

    def __init__(
        self, config: Config, folder: Path, sink: str | None, reasons: Sequence[str]
    ) -> None:
        self._config = config
        self._folder = folder
        self._sinks = sinks_of(config, sink)
        self._reasons = reasons
        self._owed: dict[tuple[Path, int], int] = {}  # by how many sinks each is still to be taken
        self._taken: list[Kept] = []
        self._refused: dict[str, int] = {}
        self._gave_up = ""

    def run(self, output: str) -> int:
        """Send; say what came of it; return the exit code. Raises SpoolError, DiskError."""
        with aside.replaying(self._folder):
            kept = [one for one in aside.read(self._folder).kept if self._is_wanted(one)]
            wanted = {
                sink.name: [one for one in kept if self._is_for(one, sink)] for sink in self._sinks
            }
            for some in wanted.values():
                for one in some:
                    self._owed[one.path, one.at] = self._owed.get((one.path, one.at), 0) + 1
            for sink in self._sinks:
                if wanted[sink.name] and not self._gave_up:
                    self._send(sink, wanted[sink.name])
            try:
                aside.tidy(self._folder)
            except OSError as error:
                raise DiskError(
                    f"{self._folder} can't be tidied: {error.strerror}",
                    "look at its owner and mode",
                ) from error
            left = aside.read(self._folder).kept
        self._say(left, output)
        if self._gave_up:
            return CANNOT_TELL
        return PROBLEM if left else OK

    def _is_wanted(self, one: Kept) -> bool:
        reason = one.rejection.reason
        return reason in self._reasons if self._reasons else reason not in NOT_AGAIN

    def _is_for(self, one: Kept, sink: SinkConfig) -> bool:
        """What the topic refused is for all sinks, so that none of them lacks it afterwards."""
        if one.rejection.sink == _TO_TOPIC:
            return len(self._sinks) == len(self._config.sinks)
        return one.rejection.sink in {f"{pump}{sink.name}" for pump in _TO_SINK}

    def _send(self, sink: SinkConfig, kept: Sequence[Kept]) -> None:
        from collector.line import destinations_of  # noqa: PLC0415

        with closing(destinations_of(sink)[0]) as destination:
            total = sum(len(one.frame.at) for one in kept)
            errand = Errand(
                _batches(kept),
                destination,
                Progress(f"{sink.name}: sending again", total),
                self._settled,
            )
            errand.run(f"replay-{sink.name}")
        for batch, why in errand.refused:
            self._refused[str(why)] = self._refused.get(str(why), 0) + batch.rounds
        if errand.gave_up:
            self._gave_up = f"{sink.name}: {errand.gave_up}"

    def _settled(
        self, batch: Batch, refused: Sequence[Batch], withheld: Sequence[Withheld]
    ) -> None:
        still = {
            (frame.lineage.line, seq)
            for part in refused
            for frame in part.frames
            for seq in range(frame.first_seq, frame.last_seq + 1)
        }
        for line, gap in withheld:
            still |= {(line, seq) for seq in range(gap.first_seq, gap.last_seq + 1)}
        done: list[Kept] = []
        for one in batch.end:
            frame = one.frame
            rounds = range(frame.first_seq, frame.last_seq + 1)
            if any((frame.lineage.line, seq) in still for seq in rounds):
                continue
            self._owed[one.path, one.at] -= 1
            if not self._owed[one.path, one.at]:
                done.append(one)
        try:
            aside.leave(done)
        except OSError as error:
            raise DiskError(
                f"what was taken can't be noted in {self._folder}: {error.strerror}",
                "free space on that disk, then repeat it: nothing is lost or sent with other bytes",
            ) from error
        self._taken += done

    def _say(self, left: Sequence[Kept], output: str) -> None:
        taken = sum(len(one.frame.at) for one in self._taken)
        remaining = sum(len(one.frame.at) for one in left)
        if output == "json":
            said = {
                "taken_rounds": taken,
                "left_rounds": remaining,
                "refused_rounds": self._refused,
                "error": self._gave_up or None,
            }
            click.echo(as_json(said))
            return
        click.echo(f"{taken:,} rounds taken, {remaining:,} left in the store")
        for says, rounds in self._refused.items():
            click.echo(f"  REFUSED again: {rounds:,} rounds: {harmless(says)}")
        if self._gave_up:
            click.echo(f"  NOT FINISHED: {harmless(self._gave_up)}")
        passed_over = sorted({one.rejection.reason for one in left if not self._is_wanted(one)})
        if passed_over:
            click.echo(f"  passed over: {', '.join(passed_over)}; --reason sends them all the same")


def _batches(kept: Sequence[Kept]) -> Iterator[Batch]:
    """By stream and time: what is sent again rises as what is new does."""
    waiting: list[Kept] = []
    in_order = sorted(
        (one for one in kept if one.frame.at[0].wall_ms is not None),
        key=lambda one: (one.dictionary.stream, one.frame.at[0].wall_ms or 0),
    )
    for one in in_order:
        count = sum(len(it.frame.at) for it in (*waiting, one))
        if waiting and (
            one.dictionary.id != waiting[0].dictionary.id or count > most_rounds(one.dictionary)
        ):
            yield _batch(waiting)
            waiting = []
        waiting.append(one)
    if waiting:
        yield _batch(waiting)


def _batch(kept: list[Kept]) -> Batch:
    return Batch(kept[0].dictionary, tuple(one.frame for one in kept), tuple(kept))
