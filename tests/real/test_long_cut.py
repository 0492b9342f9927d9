"""Two weeks without the centre, then all of it: merged, in order, each round once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

from collector.errors import Rejected, Retry
from collector.flow.pump import Appetite, Batch, Pump
from collector.frames import dictionary, frame
from collector.frames.columns import row
from collector.frames.dictionary import Stream
from collector.frames.frame import Instant, Lineage
from collector.series import Family, Kind, Series
from collector.sinks.delivery import Delivery
from collector.sinks.post import Post
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import RemoteWrite2
from collector.spool.chain import Chain
from collector.spool.cursor import Cursor
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON

STREAM = Stream("store-1", "n1", "standard")
LINEAGE = Lineage(7, 7, None, bytes(16))
HOURS, STEP_MS = 336, 15_000
ROUNDS = HOURS * 3_600_000 // STEP_MS
A_FRAME = 60
WORDS = dictionary.build(
    STREAM,
    [Series(f"n_{i}", (("site", "store-1"),), Family(f"n_{i}", Kind.GAUGE)) for i in range(3)],
)


class Told:
    """Counts of a pump and notices of its log."""

    def __init__(self) -> None:
        self.retries: list[Retry] = []
        self.gaps = 0

    def __getattr__(self, name: str):
        return lambda *_: None

    def retrying(self, why: Retry, wait: float) -> None:
        self.retries.append(why)

    def met(self, gaps, *_) -> None:
        self.gaps += len(gaps)

    def keep(self, batch: Batch, why: Rejected, sink: str) -> None:
        raise AssertionError(f"refused: {why}")


def fill(chain: Chain, end_ms: int) -> int:
    """Two weeks of rounds, up to a time; return that of the first."""
    first_ms = end_ms - (ROUNDS - 1) * STEP_MS
    for first in range(1, ROUNDS + 1, A_FRAME):
        seqs = range(first, first + A_FRAME)
        at = [Instant(first_ms + (seq - 1) * STEP_MS, seq) for seq in seqs]
        rows = [row([seq, seq / 4, -seq]) for seq in seqs]
        chain.append(WORDS, frame.frame(WORDS.id, LINEAGE, first, at, rows))
    return first_ms


def test_f18_336_hours_without_the_centre_arrive_whole_and_in_order(tmp_path: Path):
    told, stop = Told(), Event()
    centre = Prometheus(tmp_path / "centre", release=3)
    with (
        closing(Chain(tmp_path / "standard", STREAM, 1 << 20)) as chain,
        closing(
            Delivery(
                "centre", Post(centre.write_url, {}), [RemoteWrite2(), RemoteWrite1()], 31 * 86400.0
            )
        ) as sink,
    ):
        first_ms = fill(chain, int(time.time()) * 1000 - 60_000)
        cursor = Cursor(chain, tmp_path / "position", Appetite(4, 60.0), told)
        pump = Pump("forward", cursor, sink, told, told)
        room = Thread(target=pump.run, args=[stop])
        room.start()
        try:
            wait_for(lambda: told.retries, SOON, "a try without the centre")
            with centre:
                wait_for(lambda: _seq(cursor) == ROUNDS, 60.0, "the last round")
                stop.set()
                tracks = centre.samples('{site="store-1"}', "15d")
        finally:
            stop.set()
            room.join()
    assert not told.retries[0].reached
    assert told.gaps == 0
    wanted = [(first_ms + i * STEP_MS) / 1000 for i in range(ROUNDS)]
    values: dict[str, Sequence[float]] = {
        "n_0": [float(i + 1) for i in range(ROUNDS)],
        "n_1": [(i + 1) / 4 for i in range(ROUNDS)],
        "n_2": [float(-i - 1) for i in range(ROUNDS)],
    }
    assert {track.labels["__name__"] for track in tracks} == set(values)
    for track in tracks:
        assert [at for at, _ in track.points] == wanted
        assert [value for _, value in track.points] == values[track.labels["__name__"]]
    # Sixty rounds a request, as they lie on the disk: no more requests than that.
    assert sum(sink.stats.requests.values()) < 1.2 * ROUNDS / A_FRAME + 10


def _seq(cursor: Cursor) -> int:
    mark = cursor.mark(STREAM.key)
    return mark.seq if mark else 0
