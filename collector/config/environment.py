"""Keys from the environment: `EDGEVITALS_SPOOL__MAX_SIZE` is `spool.max_size`, and wins over it.

Every scalar outside lists has such a name. Lists have none, nor have Kafka properties: their names
have dots in them. A variable that is empty is as if it were not set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import msgspec

from collector.config import document
from collector.config.problems import Place, Problems
from collector.config.reader import keys

PREFIX = "EDGEVITALS_"
BETWEEN = "__"

_KUBERNETES = re.compile(r"EDGEVITALS_(SERVICE_HOST|SERVICE_PORT|PORT)(_|$)")
"""What Kubernetes sets in every pod of a namespace with a Service called edgevitals."""


def variable(path: tuple[str, ...]) -> str:
    """Return the name of a key's variable."""
    return PREFIX + BETWEEN.join(path).upper()


def variables(root: type[msgspec.Struct]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Walk the names of all variables with the keys that they set."""
    for key in keys(root):
        if "*" not in key.path and (key.shape.word or key.shape.is_switch):
            yield variable(key.path), key.path


def overlay(
    root: type[msgspec.Struct],
    values: document.Mapping,
    environ: Mapping[str, str],
    problems: Problems,
) -> None:
    """Put the values of variables over those of the file; warn of names that are no key."""
    known = dict(variables(root))
    shapes = {variable(key.path): key.shape for key in keys(root) if "*" not in key.path}
    ours = {
        name: text for name, text in sorted(environ.items()) if name.startswith(PREFIX) and text
    }
    # Shorter names first: a switch is set before the keys of its section.
    for name, text in sorted(ours.items(), key=lambda item: item[0].count(BETWEEN)):
        value = document.Scalar(Place(variable=name), text, is_plain=False)
        if name in known:
            document.put(values, known[name], value)
            continue
        section, _, last = name.rpartition(BETWEEN)
        entries = shapes[section].entries if section in shapes else None
        if entries is not None and entries.has_variables and last:
            document.put(values, (*_path(section), last.lower()), value)
        elif not _KUBERNETES.match(name):
            problems.warning(value.place, _why_ignored(root, name, known))


def _path(name: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(PREFIX).lower().split(BETWEEN))


def _why_ignored(root: type[msgspec.Struct], name: str, known: dict[str, tuple[str, ...]]) -> str:
    for key in keys(root):
        if "*" in key.path or not (key.shape.item or key.shape.entries):
            continue
        if name == variable(key.path) or name.startswith(variable(key.path) + BETWEEN):
            what = "a list" if key.shape.item else "names with dots"
            return f"ignored: {'.'.join(key.path)} has {what}, which only the file can set"
    near = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"ignored: no key has this name{f' (did you mean {near[0]}?)' if near else ''}"
