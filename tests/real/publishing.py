"""A site that publishes: rounds on a real disk, the pump to a real topic, and the books of both."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Self

from collector.errors import Rejected, Retry, Rewind
from collector.flow.mark import Gap
from collector.flow.pump import Appetite, Batch, Pump
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Frame, decode
from collector.rooms import House
from collector.spool.cursor import Cursor
from collector.telemetry import PumpReport, Telemetry
from collector.topic.writer import TopicWriter
from tests.lab.waiting import wait_for
from tests.real.topic_place import SOON, Place
from tests.unit.site import TIER, Site


class Account(PumpReport):
    """A pump's report that keeps what it was told."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__("publish", "spool", "topic", telemetry)
        self.retried: list[tuple[Retry, float]] = []
        self.rewinds: list[Rewind] = []
        self.gaps: list[Gap] = []
        self.throttled_s = 0.0

    def retrying(self, why: Retry, wait: float) -> None:
        self.retried.append((why, wait))
        super().retrying(why, wait)

    def rewound(self, why: Rewind) -> None:
        self.rewinds.append(why)
        super().rewound(why)

    def met(self, gaps, closed, repeated, stream=None):
        self.gaps += gaps
        super().met(gaps, closed, repeated, stream)

    def throttled(self, seconds: float) -> None:
        self.throttled_s += seconds
        super().throttled(seconds)

    @property
    def said(self) -> str:
        """All reasons why something waited."""
        return "\n".join(str(why) for why, _ in self.retried)


class Publishing:
    """One site and its topic. `stop` and `start` are a restart of the collector."""

    def __init__(self, place: Place, folder: Path, *, least: int = 1) -> None:
        self.place = place
        self.site = Site(folder / "spool")
        self.taken = 0
        self.rejected: list[tuple[range, Rejected]] = []
        self.account = Account(self.site.telemetry)
        self._least = least
        self._house: House | None = None
        self.writer: TopicWriter | None = None
        self.cursor: Cursor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.site.__exit__()

    def start(self) -> Self:
        appetite = Appetite(self._least, 0.0)
        self.cursor = self.site.spool.cursor(TIER, "topic", appetite, self.account)
        self.writer = self.place.writer(self.cursor, self.account)
        pump = Pump("publish", self.cursor, self.writer, self, self.account)
        self._house = House()
        self._house.open("publish", pump.run)
        return self

    def stop(self) -> None:
        house, self._house = self._house, None
        if house is None:
            return
        assert house.join(SOON) == []
        assert self.writer is not None
        assert self.cursor is not None
        self.writer.close()
        self.cursor.close()
        if house.error:
            raise house.error

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        """The rejected store."""
        self.rejected += [(range(f.first_seq, f.last_seq + 1), why) for f in batch.frames]

    def take(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.taken += 1
            self.site.take(self.taken)

    def publish(self, rounds: int = 1) -> None:
        """Take rounds one by one, each in the topic before the next."""
        for _ in range(rounds):
            self.take()
            self.wait()

    def wait(self, seconds: float = SOON) -> None:
        """Return when the topic has acknowledged the newest round."""
        house = self._house
        assert house is not None
        wait_for(
            lambda: house.error or self.published == self.taken, seconds, f"round {self.taken}"
        )
        if house.error:
            raise house.error

    @property
    def published(self) -> int:
        assert self.cursor is not None
        mark = self.cursor.mark(self.site.stream.key)
        return mark.seq if mark else 0

    def frames(self) -> list[tuple[int, Frame]]:
        """Our frames in the topic with their offsets; each can be read."""
        found: list[tuple[int, Frame]] = []
        known: dict[int, Dictionary] = {}
        for record in self.place.records():
            body = decode(record.value() or b"", known)
            if isinstance(body, Dictionary):
                known[body.id] = body
            elif isinstance(body, Frame):
                dictionary = known[body.dictionary_id]
                if dictionary.stream == self.site.stream:
                    assert len(body.rows(dictionary)) == len(body.at)
                    found.append((record.offset() or 0, body))
        return found

    def in_topic(self) -> list[int]:
        """Our rounds in the order of their records, repeats too."""
        return [s for _, f in self.frames() for s in range(f.first_seq, f.last_seq + 1)]

    def offset_of(self, seq: int) -> int:
        return next(offset for offset, frame in self.frames() if frame.last_seq == seq)

    def balance(self) -> list[int]:
        """Check the books: every round on disk is in the topic, in order, repeats judged.

        Returns the rounds that are there twice.
        """
        found = self.in_topic()
        aside = {seq for seqs, _ in self.rejected for seq in seqs}
        assert list(dict.fromkeys(found)) == [s for s in self.on_disk() if s not in aside]
        assert self.account.gaps == []
        return sorted({seq for seq in found if found.count(seq) > 1})

    def on_disk(self) -> list[int]:
        cursor = self.site.spool.cursor(TIER, "books", Appetite(1, 0.0), self.account)
        seqs: list[int] = []
        with closing(cursor):
            while (batch := cursor.read(0.0)) is not None:
                seqs += [s for f in batch.frames for s in range(f.first_seq, f.last_seq + 1)]
        return seqs
