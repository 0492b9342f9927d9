"""`edgevitals run`: the collector itself, in the foreground."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from collector.cli.log import LEVELS, to_stderr
from collector.cli.options import config_option
from collector.cli.program import OK, Verb

if TYPE_CHECKING:
    from collector.config import Loaded


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals run -c /etc/edgevitals/config.yaml", "until SIGTERM or Ctrl-C"),
        ("EDGEVITALS_NODE=pos-3 edgevitals run -c config.yaml", "one file for many nodes"),
        ("edgevitals run -c config.yaml --log-level debug", "with every step"),
    ),
)
@config_option("What to run.", required=True)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="The least that is worth a line on stderr.",
)
def run(file: Path, log_level: str) -> int:
    """Read, keep and deliver until told to stop.

    SIGTERM and Ctrl-C end it in order; a second Ctrl-C ends it at once. Nothing that is on disk is
    lost either way. SIGHUP reads the file again: sources, links and labels change between two
    rounds; what is wrong, or needs a restart, is refused with a line in the log.
    """
    from collector import app  # noqa: PLC0415
    from collector.config import Config, load  # noqa: PLC0415
    from collector.reload import Reload  # noqa: PLC0415

    asked_to_reload = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: asked_to_reload.set())
    loaded = load(file, os.environ)
    to_stderr(log_level)
    _warn(loaded)

    def read() -> Config:
        again = load(file, os.environ)
        _warn(again)
        return again.config

    app.run(Reload(loaded.config, read, asked_to_reload), _stop_on_signals())
    return OK


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        logging.getLogger("edgevitals").warning("%s", warning)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def told_to_stop(number: int, _frame: FrameType | None) -> None:
        stop.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, told_to_stop)
    signal.signal(signal.SIGINT, told_to_stop)
    return stop
