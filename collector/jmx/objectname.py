"""Names of MBeans: `domain:key=value,key="quoted value"`.

The rules are those of `javax.management.ObjectName`. The order of the keys has no meaning, and a
server may give the same name in another order.
"""

from __future__ import annotations

import re
from sys import intern
from typing import Final, Self

_PLAIN: Final = re.compile(r'([^=:,*?"\n]+)=([^",=:\n]*)')
_QUOTED: Final = re.compile(r'([^=:,*?"\n]+)=("(?:[^"\\\n]|\\["\\*?n])*")')
_ESCAPE: Final = re.compile(r"\\(.)")


class ObjectName:
    """A name, or a pattern when it has `*` or `?`.

    Only the text is kept: there are thousands of names, and their parts are asked for once.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check the text. Raises ValueError."""
        name = cls(text)
        _split(text)
        return name

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"ObjectName({self.text!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectName):
            return NotImplemented
        return self.text == other.text or self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, frozenset[tuple[str, str]], bool]:
        domain, properties, is_open = _split(self.text)
        return domain, frozenset(properties.items()), is_open

    @property
    def domain(self) -> str:
        return self.text.partition(":")[0]

    @property
    def properties(self) -> dict[str, str]:
        """Keys and values as they are written, in the order of the text."""
        return _split(self.text)[1]

    def matches(self, pattern: ObjectName) -> bool:
        """Say whether a pattern covers this name; a `*` alone stands for further keys."""
        domain, properties, is_open = _split(pattern.text)
        own = self.properties
        if not _wild(domain).fullmatch(self.domain):
            return False
        if not is_open and own.keys() != properties.keys():
            return False
        return all(
            key in own and _wild(value).fullmatch(own[key]) for key, value in properties.items()
        )


def unquote(value: str) -> str:
    r"""Return a value without its quotes and escapes; one without quotes stays as it is."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], value[1:-1])


def _split(text: str) -> tuple[str, dict[str, str], bool]:
    """Return domain, properties, and whether further keys are allowed."""
    domain, colon, rest = text.partition(":")
    if not colon or not rest or "\n" in domain:
        raise ValueError(f"not an object name: {text[:200]!r} (expected domain:key=value,...)")
    properties: dict[str, str] = {}
    is_open = False
    position = 0
    while True:
        if rest[position : position + 1] == "*" and rest[position + 1 : position + 2] in ("", ","):
            is_open = True
            position += 1
        else:
            found = _QUOTED.match(rest, position) or _PLAIN.match(rest, position)
            if not found:
                raise ValueError(
                    f"not an object name: {text[:200]!r} (at {rest[position:][:40]!r})"
                )
            # Thousands of names are kept apart in these, and most parts of them are the same.
            properties[intern(found[1])] = intern(found[2])
            position = found.end()
        if position == len(rest):
            return domain, properties, is_open
        if rest[position] != ",":
            raise ValueError(f"not an object name: {text[:200]!r} (at {rest[position:][:40]!r})")
        position += 1


def _wild(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.DOTALL)
