"""The captured conversations, and a reader that gets their bytes in any pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from collector.jmx.javastream import Aborted, Decoder, Reading
from collector.jmx.jrmp import Reply, read_ack, read_return
from collector.jmx.limits import Limits

FOLDER = Path(__file__).parents[2] / "data" / "jmx-captures"


class Capture(NamedTuple):
    name: str
    has_handshake: bool
    returns: tuple[bool, ...]  # for each return: does it hold an object?

    @property
    def sent(self) -> bytes:
        return (FOLDER / f"{self.name}.c2s.bin").read_bytes()

    @property
    def answered(self) -> bytes:
        return (FOLDER / f"{self.name}.s2c.bin").read_bytes()


CAPTURES = [
    Capture("01-connect-lookup-newclient", True, (True, True)),
    Capture("02-dgc-dirty-ack-clean", False, (True, False)),
    Capture("03-querynames-gc", False, (True,)),
    Capture("04-getattributes-memory-compositedata", False, (True,)),
    Capture("05-getattributes-kafka-meter", False, (True,)),
    Capture("06-getattributes-kafka-histogram", False, (True,)),
    Capture("07-exceptions", False, (True, True)),
    Capture("08-getmbeaninfo-memory", False, (True,)),
    Capture("09-connectionid-isregistered-close", False, (True, False, False)),
    Capture("10-nosuchobject", False, (True,)),
    Capture("11-getattributes-odd-values", False, (True,)),
    Capture("12-not-serializable-abort", False, (True,)),
    Capture("13-lookup-ssl-stub", True, (True,)),
    Capture("14-auth-ok", True, (True, True)),
    Capture("15-auth-wrong-password", True, (True, True)),
]
BY_NUMBER = {capture.name[:2]: capture for capture in CAPTURES}


class Reader:
    """Reads a conversation's answers as a connection would, one after the other."""

    def __init__(self, capture: Capture, limits: Limits | None = None) -> None:
        self.decoder = Decoder(limits or Limits())
        self.replies: list[Reply] = []
        self.steps = 0
        self.held = 0
        self._parts = self._all_parts(capture)
        self._reading: Reading | None = None

    def _all_parts(self, capture: Capture) -> Iterator[Reading]:
        if capture.has_handshake:
            yield read_ack(self.decoder)
        for has_value in capture.returns:
            yield read_return(self.decoder, has_value=has_value)

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when the last answer is complete."""
        self.decoder.buffer += data
        while True:
            if self._reading is None:
                self._reading = next(self._parts, None)
                if self._reading is None:
                    return True
                self.decoder.begin()
            try:
                next(self._reading)
            except StopIteration as stop:
                self.note()
                if stop.value is not None:
                    self.replies.append(stop.value)
                self._reading = None
            except Aborted as aborted:
                self.note()
                self.replies.append(Reply(None, aborted.thrown))
                self._reading = None
            else:
                self.note()
                return False

    def note(self) -> None:
        """Keep the counts of the reply that took the most."""
        self.steps = max(self.steps, self.decoder.steps)
        self.held = max(self.held, self.decoder.held)


def read(capture: Capture, pieces: Iterable[bytes]) -> list[Reply]:
    """Return the answers; all bytes must be used, and no answer end before its last byte."""
    reader = Reader(capture)
    done = False
    for piece in pieces:
        assert not done
        done = reader.feed(piece)
    assert done
    assert reader.decoder.position == len(reader.decoder.buffer)
    return reader.replies
