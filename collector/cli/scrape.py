"""`edgevitals scrape`: one round to stdout, kept nowhere."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import config_option, output_option
from collector.cli.program import OK, PROBLEM, Verb
from collector.cli.words import harmless

if TYPE_CHECKING:
    from collector.config import Config


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals scrape localhost:9999", "a broker's JMX, without a file"),
        ("edgevitals scrape -c config.yaml | grep ^kafka_consumergroup_lag", "what a round holds"),
        ("edgevitals scrape localhost:9999 -o json | jq length", "for scripts"),
    ),
)
@click.argument("address", required=False, metavar="[HOST:PORT]")
@config_option("Read the sources of this configuration.")
@output_option("Prometheus's text format, or JSON.")
def scrape(address: str | None, file: Path | None, output: str) -> int:
    """Read everything once and print it.

    Reads the JMX port HOST:PORT, or the sources of FILE. Exits with 1 when a target did not
    answer; the others are printed.
    """
    if (address is None) == (file is None):
        raise click.UsageError("give HOST:PORT or -c FILE")
    config = _of_address(address) if address else _of_file(file)

    from collector import app  # noqa: PLC0415
    from collector.status.exposition import render, render_json  # noqa: PLC0415

    logging.getLogger("collector.target").setLevel(logging.ERROR)  # who is down is said below
    once = app.read_once(config)
    page = render(once.samples) if output == "text" else render_json(once.samples)
    click.echo(page, nl=False)
    down = [target for target in once.targets if not target.up]
    for target in down:
        why = harmless(target.error or "did not answer")
        click.echo(f"{target.job} {target.instance}: {why}", err=True)
    return PROBLEM if down else OK


def _of_address(text: str) -> Config:
    from collector.config import Config, JmxConfig, SourcesConfig  # noqa: PLC0415
    from collector.config.scalars import address  # noqa: PLC0415

    try:
        target = JmxConfig(address=address(text))
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None
    return Config(site="scrape", sources=SourcesConfig(jmx=(target,)))


def _of_file(file: Path | None) -> Config:
    from collector.config import load  # noqa: PLC0415

    assert file is not None
    loaded = load(file, os.environ)
    for warning in loaded.warnings:
        click.echo(warning, err=True)
    return loaded.config
