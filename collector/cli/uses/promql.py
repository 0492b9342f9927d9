"""A query as it stands in a dashboard or a rule file -> the metrics that it selects.

Variables of Grafana have no value here. What stands for one has to parse: a duration in brackets,
a word in strings and names, elsewhere whatever makes the query right. A word keeps the variable's
name, so that a metric named `kafka_${type}_total` becomes a pattern of names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeAlias

import promql_parser

MOST_TRIES: Final = 256

_VARIABLE: Final = re.compile(
    r"\$\{(?P<braced>\w+)[^}]*\}|\$(?P<plain>\w+)|\[\[(?P<old>\w+)(?::\w+)?\]\]"
)
_WORD: Final = re.compile(r"EVVAR(\w+?)RAVVE")
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NUMBERS: Final = frozenset({"__from", "__to", "__interval_ms", "__range_ms", "__range_s"})
_AFTER_OFFSET: Final = re.compile(r"\boffset\s*-?\s*$")


class Unreadable(Exception):  # noqa: N818 - it is what became of the reading
    """A query that promql-parser can't read, with its reason."""


class Answer(IntEnum):
    """Whether something can have data. A part that must be there lowers it, an `or` raises it."""

    NO = 0
    UNKNOWN = 1
    NOT_NOW = 2
    PERHAPS = 3
    YES = 4


class Matcher(NamedTuple):
    """One condition on a label. `op` is =, !=, =~ or !~."""

    label: str
    op: str
    value: str

    @property
    def is_open(self) -> bool:
        """Whether a variable stands in it."""
        return _WORD.search(self.value) is not None

    def takes(self, value: str) -> bool:
        """Say whether a label's value fits; a label that isn't there is empty."""
        if self.op in {"=", "!="}:
            return (value == self.value) == (self.op == "=")
        try:
            return (re.fullmatch(self.value, value, re.DOTALL) is not None) == (self.op == "=~")
        except re.error:
            return True  # a pattern of Go's that Python doesn't know

    def __str__(self) -> str:
        return f'{self.label}{self.op}"{_readable(self.value)}"'


