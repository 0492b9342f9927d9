"""`edgevitals status`: ask the collector that runs here how it is."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from collector.cli.options import config_option, output_option
from collector.cli.program import CANNOT_TELL, OK, PROBLEM, Verb
from collector.cli.words import harmless, size, span, table
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collector.status.model import PumpStatus, Status, StreamStatus, TargetStatus

DEADLINE = 3.0
"""Seconds for everything: a person waits."""
MAX_BYTES = 4 << 20
DEFAULT_URL = "http://127.0.0.1:9464"


class NoAnswerError(CollectorError):
    """Nobody is there, or somebody else is."""


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals status", "the collector on this machine"),
        ("edgevitals status -c config.yaml", "where that file has it listen"),
        ("edgevitals status -o json | jq .problems", "for scripts"),
    ),
)
@click.option("--url", help=f"Where it listens.  [default: {DEFAULT_URL}]")
@config_option("Ask where this configuration has it listen.")
@output_option("A page for people, or /status.json as it is.")
def status(url: str | None, file: Path | None, output: str) -> int:
    """Print how the running collector is: its targets, spool and sinks.

    Exits with 1 when it names problems, and with 3 when none answers.
    """
    if url and file:
        raise click.UsageError("give --url or -c FILE, not both")
    base = url or (_url_of(file) if file else DEFAULT_URL)
    try:
        body = _get(base)
        told = _decoded(body, base)
    except NoAnswerError as exc:
        click.echo(f"{exc.message}\n  {exc.hint}", err=True)
        return CANNOT_TELL
    if output == "json":
        click.echo(body, nl=False)
    else:
        click.echo("\n".join(page(told)))
    return PROBLEM if told.problems else OK


def _url_of(file: Path) -> str:
    """The URL of a configuration's status page, on this machine."""
    from collector.config import load  # noqa: PLC0415

    listen = load(file, os.environ).config.status.listen
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be asked, not bound
    return f"http://{listen._replace(host=everywhere.get(listen.host, listen.host))}"


def _get(base: str) -> bytes:
    """Return /status.json. Raises NoAnswerError, after the deadline at the latest."""
    parts = urlsplit(base if "://" in base else f"http://{base}")
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise click.UsageError(f"--url {harmless(base)} is not a URL: write {DEFAULT_URL}")
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=DEADLINE)
    path = parts.path.removesuffix("/").removesuffix("/status.json") + "/status.json"
    answers: list[tuple[int, bytes] | Exception] = []

    def ask() -> None:
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            with connection.getresponse() as answer:
                answers.append((answer.status, answer.read(MAX_BYTES + 1)))
        except (OSError, http.client.HTTPException) as exc:
            answers.append(exc)
        finally:
            connection.close()

    # A thread, since a socket's time-out starts again with each byte of a slow peer.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(DEADLINE)
    said = answers[0] if answers else TimeoutError()
    if isinstance(said, TimeoutError):
        raise NoAnswerError(
            f"{base} did not answer within {DEADLINE:g} s",
            "if a collector runs there, it hangs: look at its log",
        )
    if isinstance(said, ConnectionRefusedError):
        raise NoAnswerError(
            f"no collector answers at {base}",
            "start one with: edgevitals run -c FILE. If it listens elsewhere: --url or -c FILE",
        )
    if isinstance(said, Exception):
        raise NoAnswerError(
            f"no collector answers at {base}: {harmless(str(said))}",
            "start one with: edgevitals run -c FILE. If it listens elsewhere: --url or -c FILE",
        )
    code, body = said
    if code != http.HTTPStatus.OK or len(body) > MAX_BYTES:
        raise _not_ours(base, f"HTTP {code}")
    return body


def _decoded(body: bytes, base: str) -> Status:
    import msgspec  # noqa: PLC0415

    from collector.status.model import Status  # noqa: PLC0415

    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError as exc:
        raise _not_ours(base, str(exc)) from None


