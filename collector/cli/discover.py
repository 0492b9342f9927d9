"""`edgevitals discover`: what is there to read, and a configuration for it."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector.cli.options import output_option
from collector.cli.program import CANNOT_TELL, OK, PROBLEM, Verb
from collector.cli.words import as_json
from collector.errors import ConfigError

if TYPE_CHECKING:
    from collector.discovery.survey import Survey


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals discover", "this machine: its sockets and Java processes"),
        ("edgevitals discover broker-1 broker-2", "their well-known ports"),
        ("edgevitals discover localhost:9092 localhost:9999", "these ports alone"),
        ("edgevitals discover -w /etc/edgevitals/config.yaml", "keep what it prints"),
    ),
)
@click.argument("hosts", nargs=-1, metavar="[HOST[:PORT]]...")
@click.option(
    "-w",
    "--write",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the configuration there, too; nothing is written without it.",
)
@click.option("--force", is_flag=True, help="With --write: also over a file that is there.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 30),
    default=1.5,
    show_default=True,
    metavar="SECONDS",
    help="For one connection.",
)
@output_option("A configuration with comments, or JSON.")
def discover(
    hosts: tuple[str, ...], file: Path | None, force: bool, timeout: float, output: str
) -> int:
    """Find what there is to read, and print a configuration for it.

    Looks for brokers, JMX ports, exporters, Connect and MirrorMaker, on this machine or at the
    HOSTs given. A port is known by what it answers. Changes nothing, and writes no file unless told
    to. Exits with 1 when nothing was found to read, with 3 when nobody answered at all.
    """
    if force and file is None:
        raise click.UsageError("--force is for --write FILE")
    addresses = [_address(text) for text in hosts]
    if file is not None and not force and file.exists():
        raise _is_there(file)

    from collector.discovery import suggestion  # noqa: PLC0415
    from collector.discovery.survey import survey_addresses, survey_machine  # noqa: PLC0415

    survey = survey_addresses(hosts, addresses, timeout) if hosts else survey_machine(timeout)
    text = suggestion.config(survey)
    if output == "json":
        click.echo(as_json(_as_data(survey, text)))
    else:
        click.echo(text, nl=False)
    if not survey.is_useful:
        return _nothing(survey)
    if file is not None:
        _write(file, text, force=force)
        click.echo(f"written: {file}. Now: edgevitals check {file}", err=True)
    return OK


def _address(text: str) -> tuple[str, int | None]:
    """Read HOST or HOST:PORT; an IPv6 address may do without brackets where no port follows."""
    from collector.config.scalars import address, host_name  # noqa: PLC0415

    try:
        if re.fullmatch(r"\[[^\[\]]*\]", text):
            return host_name(text[1:-1]), None
        if re.search(r"^[^:]*:\d+$|\]:\d+$|//", text):
            return address(text)
        return host_name(text), None
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None


def _nothing(survey: Survey) -> int:
    if survey.given and survey.is_silent:
        click.echo(
            "nobody answered\n  Check the names and the way there (firewall, route), or give "
            "--timeout more",
            err=True,
        )
        return CANNOT_TELL
    click.echo(
        "nothing was found to read\n  Name where it listens: edgevitals discover HOST:PORT",
        err=True,
    )
    return PROBLEM


def _as_data(survey: Survey, text: str) -> dict[str, Any]:
    from collector.discovery import telling  # noqa: PLC0415

    return {
        "host": survey.host,
        "asked": list(survey.given),
        "found": telling.entries(survey),
        "missing": telling.missing(survey),
        "unseen": list(survey.unseen),
        "config": text if survey.is_useful else None,
    }


def _write(file: Path, text: str, *, force: bool) -> None:
    """Write it whole or not at all; over another file only when told to."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        made = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text)
            made.chmod(0o644)
            if force:
                made.replace(file)
            else:
                file.hardlink_to(made)  # fails where there is one, which renaming would not
        finally:
            with suppress(FileNotFoundError):
                made.unlink()
    except FileExistsError:
        raise _is_there(file) from None
    except OSError as exc:
        raise ConfigError(f"{file}: {exc.strerror}", "give --write another place") from exc


def _is_there(file: Path) -> ConfigError:
    return ConfigError(f"{file} is there already", "give another FILE, or --force to replace it")
