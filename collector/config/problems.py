"""What is wrong with a configuration, as a person wants to read it.

    config.yaml:14:5: error: sources.jmx[0].intervall: unknown key (did you mean "interval"?)
       13 |   - address: localhost:9999
       14 |     intervall: 15s
          |     ^^^^^^^^^

All problems are collected and shown in the order of the file. Lines are shown as they stand there,
but never a secret: what follows a key like `password`, a user name in a URL and every span that
was hidden with `Problems.hide` becomes asterisks.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, NamedTuple

MOST_SHOWN = 50
WIDEST_LINE = 120
LONGEST_QUOTE = 60

_SECRETS = (
    r"(?:password|passphrase|secret|token|jaas\.config|private\.key|key\.pem|oauthbearer\.config)"
)
SECRET_WORD = re.compile(_SECRETS, re.IGNORECASE)
"""What is in the names of keys whose values are nobody's business."""

_SECRET_VALUE = re.compile(
    rf"[\w.]*{_SECRETS}[\w.]*(?<!_file)[\"']?\s*[:=]\s*(?P<secret>\S.*)", re.IGNORECASE
)
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""Those of YAML 1.1, which counts our lines; `str.splitlines` knows more."""
_USER_IN_URL = re.compile(r"://(?P<secret>[^/\s@]*)@")

KeyPath = tuple[str | int, ...]
"""Where a key stands in the tree: `("sources", "jmx", 0, "address")`."""


def lines_of(text: str) -> list[str]:
    return _LINE_BREAK.split(text)


class Place(NamedTuple):
    """Where something is written. Lines and columns count from 1, `end_column` is past the end.

    Line 0 is the file as a whole. `variable` names the environment variable that it came from
    instead of the file.
    """

    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    variable: str = ""

    @property
    def head(self) -> Place:
        """Its first character: enough to point at a section of many lines."""
        return self._replace(end_line=self.line, end_column=self.column + 1) if self.line else self


WHOLE_FILE = Place()


class Problem(NamedTuple):
    """One line to a person, and where it points."""

    place: Place
    severity: Literal["error", "warning"]
    message: str

    @property
    def order(self) -> tuple[bool, int, int]:
        """The file from top to bottom, then the environment."""
        return bool(self.place.variable), self.place.line, self.place.column


def shown_path(path: KeyPath) -> str:
    """Write a path as people say it: `sources.jmx[0].address`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def quoted(text: str) -> str:
    """Show a value inside a message: short, on one line, without a URL's password."""
    text = _masked_matches(_USER_IN_URL, _printable(text))
    if len(text) > LONGEST_QUOTE:
        text = text[: LONGEST_QUOTE - 3] + "..."
    return f'"{text}"'


class Problems:
    """All problems of one configuration. `name` is the file as the person wrote it."""

    def __init__(self, name: str, text: str = "") -> None:
        self._name = name
        self._lines = lines_of(text)
        self._found: dict[Problem, None] = {}  # in the order of finding, each once
        self._hidden: list[Place] = []

    def error(self, place: Place, message: str, path: KeyPath = ()) -> None:
        self._add(Problem(place, "error", _with_path(message, path)))

    def warning(self, place: Place, message: str, path: KeyPath = ()) -> None:
        self._add(Problem(place, "warning", _with_path(message, path)))

    def _add(self, problem: Problem) -> None:
        self._found.setdefault(problem)

    def told(self) -> list[Problem]:
        """All that was found, in the order of the file."""
        return sorted(self._found, key=lambda one: one.order)

    def hide(self, place: Place) -> None:
        """Never show what is written there."""
        self._hidden.append(place)

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self._found)

    @property
    def warnings(self) -> list[str]:
        """The warnings alone, one line each, without the lines of the file."""
        return [
            self._headline(problem)
            for problem in sorted(self._found, key=lambda problem: problem.order)
            if problem.severity == "warning"
        ]

    def render(self) -> str:
        """Return every problem with the lines it points at, and a last line that counts them."""
        found = sorted(self._found, key=lambda problem: problem.order)
        parts = [
            self._headline(problem) + self._snippet(problem.place) for problem in found[:MOST_SHOWN]
        ]
        if len(found) > MOST_SHOWN:
            parts.append(f"and {len(found) - MOST_SHOWN} more")
        counts = Counter(problem.severity for problem in found)
        parts.append(
            ", ".join(
                f"{count} {severity}{'s' if count > 1 else ''}"
                for severity in ("error", "warning")
                if (count := counts[severity])
            )
        )
        return "\n".join(parts)

    def _headline(self, problem: Problem) -> str:
        place = problem.place
        if place.variable:
            where = place.variable
        elif place.line:
            where = f"{self._name}:{place.line}:{place.column}"
        else:
            where = self._name
        return f"{where}: {problem.severity}: {problem.message}"

    def _snippet(self, place: Place) -> str:
        """The line, the one before it, and carets below; nothing where there is no such line."""
        if not 1 <= place.line <= len(self._lines):
            return ""
        line = self._shown_line(place.line)
        start = place.column - 1
        end = place.end_column - 1 if place.end_line == place.line else len(line.rstrip())
        cut = max(0, start - WIDEST_LINE // 2) if len(line) > WIDEST_LINE else 0
        carets = "^" * max(1, min(end, cut + WIDEST_LINE) - start)
        before = self._shown_line(place.line - 1)[cut:] if place.line > 1 else ""
        rows = [
            f"{number:5} | {text[:WIDEST_LINE]}"
            for number, text in ((place.line - 1, before), (place.line, line[cut:]))
            if text.strip() or number == place.line
        ]
        rows.append(f"{'':5} | {' ' * (start - cut)}{carets}")
        return "".join(f"\n{row.rstrip()}" for row in rows)

    def _shown_line(self, number: int) -> str:
        line = _printable(self._lines[number - 1])
        for place in self._hidden:
            if place.line <= number <= place.end_line:
                start = place.column - 1 if number == place.line else 0
                end = place.end_column - 1 if number == place.end_line else len(line)
                line = line[:start] + _asterisks(line[start:end]) + line[end:]
        return _masked_matches(_USER_IN_URL, _masked_matches(_SECRET_VALUE, line))


def _with_path(message: str, path: KeyPath) -> str:
    return f"{shown_path(path)}: {message}" if path else message


def _printable(text: str) -> str:
    """One column a character: what a terminal would obey becomes "?", a tab a space."""
    return "".join(c if c.isprintable() else " " if c in "\t\n" else "?" for c in text)


def _asterisks(text: str) -> str:
    return re.sub(r"\S", "*", text)


def _masked_matches(pattern: re.Pattern[str], text: str) -> str:
    def masked(match: re.Match[str]) -> str:
        start, end = (edge - match.start() for edge in match.span("secret"))
        whole = match[0]
        return whole[:start] + _asterisks(whole[start:end]) + whole[end:]

    return pattern.sub(masked, text)
