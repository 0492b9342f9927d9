"""Nodes of a document -> the sections they stand for, by the annotations of those sections.

Knows no key by name. Every problem is reported and reading goes on; a section is made only when all
of it could be read, so nobody ever sees half a one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import cache, cached_property, partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

import msgspec
import msgspec.structs

from collector.config.document import Entry, Listing, Mapping, Node, Scalar
from collector.config.problems import SECRET_WORD, KeyPath, Place, Problems, quoted
from collector.config.scalars import Word


class Switch(NamedTuple):
    """A section that may also be written as `true`, all its defaults, or `false`, none."""


class Entries(NamedTuple):
    """A mapping with names of the user's own.

    `required` is a name that must be there, with an example of its value. `has_variables` says
    whether the names can be parts of an environment variable's name.
    """

    read_name: Callable[[str], str]
    read_value: Callable[[str, str], Any]
    required: tuple[str, str] | None = None
    has_variables: bool = False


class Shape(NamedTuple):
    """One annotation, taken apart: of the marks, the one that is there."""

    base: Any
    """The Python type, without None: a Struct, `tuple[X, ...]`, `dict[str, X]` or a scalar."""
    word: Word | None
    entries: Entries | None
    is_switch: bool
    description: str

    @property
    def section(self) -> type[msgspec.Struct] | None:
        return self.base if isinstance(self.base, type) and self._is_struct else None

    @property
    def _is_struct(self) -> bool:
        return isinstance(self.base, type) and issubclass(self.base, msgspec.Struct)

    @property
    def item(self) -> Any:
        """The annotation of a list's items, None for what is no list."""
        return get_args(self.base)[0] if get_origin(self.base) is tuple else None


class Key(NamedTuple):
    """One key that a configuration may have. `path` has `*` for items and names of the user's."""

    path: tuple[str, ...]
    shape: Shape
    default: Any
    """`msgspec.NODEFAULT` for a key that must be there."""


class _Unreadable:
    """What could not be read; `problems` says why."""


UNREADABLE: Final = _Unreadable()


def shape(annotation: Any) -> Shape:
    marks: list[Any] = []
    base = annotation
    while True:
        if get_origin(base) is Annotated:
            marks += base.__metadata__
            base = base.__origin__
        elif get_origin(base) in {Union, UnionType} and type(None) in get_args(base):
            rest = tuple(arg for arg in get_args(base) if arg is not type(None))
            base = rest[0] if len(rest) == 1 else Union[rest]  # noqa: UP007 - made at run time
        else:
            break
    return Shape(
        base,
        next((mark for mark in marks if isinstance(mark, Word)), None),
        next((mark for mark in marks if isinstance(mark, Entries)), None),
        any(isinstance(mark, Switch) for mark in marks),
        next((m.description for m in marks if isinstance(m, msgspec.Meta) and m.description), ""),
    )


class Field(NamedTuple):
    """One key of a section. `default` is `msgspec.NODEFAULT` for a key that must be there."""

    shape: Shape
    default: Any


@cache
def fields(section: type[msgspec.Struct]) -> dict[str, Field]:
    """Return the keys of a section, in their order."""
    return {
        field.name: Field(
            shape(field.type),
            field.default
            if field.default_factory is msgspec.NODEFAULT
            else field.default_factory(),
        )
        for field in msgspec.structs.fields(section)
    }


def keys(section: type[msgspec.Struct], above: tuple[str, ...] = ()) -> Iterator[Key]:
    """Walk every key below a section, sections before what is in them."""
    for name, field in fields(section).items():
        path = (*above, name)
        yield Key(path, *field)
        below = field.shape
        if below.item is not None:
            path, below = (*path, "*"), shape(below.item)
        if below.section is not None:
            yield from keys(below.section, path)


