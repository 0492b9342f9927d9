"""What a rule makes of a match: text with `$1` in it, as `java.util.regex.Matcher` reads it."""

from __future__ import annotations

import re

_GROUP_NAME = re.compile(r"\{([a-zA-Z][a-zA-Z0-9]*)\}")


class TemplateError(ValueError):
    """A template that names a group that the pattern doesn't have, or ends in mid-air."""


class Template:
    """Text with references to groups: `$1`, `${name}`; a backslash takes the next as it is."""

    __slots__ = ("parts",)

    def __init__(self, text: str, groups: int, names: dict[str, int]) -> None:
        """Read `text` for a pattern with that many groups. Raises TemplateError."""
        self.parts: list[str | int] = []
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\\":
                if at + 1 == len(text):
                    raise TemplateError("a single \\ at the end: write \\\\ for the character")
                self._add(text[at + 1])
                at += 2
            elif char == "$":
                at = self._reference(text, at + 1, groups, names)
            else:
                self._add(char)
                at += 1

    @property
    def is_constant(self) -> bool:
        """Whether the result is the same for every match."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def groups(self) -> frozenset[int]:
        """The groups that it asks for; 0 is the whole match."""
        return frozenset(part for part in self.parts if isinstance(part, int))

    def expand(self, found: re.Match[str] | None) -> str:
        """Return the text for a match; a group that took no part in it is empty."""
        if found is None:
            return "".join(part for part in self.parts if isinstance(part, str))
        return "".join(
            part if isinstance(part, str) else (found[part] or "") for part in self.parts
        )

    def _add(self, text: str) -> None:
        if self.parts and isinstance(self.parts[-1], str):
            self.parts[-1] += text
        else:
            self.parts.append(text)

    def _reference(self, text: str, at: int, groups: int, names: dict[str, int]) -> int:
        named = _GROUP_NAME.match(text, at)
        if named is not None:
            if named[1] not in names:
                raise TemplateError(f"the pattern has no group named '{named[1]}'")
            self.parts.append(names[named[1]])
            return named.end()
        if at >= len(text) or not ("0" <= text[at] <= "9"):
            raise TemplateError("a '$' must be followed by a group: write \\$ for the character")
        number = int(text[at])
        if number > groups:
            has = "captures nothing" if groups == 0 else f"captures {groups} group(s)"
            raise TemplateError(f"${number} is asked for, but the pattern {has}")
        at += 1
        while at < len(text) and "0" <= text[at] <= "9":
            longer = number * 10 + int(text[at])
            if longer > groups:
                break  # $12 is group 1 and a 2 where there are fewer than 12, as in Java
            number = longer
            at += 1
        self.parts.append(number)
        return at
