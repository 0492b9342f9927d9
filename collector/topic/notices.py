"""What a reader of the topic tells: what it meets on its way, and what keeps it from Kafka."""

from __future__ import annotations

from typing import Protocol

from confluent_kafka import KafkaError

from collector.errors import FormatError, TooNew
from collector.flow.mark import Gap
from collector.frames.dictionary import Stream
from collector.topic.client import failure


class Notices(Protocol):
    """Who is told of what a reader meets on its way."""

    def met(self, gaps: tuple[Gap, ...], closed: int, repeated: int, stream: Stream) -> None:
        """Gaps of a stream were uncovered, missing rounds came after all, rounds came again."""
        ...

    def held(self, why: TooNew) -> None:
        """A stream waits: its next record needs a newer version."""
        ...

    def passed_over(self, why: FormatError, where: str) -> None:
        """A record is not ours, or not where it belongs (WrongSite)."""
        ...

    def waits(self, why: str) -> None:
        """The next round of a stream lies in the future."""
        ...

    def away(self, why: str) -> None:
        """Kafka can't be reached or refuses something; an empty text: records come again."""
        ...


class Trouble:
    """What keeps a reader from Kafka: told as it is, and taken back when records come again."""

    def __init__(self, notices: Notices, topics: str) -> None:
        """`topics` is what is read, as kafka-acls.sh is told it."""
        self._notices = notices
        self._needs = f"--operation Read {topics}"
        self._is_told = False

    def met(self, error: KafkaError, doing: str) -> None:
        """Kafka, or the way to it, failed us."""
        self.tell(str(failure(error, doing, self._needs)))

    def tell(self, why: str) -> None:
        self._is_told = True
        self._notices.away(why)

    def is_over(self) -> None:
        """Records come."""
        if self._is_told:
            self._is_told = False
            self._notices.away("")