class Reader:
    """Reads one document. `folder` is what relative paths start from.

    `places` has the place of every value that was met, `built` every section that is whole.
    """

    def __init__(self, root: type[msgspec.Struct], problems: Problems, folder: Path) -> None:
        self._root = root
        self._problems = problems
        self._folder = folder
        self.places: dict[KeyPath, Place] = {}
        self.built: dict[KeyPath, msgspec.Struct] = {}

    @cached_property
    def _homes(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """The sections in which a key of some name is known."""
        homes: dict[str, tuple[tuple[str, ...], ...]] = {}
        for key in keys(self._root):
            homes[key.path[-1]] = (*homes.get(key.path[-1], ()), key.path[:-1])
        return homes

    def read(self, document: Mapping) -> Any:
        """Return the root section, or UNREADABLE."""
        return self._section(self._root, document, ())

    def _section(self, section: type[msgspec.Struct], node: Mapping, path: KeyPath) -> Any:
        values: dict[str, Any] = {}
        known = fields(section)
        for name, entry in node.entries.items():
            if name in known:
                values[name] = self._value(known[name].shape, entry.value, (*path, name))
            else:
                self._unknown(name, entry, path, list(known))
                values[name] = UNREADABLE
        for name, field in known.items():
            if field.default is msgspec.NODEFAULT and name not in values:
                word = field.shape.word
                example = word.example if word else "..."
                values[name] = self._missing(node, (*path, name), example)
        if UNREADABLE in values.values():
            return UNREADABLE
        self.built[path] = made = section(**values)
        return made

    def _value(self, wanted: Shape, node: Node, path: KeyPath) -> Any:
        self.places[path] = node.place if isinstance(node, Scalar) else node.place.head
        if wanted.section is not None:
            return self._section_or_switch(wanted, wanted.section, node, path)
        if wanted.item is not None:
            return self._list(wanted, node, path)
        if wanted.entries is not None:
            return self._entries(wanted.entries, node, path)
        assert wanted.word is not None, f"{path} has no Word"
        return self._scalar(wanted.word.kind, wanted.word.read, node, path)

    def _section_or_switch(
        self, wanted: Shape, section: type[msgspec.Struct], node: Node, path: KeyPath
    ) -> Any:
        if isinstance(node, Mapping):
            return self._section(section, node, path)
        known = ", ".join(fields(section))
        if wanted.is_switch and isinstance(node, Scalar):
            if node.text.lower() == "true":
                self.built[path] = made = section()
                return made
            if node.text.lower() == "false":
                return None
            return self._wrong(node, f"write true, false, or keys below it: {known}", path)
        if isinstance(node, Scalar) and node.is_empty:
            return self._wrong(
                node, f"is empty: leave it out, or write keys below it: {known}", path
            )
        return self._wrong(node, f"is a section: write keys below it: {known}", path)

    def _list(self, wanted: Shape, node: Node, path: KeyPath) -> Any:
        item = shape(wanted.item)
        if not isinstance(node, Listing):
            if isinstance(node, Scalar):
                if node.is_empty:
                    return self._wrong(node, "is empty: leave it out, or write a list", path)
                return self._wrong(node, f"is a list: write [{_as_item(node.text)}]", path)
            return self._wrong(node, 'is a list: begin each item with "- "', path)
        values = [self._value(item, one, (*path, i)) for i, one in enumerate(node.items)]
        return UNREADABLE if UNREADABLE in values else tuple(values)

    def _entries(self, wanted: Entries, node: Node, path: KeyPath) -> Any:
        if not isinstance(node, Mapping):
            return self._wrong(node, 'is a section: write lines "name: value" below it', path)
        values: dict[str, Any] = {}
        for name, entry in node.entries.items():
            below = (*path, name)
            self.places[below] = entry.value.place
            if SECRET_WORD.search(name) and not name.endswith("_file"):
                self._problems.hide(entry.value.place)
            try:
                wanted.read_name(name)
            except ValueError as exc:
                self._problems.hide(entry.value.place)  # it may be a secret at the wrong place
                self._problems.error(entry.key, str(exc), below)
                values[name] = UNREADABLE
                continue
            if isinstance(entry.value, Listing) and all(
                isinstance(one, Scalar) for one in entry.value.items
            ):
                joined = ",".join(one.text for one in entry.value.items if isinstance(one, Scalar))
                values[name] = self._wrong(
                    entry.value, f"is one value, not a list: write {quoted(joined)}", below
                )
                continue
            values[name] = self._scalar(
                "value", partial(wanted.read_value, name), entry.value, below
            )
        if wanted.required and wanted.required[0] not in node.entries:
            name, example = wanted.required
            values[name] = self._missing(node, (*path, name), example)
        return UNREADABLE if UNREADABLE in values.values() else values

    def _scalar(self, kind: str, read: Callable[[str], Any], node: Node, path: KeyPath) -> Any:
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, Listing) else "a section"
            return self._wrong(node, f"is one {kind}, not {found}", path)
        if node.is_empty:
            return self._wrong(node, f"is empty: write a {kind} or leave it out", path)
        try:
            value = read(node.text)
        except ValueError as exc:
            return self._wrong(node, str(exc), path)
        return self._folder / value if isinstance(value, Path) else value

    def _missing(self, section: Mapping, path: KeyPath, example: str) -> _Unreadable:
        self._problems.error(section.place.head, f'missing: write "{path[-1]}: {example}"', path)
        return UNREADABLE

    def _wrong(self, node: Node, message: str, path: KeyPath) -> _Unreadable:
        self._problems.error(node.place, message, path)
        return UNREADABLE

    def _unknown(self, name: str, entry: Entry, path: KeyPath, known: list[str]) -> None:
        if SECRET_WORD.search(name):
            self._problems.hide(entry.value.place)
        self._problems.error(
            entry.key, f"unknown key ({self._hint(name, path, known)})", (*path, name)
        )

    def _hint(self, name: str, path: KeyPath, known: list[str]) -> str:
        if name == "<<":
            return "merge keys are not used here: write the keys out"
        homes = self._homes.get(name, ())
        if () in homes and path:
            return "it belongs to the top level: check the indentation"
        shown = {home[-1:]: ".".join(home).replace(".*", "[]") for home in reversed(homes)}
        if 1 <= len(shown) <= 2:  # tls of a JVM counts once, wherever JVMs stand
            return f"it belongs to {' or '.join(sorted(shown.values(), key=len))}"
        near = get_close_matches(name.lower().replace("-", "_"), known, n=1)
        if near:
            return f'did you mean "{near[0]}"?'
        return f"known here: {', '.join(known)}"


def _as_item(text: str) -> str:
    return text if text.replace("-", "").replace("_", "").isalnum() else f'"{text}"'
