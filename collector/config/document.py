"""A YAML file as nodes that know where they are written.

Scalars stay text: what a word means is decided by the key it stands at, not by YAML's own rules,
so a site called `0412`, `on` or `1e3` keeps its name. A key that is set twice is an error, tags are
refused, and an alias counts as much as what it stands for: bytes, depth and nodes are bounded, so
that no file takes more than a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from collector.config.problems import (
    SECRET_WORD,
    WHOLE_FILE,
    KeyPath,
    Place,
    Problems,
    lines_of,
    quoted,
)
from collector.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
MAX_DEPTH = 20

LEAST = 'the least is one line: "site: NAME"'

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where the wheel has it: the one in Python takes seconds for a MiB."""


@dataclass(slots=True, eq=False)
class Scalar:
    place: Place
    text: str
    is_plain: bool = True

    @property
    def is_empty(self) -> bool:
        """`key:` with nothing after it, or YAML's words for nothing."""
        return self.is_plain and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(slots=True, eq=False)
class Listing:
    place: Place
    items: list[Node] = field(default_factory=list)


class Entry(NamedTuple):
    key: Place
    value: Node


@dataclass(slots=True, eq=False)
class Mapping:
    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)


Node = Scalar | Listing | Mapping


class _Stop(Exception):  # noqa: N818 - nothing after this place can be read
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


def read_text(path: Path) -> str:
    """Return a configuration file's text. Raises ConfigError with a sentence."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: error: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: error: this is a directory: name the file in it") from None
    except PermissionError:
        raise ConfigError(f"{path}: error: this user may not read it") from None
    except OSError as exc:
        raise ConfigError(f"{path}: error: can't be read: {exc.strerror}") from exc
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: error: more than 1 MiB: this is not a configuration")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ConfigError(f"{path}:{line}: error: not UTF-8 text: save the file as UTF-8") from None


def parse(text: str, problems: Problems) -> Mapping | None:
    """Return the top level, or None when the text can't be read; then `problems` says why."""
    composer = _Composer(problems, yaml.parse(text, Loader=_LOADER))
    try:
        root = composer.document()
    except _Stop as stop:
        problems.error(stop.place, stop.message)
        return None
    except yaml.MarkedYAMLError as exc:
        problems.error(*_syntax_problem(exc, text))
        return None
    except yaml.reader.ReaderError as exc:
        before = text[: exc.position]
        line, column = before.count("\n") + 1, exc.position - before.rfind("\n")
        problems.error(
            Place(line, column, line, column + 1),
            f"a control character (U+{ord(text[exc.position]):04X}): this is not YAML text",
        )
        return None
    if root is None or (isinstance(root, Scalar) and root.is_empty):
        problems.error(WHOLE_FILE, f"the file is empty: {LEAST}")
        return None
    if not isinstance(root, Mapping):
        problems.error(root.place, f'not a configuration: expected lines "key: value"; {LEAST}')
        return None
    return root


def put(root: Mapping, path: KeyPath, value: Scalar) -> None:
    """Set a value from elsewhere, with the sections above it where they are missing.

    A scalar on the way (`host: true`) gives way to a section.
    """
    section = root
    for step in path[:-1]:
        below = section.entries.get(str(step))
        if below is None or not isinstance(below.value, Mapping):
            below = Entry(value.place, Mapping(value.place))
            section.entries[str(step)] = below
        assert isinstance(below.value, Mapping)
        section = below.value
    section.entries[str(path[-1])] = Entry(value.place, value)


class _Composer:
    def __init__(self, problems: Problems, events: Iterator[Any]) -> None:
        self._problems = problems
        self._events = events
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # None while the node is open
        self._nodes = 0

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _Stop(_place(event), "a second document: one file is one configuration")
                root = self._node(next(self._events), 0)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(event)
        if depth > MAX_DEPTH:
            raise _Stop(place, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), place)
        if event.tag is not None:
            self._problems.error(place, f"the tag {quoted(event.tag)} is not used here: remove it")
        before = self._nodes
        self._count(1, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(place, event.value, is_plain=not event.style)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._listing(place, depth)
        else:
            node = self._mapping(place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before)
        return node

    def _listing(self, place: Place, depth: int) -> Listing:
        listing = Listing(place)
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            listing.items.append(self._node(event, depth + 1))
        listing.place = _up_to(place, event)
        return listing

    def _mapping(self, place: Place, depth: int) -> Mapping:
        mapping = Mapping(place)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar):
                self._problems.error(key.place, "a key must be one word")
            elif (first := mapping.entries.get(key.text)) is not None:
                if SECRET_WORD.search(key.text):
                    self._problems.hide(value.place)
                self._problems.error(
                    key.place, f"{quoted(key.text)} is already set in line {first.key.line}"
                )
            else:
                mapping.entries[key.text] = Entry(key.place, value)
        mapping.place = _up_to(place, event)
        return mapping

    def _alias(self, name: str, place: Place) -> Node:
        if name not in self._anchors:
            raise _Stop(place, f"no anchor &{name} stands above this alias")
        known = self._anchors[name]
        if known is None:
            raise _Stop(place, f"&{name} contains itself")
        node, weight = known
        self._count(weight, place)
        return node

    def _count(self, more: int, place: Place) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            raise _Stop(place, f"more than {MAX_NODES} values: this is not a configuration")


def _place(event: Any) -> Place:
    start, end = event.start_mark, event.end_mark
    return Place(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _up_to(place: Place, event: Any) -> Place:
    end = event.end_mark
    return place._replace(end_line=end.line + 1, end_column=end.column + 1)


_PLAIN_WORDS = {
    "mapping values are not allowed in this context": (
        'a second ": " where only a value may stand: check the indentation, or quote the value'
    ),
    "did not find expected key": "this line is not a key of the section above: check indentation",
    "did not find expected '-' indicator": 'this line is not an item ("- ") of the list above',
    "could not find expected ':'": 'a ":" is missing after this key, or an indentation is wrong',
    "did not find expected ',' or ']'": 'a list that "[" opened is not closed with "]"',
    "did not find expected ',' or '}'": 'a section that "{" opened is not closed with "}"',
    "found unexpected end of stream": "a quote is not closed",
}


def _syntax_problem(exc: yaml.MarkedYAMLError, text: str) -> tuple[Place, str]:
    mark: Any = exc.problem_mark or exc.context_mark
    lines = lines_of(text)
    line = min(mark.line, len(lines) - 1)
    column = mark.column if line == mark.line else len(lines[line])
    place = Place(line + 1, column + 1, line + 1, column + 2)
    words = str(exc.problem)
    if words == "found character that cannot start any token":
        found = lines[line][column : column + 1]
        if found == "\t":
            return place, "not YAML: a tab: indent with spaces"
        return place, f'not YAML: a value can\'t begin with "{found}": quote it'
    return place, f"not YAML: {_PLAIN_WORDS.get(words, words)}"
