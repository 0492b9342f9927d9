"""`edgevitals verify`: whether everything is there, and what is not."""

from __future__ import annotations

from pathlib import Path

import click

from collector.cli import spool_access
from collector.cli.program import Verb
from collector.cli.times import range_options


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals verify --prometheus http://centre:9090 --from -7d", "every site, a week"),
        ("edgevitals verify --prometheus http://centre:9090 --site store-0412", "one of them"),
        (
            "edgevitals verify --prometheus http://centre:9090 -c c.yaml --repair",
            "send again what it lacks",
        ),
    ),
)
@click.option("--prometheus", "url", required=True, metavar="URL", help="Whom to ask.")
@click.option("--site", metavar="SITE", help="Only this site; all of them if left out.")
@range_options
@click.option(
    "--repair",
    is_flag=True,
    help="Send again what is missing, from the spool and topic of -c FILE, through its sink.",
)
@click.option("--sink", metavar="NAME", help="The sink of -c FILE that leads to this Prometheus.")
@click.option(
    "--token-file", type=click.Path(path_type=Path), metavar="FILE", help="A bearer token."
)
@click.option("--username", metavar="NAME", help="For basic authentication.")
@click.option("--password-file", type=click.Path(path_type=Path), metavar="FILE", help="With it.")
@click.option(
    "--ca-file", type=click.Path(path_type=Path), metavar="FILE", help="Who signs its certificate."
)
@spool_access.options
def verify(
    url: str,
    site: str | None,
    from_ms: int | None,
    to_ms: int | None,
    repair: bool,
    sink: str | None,
    token_file: Path | None,
    username: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    file: Path | None,
    folder: Path | None,
    output: str,
) -> int:
    """Prove that Prometheus has every round, or say which it lacks. The last 24 hours, or --from.

    Every round has its number: one that is missing between two is a round that is missing. At a
    site, -c FILE or --spool PATH tells besides what is still on its way, and what can be repaired.

    Exits with 0 only when everything is there: with 1 when a round is missing, was never taken, or
    can't be proven; with 3 when Prometheus gives no answer or has nothing of such a stream.
    """
    from collector.cli.verifying import Login, Verification  # noqa: PLC0415

    if repair and file is None:
        raise click.UsageError("--repair needs -c FILE: its sink is used, its spool and topic")
    if (username is None) != (password_file is None):
        raise click.UsageError("--username and --password-file go together")
    if token_file and username:
        raise click.UsageError("give --token-file or --username, not both")
    login = Login(token_file, username, password_file, ca_file)
    verification = Verification(
        url, login, spool_access.config_of(file), folder, is_spool_named=bool(file or folder)
    )
    return verification.run(site, from_ms, to_ms, sink if repair else None, output, repair=repair)
