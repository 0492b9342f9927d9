"""YAML text as plain values that know where they stand, so that an error can say line and column.

Bounded: a rule file is written by people, and may also be a mistake (a log, a disk image).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import yaml

MAX_BYTES = 1 << 20
MAX_ITEMS = 100_000
"""Nodes after aliases are followed: nine lines of aliases can stand for a billion."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line and column begin at 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class DocumentError(Exception):
    """Text that can't be used, with the place and what to do."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with its place: str, int, float, bool, None, a list of entries, or a mapping.

    A mapping's value is a dict of key text to (place of the key, entry).
    """

    place: Place
    value: str | int | float | bool | list[Entry] | dict[str, tuple[Place, Entry]] | None

    @property
    def kind(self) -> str:
        """What a person would call it."""
        match self.value:
            case None:
                return "nothing"
            case bool():
                return "true or false"
            case int() | float():
                return "a number"
            case str():
                return "text"
            case list():
                return "a list"
            case _:
                return "a mapping"


def load(text: str, file: str) -> Entry:
    """Read one YAML document. Raises DocumentError."""
    start = Place(file, 1, 1)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise DocumentError(start, f"larger than {MAX_BYTES} bytes: is this a rule file?")
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:  # a character that YAML doesn't allow
        raise DocumentError(start, f"not YAML: {error}") from error
    try:
        root = loader.get_single_node()
        if root is None:
            return Entry(start, None)
        return _Walk(loader, file).entry(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else start
        problem = error.problem or error.context or "?"
        if "mapping values" in problem:  # a pattern that ends in a colon
            problem += ": put the text in front of this colon in quotes"
        raise DocumentError(place, f"not YAML: {problem}") from error
    except RecursionError as error:
        raise DocumentError(start, "nested too deeply to be a rule file") from error
    except ValueError as error:  # 2001-99-99 looks like a date
        raise DocumentError(start, f"a value can't be read ({error}): put it in quotes") from error
    finally:
        loader.dispose()


class _Walk:
    def __init__(self, loader: yaml.SafeLoader, file: str) -> None:
        self._loader = loader
        self._file = file
        self._left = MAX_ITEMS

    def entry(self, node: yaml.Node) -> Entry:
        place = Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)
        self._left -= 1
        if self._left < 0:
            raise DocumentError(place, f"more than {MAX_ITEMS} items: too many aliases?")
        if isinstance(node, yaml.SequenceNode):
            return Entry(place, [self.entry(child) for child in node.value])
        if isinstance(node, yaml.MappingNode):
            mapping: dict[str, tuple[Place, Entry]] = {}
            merged: dict[str, tuple[Place, Entry]] = {}
            for key_node, value_node in node.value:
                key = self.entry(key_node)
                value = self.entry(value_node)
                if isinstance(key.value, list | dict):
                    raise DocumentError(key.place, "a key must be text")
                if key_node.tag == "tag:yaml.org,2002:merge":
                    for each in value.value if isinstance(value.value, list) else [value]:
                        if not isinstance(each.value, dict):
                            raise DocumentError(each.place, "'<<' takes mappings")
                        merged = each.value | merged
                    continue
                text = key_node.value if isinstance(key_node.value, str) else str(key.value)
                mapping[text] = (key.place, value)
            mapping = merged | mapping
            return Entry(place, mapping)
        if node.tag in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge"}:
            return Entry(place, str(node.value))
        value = self._loader.construct_object(node)
        if value is None or isinstance(value, str | int | float | bool):
            return Entry(place, value)
        return Entry(place, str(node.value))


def is_near(word: str, known: Iterable[str]) -> bool:
    """Say whether a word looks like a slip for one that is known."""
    words = [each.lower() for each in known]
    return bool(difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.75))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean 'x'?` where a known word is near, else a list of them."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    lowered = {each.lower(): each for each in words}
    if word.lower() in lowered:
        near = [lowered[word.lower()]]
    return f": did you mean '{near[0]}'?" if near else f"; known are {', '.join(words)}"
