r"""Character classes of Java's regular expressions, written as Python's.

Java's `\d`, `\w`, `\s` and `\p{Alpha}` know ASCII only, so everything here is for `re.ASCII`.
Java has unions `[a-d[m-p]]` and intersections `[a-z&&[^aeiou]]`; Python has neither: a union is
written flat, an intersection as look-aheads in front of one character.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b"}
"""Escapes that are one character, inside and outside of a class."""

SHORTHAND = {
    "d": "0-9",
    "w": "a-zA-Z0-9_",
    "s": r" \t\n\x0b\f\r",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0b\f\r\x85\u2028\u2029",
}
"""Contents of `\\d` and its like; the capital letter is the opposite."""

_PUNCTUATION = r"!-\/:-@\[-`{-~"

PROPERTIES = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": _PUNCTUATION,
    "Graph": "!-~",
    "Print": r"\x20-~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
}
"""`\\p{Name}`. The Unicode categories (`\\p{L}`) have no counterpart in Python: refused."""


@dataclass(slots=True)
class ClassText:
    """A class while it is read: `plain` is what goes between Python's brackets."""

    negated: bool = False
    plain: list[str] = field(default_factory=list)
    wholes: list[str] = field(default_factory=list)
    """Members that can't be written between brackets: `\\D`, nested classes that are negated."""
    intersected: list[str] = field(default_factory=list)
    """Left sides of `&&`, each as a pattern for one character."""

    def close_side(self) -> None:
        """Begin the right side of an `&&`."""
        self.intersected.append(self._union())
        self.plain = []
        self.wholes = []

    def python(self) -> str:
        """Return the whole class as a pattern that matches one character."""
        sides = [*self.intersected, self._union()]
        if len(sides) == 1 and not self.wholes:
            if not self.negated:
                return sides[0]
            return f"[^{''.join(self.plain)}]"
        if self.negated:
            inside = "".join(f"(?={side})" for side in sides)
            return f"(?:(?!{inside})[\\s\\S])"
        ahead = "".join(f"(?={side})" for side in sides[:-1])
        return f"(?:{ahead}{sides[-1]})" if ahead else sides[-1]

    def _union(self) -> str:
        members = ([f"[{''.join(self.plain)}]"] if self.plain else []) + self.wholes
        if not members:
            return "(?!)"
        return members[0] if len(members) == 1 else f"(?:{'|'.join(members)})"
