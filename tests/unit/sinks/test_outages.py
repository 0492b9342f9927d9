"""A receiver that fails for a while: all is waited for, and nothing is lost or out of order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event

import pytest

from collector.flow.mark import Withheld
from collector.flow.pump import LONGEST_WAIT_S, Batch, Pump
from tests.lab.remote_write import RemoteWrite
from tests.unit.sinks.batches import batch, rounds, times, words
from tests.unit.sinks.peer import Judged, Peer, Seen, answer

AB = words("a", "b")
OK = answer(204)


class Log:
    """Batches of four rounds each; its clock is what the pump waited, so an hour takes no time."""

    def __init__(self, batches: int, stop: Event) -> None:
        self._stop = stop
        self._batches = batches
        self.committed = 0
        self.now = 0.0
        self.waits: list[float] = []

    def read(self, wait: float) -> Batch | None:
        if self.committed == self._batches:
            self._stop.set()
            return None
        first = 4 * self.committed + 1
        return batch(AB, rounds(AB, first, [[seq, -seq] for seq in range(first, first + 4)]))

    def commit(self, batch: Batch, withheld: Sequence[Withheld]) -> None:
        assert not withheld
        self.committed += 1

    def wait(self, seconds: float, stop: Event) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return True


class Quiet:
    def __getattr__(self, name: str):
        return lambda *_: None


@contextmanager
def pumping(judge, batches: int = 3) -> Iterator[tuple[Log, Peer]]:
    stop = Event()
    log = Log(batches, stop)
    with (
        Peer(Judged(lambda seen: judge(log, seen))) as peer,
        closing(RemoteWrite("centre", peer.url)) as sink,
    ):
        Pump("centre", log, sink, Quiet(), Quiet()).run(stop)
        yield log, peer


def must_have_arrived(peer: Peer, taken: Sequence[Seen], batches: int = 3) -> None:
    points = [point for seen in taken for point in seen.samples().get("a", [])]
    wanted = [(ms, float(seq)) for seq, ms in enumerate(times(1, 4 * batches), 1)]
    assert points == wanted, "each once, and in order"


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 529])
def test_f19_ten_minutes_of_errors_lose_nothing_and_are_met_with_longer_waits(status):
    taken: list[Seen] = []

    def judge(log: Log, seen: Seen) -> bytes:
        if log.committed == 1 and log.now < 600:
            return answer(status, b"busy")
        if seen.samples():
            taken.append(seen)
        return OK

    with pumping(judge) as (log, peer):
        must_have_arrived(peer, taken)
    assert log.now >= 600
    assert len(log.waits) < 30, "no storm"
    assert log.waits[0] <= 1.0
    assert max(log.waits) <= LONGEST_WAIT_S
    assert all(wait >= LONGEST_WAIT_S / 2 for wait in log.waits[7:])


@pytest.mark.parametrize(
    "text, waits",
    [
        ("7", (7.0, 7.0)),
        ("a date", (900.0, 900.0)),
        ("-5", (0.5, 1.0)),
        ("1000000000", (900.0, 900.0)),
        ("abc", (0.5, 1.0)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_f20_a_receiver_that_wants_to_be_left_alone_is_left_alone(status, text, waits):
    taken: list[Seen] = []
    if text == "a date":
        text = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)

    def judge(log: Log, seen: Seen) -> bytes:
        if not log.waits:
            return answer(status, b"slow down", f"Retry-After: {text}")
        if seen.samples():
            taken.append(seen)
        return OK

    with pumping(judge) as (log, peer):
        must_have_arrived(peer, taken)
    [wait] = log.waits
    least, most = waits
    assert least <= wait <= most
