"""`edgevitals import`: deliver the rounds of carried files."""

from __future__ import annotations

from pathlib import Path

import click

from collector.cli import spool_access
from collector.cli.options import config_option, output_option
from collector.cli.program import Verb


@click.command(
    "import",
    cls=Verb,
    examples=(
        ("edgevitals import -c centre.yaml store-1.evs", "what somebody brought from a site"),
        ("edgevitals import -c centre.yaml --sink mimir /mnt/usb/*.evs", "to one sink of several"),
        ("edgevitals import -c centre.yaml store-1.evs -o json", "for scripts; a repeat is free"),
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@config_option("The configuration whose sinks get the rounds.", required=True)
@click.option("--sink", metavar="NAME", help="Only this sink; all of them if left out.")
@output_option()
def import_(files: tuple[Path, ...], file: Path, sink: str | None, output: str) -> int:
    """Deliver the rounds of exported files to the sinks of a config.

    In the order of each stream, whatever the order of the files; each round once. Safe to repeat:
    what a sink has of a file is remembered, and only the rest is sent. A collector that runs with
    the same configuration is not disturbed.

    Exits with 1 when a file is damaged or a sink refused rounds: everything else was delivered.
    With 3 when a sink can't be reached; run it again then.
    """
    from collector.cli.importing import Import  # noqa: PLC0415

    config = spool_access.config_of(file)
    assert config
    return Import(config, files, sink).run(output)
