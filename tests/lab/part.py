"""What is started and stopped: the shape of every part that a test or a measurement runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Part(ABC):
    """Runs inside a `with`: from its start, which says when it may be used, to its stop."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it, and return when it is of use."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it, and return when it has ended."""
