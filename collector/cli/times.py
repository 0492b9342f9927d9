"""Times as a person types them: `2026-11-22T12:46:10Z`, `2026-11-22`, `-2h`, `now`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click


class When(click.ParamType[int]):
    """An option's time, as Unix ms."""

    name = "when"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return when(str(value), self._clock())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def when(text: str, now: float) -> int:
    """Return Unix ms. Raises ValueError with what to write instead.

    A time without a zone is UTC, as everything that edgevitals prints.
    """
    text = text.strip()
    if text == "now":
        return round(now * 1000)
    if text.startswith("-"):
        from collector.config.scalars import duration  # noqa: PLC0415

        return round((now - duration(text[1:])) * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write 2026-11-22T12:46:10Z, 2026-11-22, -2h (two hours ago) "
            "or now"
        ) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


def range_options(verb: Any) -> Any:
    """Add --from and --to to a verb; both None for all there is."""
    for name, says in (("to", "Before this time."), ("from", "From this time on: -2h, a date.")):
        verb = click.option(f"--{name}", f"{name}_ms", type=When(), metavar="WHEN", help=says)(verb)
    return verb