class Selector(NamedTuple):
    """Series that a query asks for: of one of these names, or of names that match a pattern."""

    names: tuple[str, ...]
    pattern: str
    """Empty where `names` are."""
    matchers: tuple[Matcher, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether a variable alone is the name."""
        return bool(self.pattern) and not _WORD.sub("", self.pattern)

    def matches(self, name: str) -> bool:
        if self.names:
            return name in self.names
        return re.fullmatch(_WORD.sub(".*", self.pattern), name) is not None

    @property
    def shown(self) -> tuple[str, ...]:
        """What to call it in a list of metrics."""
        if self.names:
            return self.names
        if _NAME.fullmatch(self.pattern):
            return (_readable(self.pattern),)
        return (f'{{__name__=~"{_readable(self.pattern)}"}}',)


class Both(NamedTuple):
    """Data only if all parts have some."""

    parts: tuple[Need, ...]


class Either(NamedTuple):
    """Data if one part has some."""

    parts: tuple[Need, ...]


Need: TypeAlias = Selector | Both | Either
ALWAYS: Final = Both(())


class Query(NamedTuple):
    """What a query selects, and what it needs."""

    selectors: tuple[Selector, ...]
    need: Need

    def answer(self, judge: Callable[[Selector], Answer]) -> Answer:
        return _answer(self.need, judge)


def _answer(need: Need, judge: Callable[[Selector], Answer]) -> Answer:
    match need:
        case Selector():
            return judge(need)
        case Both(parts):
            return min((_answer(part, judge) for part in parts), default=Answer.YES)
        case Either(parts):
            return max(_answer(part, judge) for part in parts)


def read(text: str, values: Mapping[str, str] | None = None) -> Query:
    """Read a query; `values` are those of variables that have a fixed one. Raises Unreadable."""
    reason = ""
    without: Query | None = None
    for candidate in itertools.islice(_candidates(text, values or {}), MOST_TRIES):
        try:
            tree = promql_parser.parse(candidate)
        except ValueError as error:
            reason = reason or str(error)
            continue
        query = Query(tuple(_selectors(tree)), _need(tree))
        if query.selectors:
            return query
        without = without or query  # "$metric" alone may be a number, but hardly is
    if without:
        return without
    raise Unreadable(_readable(reason))


def _candidates(text: str, values: Mapping[str, str]) -> Iterator[str]:
    """Put something in the place of each variable, in all ways that could be meant."""
    parts: list[tuple[str, ...]] = []
    quote = ""
    depth = at = 0
    while at < len(text):
        found = _VARIABLE.match(text, at)
        if found and not (quote and (found["braced"] or found["plain"] or "x").isdecimal()):
            name = found["braced"] or found["plain"] or found["old"] or ""
            parts.append(_instead(text, found, name, values, quote=quote, in_brackets=depth > 0))
            at = found.end()
            continue
        char = text[at]
        if quote:
            if char == "\\" and quote != "`":
                char = text[at : at + 2]
            elif char == quote:
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        else:
            depth += (char == "[") - (char == "]")
        parts.append((char,))
        at += len(char)
    for choice in itertools.product(*parts):
        yield "".join(choice)


def _instead(
    text: str,
    found: re.Match[str],
    name: str,
    values: Mapping[str, str],
    *,
    quote: str,
    in_brackets: bool,
) -> tuple[str, ...]:
    """Return what can stand for a variable, the most likely first."""
    word = f"EVVAR{name}RAVVE"
    before, after = text[: found.start()], text[found.end() :]
    if name in values and not in_brackets:
        return (values[name],)
    if quote:
        return (word,)
    if in_brackets or _AFTER_OFFSET.search(before):
        return ("5",) if after[:1].isalpha() else ("5m",)
    if name in _NUMBERS:
        return ("1",)
    if name in {"__interval", "__rate_interval", "__range"}:
        return ("5m", "1")
    if _is_of_name(before[-1:]) or _is_of_name(after[:1]):
        return (word,)
    return ("1", word, "sum", "+")


def _is_of_name(char: str) -> bool:
    return char in {"_", ":"} or (char.isascii() and char.isalnum())


def _readable(text: str) -> str:
    return _WORD.sub(r"${\1}", text)


def _selectors(tree: Any) -> Iterator[Selector]:
    found: list[Selector] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(_selector(node))

    promql_parser.walk(tree, visit)
    return iter(found)


def _need(tree: Any) -> Need:
    match tree:
        case promql_parser.VectorSelector():
            return _selector(tree)
        case promql_parser.MatrixSelector():
            return _selector(tree.vector_selector)
        case (
            promql_parser.ParenExpr()
            | promql_parser.UnaryExpr()
            | promql_parser.SubqueryExpr()
            | promql_parser.AggregateExpr()
        ):
            return _need(tree.expr)
        case promql_parser.Call():
            if tree.func.name in {"absent", "absent_over_time"}:
                return ALWAYS
            return Both(tuple(_need(arg) for arg in tree.args))
        case promql_parser.BinaryExpr():
            if str(tree.op) == "or":
                return Either((_need(tree.lhs), _need(tree.rhs)))
            if str(tree.op) == "unless":
                return _need(tree.lhs)
            return Both((_need(tree.lhs), _need(tree.rhs)))
        case _:
            return ALWAYS


_OPS: Final = (
    (promql_parser.MatchOp.Equal, "="),
    (promql_parser.MatchOp.NotEqual, "!="),
    (promql_parser.MatchOp.Re, "=~"),
    (promql_parser.MatchOp.NotRe, "!~"),
)


def _selector(node: promql_parser.VectorSelector) -> Selector:
    matchers = [
        Matcher(each.name, next(text for op, text in _OPS if op == each.op), each.value)
        for each in node.matchers.matchers
    ]
    rest = tuple(each for each in matchers if each.label != "__name__")
    if node.name:
        return _named(node.name, rest)
    for each in matchers:
        if each.label == "__name__" and each.op == "=":
            return _named(each.value, rest)
        if each.label == "__name__" and each.op == "=~":
            names = tuple(each.value.strip("^$").removeprefix("(").removesuffix(")").split("|"))
            if all(_NAME.fullmatch(name) and not _WORD.search(name) for name in names):
                return Selector(names, "", rest)
            return Selector((), each.value, rest)
    return Selector((), ".+", rest)


def _named(name: str, matchers: tuple[Matcher, ...]) -> Selector:
    if _WORD.search(name):
        return Selector((), name, matchers)
    return Selector((name,), "", matchers)
