"""`edgevitals export`: rounds into a file that can be carried."""

from __future__ import annotations

from pathlib import Path

import click

from collector.cli import spool_access
from collector.cli.program import Verb
from collector.cli.times import range_options


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals export -c config.yaml --from -2d /mnt/store-1.evs", "the last two days"),
        ("edgevitals export -c config.yaml --missing centre store-1.evs", "what a sink lacks"),
        (
            "edgevitals export --spool /mnt/disk/edgevitals old.evs",
            "all of another machine's disk",
        ),
        (
            "edgevitals export -c c.yaml --to -31d --format openmetrics old.txt",
            "for promtool",
        ),
    ),
)
@click.argument("into", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@range_options
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    type=click.Choice(["vital", "standard", "detail"]),
    help="Only this tier.",
)
@click.option(
    "--missing",
    metavar="SINK",
    help="Only rounds that this sink knows to be missing: its open gaps.",
)
@click.option(
    "--from-topic",
    is_flag=True,
    help="Read the telemetry topic too, for what the spool no longer has.",
)
@click.option(
    "--file",
    "carried",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this export, and no spool.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["segment", "openmetrics"]),
    default="segment",
    show_default=True,
    help="For `edgevitals import`, or for promtool tsdb create-blocks-from openmetrics.",
)
@spool_access.options
def export(
    into: Path,
    from_ms: int | None,
    to_ms: int | None,
    tiers: tuple[str, ...],
    missing: str | None,
    from_topic: bool,
    carried: tuple[Path, ...],
    form: str,
    file: Path | None,
    folder: Path | None,
    output: str,
) -> int:
    """Write rounds of the spool to FILE, to be carried where no link is.

    FILE is whole or not there; the same rounds make the same file. Works while the collector runs
    and after its end. Times are UTC unless they say otherwise.

    Exits with 1 when nothing is found, when a round between others is missing, or when --missing
    can't be filled; it says which.
    """
    from collector.cli.exporting import Export, Wish  # noqa: PLC0415

    config = spool_access.config_of(file)
    if from_topic and (config is None or config.topic is None):
        raise click.UsageError("--from-topic needs -c FILE with a topic")
    if carried and (from_topic or missing or folder):
        raise click.UsageError(
            "--file reads exports alone: not with --from-topic, --missing, --spool"
        )
    wish = Wish(from_ms, to_ms, tiers, missing, from_topic=from_topic, carried=carried)
    return Export(wish, config, folder).write(into, form, output)
