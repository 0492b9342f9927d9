"""The names that a target's values get: one rule set for each profile or file in `names:`.

    rules = load_rules(["default", "/etc/edgevitals/own.yaml"])
    rules.sets          one after the other; a value may get a name from each of them
    rules.notes         what stands in the files and is not used, each with its place

Profiles are rule files of this package: `default`, `strimzi`, `cp-ansible`, `cfk`. The names of
the JVM and its process (`jvm.yaml`) come with every list, as they come with the javaagent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.errors import ConfigError
from collector.names.document import MAX_BYTES, did_you_mean
from collector.names.object_names import may_share
from collector.names.rule_file import ProblemsFound, parse_rule_file
from collector.names.rule_set import RuleSet

PROFILES = ("default", "strimzi", "cp-ansible", "cfk")

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Rules:
    """All rule sets of a target."""

    sets: tuple[RuleSet, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the files: `file:line:column: sentence`."""
        return tuple(note for each in self.sets for note in each.notes)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The ObjectName patterns to ask a server for, each once."""
        patterns = dict.fromkeys(text for each in self.sets for text in each.patterns)
        return ("*:*",) if "*:*" in patterns else tuple(patterns)

    def leaves_out(self, pattern: str) -> Sequence[str]:
        """Return ObjectName patterns of what no set reads, though `pattern` may match it.

        A server that is told of them sends a few hundred names where it has a hundred thousand.
        """
        found = dict.fromkeys(one.text for each in self.sets for one in each.left_out)
        return [
            text
            for text in found
            if may_share(text, pattern) and all(each.never_reads(text) for each in self.sets)
        ]


def load_rules(names: Sequence[str], directory: Path | None = None) -> Rules:
    """Load profiles and files, in their order; a relative path is relative to `directory`.

    The JVM's names are added unless every file of the list says `excludeJvmMetrics: true`.
    Raises ConfigError with a line for each problem: file, line, column, what is wrong and what
    to do.
    """
    problems: list[str] = []
    sets: list[RuleSet] = []
    if not names:
        problems.append("names is an empty list: write at least [default]")
    for name in dict.fromkeys(names):
        try:
            sets.append(_load(name, directory))
        except ProblemsFound as found:
            problems += found.problems
    if problems:
        raise ConfigError("\n".join(problems))
    if not all(each.exclude_jvm for each in sets):
        sets.append(_load("jvm", None))
    return Rules(tuple(sets))


def profile_path(name: str) -> Path:
    """Return where a profile's rule file lies: a person may copy it and change it."""
    return _HERE / f"{name}.yaml"


def _load(name: str, directory: Path | None) -> RuleSet:
    is_profile = name in (*PROFILES, "jvm")
    if is_profile:
        path = profile_path(name)
    elif "/" in name or name.endswith((".yaml", ".yml", ".json")):
        path = Path(name) if directory is None else directory / name
    else:
        raise ProblemsFound([f"no profile is called '{name}'{did_you_mean(name, PROFILES)}"])
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProblemsFound([f"{path}: {reason}: check the path in names"]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: byte {error.start} is not UTF-8: is this a rule file?"
        raise ProblemsFound([message]) from error
    return parse_rule_file(text, name if is_profile else str(path))
