r"""Which MBeans a rule file is about: ObjectName patterns, compiled to be asked often.

As in Java: `*` and `?` in the domain and in values, `,*` for further keys. Quotes belong to a
value; in a quoted one, `\*` and `\?` are the characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_PAIR = re.compile(r'([^,=:*?"\n]+)=("(?:[^"\\\n]|\\[\\"n?*])*"|[^,=:"\n]*)')
_WILD = re.compile(r"[*?]")


class ObjectNameError(ValueError):
    """A text that is no ObjectName, as a sentence."""


class ObjectNamePattern:
    """An ObjectName, with or without wildcards."""

    __slots__ = ("_domain", "_is_open", "_values", "text")

    def __init__(self, text: str) -> None:
        """Read a name such as `kafka.log:type=Log,*`. Raises ObjectNameError."""
        self.text = text
        domain, colon, rest = text.partition(":")
        if not colon:
            raise ObjectNameError(f"'{text}' is no ObjectName: it is like 'domain:type=X,*'")
        self._domain = _matcher(domain)
        self._is_open = False
        self._values: dict[str, Callable[[str], bool]] = {}
        while rest:
            if rest == "*" or rest.startswith("*,"):
                self._is_open = True
                rest = rest[2:]
                continue
            pair = _PAIR.match(rest)
            if pair is None or rest[pair.end() : pair.end() + 1] not in {"", ","}:
                raise ObjectNameError(f"'{text}' is no ObjectName: what is '{rest}'?")
            self._values[pair[1]] = _matcher(pair[2])
            if rest[pair.end() :] == ",":
                raise ObjectNameError(f"'{text}' is no ObjectName: it ends in a comma")
            rest = rest[pair.end() + 1 :]
        if not self._values and not self._is_open:
            raise ObjectNameError(f"'{text}' is no ObjectName: end it in ':*' for all of a domain")

    def matches(self, domain: str, properties: Mapping[str, str]) -> bool:
        """Say whether a bean is meant; `properties` as written, with their quotes."""
        if not self._is_open and len(properties) != len(self._values):
            return False
        for key, is_meant in self._values.items():
            value = properties.get(key)
            if value is None or not is_meant(value):
                return False
        return self._domain(domain)


def may_share(one: str, other: str) -> bool:
    """Say whether two patterns may match the same bean, by their domains. May say yes in vain."""
    first, second = (text.partition(":")[0] for text in (one, other))
    fixed, other_fixed = (_WILD.split(text, maxsplit=1)[0] for text in (first, second))
    if fixed == first and other_fixed == second:
        return first == second
    if fixed == first:
        return first.startswith(other_fixed)
    if other_fixed == second:
        return second.startswith(fixed)
    return fixed.startswith(other_fixed) or other_fixed.startswith(fixed)


def _matcher(text: str) -> Callable[[str], bool]:
    is_quoted = text.startswith('"')
    parts: list[str] = []
    is_plain = True
    at = 0
    while at < len(text):
        char = text[at]
        if is_quoted and char == "\\" and at + 1 < len(text):
            parts.append(re.escape(text[at : at + 2]))
            at += 2
            continue
        if char in "*?":
            is_plain = False
            parts.append(".*" if char == "*" else ".")
        else:
            parts.append(re.escape(char))
        at += 1
    if is_plain:
        return text.__eq__
    if text == "*":
        return lambda _value: True
    compiled = re.compile("".join(parts), re.DOTALL)
    return lambda value: compiled.fullmatch(value) is not None
