"""Progress on a terminal: one line that is written over, and nothing where nobody looks."""

from __future__ import annotations

import sys
import time

import click

_EVERY_S = 0.2


class Progress:
    """`total` is what `done` counts towards, 0 when nobody knows. To stderr."""

    def __init__(self, doing: str, total: int = 0, *, shown: bool | None = None) -> None:
        self._doing = doing
        self._total = total
        self._is_shown = sys.stderr.isatty() if shown is None else shown
        self._next = 0.0
        self._width = 0

    def at(self, done: int, what: str) -> None:
        """Show how far it is: `delivering 120 of 4,000 rounds (3 %)`."""
        if not self._is_shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        text = f"{self._doing} {done:,}"
        if self._total:
            text += f" of {self._total:,} {what} ({100 * done // self._total} %)"
        else:
            text += f" {what}"
        self._write(text)

    def say(self, text: str) -> None:
        """Show a sentence in its place, such as why it doesn't go on."""
        if self._is_shown:
            self._write(text)

    def end(self) -> None:
        """Take the line away: what follows is the result."""
        if self._is_shown and self._width:
            self._write("")
            click.echo("\r", nl=False, err=True)

    def _write(self, text: str) -> None:
        click.echo("\r" + text.ljust(self._width), nl=False, err=True)
        self._width = len(text)
