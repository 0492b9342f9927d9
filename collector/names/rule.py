"""One rule: what it matches, and what it makes of a match."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from collector.names.document import Place
from collector.names.java_regex import Parsed
from collector.names.java_text import parse_double, safe_name
from collector.names.regex_tree import write_python
from collector.names.template import Template
from collector.names.value_reach import bean_part, head_of_run, is_blind, literal_runs
from collector.series import Kind

Labels = tuple[tuple[str, str], ...]

_LINE_ENDS = str.maketrans("\r\x85\u2028\u2029", "\n\n\n\n")


class Pattern:
    """A rule's pattern: not anchored, but the whole line must be free of line ends around it.

    A pattern that backtracks without end can't be told from a good one. It is matched once per
    attribute (only one that looks at values, once per value), never once per round.
    """

    __slots__ = (
        "_bean_heads", "_bean_part", "_compiled", "_domain_heads", "_inside", "_runs",
        "_text_heads", "_value_heads", "is_blind",
    )  # fmt: skip

    def __init__(self, parsed: Parsed, used: frozenset[int] | None = None) -> None:
        """Compile. Raises re.error for what Python can't do (look-behind of any length).

        `used` are the groups that the rule's texts ask for, None: all of them.
        """
        self._compiled = re.compile(f".*(?:{write_python(parsed.branches)}).*", re.ASCII)
        self.is_blind = is_blind(parsed.branches, used)
        self._runs = literal_runs(parsed.branches)
        heads = (head_of_run(run) for run in self._runs)
        self._value_heads = tuple(head for head in heads if head)
        self._text_heads = _heads_for_text(self._runs)
        self._bean_heads = _heads_for_bean(self._runs)
        self._domain_heads = _heads_for_domain(self._runs)
        part = bean_part(parsed.branches)
        self._bean_part = None if part is None else re.compile(write_python((part,)), re.ASCII)
        after = [run.partition("><")[2] for run in self._runs if "><" in run]
        self._inside = after[0] if after else None

    def match(self, line: str) -> re.Match[str] | None:
        """Match `domain<k=v><path>attribute: value`."""
        for run in self._runs:
            if run not in line:
                return None
        if not line.isascii() or "\r" in line:
            line = line.translate(_LINE_ENDS)
        return self._compiled.fullmatch(line)

    def may_match(self, start: str, *, is_text: bool) -> bool:
        """Say whether some value behind `domain<k=v><path>attribute:` could match."""
        heads = self._text_heads if is_text else self._value_heads
        return all(head in start for head in heads)

    def may_match_bean(self, bean: str) -> bool:
        """Say whether some attribute of `domain<k=v>` could match."""
        for head in self._bean_heads:
            if head not in bean:
                return False
        return self._bean_part is None or self._bean_part.search(bean) is not None

    def may_match_inside(self, bean: str, attribute: str) -> bool:
        """Say whether something inside of a composite or tabular attribute could match.

        `bean` is `domain<k=v>`; its keys are not known yet, and the rows of a table add properties
        to it: of the pattern's text only what is sure to stand in front of those counts.
        """
        if not all(head in bean for head in self._domain_heads):
            return False
        inside = self._inside
        ways_on = (f"{attribute}>", f"{attribute},")
        return inside is None or any(
            way.startswith(inside) or inside.startswith(way) for way in ways_on
        )


def _heads_for_domain(runs: tuple[str, ...]) -> tuple[str, ...]:
    """Return what must stand in `domain<`, and the keys as far as they are written out.

    Nothing is sure where the first `<` written is the path's: what stands before may be of a row.
    """
    for i, run in enumerate(runs):
        opening = run.find("<")
        if opening >= 0:
            closing = run.find("><")
            if 0 <= closing < opening:
                return ()
            return (*runs[:i], run[: closing if closing > opening else opening + 1])
    return ()


def _heads_for_bean(runs: tuple[str, ...]) -> tuple[str, ...]:
    """Return what must stand in `domain<k=v>`: all in front of `><`, or of the first `<`."""
    for i, run in enumerate(runs):
        before, found, _ = run.partition("><")
        if found:
            return tuple(head for head in (*runs[:i], before) if head)
    return _heads_for_domain(runs)


def _heads_for_text(runs: tuple[str, ...]) -> tuple[str, ...]:
    """Return what must stand in front of the value if the value itself is any text.

    Up to `: ` if the pattern says where the value begins, else up to the last `>`.
    """
    for i, run in enumerate(runs):
        before, colon, _ = run.partition(": ")
        if colon:
            return (*runs[:i], before + ":")
    for i in reversed(range(len(runs))):
        end = max(runs[i].rfind("<"), runs[i].rfind(">")) + 1
        if end:
            return (*runs[:i], runs[i][:end])
    return ()


class Named(NamedTuple):
    """What a rule made of a match. `name` has no counter's `_total` yet."""

    name: str
    labels: Labels
    kind: Kind
    help: str
    """Empty: the subject's own."""
    factor: float
    constant: float | None
    """A value that the rule gives, instead of the attribute's."""
    limit: int | None
    """How many series of this name there may be."""


class Rule:
    """One entry of `rules:`."""

    __slots__ = (
        "factor", "help", "is_cached", "is_snake_case", "kind", "labels", "limit", "name",
        "pattern", "place", "value",
    )  # fmt: skip

    def __init__(
        self,
        place: Place,
        pattern: Pattern | None,
        *,
        name: Template | None = None,
        value: Template | None = None,
        factor: float = 1.0,
        labels: tuple[tuple[Template, Template], ...] = (),
        help_text: Template | None = None,
        kind: Kind = Kind.UNKNOWN,
        is_snake_case: bool = False,
        is_cached: bool = False,
        limit: int | None = None,
    ) -> None:
        self.place = place
        self.pattern = pattern
        self.name = name
        self.value = value
        self.factor = factor
        self.labels = labels
        self.help = help_text
        self.kind = kind
        self.is_snake_case = is_snake_case
        self.is_cached = is_cached
        self.limit = limit

    @property
    def is_blind(self) -> bool:
        """Whether numbers and booleans make no difference to it."""
        return self.pattern is None or self.pattern.is_blind or self.is_cached

    @property
    def has_name(self) -> bool:
        """False for a rule whose name is empty: what it matches is left out."""
        return self.name is None or bool(self.name.parts)

    def constant(self, found: re.Match[str] | None) -> float | None:
        """Return the value that the rule gives. Raises ValueError when it is no number."""
        if self.value is None:
            return None
        value = parse_double(self.value.expand(found))
        if value is None:
            raise ValueError(self.value.expand(found))
        return value

    def label_pairs(self, found: re.Match[str] | None, *, lowercase: bool) -> Labels:
        """Return the labels that the rule sets; empty names and values are left out."""
        pairs: dict[str, str] = {}
        for name_template, value_template in self.labels:
            name = label_name(name_template.expand(found), lowercase=lowercase)
            value = value_template.expand(found)
            if name and value:
                pairs.setdefault(name, value)
        return tuple(pairs.items())


def label_name(text: str, *, lowercase: bool) -> str:
    """Return a legal label name. Two underscores in front are Prometheus's own."""
    name = safe_name(text).replace(":", "_")
    while name.startswith("__"):
        name = name[1:]
    return sys.intern(name.lower() if lowercase else name)
