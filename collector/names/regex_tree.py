"""What a Java regular expression is made of, once read: a tree that Python text is written from.

The tree is also what `value_reach` looks at to tell whether a pattern can see an attribute's value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Char:
    """One literal character."""

    text: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class AnyChar:
    """A dot. Newlines match only where `(?s)` was on."""

    newlines: bool = False


@dataclass(frozen=True, slots=True)
class CharSet:
    r"""A class such as `[a-z]` or `\w`, as Python text that matches exactly one character."""

    python: str
    matches_space: bool
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Anchor:
    r"""A place, not a character: `^`, `$`, `\b`."""

    python: str
    is_end: bool = False


@dataclass(frozen=True, slots=True)
class BackReference:
    """What an earlier group matched."""

    python: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives in round brackets. `opener` is Python's: `(`, `(?:`, `(?>` or `(?P<name>`."""

    opener: str
    branches: tuple[Sequence_, ...]
    number: int = 0
    """Which group it captures, 0 for none."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look ahead or behind: `(?=`, `(?!`, `(?<=` or `(?<!`."""

    opener: str
    branches: tuple[Sequence_, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`node` at least `low` and at most `high` times (None: no end). `mode`: ``, `?` or `+`."""

    node: Node
    low: int
    high: int | None
    mode: str = ""


Node: TypeAlias = Char | AnyChar | CharSet | Anchor | BackReference | Group | Look | Repeat
Sequence_: TypeAlias = tuple[Node, ...]


def write_python(branches: tuple[Sequence_, ...]) -> str:
    """Return the alternatives as the text of a Python pattern (to be used with re.ASCII)."""
    return "|".join("".join(_write(node) for node in branch) for branch in branches)


_SPECIAL = frozenset(r"\.^$*+?{}[]|()#&~- " + "\t\n\r\v\f")


def escape(char: str) -> str:
    """Return a character as a pattern, or a part of a class, that matches only it."""
    return "\\" + char if char in _SPECIAL else char


def _write(node: Node) -> str:
    match node:
        case Char(text, ignore_case):
            return f"(?i:{escape(text)})" if ignore_case and text.isalpha() else escape(text)
        case AnyChar(newlines):
            return r"[\s\S]" if newlines else "."
        case CharSet(python, _, ignore_case) | BackReference(python, ignore_case):
            return f"(?i:{python})" if ignore_case else python
        case Anchor(python):
            return python
        case Group(opener, branches) | Look(opener, branches):
            return f"{opener}{write_python(branches)})"
        case Repeat(inner, low, high, mode):
            body = _write(inner)
            if isinstance(inner, Repeat | Anchor | Look | BackReference):
                body = f"(?:{body})"
            return body + _count(low, high) + mode


def _count(low: int, high: int | None) -> str:
    match low, high:
        case 0, None:
            return "*"
        case 1, None:
            return "+"
        case 0, 1:
            return "?"
        case _, None:
            return f"{{{low},}}"
        case _ if low == high:
            return f"{{{low}}}"
        case _:
            return f"{{{low},{high}}}"
