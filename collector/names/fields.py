"""The keys of a mapping in a rule file, each read as what it must be.

What is wrong is collected, so that a person is told all of it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.names.document import Entry, Place, did_you_mean, is_near


class Findings:
    """What is wrong with a file, and what a person should know of it; each line has its place."""

    def __init__(self) -> None:
        self._problems: list[tuple[Place, str]] = []
        self._notes: list[tuple[Place, str]] = []

    @property
    def problems(self) -> list[str]:
        """What is wrong, in the order of the file."""
        return _in_order(self._problems)

    @property
    def notes(self) -> list[str]:
        """What has no effect, in the order of the file."""
        return _in_order(self._notes)

    def wrong(self, place: Place, message: str) -> None:
        """Add a problem: the file can't be used."""
        self._problems.append((place, message))

    def note(self, place: Place, message: str) -> None:
        """Add a note: something in the file has no effect."""
        self._notes.append((place, message))


class Fields:
    """A mapping. `what` is what a person calls it: `a rule`."""

    def __init__(self, what: str, entry: Entry, known: Sequence[str], findings: Findings) -> None:
        self.findings = findings
        self.place = entry.place
        self.values: dict[str, tuple[Place, Entry]] = {}
        if isinstance(entry.value, dict):
            self.values = entry.value
        else:
            findings.wrong(entry.place, f"{what} is a mapping, this is {entry.kind}")
        for key, (place, _) in self.values.items():
            if key in known:
                continue
            if is_near(key, known):
                findings.wrong(place, f"unknown key '{key}'{did_you_mean(key, known)}")
            else:  # the exporter passes over such keys in silence
                findings.note(place, f"{key} is not used: it is no key of jmx_exporter")

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def key_place(self, key: str) -> Place:
        """Return where a key stands, or the mapping when it has no such key."""
        return self.values[key][0] if key in self.values else self.place

    def value_place(self, key: str) -> Place:
        """Return where a key's value stands."""
        return self.values[key][1].place if key in self.values else self.place

    def text(self, key: str) -> str | None:
        """Return a scalar as text, None when it is missing or wrong."""
        return self.scalar(key, self.values[key][1]) if key in self.values else None

    def boolean(self, key: str) -> bool:
        """Return true or false; false when it is missing."""
        if key not in self.values:
            return False
        entry = self.values[key][1]
        if not isinstance(entry.value, bool):
            self.findings.wrong(entry.place, f"{key} is true or false, this is {entry.kind}")
            return False
        return entry.value

    def entries(self, key: str) -> list[Entry]:
        """Return a list; empty when it is missing."""
        return self.listed(key, self.values[key][1]) if key in self.values else []

    def mapping(self, key: str) -> dict[str, tuple[Place, Entry]]:
        """Return a mapping; empty when it is missing."""
        if key not in self.values:
            return {}
        entry = self.values[key][1]
        if not isinstance(entry.value, dict):
            self.findings.wrong(entry.place, f"{key} is a mapping, this is {entry.kind}")
            return {}
        return entry.value

    def scalar(self, key: str, entry: Entry) -> str | None:
        """Return any scalar as text."""
        if isinstance(entry.value, bool):
            return "true" if entry.value else "false"
        if isinstance(entry.value, str | int | float):
            return str(entry.value)
        self.findings.wrong(entry.place, f"{key} is text, this is {entry.kind}")
        return None

    def listed(self, key: str, entry: Entry) -> list[Entry]:
        """Return the entries of a list."""
        if not isinstance(entry.value, list):
            self.findings.wrong(entry.place, f"{key} is a list, this is {entry.kind}")
            return []
        return entry.value


def _in_order(found: list[tuple[Place, str]]) -> list[str]:
    found = sorted(found, key=lambda each: (each[0].line, each[0].column))
    return [f"{place}: {message}" for place, message in found]
