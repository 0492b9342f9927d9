"""docs/configuration.md: every key that a configuration may have, from the config tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from collector.config import PRESETS, TIERS, Config
from collector.config.environment import variables
from collector.config.reader import Key, Shape, keys, shape
from collector.config.scalars import Within
from docs.markdown import code, table

_INTRODUCTION = """\
<!-- Made from collector/config by `make docs`. -->
# Every key of the configuration

One YAML file. `edgevitals check FILE` says what is wrong in it with line and column, and what to
write instead; a key that isn't known is an error. Only `site` must be there. Relative paths start
from the folder of the file. Secrets stand in files of their own and are read again when these
change; what SIGHUP changes in a running collector is in [reload.md](reload.md), a configuration to
begin with comes from `edgevitals discover`.

- A **duration** is `500ms`, `15s`, `1h30m`, `31d` or `4w`; a **size** is `512MB` or `2GiB`; a
  **rate** is a size a second, `64KiB/s`.
- A **pattern** is a regular expression that must match whole names.
- `[]` behind a name is a list: the keys below it are those of each item.
- **required** means within its section; a section that isn't there needs nothing.

Each key that has a name in the column *environment* can be set by a variable too, which wins over
the file; the name of a label is added behind `EDGEVITALS_LABELS__`. An empty variable is as if it
were not set."""

_UNITS = (("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))
_SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))
_NEEDS_EXAMPLE = frozenset({"duration or unlimited", "size or percent", "profile or path"})


def page() -> str:
    known = list(keys(Config))
    names = {path: name for name, path in variables(Config)}
    lines = [_INTRODUCTION, "", "## Presets", "", *_presets()]
    for above in _sections(known):
        lines += ["", f"## {code(_shown(above)) if above else 'At the top'}", ""]
        rows = [
            (
                code(key.path[-1] + "[]" * (key.shape.item is not None)),
                key.shape.description,
                _kind(key.shape),
                _default(key),
                *_variable(names, key),
            )
            for key in known
            if key.path[:-1] == above
        ]
        head = ["key", "what", "kind", "if left out"]
        has_variables = any(row[-1] for row in rows)
        lines += table(
            [*head, *["environment"] * has_variables],
            rows if has_variables else [row[: len(head)] for row in rows],
        )
    return "\n".join(lines) + "\n"


def _presets() -> list[str]:
    rows = (
        (
            code(name),
            *(_duration(preset.intervals[tier]) for tier in TIERS),
            str(preset.frame_after),
            str(preset.rounds_per_request),
        )
        for name, preset in PRESETS.items()
    )
    head = ("`preset`", *(f"`tiers.{tier}.interval`" for tier in TIERS))
    return table((*head, "`topic.frame_after`", "`sinks[].rounds_per_request`"), rows)


def _sections(known: list[Key]) -> Iterator[tuple[str, ...]]:
    """Paths of sections that have keys, as they come."""
    yield ()
    for key in known:
        if key.shape.item is not None:
            if shape(key.shape.item).section is not None:
                yield (*key.path, "*")
        elif key.shape.section is not None:
            yield key.path


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".*", "[]")


def _variable(names: dict[tuple[str, ...], str], key: Key) -> tuple[str]:
    name = names.get(key.path, "")
    return (code(name) if name else "",)


def _kind(of: Shape) -> str:
    if of.item is not None:
        item = shape(of.item)
        return f"list: {'sections' if item.section else _kind(item)}"
    if of.section is not None:
        return "true, false or a section" if of.is_switch else "section"
    if of.entries is not None:
        return "lines `name: value`"
    word = of.word
    assert word is not None
    choices = get_args(of.base) if get_origin(of.base) is Literal else ()
    if choices:
        return ", ".join(map(code, choices))
    if isinstance(word.read, Within):
        return f"{word.kind}, {word.read.low} to {word.read.high}"
    if word.kind in _NEEDS_EXAMPLE:
        return f"{word.kind}, like {code(word.example)}"
    return "pattern" if word.kind == "regular expression" else word.kind


def _default(key: Key) -> str:
    value = key.default
    if value is msgspec.NODEFAULT:
        return "**required**"
    if value is None or value in ((), {}) or isinstance(value, msgspec.Struct):
        return ""
    return code(_written(key.shape, value))


def _written(of: Shape, value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, tuple) and of.item is not None:
        item = shape(of.item)
        return f"[{', '.join(_written(item, one) for one in value)}]"
    kind = of.word.kind if of.word else ""
    if isinstance(value, bool):
        return str(value).lower()
    if kind.startswith("duration"):
        return _duration(value)
    if kind == "size":
        unit, factor = next(pair for pair in _SIZES if value % pair[1] == 0)
        return f"{value // factor}{unit}"
    if kind == "regular expression":
        return f'"{value}"'
    return str(value)


def _duration(seconds: float) -> str:
    unit, size = next(pair for pair in _UNITS if seconds % pair[1] == 0)
    return f"{seconds / size:g}{unit}"
