"""Time to data loss of one reader in one partition."""

from __future__ import annotations

import pytest

from collector.derive.loss import Position, Retention, retention, time_to_loss

WEEK = Retention(604_800.0, None, "delete")
BOTH = Retention(600.0, 1_000_000, "delete")
BYTES = Retention(None, 1_000_000, "delete")


@pytest.mark.parametrize(
    "kept, position, expected",
    [
        (WEEK, Position(0.0, 0.0), 604_800.0),
        (WEEK, Position(603_000.0, 604_000.0), 800.0),  # as old as it can be
        (WEEK, Position(700_000.0, 700_000.0), 0.0),
        (WEEK, Position(), None),
        (BOTH, Position(100.0, 100.0, 400_000.0, 1000.0), 500.0),
        (BOTH, Position(100.0, 100.0, 900_000.0, 1000.0), 100.0),
        (BOTH, Position(100.0, 100.0, 2_000_000.0, 1000.0), 0.0),
        (BOTH, Position(100.0, 100.0, 900_000.0, 0.0), 500.0),  # nothing comes in
        (BYTES, Position(100.0, 100.0, 900_000.0, 0.0), None),
        (BYTES, Position(None, None, 900_000.0, 1000.0), 100.0),
        (Retention(None, None, "delete"), Position(1e9, 1e9), None),
        (Retention(600.0, None, "compact"), Position(100.0, 100.0), None),
        (Retention(600.0, None, "compact,delete"), Position(100.0, 100.0, 1.0, 1.0), 500.0),
    ],
)
def test_the_lesser_of_age_and_size(kept: Retention, position: Position, expected: float | None):
    assert time_to_loss(kept, position) == expected


@pytest.mark.parametrize(
    "position, expected",
    [
        (Position(100.0, 100.0, None, 1000.0), None),
        (Position(100.0, 100.0, 900_000.0, None), None),
        (Position(None, None, 900_000.0, 1000.0), None),
        (Position(100.0, 600.0, None, None), 0.0),
        (Position(None, None, 1_000_000.0, None), 0.0),
    ],
)
def test_one_bound_alone_tells_nothing_but_that_it_is_reached(
    position: Position, expected: float | None
):
    """The other one could be reached first."""
    assert time_to_loss(BOTH, position) == expected


def test_bytes_of_a_compacted_log_are_in_no_proportion_to_its_offsets():
    both = Retention(600.0, 1_000_000, "compact,delete")
    assert time_to_loss(both, Position(100.0, 100.0, 1.0, 1.0)) is None


def test_settings_are_read_as_kafka_writes_them():
    settings = {"retention.ms": "604800000", "retention.bytes": "-1", "cleanup.policy": "delete"}
    assert retention(settings) == WEEK
    assert retention({"retention.ms": "-1"}) == Retention(None, None, "delete")
