"""Which spool a verb looks at: its options, and the files behind them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from collector.cli.options import Option, config_option, output_option
from collector.cli.program import CANNOT_TELL, complain
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collector.config import Config
    from collector.spool.reading import SpoolFiles

OPTIONS: tuple[Option, ...] = (
    config_option("The configuration that names the spool."),
    click.option(
        "--spool",
        "folder",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The spool itself.  [default: /var/lib/edgevitals]",
    ),
    output_option(),
)


def options(verb: Any) -> Any:
    """Add -c, --spool and -o to a verb."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


def config_of(file: Path | None) -> Config | None:
    """The configuration that was named. Raises ConfigError."""
    if file is None:
        return None
    from collector.config import load  # noqa: PLC0415

    return load(file, os.environ).config


def folder_of(config: Config | None, folder: Path | None) -> Path:
    """Where the spool is: as told, else where the configuration or its default says."""
    from collector.config.tree import SpoolConfig  # noqa: PLC0415

    return folder or (config.spool if config else SpoolConfig()).path


def open_files(config: Config | None, folder: Path | None) -> SpoolFiles:
    """The files of the spool. Raises SpoolError when there are none to be read."""
    from collector.spool.reading import SpoolFiles  # noqa: PLC0415

    return SpoolFiles(folder_of(config, folder))


def files_of(config: Config | None, folder: Path | None) -> SpoolFiles:
    """The files of the spool. Exits with 3 when there are none to be read."""
    try:
        return open_files(config, folder)
    except CollectorError as error:
        cannot_tell(error)


def cannot_tell(error: CollectorError) -> NoReturn:
    """Say why there is no answer, and exit with 3."""
    complain(error)
    raise click.exceptions.Exit(CANNOT_TELL)
