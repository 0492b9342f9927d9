r"""Java's regular expressions, read into a tree that Python's are written from.

Where the two differ, the pattern is translated (`\Q..\E`, `\p{Alpha}`, `(?<name>`, `\z`, `\h`,
classes with unions and `&&`, a flag in the middle) or refused with the place and what to do; it
is never left to mean something else. Python 3.11 has possessive quantifiers and atomic groups.
"""

from __future__ import annotations

import re

from collector.names.java_classes import ESCAPED, PROPERTIES, SHORTHAND, ClassText
from collector.names.regex_tree import (
    Anchor,
    AnyChar,
    BackReference,
    Char,
    CharSet,
    Group,
    Look,
    Node,
    Repeat,
    Sequence_,
    escape,
)

MAX_PATTERN = 8192
"""Characters of one pattern. The longest one seen in the field has about 400."""

MAX_NESTING = 50

_HEX = re.compile(r"x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})")
_OCTAL = re.compile(r"0([0-3][0-7]{2}|[0-7]{1,2})")
_COUNT = re.compile(r"\{(\d{1,5})(?:(,)(\d{1,5})?)?\}")
_GROUP_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]*")
_FLAGS = re.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")


class PatternError(ValueError):
    """A pattern that can't be used; `at` is the index of the character it is about."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Parsed:
    """A pattern that was read: its alternatives, and how many groups it captures."""

    def __init__(self, branches: tuple[Sequence_, ...], groups: int, names: dict[str, int]) -> None:
        self.branches = branches
        self.groups = groups
        self.names = names


def parse(pattern: str) -> Parsed:
    """Read a Java pattern. Raises PatternError."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN} characters", MAX_PATTERN)
    reader = _Reader(pattern)
    branches = reader.alternatives()
    if reader.at < len(pattern):
        raise PatternError("this ')' closes nothing: write \\) for the character", reader.at)
    return Parsed(branches, reader.groups, reader.names)


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.groups = 0
        self.names: dict[str, int] = {}
        self._flags = ""
        self._depth = 0

    def alternatives(self) -> tuple[Sequence_, ...]:
        """Read up to a `)` or the end."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise PatternError(f"brackets nest deeper than {MAX_NESTING}", self.at)
        branches: list[Sequence_] = []
        branch: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] != ")":
            if self.text[self.at] == "|":
                self.at += 1
                branches.append(tuple(branch))
                branch = []
                continue
            branch.extend(self._quantified())
        self._depth -= 1
        return (*branches, tuple(branch))

    def _quantified(self) -> list[Node]:
        began = self.at
        atoms = self._atom()
        while self.at < len(self.text):
            count = self._quantifier(began)
            if count is None:
                break
            if not atoms:
                raise PatternError("a quantifier with nothing in front of it", self.at - 1)
            low, high, mode = count
            atoms[-1] = Repeat(atoms[-1], low, high, mode)
        return atoms

    def _quantifier(self, began: int) -> tuple[int, int | None, str] | None:
        if "x" in self._flags:
            self._skip_comments()
        char = self.text[self.at : self.at + 1]
        if char and char in "*+?":
            if self.at == began:
                raise PatternError("a quantifier with nothing in front of it", self.at)
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
            self.at += 1
        elif char == "{":
            found = _COUNT.match(self.text, self.at)
            if found is None:
                raise PatternError("write \\{ for the character, or {n}, {n,}, {n,m}", self.at)
            low = int(found[1])
            high = low if found[2] is None else int(found[3]) if found[3] else None
            if high is not None and high < low:
                raise PatternError("the second number is smaller than the first", self.at)
            self.at = found.end()
        else:
            return None
        mode = self.text[self.at : self.at + 1]
        if mode and mode in "?+":
            self.at += 1
            return low, high, mode
        return low, high, ""

    def _atom(self) -> list[Node]:
        if "x" in self._flags:
            self._skip_comments()
            if self.at >= len(self.text) or self.text[self.at] in "|)":
                return []
        char = self.text[self.at]
        if char == "(":
            return self._bracket()
        if char == "[":
            return [self._class_node()]
        if char == "\\":
            return self._escape()
        if char in "*+?":
            raise PatternError("a quantifier with nothing in front of it", self.at)
        if char == "{":
            raise PatternError("write \\{ for the character", self.at)
        self.at += 1
        if char == ".":
            return [AnyChar("s" in self._flags)]
        if char == "^":
            return [Anchor("(?m:^)" if "m" in self._flags else "^")]
        if char == "$":
            return [Anchor("(?m:$)" if "m" in self._flags else "$", is_end=True)]
        return [Char(char, "i" in self._flags)]

    def _skip_comments(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at] in " \t\n\x0b\f\r":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end + 1
            else:
                return

    def _bracket(self) -> list[Node]:
        opened = self.at
        self.at += 1
        outer = self._flags
        groups = self.groups
        opener = self._opener(opened)
        number = self.groups if self.groups > groups else 0
        if opener is None:  # (?i): from here to the end of the group around it
            return []
        branches = self.alternatives()
        if self.at >= len(self.text):
            raise PatternError("this bracket is never closed: write \\( for the character", opened)
        self.at += 1
        self._flags = outer
        if opener in {"(?=", "(?!", "(?<=", "(?<!"}:
            return [Look(opener, branches)]
        return [Group(opener, branches, number)]

    def _opener(self, opened: int) -> str | None:
        for special in ("?:", "?>", "?=", "?!", "?<=", "?<!"):
            if self.text.startswith(special, self.at):
                self.at += len(special)
                return "(" + special
        if self.text.startswith("?<", self.at):
            found = _GROUP_NAME.match(self.text, self.at + 2)
            if found is None or not self.text.startswith(">", found.end()):
                raise PatternError("a group's name is letters and digits: (?<name>...)", opened)
            if found[0] in self.names:
                raise PatternError(f"the group name '{found[0]}' is used twice", opened)
            self.at = found.end() + 1
            self.groups += 1
            self.names[found[0]] = self.groups
            return f"(?P<{found[0]}>"
        if self.text.startswith("?", self.at):
            return self._flag_group(opened)
        self.groups += 1
        return "("

    def _flag_group(self, opened: int) -> str | None:
        found = _FLAGS.match(self.text, self.at)
        if found is None:
            raise PatternError("this group is neither Java's nor Python's", opened)
        flags = self._flags
        for flag in found[1]:
            if flag not in "imsx":
                raise PatternError(
                    f"the flag '{flag}' has no counterpart here: name the characters instead",
                    opened,
                )
            flags += "" if flag in flags else flag
        for flag in found[2] or "":
            flags = flags.replace(flag, "")
        self._flags = flags
        self.at = found.end()
        return "(?:" if found[3] == ":" else None

    def _escape(self) -> list[Node]:
        slash = self.at
        self.at += 1
        if self.at >= len(self.text):
            raise PatternError("the pattern ends in a single \\", slash)
        char = self.text[self.at]
        ignore_case = "i" in self._flags
        if char == "Q":
            end = self.text.find("\\E", self.at)
            quoted = self.text[self.at + 1 : len(self.text) if end < 0 else end]
            self.at = len(self.text) if end < 0 else end + 2
            return [Char(each, ignore_case) for each in quoted]
        if char == "E":
            self.at += 1
            return []
        if char in "AzZbB":
            self.at += 1
            python = {"z": r"\Z", "Z": r"(?=\n?\Z)"}.get(char, "\\" + char)
            return [Anchor(python, is_end=char in "zZ")]
        if char == "R":
            self.at += 1
            one = CharSet("[\\n\\x0b\\f\\r\\x85\\u2028\\u2029]", matches_space=False)
            return [Group("(?>", ((Char("\r"), Char("\n")), (one,)))]
        if char == "k":
            return [self._named_reference(slash)]
        if char in "123456789":
            return [self._numbered_reference(slash)]
        single = self._single(slash)
        if isinstance(single, str):
            return [Char(single, ignore_case)]
        negated, members = single
        python = f"[^{members}]" if negated else f"[{members}]"
        return [_char_set(python, ignore_case)]

    def _named_reference(self, slash: int) -> BackReference:
        found = re.compile(r"k<([a-zA-Z][a-zA-Z0-9]*)>").match(self.text, self.at)
        if found is None or found[1] not in self.names:
            raise PatternError("\\k<name> must name a group in front of it", slash)
        self.at = found.end()
        return BackReference(f"(?P={found[1]})", "i" in self._flags)

    def _numbered_reference(self, slash: int) -> BackReference:
        number = int(self.text[self.at])
        self.at += 1
        while self.at < len(self.text) and self.text[self.at].isdecimal():
            longer = number * 10 + int(self.text[self.at])
            if longer > self.groups:
                break
            number = longer
            self.at += 1
        if number > self.groups:
            raise PatternError(f"there is no group {number} in front of this", slash)
        return BackReference(f"(?:\\{number})", "i" in self._flags)

    def _single(self, slash: int) -> str | tuple[bool, str]:
        """Read what follows a backslash: one character, or the members of a set (negated?)."""
        char = self.text[self.at]
        if char in ESCAPED:
            self.at += 1
            return ESCAPED[char]
        if char.lower() in SHORTHAND:
            self.at += 1
            return char.isupper(), SHORTHAND[char.lower()]
        if char in "pP":
            return self._property(slash)
        found = _HEX.match(self.text, self.at) or _OCTAL.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            code = int(found[found.lastindex or 1], 8 if found.re is _OCTAL else 16)
            if code > 0x10FFFF:
                raise PatternError("there is no such character", slash)
            return chr(code)
        if char == "c" and self.at + 1 < len(self.text):
            self.at += 2
            return chr(ord(self.text[self.at - 1]) ^ 64)
        if char.isascii() and char.isalnum():
            raise PatternError(f"\\{char} is not known here: write the character itself", slash)
        self.at += 1
        return char

    def _property(self, slash: int) -> tuple[bool, str]:
        negated = self.text[self.at] == "P"
        found = re.compile(r"[pP]\{(\w+)\}").match(self.text, self.at)
        if found is None or found[1] not in PROPERTIES:
            known = ", ".join(PROPERTIES)
            raise PatternError(f"this \\p has no counterpart in Python; known are {known}", slash)
        self.at = found.end()
        return negated, PROPERTIES[found[1]]

    def _class_node(self) -> CharSet:
        return _char_set(self._class(), "i" in self._flags)

    def _class(self) -> str:
        opened = self.at
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise PatternError(f"brackets nest deeper than {MAX_NESTING}", opened)
        self.at += 1
        text = ClassText()
        if self.text.startswith("^", self.at):
            text.negated = True
            self.at += 1
        is_first = True
        while True:
            if self.at >= len(self.text):
                raise PatternError("this [ is never closed: write \\[ for the character", opened)
            char = self.text[self.at]
            if char == "]" and not is_first:
                self.at += 1
                self._depth -= 1
                return text.python()
            if char == "]":
                raise PatternError("an empty class: write \\] for the character", self.at)
            is_first = False
            if char == "[":
                text.wholes.append(self._class())
            elif self.text.startswith("&&", self.at):
                self.at += 2
                text.close_side()
            elif "x" in self._flags and char in " \t\n\x0b\f\r":
                self.at += 1
            else:
                self._member(text)

    def _member(self, text: ClassText) -> None:
        began = self.at
        first = self._class_char(text)
        if first is None:
            return
        is_range = (
            self.text.startswith("-", self.at)
            and self.at + 1 < len(self.text)
            and self.text[self.at + 1] not in "[]"
            and not self.text.startswith("-&&", self.at)
        )
        if not is_range:
            text.plain.append(escape(first))
            return
        self.at += 1
        last = self._class_char(ClassText())
        if last is None or last < first:
            raise PatternError("a range must go from a lower to a higher character", began)
        text.plain.append(f"{escape(first)}-{escape(last)}")

    def _class_char(self, text: ClassText) -> str | None:
        r"""Read one character of a class; a set such as `\d` goes into `text` and is None."""
        if self.text[self.at] != "\\":
            self.at += 1
            return self.text[self.at - 1]
        slash = self.at
        self.at += 1
        if self.at >= len(self.text):
            raise PatternError("the pattern ends in a single \\", slash)
        if self.text[self.at] in "QE":
            raise PatternError("\\Q and \\E inside of a class: write the characters", slash)
        single = self._single(slash)
        if isinstance(single, str):
            return single
        negated, members = single
        if negated:
            text.wholes.append(f"[^{members}]")
        else:
            text.plain.append(members)
        return None


def _char_set(python: str, ignore_case: bool) -> CharSet:
    matches_space = re.compile(python, re.ASCII).fullmatch(" ") is not None
    return CharSet(python, matches_space, ignore_case)
