"""Every command line of ours that a page or a runbook shows is one that the program takes.

What it does then is tried elsewhere: tests/real/test_docs.py and test_completeness_docs.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from collector.cli.program import edgevitals
from docs.__main__ import FOLDER

PROJECT = FOLDER.parent
NOT_OURS = {"readonly"}
"""What follows our name elsewhere: a user in jmxremote.access."""

PAGES = [
    PROJECT / "README.md",
    *sorted(FOLDER.glob("*.md")),
    *sorted((PROJECT / "alerts/runbooks").glob("*.md")),
    *sorted((PROJECT / "deploy").glob("*/*.md")),
]


def command_lines(page: Path) -> Iterator[str]:
    """In blocks, and between backticks: from `edgevitals` to where the shell takes over."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    fenced = text.split("```")
    lines = [line.strip() for block in fenced[1::2] for line in block.splitlines()]
    quoted = [one for part in fenced[::2] for one in re.findall(r"`([^`]+)`", part)]
    for line in (*lines, *(" ".join(one.split()) for one in quoted)):
        for found in re.finditer(r"(?:^|(?:&&|until|;|\$\() ?)edgevitals ([a-z-][^|;&>]*)", line):
            yield re.split(r" #| 2$|\s{2,}[a-z]|\)", found[1])[0].strip()


LINES = [
    (str(page.relative_to(PROJECT)), line)
    for page in PAGES
    for line in command_lines(page)
    if line not in NOT_OURS
]


@pytest.mark.parametrize("page", sorted({page for page, _ in LINES}))
def test_each_command_line_of_a_page_is_one_that_the_program_takes(page):
    for where, line in LINES:
        if where == page:
            words = shlex.split(line)
            assert words, line
            command: click.Command = edgevitals
            # With its settings: click keeps the help option that it makes for the first context.
            with click.Context(edgevitals, **edgevitals.context_settings) as context:
                while isinstance(command, click.Group) and words and not words[0].startswith("-"):
                    below = command.get_command(context, words[0])
                    assert below is not None, f"edgevitals {line}"
                    command, words = below, words[1:]
                try:
                    command.make_context(command.name, words, parent=context)
                except (
                    click.MissingParameter,  # prose names a verb without all that it needs
                    click.exceptions.NoArgsIsHelpError,
                    click.exceptions.Exit,  # --help, --version
                ):
                    pass
                except click.UsageError as wrong:
                    raise AssertionError(f"{page}: edgevitals {line}: {wrong.message}") from None


def test_they_are_found():
    assert len(LINES) > 100
