"""Settings of topics or of brokers, kept for a while: they seldom change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from collector.admin.wire import Failure

SETTINGS_S = 300.0
"""They are read again after so long."""

AGAIN_S = 60.0
"""Until those that we may not see are asked for again."""

Name = TypeVar("Name", str, int)
"""A topic, or the id of a broker."""

Settings = Mapping[str, str]
Read = Callable[[Sequence[Name], float], tuple[Mapping[Name, Settings], list[Failure]]]
"""Given names and a deadline, returns what can be had and what failed."""


class KeptSettings(Generic[Name]):
    """Those of one kind, in `of`. What Kafka refuses us to see, or what is gone, is not kept."""

    def __init__(self, read: Read[Name], most: int) -> None:
        self.of: dict[Name, Settings] = {}
        self._read: Read[Name] = read
        self._most = most
        self._asked: set[Name] = set()
        self._refusals: list[Failure] = []
        self._due_at = 0.0

    def learn(self, names: Iterable[Name], deadline: float) -> list[Failure]:
        """Read what is due or new of these; return what failed, a refusal as long as it holds.

        What was only late is asked for again at the next call.
        """
        now = time.monotonic()
        if now >= self._due_at:
            self._asked.clear()
            self._refusals = []
            self._due_at = now + SETTINGS_S
        there = sorted(names)[: self._most]
        wanted = [name for name in there if name not in self._asked]
        late: list[Failure] = []
        if wanted:
            found, failures = self._read(wanted, deadline)
            self._asked.update(found)
            if any(failure.is_forbidden for failure in failures):
                self._refusals += failures
                self._asked.update(wanted)
                self._due_at = min(self._due_at, now + AGAIN_S)
                self.of = {name: one for name, one in self.of.items() if name not in wanted}
            else:
                late = failures
            self.of = {**self.of, **found}
        self.of = {name: self.of[name] for name in there if name in self.of}
        return [*self._refusals, *late]
