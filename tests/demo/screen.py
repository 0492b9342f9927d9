"""What the demo prints: plain lines of ASCII, with colours on a terminal only."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from typing import NamedTuple, TextIO

from tests.demo.proof import Verdict

BOLD, RED, GREEN, YELLOW = "1", "31", "32", "33"
LETTERS = "abcdefgh"  # that verdicts are called by
LONGEST_BAR = 30
MOST_PROBLEMS = 5  # that are shown of each check


class Moment(NamedTuple):
    """One line of the live part; None: nobody can say it now."""

    seconds: float
    is_link_up: bool
    collector: str
    taken: int | None
    arrived: int | None
    backlog: int | None


class Screen:
    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._has_colours = self._out.isatty() and "NO_COLOR" not in os.environ

    def say(self, line: str = "", colour: str | None = None) -> None:
        if colour and self._has_colours:
            line = f"\033[{colour}m{line}\033[0m"
        print(line, file=self._out, flush=True)

    def head(self) -> None:
        self.say()
        self.say(
            f"{'time':>6}  {'link':<4}  {'collector':<9}  {'round':>5}  at centre  backlog", BOLD
        )

    def moment(self, now: Moment) -> None:
        self.say(line(now), None if now.is_link_up else YELLOW)

    def event(self, seconds: float, text: str) -> None:
        self.say(f"{minutes(seconds):>6}  --- {text}", BOLD)

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        self.say()
        for letter, verdict in zip(LETTERS, verdicts, strict=False):
            colour = GREEN if verdict.holds else RED
            self.say(
                f"({letter}) {verdict.claim + ' ':.<72} {'ok' if verdict.holds else 'FAILED'}",
                colour,
            )
            for found in verdict.found:
                self.say(f"    {found}")
            for problem in verdict.problems[:MOST_PROBLEMS]:
                for part in textwrap.wrap(f"!   {problem}", 96, subsequent_indent="    "):
                    self.say(part, RED)
            more = len(verdict.problems) - MOST_PROBLEMS
            if more > 0:
                self.say(f"!   and {more} more", RED)


def line(now: Moment) -> str:
    """One line of the live part."""

    def number(value: int | None) -> str:
        return "-" if value is None else str(value)

    link = "up" if now.is_link_up else "CUT"
    bar = "#" * min(now.backlog or 0, LONGEST_BAR)
    text = (
        f"{minutes(now.seconds):>6}  {link:<4}  {now.collector:<9}  {number(now.taken):>5}  "
        f"{number(now.arrived):>9}  {number(now.backlog):>7}  {bar}"
    )
    return text.rstrip()


def minutes(seconds: float) -> str:
    """m:ss since the demo's start."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
