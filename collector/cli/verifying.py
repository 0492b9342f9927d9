"""What `edgevitals verify` does: ask, judge, repair, judge again, say it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from collector.cli import centre, spool_access
from collector.cli.at_hand import AtHand
from collector.cli.completeness import Hole, Told, Verdict, Window, judge, patience_ms
from collector.cli.errand import Errand, sinks_of
from collector.cli.program import CANNOT_TELL, OK, PROBLEM
from collector.cli.progress import Progress
from collector.cli.prometheus_api import NoAnswerError, PrometheusApi
from collector.cli.words import as_json, harmless, seqs, span, utc
from collector.config import Config, SinkConfig, TlsConfig
from collector.errors import CollectorError, DiskError
from collector.frames.dictionary import Stream
from collector.http.access import Access
from collector.http.access import Login as BasicLogin
from collector.security.credentials import Secret
from collector.spool.carried import Carried
from collector.spool.export import ExportFile

_DAY_MS = 86_400_000


class Login(NamedTuple):
    """How one gets into Prometheus: files, never secrets themselves."""

    token_file: Path | None
    username: str | None
    password_file: Path | None
    ca_file: Path | None

    def access(self) -> Access:
        basic = None
        if self.username is not None and self.password_file is not None:
            basic = BasicLogin(self.username, Secret(self.password_file).read)
        return Access(
            token=Secret(self.token_file).read if self.token_file else None,
            login=basic,
            tls=TlsConfig(ca_file=self.ca_file),
        )


class Repair(NamedTuple):
    """What was sent again of a stream."""

    stream: Stream
    rounds: int
    error: str


class Verification:
    """One question, of one Prometheus."""

    def __init__(
        self,
        url: str,
        login: Login,
        config: Config | None,
        folder: Path | None,
        *,
        is_spool_named: bool,
    ) -> None:
        self._api = PrometheusApi(url, login.access())
        self._config = config
        self._at_hand: AtHand | None = None
        if is_spool_named:
            try:
                files = spool_access.open_files(config, folder)
            except CollectorError as error:
                if config is None or folder is not None:
                    spool_access.cannot_tell(error)
                files = None  # the configuration of a centre, or a spool that is lost
            self._at_hand = AtHand(files, config)

    def run(
        self,
        site: str | None,
        from_ms: int | None,
        to_ms: int | None,
        sink: str | None,
        output: str,
        *,
        repair: bool,
    ) -> int:
        """Say what is proven; return the exit code."""
        now_ms = round(time.time() * 1000)
        end_ms = min(to_ms or now_ms, now_ms)
        begin_ms = end_ms - _DAY_MS if from_ms is None else from_ms
        if begin_ms >= end_ms:
            raise click.UsageError("--from has to be before --to, and before now")
        window = Window(begin_ms, end_ms, now_ms)
        through = self._sink(sink) if repair else None
        repaired: list[Repair] = []
        try:
            with closing(self._api):
                told = self._ask(site, window)
                if through:
                    repaired = [self._repair(one, window, through) for one in told]
                    if any(one.rounds for one in repaired):
                        told = self._ask(site, window)
            verdicts = [self._judge(one, window) for one in told]
        except CollectorError as error:
            spool_access.cannot_tell(error)
        if output == "json":
            click.echo(as_json(_tree(verdicts, repaired, window)))
        else:
            for line in _page(verdicts, repaired, window):
                click.echo(line)
        if not verdicts:
            return CANNOT_TELL
        return OK if all(one.is_complete for one in verdicts) else PROBLEM

    def _ask(self, site: str | None, window: Window) -> list[Told]:
        """What is told of each stream; raises NoAnswerError when there is none."""
        found = set(centre.streams(self._api, site, window))
        if self._at_hand:
            found |= {one for one in self._at_hand.streams if site in {None, one.site}}
        if not found:
            who = f"site {site}" if site else "edgevitals"
            raise NoAnswerError(
                f"{self._api.where} has no rounds of {who} between {utc(window.from_ms)} and "
                f"{utc(window.to_ms)}",
                "ask for another time with --from, or look at `edgevitals status` at the site",
            )
        progress = Progress("asking for day")
        told = [centre.told_of(self._api, one, window, progress) for one in sorted(found)]
        progress.end()
        return told

    def _judge(self, told: Told, window: Window) -> Verdict:
        if self._at_hand:
            told.said |= self._at_hand.said(told.stream)
        verdict = judge(told, window)
        if self._at_hand and told.stream in self._at_hand.streams:
            lacking = self._at_hand.lacking(told, window)
            if lacking.between:
                verdict.problems.append(
                    f"{_count(lacking.between, 'round')} that are not here are kept at the site: "
                    "--repair sends them again"
                )
            verdict.on_the_way = lacking.behind
            late_ms = window.now_ms - (lacking.oldest_behind_ms or window.now_ms)
            if late_ms > patience_ms(told.rounds):
                oldest = utc(lacking.oldest_behind_ms)
                verdict.problems.append(
                    f"{lacking.behind} rounds since {oldest} are at the site and not here"
                )
        elif told.backlog is not None:
            verdict.on_the_way = int(told.backlog[1])
        return verdict

    def _sink(self, name: str | None) -> SinkConfig:
        """The sink that leads to this Prometheus: as named, by its address, or the only one."""
        assert self._config
        found = sinks_of(self._config, name)
        if len(found) > 1:
            host, port = self._api.place
            found = [
                sink
                for sink in found
                if (urlsplit(sink.url).hostname, urlsplit(sink.url).port) == (host, port)
            ]
        if len(found) != 1:
            raise click.UsageError(
                "which sink of the configuration leads to this Prometheus? Name it with --sink"
            )
        return found[0]

    def _repair(self, told: Told, window: Window, sink: SinkConfig) -> Repair:
        """Send again what this site holds and Prometheus has lost."""
        from collector.line import destinations_of  # noqa: PLC0415

        assert self._at_hand
        # By way of a file: it may be all that the spool has, which no memory need hold.
        with tempfile.TemporaryDirectory(prefix="edgevitals-") as folder:
            path = Path(folder, "lacking.evs")
            try:
                with ExportFile(path) as file:
                    for one in self._at_hand.lost(told, window, sink.name):
                        file.add(one)
                    file.finish()
                carried = Carried([path])
                rounds = carried.tally.rounds
                with closing(destinations_of(sink)[0]) as destination:
                    progress = Progress(f"{_name(told.stream)}: sending", rounds)
                    errand = Errand(carried.batches(set()), destination, progress)
                    errand.run(f"repair-{sink.name}")
            except OSError as full:
                raise DiskError(
                    f"{folder} can't be used: {full.strerror}",
                    "free space there, or name another place in TMPDIR",
                ) from full
        error = str(errand.gave_up) if errand.gave_up else ""
        for _, why in errand.refused[:1]:
            error = f"{len(errand.refused)} parts were refused: {why}"
        if errand.withheld:
            error = "the receiver would refuse some for their age: use export --format openmetrics"
        return Repair(told.stream, rounds, error)


def _page(verdicts: Sequence[Verdict], repaired: Sequence[Repair], window: Window) -> Iterator[str]:
    for repair in repaired:
        if repair.rounds:
            yield f"{_name(repair.stream)}: {repair.rounds:,} rounds sent again"
        if repair.error:
            yield f"{_name(repair.stream)}: NOT REPAIRED: {harmless(repair.error)}"
    for verdict in verdicts:
        yield from _words(verdict, window)


def _words(verdict: Verdict, window: Window) -> Iterator[str]:
    name = _name(verdict.stream)
    if verdict.first is None or verdict.last is None:
        yield f"{name}: INCOMPLETE: no round between {utc(window.from_ms)} and {utc(window.to_ms)}"
        return
    state = "complete" if verdict.is_complete else "INCOMPLETE"
    (from_ms, first), (to_ms, last) = verdict.first, verdict.last
    yield (
        f"{name}: {state} from {utc(from_ms)} to {utc(to_ms)}: {verdict.rounds:,} rounds, "
        f"{first} to {last}, {_count(verdict.epochs, 'epoch')}, {_count(verdict.lines, 'line')}"
    )
    for hole in verdict.holes:
        why = ", ".join(map(harmless, hole.reasons)) or "no reader knows of it"
        between = f"between {utc(hole.after_ms)} and {utc(hole.before_ms)}"
        numbers = seqs(hole.first_seq, hole.last_seq)
        yield f"  MISSING  {_count(hole.rounds, 'round')}, {numbers}, {between}: {why}"
    for reason, rounds in sorted(verdict.missed.items()):
        yield f"  MISSED   {_count(rounds, 'round')} never taken: {harmless(reason)}"
    for problem in verdict.problems:
        yield f"  PROBLEM  {harmless(problem)}"
    for reason, rounds in sorted(verdict.gaps.items()):
        here = "" if verdict.holes else ", and here by now"
        yield f"  gap      {_count(rounds, 'round')} told as missing: {harmless(reason)}{here}"
    for reason, rounds in sorted(verdict.refused.items()):
        says = f"{harmless(reason)}: see `edgevitals spool rejected` at the site"
        yield f"  refused  {_count(rounds, 'round')} in part or whole: {says}"
    if verdict.closed:
        yield f"  closed   the collector was stopped in order at {utc(to_ms)}"
    elif verdict.on_the_way:
        ago = span((window.now_ms - to_ms) / 1000)
        yield f"  on the way: {_count(verdict.on_the_way, 'round')}, the last here is {ago} old"


def _tree(
    verdicts: Sequence[Verdict], repaired: Sequence[Repair], window: Window
) -> dict[str, Any]:
    """What a script reads. Times are Unix ms."""
    return {
        "complete": bool(verdicts) and all(one.is_complete for one in verdicts),
        "from_ms": window.from_ms,
        "to_ms": window.to_ms,
        "streams": [
            {
                **one.stream._asdict(),
                "complete": one.is_complete,
                "rounds": one.rounds,
                "first_ms": one.first[0] if one.first else None,
                "first_seq": one.first[1] if one.first else None,
                "last_ms": one.last[0] if one.last else None,
                "last_seq": one.last[1] if one.last else None,
                "epochs": one.epochs,
                "lines": one.lines,
                "closed": one.closed,
                "missing": [_hole_tree(hole) for hole in one.holes],
                "missed": one.missed,
                "gaps": one.gaps,
                "refused": one.refused,
                "problems": one.problems,
                "on_the_way": one.on_the_way,
            }
            for one in verdicts
        ],
        "repaired": [
            {**one.stream._asdict(), "rounds": one.rounds, "error": one.error or None}
            for one in repaired
        ],
    }


def _hole_tree(hole: Hole) -> dict[str, Any]:
    return {**hole._asdict(), "rounds": hole.rounds}


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _name(stream: Stream) -> str:
    return harmless("/".join(stream))
