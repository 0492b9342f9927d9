"""The verb's part: which files are which, what is asked, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from collector.cli.program import CANNOT_TELL, OK, PROBLEM
from collector.cli.uses import files, page, verdict
from collector.cli.uses.given import read_given
from collector.cli.uses.parts import Uses
from collector.cli.uses.promql import Answer
from collector.config import (
    Address,
    Config,
    HostConfig,
    JmxConfig,
    KafkaConfig,
    SourcesConfig,
    load,
)


def check_uses(paths: Sequence[Path], *, is_offline: bool, output: str) -> int:
    """Print what the dashboards and rule files among `paths` use; the other one is the config."""
    found: list[Uses] = []
    others: list[Path] = []
    for path in paths:
        uses = files.read_uses(path)
        if uses is None:
            others.append(path)
        else:
            found.append(uses)
    if len(others) > 1:
        names = " and ".join(map(str, others))
        raise click.UsageError(f"{names}: neither is a dashboard or a rule file; name one config")
    if not found:
        raise click.UsageError("name a dashboard (JSON of Grafana) or a rule file to look at")
    if others:
        loaded = load(others[0], os.environ)
        for warning in loaded.warnings:
            click.echo(warning, err=True)
        config = loaded.config
        basis = f"the rules of {others[0]}, without asking anybody"
        if not is_offline:
            basis = f"what the targets of {others[0]} give now"
    else:
        is_offline = True
        config = _everything()
        basis = "a config with jmx (names: [default]), host and kafka; name yours to be sure"
    given = read_given(config, is_offline=is_offline)
    result = verdict.judge(found, given)
    render = page.page if output == "text" else page.page_json
    click.echo(render(found, given, result, basis))
    if result.least is Answer.NO:
        return PROBLEM
    return CANNOT_TELL if result.least is Answer.UNKNOWN else OK


def _everything() -> Config:
    return Config(
        site="any",
        kafka={"bootstrap.servers": "localhost:9092"},
        sources=SourcesConfig(
            jmx=(JmxConfig(address=Address("localhost", 9999)),),
            host=HostConfig(),
            kafka=KafkaConfig(),
        ),
    )
