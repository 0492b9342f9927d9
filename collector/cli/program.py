"""`edgevitals`: the verbs, and how each of them ends.

    0   ok
    1   a problem was found
    2   usage or configuration
    3   cannot tell: nobody answered
    70  a bug in edgevitals: a traceback, and the supervisor starts it again

A verb is a file of this package with a `Verb` of its own name. It is imported when it is asked for,
and imports what it needs when it runs: `--help` comes at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from collector import __version__
from collector.errors import CollectorError, ConfigError

OK, PROBLEM, USAGE, CANNOT_TELL, BUG = 0, 1, 2, 3, 70

VERBS = (
    "run",
    "check",
    "scrape",
    "status",
    "doctor",
    "verify",
    "discover",
    "export",
    "import",
    "jmx",
    "spool",
    "assets",
)
"""In the order that a person meets them."""

Example = tuple[str, str]
"""A command line, and what it does."""


class Verb(click.Command):
    """A command whose help ends with examples. Its callback returns the exit code."""

    def __init__(self, *args: Any, examples: Sequence[Example], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(formatter, self.examples)


class VerbGroup(click.Group):
    """A verb with verbs of its own below it."""

    def __init__(self, *args: Any, examples: Sequence[Example], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(formatter, self.examples)


class Program(click.Group):
    """The group of verbs. Every way out of the program passes through `main`."""

    examples: Sequence[Example] = (
        ("edgevitals check config.yaml", "is this right, and what would it do?"),
        ("edgevitals run -c config.yaml", "do it"),
        ("edgevitals scrape localhost:9999", "read a broker's JMX once, without a file"),
        ("edgevitals status", "how is the one that runs here?"),
    )

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        word = f"{name}_" if iskeyword(name) else name
        command: click.Command = getattr(import_module(f"collector.cli.{word}"), word)
        return command

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(formatter, self.examples)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # `edgevitals scrape ... | head`: the reader has enough. click would exit with 1, and
            # Python would complain when it flushes what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        sys.exit(_exit_code(lambda: super(Program, self).main(*args, **kwargs)))


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="edgevitals %(version)s")
def edgevitals() -> None:
    """Edge-first monitoring for Kafka: nothing lost, in order, however long the link is down."""


def complain(error: CollectorError) -> None:
    """Print what went wrong and what to do about it, without a traceback."""
    click.echo(error.message, err=True)
    if error.hint:
        click.echo(f"  {error.hint}", err=True)


def _exit_code(verb: Callable[[], Any]) -> int:
    try:
        code = verb()
    except click.ClickException as exc:
        exc.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return 130  # what a shell says of a program that was interrupted
    except ConfigError as exc:
        complain(exc)
        return USAGE
    except CollectorError as exc:
        complain(exc)
        return PROBLEM
    except Exception:  # noqa: BLE001 - the last place that can name a bug
        traceback.print_exc()
        click.echo("This is a bug in edgevitals, not in its configuration.", err=True)
        return BUG
    return code if isinstance(code, int) else OK


def _write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    formatter.write_paragraph()
    formatter.write_text("Examples:")
    width = max(len(line) for line, _ in examples)
    for line, says in examples:
        formatter.write(f"  {line:{width}}  {says}\n")