def _not_ours(base: str, why: str) -> NoAnswerError:
    return NoAnswerError(
        f"what answers at {base} is no collector, or one of another version: {why}",
        "name the right one with --url or -c FILE",
    )


def page(told: Status) -> list[str]:
    """The status as lines for a person: first what is wrong, then everything else."""
    who = f"{harmless(told.site)} / {harmless(told.node)}   edgevitals {harmless(told.version)}"
    since = f"up {span(told.now - told.started_at)}, every {span(told.interval_seconds)}"
    lines = [f"{who}, {since}   {_time(told.now)}"]
    lines += [f"PROBLEM  {harmless(problem)}" for problem in told.problems] or ["OK"]
    if told.targets:
        lines += ["", *table([_TARGET_HEAD, *map(_target, told.targets)])]
    if told.spool:
        spool = told.spool
        used = f" ({100 * spool.bytes / spool.max_bytes:.0f} %)" if spool.max_bytes else ""
        kept = f"{spool.rounds} rounds{_since(told, spool.oldest_at)}, {harmless(spool.path)}"
        lines += ["", f"SPOOL    {size(spool.bytes)} of {size(spool.max_bytes)}{used}, {kept}"]
        if spool.error or not spool.writable:
            lines.append(f"         NOT WRITABLE: {harmless(spool.error or 'the log says why')}")
    if told.streams:
        lines += ["", *table([_STREAM_HEAD, *(_stream(told, one) for one in told.streams)])]
    if told.pumps:
        lines += ["", *table([_PUMP_HEAD, *(_pump(told, one) for one in told.pumps)])]
    lines += _counts(told)
    return lines


_TARGET_HEAD = ("TARGET", "INSTANCE", "STATE", "READ", "TOOK", "SAMPLES", "NOTE")
_STREAM_HEAD = ("STREAM", "EPOCH", "SEQ", "LAST ROUND")
_PUMP_HEAD = ("PUMP", "FROM", "TO", "STATE", "BACKLOG", "DELIVERED", "REJECTED", "NOTE")


def _target(one: TargetStatus) -> tuple[str, ...]:
    read = one.age_seconds is not None
    return (
        one.job,
        one.instance,
        ("up" if one.up else "DOWN") if read else "-",
        f"{span(one.age_seconds)} ago" if one.age_seconds is not None else "not yet",
        span(one.duration_seconds) if one.duration_seconds is not None else "-",
        str(one.samples),
        one.error or "",
    )


def _stream(told: Status, one: StreamStatus) -> tuple[str, ...]:
    last = f"{span(told.now - one.last_at)} ago" if one.last_at is not None else "none yet"
    return one.tier, one.epoch, str(one.last_seq), last


def _backlog(told: Status, one: PumpStatus) -> str:
    if one.backlog_rounds is None:
        return "?"
    if not one.backlog_rounds:
        return "0"
    eta = f", gone in {span(one.eta_seconds)}" if one.eta_seconds is not None else ""
    return f"{one.backlog_rounds}{_since(told, one.oldest_at)}{eta}"


def _pump(told: Status, one: PumpStatus) -> tuple[str, ...]:
    note = one.last_error or "" if one.state in {"waiting", "holding"} else ""
    if note and one.next_try_seconds is not None:
        note += f", next try in {span(one.next_try_seconds)}"
    return (
        one.name,
        one.from_,
        one.to,
        "HOLDING" if one.state == "holding" else one.state,
        _backlog(told, one),
        str(one.delivered_rounds),
        str(one.rejected_rounds),
        note,
    )


def _counts(told: Status) -> Iterator[str]:
    for name, reasons in (("MISSED", told.missed), ("GAPS", told.gaps)):
        if counted := {reason: count for reason, count in reasons.items() if count}:
            yield ""
            yield f"{name:8} " + ", ".join(
                f"{count} rounds: {harmless(reason)}" for reason, count in sorted(counted.items())
            )


def _since(told: Status, at: float | None) -> str:
    return f" back to {span(told.now - at)} ago" if at is not None else ""


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
