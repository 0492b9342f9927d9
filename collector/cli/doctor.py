"""`edgevitals doctor`: walks the whole line, and says for each failure what to type."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import config_option, output_option
from collector.cli.program import CANNOT_TELL, OK, PROBLEM, Verb
from collector.cli.words import as_json, harmless

if TYPE_CHECKING:
    from collector.config import Loaded
    from collector.doctor.finding import Finding

DEFAULT_FILE = Path("/etc/edgevitals/config.yaml")


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals doctor", f"the line of {DEFAULT_FILE}"),
        ("edgevitals doctor -c config.yaml", "that of another file; also before the first start"),
        ("edgevitals doctor -o json | jq -r .verdict", "for scripts: ok, problem, cannot tell"),
    ),
)
@config_option(f"The configuration to go along.  [default: {DEFAULT_FILE}]")
@output_option("A line for each part, or JSON once all is looked at.")
def doctor(file: Path | None, output: str) -> int:
    """Name what is in the way of rounds, and what to type about it.

    Walks the whole line: config, spool, clock, JMX and pages, Kafka with our rights and the topic,
    and each sink with its name, certificate and login.

    Only looks, also beside a running collector: it takes no lock, writes to no file and no topic,
    and what it posts to a sink has no sample in it. Ends within a minute.

    Exits with 1 when it finds a problem, and with 3 when all that is wrong is that it can't tell.
    """
    from collector.config import load  # noqa: PLC0415
    from collector.doctor.finding import Verdict, worst  # noqa: PLC0415
    from collector.doctor.walk import walk  # noqa: PLC0415

    is_json = output == "json"
    file = file or DEFAULT_FILE
    loaded = load(file, os.environ)
    found = list(_of_config(file, loaded))
    if not is_json:
        _show(found)
    for finding in walk(loaded.config):
        found.append(finding)
        if not is_json:
            _show([finding])
    verdict = worst(found)
    if is_json:
        told = {"verdict": verdict.value, "findings": [one.as_json() for one in found]}
        click.echo(as_json(told))
    else:
        click.echo(_end(found))
    return {Verdict.OK: OK, Verdict.PROBLEM: PROBLEM, Verdict.CANNOT_TELL: CANNOT_TELL}[verdict]


def _of_config(file: Path, loaded: Loaded) -> Iterator[Finding]:
    """What `edgevitals check` says of it, files and librdkafka's properties included."""
    from collector.cli.check import look_at  # noqa: PLC0415
    from collector.doctor.finding import Layer, ok, problem  # noqa: PLC0415
    from collector.errors import ConfigError  # noqa: PLC0415

    advice = loaded.problems.told()  # of a file that can be used
    look_at(loaded)
    if loaded.problems.has_errors:
        raise ConfigError(loaded.problems.render())
    told = loaded.problems.told()
    for one in told:
        says, _, do = one.message.rpartition(": ") if ": " in one.message else (one.message, "", "")
        place = f"{file}:{one.place.line}" if one.place.line else str(file)
        kind = ok if one in advice else problem
        yield kind(Layer.CONFIG, place, says, do)
    if not told:
        yield ok(Layer.CONFIG, str(file), f"site {loaded.config.site}")


def _show(findings: Iterable[Finding]) -> None:
    for layer, subject, verdict, says, do in findings:
        mark = {"ok": "ok  ", "problem": "FAIL"}.get(verdict, "?   ")
        click.echo(f"{mark}  {layer:8} {harmless(subject)}: {harmless(says)}")
        for line in do:
            click.echo(f"      -> {harmless(line)}")


def _end(findings: Iterable[Finding]) -> str:
    verdicts = [one.verdict.value for one in findings]
    wrong, open_ = verdicts.count("problem"), verdicts.count("cannot tell")
    if wrong:
        return f"{wrong} {'problem' if wrong == 1 else 'problems'} found"
    return f"nothing wrong found, {open_} can't be told" if open_ else "nothing wrong found"
