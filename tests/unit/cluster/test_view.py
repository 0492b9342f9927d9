"""Where a reader stands: age, bytes behind, inflow."""

from __future__ import annotations

from collector.cluster.own_broker import Disks
from collector.cluster.view import Log, View
from collector.derive.loss import Position, Retention, time_to_loss
from collector.derive.offset_times import Written

NOW = 1_000_000.0


def view(size: float | None = 8_000.0, rate: float | None = 2.0) -> View:
    """Records are 80 bytes and come each half second; the log holds the offsets 100 to 199."""
    return View(
        NOW,
        1,
        [],
        [],
        [],
        is_topics_whole=True,
        left_out={},
        failures=[],
        lost=None,
        settings={},
        written=lambda _topic, _partition, offset: written(offset) if offset > 0 else None,
        rate_of=lambda _topic, _partition: rate,
        disks=Disks({} if size is None else {("orders", 0): size}),
    )


def written(offset: int) -> Written:
    at = NOW - (200 - offset) / 2
    return Written(at, at - 5.0)


LOG = Log(100, 200)


def test_bytes_behind_are_in_proportion_to_records():
    found = view().position("orders", 0, 150, LOG)
    assert found == Position(25.0, 30.0, 4_000.0, 160.0)
    assert time_to_loss(Retention(None, 12_000, "delete"), found) == 50.0
    assert time_to_loss(Retention(40.0, 12_000, "delete"), found) == 10.0


def test_who_has_read_all_is_not_behind():
    assert view().position("orders", 0, 200, LOG) == Position(0.0, 0.0, 0.0, 160.0)


def test_who_lost_records_reads_on_where_the_log_begins():
    assert view().position("orders", 0, 20, LOG) == Position(50.0, 55.0, 8_000.0, 160.0)


def test_what_is_not_known_is_not_guessed():
    assert view(size=None).position("orders", 0, 150, LOG) == Position(25.0, 30.0)
    assert view(rate=None).position("orders", 0, 150, LOG) == Position(25.0, 30.0, 4_000.0)
    assert view().position("orders", 0, 150, Log(100, None)) == Position()
    assert view().position("orders", 0, 0, Log(0, 200)) == Position(None, None, 8_000.0, 80.0)
