"""What a dashboard or a rule file is made of, as far as queries go."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["panel", "variable", "annotation", "alert", "record"]


class Text(NamedTuple):
    """A query as it is written. `values` are those of variables that have a fixed one.

    `is_shown`: panels and rules are counted by those of their queries that are shown.
    """

    text: str
    values: dict[str, str]
    is_shown: bool = True


class Part(NamedTuple):
    """A panel, a variable, an annotation or a rule. `record` is the name that a rule gives."""

    file: str
    kind: Kind
    title: str
    texts: tuple[Text, ...]
    record: str = ""


class Uses(NamedTuple):
    """What one file asks for, and what of it can't be seen: library panels kept elsewhere."""

    file: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
