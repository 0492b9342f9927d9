"""`edgevitals spool`: look into a spool, while a process uses it or after its end."""

from __future__ import annotations

from pathlib import Path

import click

from collector.cli import spool_access
from collector.cli.program import CANNOT_TELL, OK, PROBLEM, Verb, VerbGroup
from collector.cli.words import as_json
from collector.errors import CollectorError


@click.group(
    cls=VerbGroup,
    examples=(
        ("edgevitals spool ls -c config.yaml", "which rounds are there, who has still to read?"),
        ("edgevitals spool verify -c config.yaml", "is every record whole?"),
        ("edgevitals spool rejected -c config.yaml", "what did a receiver refuse?"),
        ("edgevitals spool ls --spool /mnt/disk/edgevitals", "of a disk from another machine"),
    ),
)
def spool() -> None:
    """Look into the spool: the folder that keeps every round.

    Works from its files alone and takes no lock of the collector's: one that runs is not disturbed,
    and one that is dead is not needed. Nothing is changed, but what `rejected --replay` delivers.
    """


@spool.command(
    cls=Verb,
    examples=(
        ("edgevitals spool ls", "the spool at its default place"),
        ("edgevitals spool ls -c config.yaml --segments", "with every segment"),
        ("edgevitals spool ls -c config.yaml -o json | jq '.tiers[].readers'", "for scripts"),
    ),
)
@click.option("--segments", is_flag=True, help="Each segment too.")
@spool_access.options
def ls(segments: bool, file: Path | None, folder: Path | None, output: str) -> int:
    """Print which rounds the spool holds, and how far each reader has come.

    SEQS are the numbers of rounds in their stream; a line is broken where one is missing. BACKLOG
    are rounds that a reader has still to deliver, a GAP is what it knows to be missing.
    """
    from collector.cli import spool_ls  # noqa: PLC0415

    files = spool_access.files_of(spool_access.config_of(file), folder)
    try:
        found = list(spool_ls.tiers(files))
    except CollectorError as error:
        spool_access.cannot_tell(error)
    if output == "json":
        click.echo(as_json(spool_ls.as_tree(files, found)))
    else:
        click.echo("\n".join(spool_ls.page(files, found, with_segments=segments)))
    return OK


@spool.command(
    cls=Verb,
    examples=(
        ("edgevitals spool verify", "the spool at its default place"),
        ("edgevitals spool verify -c config.yaml && echo sound", "for scripts"),
        ("edgevitals spool verify -c config.yaml -o json | jq .missing", "which rounds, exactly"),
    ),
)
@spool_access.options
def verify(file: Path | None, folder: Path | None, output: str) -> int:
    """Read every record: its checksum, its content, its dictionary, its number.

    Exits with 1 when anything is damaged or a round is missing between others, and says which; with
    3 when that can't be told, because a newer version wrote here.
    """
    from collector.cli import spool_verify  # noqa: PLC0415
    from collector.spool.inspection import inspect  # noqa: PLC0415
    from collector.spool.reading import Trouble  # noqa: PLC0415

    files = spool_access.files_of(spool_access.config_of(file), folder)
    try:
        found = inspect(files)
    except CollectorError as error:
        spool_access.cannot_tell(error)
    if output == "json":
        click.echo(as_json(spool_verify.as_tree(files, found)))
    else:
        click.echo("\n".join(spool_verify.page(files, found)))
    if found.is_sound:
        return OK
    newer = all(one.trouble is Trouble.NEWER for one in found.findings)
    return CANNOT_TELL if newer and not found.holes else PROBLEM


@spool.command(
    cls=Verb,
    examples=(
        ("edgevitals spool rejected -c config.yaml", "what, when and why"),
        ("edgevitals spool rejected -c config.yaml --replay", "the receiver takes it by now"),
        ("edgevitals spool rejected -c config.yaml -o json | jq '.rejected[].reason'", "count"),
    ),
)
@click.option("--replay", is_flag=True, help="Send it again, through the sinks of -c FILE.")
@click.option("--sink", metavar="NAME", help="With --replay: only what this sink refused.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON",
    help="With --replay: only what has this reason. Needed for order and conflict.",
)
@spool_access.options
def rejected(
    replay: bool,
    sink: str | None,
    reasons: tuple[str, ...],
    file: Path | None,
    folder: Path | None,
    output: str,
) -> int:
    """Print what was set aside: refused by a receiver for good, and kept.

    With --replay it is sent again. What is taken leaves the store, what is refused again stays.
    Safe to repeat, and while a collector runs: the store has files of its own, and what that sets
    aside meanwhile stays in it. Two replays at once are refused.

    Exits with 1 when --replay leaves something, with 3 when a receiver can't be reached.
    """
    from collector.cli import spool_rejected  # noqa: PLC0415
    from collector.spool import aside  # noqa: PLC0415

    if replay and file is None:
        raise click.UsageError("--replay needs -c FILE: its sinks are used")
    if not replay and (sink or reasons):
        raise click.UsageError("--sink and --reason go with --replay")
    config = spool_access.config_of(file)
    store = spool_access.files_of(config, folder).path / "rejected"
    if config and replay:
        return spool_rejected.Replay(config, store, sink, reasons).run(output)
    try:
        found = aside.read(store)
    except CollectorError as error:
        spool_access.cannot_tell(error)
    if output == "json":
        click.echo(as_json(spool_rejected.as_tree(found)))
    else:
        click.echo("\n".join(spool_rejected.page(found)))
    return OK
