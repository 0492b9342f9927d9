"""`edgevitals jmx watch`: the same look again and again, and what changed meanwhile."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from collector.cli import jmx_values
from collector.cli.jmx_values import Change, Key, Values
from collector.cli.program import OK, PROBLEM
from collector.cli.words import table
from collector.errors import SourceError
from collector.jmx import Scrape

_CLEAR = "\x1b[H\x1b[2J\x1b[3J"
_HEAD = ("MBEAN", "ATTRIBUTE", "VALUE", "CHANGE", "PER SECOND")


class Watch:
    """Where the looks go: a screen that is redrawn, tables one after the other, or JSON lines."""

    def __init__(self, address: str, *, as_json: bool, is_screen: bool) -> None:
        self._address = address
        self._as_json = as_json
        self._is_screen = is_screen

    def run(
        self, look: Callable[[], Scrape], interval_s: float, count: int | None, *, everything: bool
    ) -> int:
        """Look until `count` is reached, for ever if None. Raises KeyboardInterrupt.

        The first look raises SourceError; later ones say why they failed, and go on.
        """
        before: Values = {}
        looked_at = started = time.monotonic()
        number = 0
        code = OK
        while True:
            number += 1
            code = PROBLEM
            try:
                scrape = look()
            except SourceError as error:
                if number == 1:
                    raise
                self._tell([f"{_now()}  {self._address}: {error}"], is_error=True)
            else:
                now = time.monotonic()
                values = jmx_values.values_of(scrape)
                found = jmx_values.changes(before, values, now - looked_at) if number > 1 else {}
                shown = found if number > 1 and not everything else values
                self._show(values, list(shown), found, list(jmx_values.gone(before, values)))
                before, looked_at, code = values, now, OK
            if number == count:
                return code
            next_at = started + number * interval_s
            time.sleep(max(0.0, next_at - time.monotonic()))

    def _show(
        self,
        values: Values,
        keys: Sequence[Key],
        changes: dict[Key, Change],
        gone: Sequence[Key],
    ) -> None:
        if self._as_json:
            click.echo(_json_line(values, keys, changes, gone))
            return
        rows = [
            (
                key.bean,
                key.shown,
                jmx_values.shown(values[key]),
                *(changes[key].shown if key in changes else ("", "")),
            )
            for key in keys
        ]
        rows += [(key.bean, key.shown, "", "gone", "") for key in gone]
        head = f"{_now()}  {self._address}  {len(values)} values, {len(changes)} changed"
        self._tell([head, *(table([_HEAD, *rows]) if rows else [])])

    def _tell(self, lines: list[str], *, is_error: bool = False) -> None:
        if self._is_screen:
            height = shutil.get_terminal_size().lines - 1
            if len(lines) > height:
                lines = [*lines[: height - 1], f"... and {len(lines) - height + 1} more"]
            click.echo(_CLEAR, nl=False, color=True)  # click knows only the real stdout
        elif not self._as_json and not is_error:
            lines = [*lines, ""]
        click.echo("\n".join(lines), err=is_error and not self._is_screen)


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


def _json_line(
    values: Values, keys: Sequence[Key], changes: dict[Key, Change], gone: Sequence[Key]
) -> str:
    entries = []
    for key in keys:
        one = jmx_values.entry(key, values[key])
        change = changes.get(key)
        if change is not None and change.amount is not None:
            one |= {"change": change.amount, "per_second": change.per_second}
        entries.append(one)
    said = {
        "at": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "values": entries,
        "gone": [{"bean": key.bean, "attribute": key.shown} for key in gone],
    }
    return json.dumps(said)
