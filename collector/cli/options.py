"""Options that several verbs have, each said once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Option = Callable[[Any], Any]


def config_option(help_: str, *, required: bool = False) -> Option:
    """`-c FILE`, the parameter `file`: a configuration, and what this verb does with it."""
    return click.option(
        "-c",
        "--config",
        "file",
        required=required,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=help_,
    )


def output_option(help_: str = "A page for people, or JSON.") -> Option:
    """`-o text|json`, the parameter `output`."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", help=help_
    )
