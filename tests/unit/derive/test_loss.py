"""Time to data loss of one reader in one partition."""

from __future__ import annotations

import pytest

from collector.derive.loss import Position, Retention, retention, time_to_loss

WEEK = Retention(604_800.0, None, "delete")
BOTH = Retention(600.0, 1_000_000, "delete")


@pytest.mark.parametrize(
    "kept, position, expected",
    [
        (WEEK, Position(0.0), 604_800.0),
        (WEEK, Position(604_000.0), 800.0),
        (WEEK, Position(700_000.0), 0.0),
        (WEEK, Position(None), None),
        (BOTH, Position(100.0, 400_000.0, 1000.0), 500.0),
        (BOTH, Position(100.0, 900_000.0, 1000.0), 100.0),
        (BOTH, Position(100.0, 2_000_000.0, 1000.0), 0.0),
        (BOTH, Position(None, 900_000.0, 1000.0), 100.0),
        (BOTH, Position(100.0, 900_000.0, 0.0), 500.0),
        (BOTH, Position(100.0, None, 1000.0), 500.0),
        (Retention(None, None, "delete"), Position(1e9), None),
        (Retention(600.0, 1000, "compact"), Position(100.0, 1.0, 1.0), None),
        (Retention(600.0, 1000, "compact,delete"), Position(100.0, 1.0, 1.0), None),
    ],
)
def test_the_lesser_of_age_and_size(kept: Retention, position: Position, expected: float | None):
    assert time_to_loss(kept, position) == expected


def test_settings_are_read_as_kafka_writes_them():
    settings = {"retention.ms": "604800000", "retention.bytes": "-1", "cleanup.policy": "delete"}
    assert retention(settings) == WEEK
    assert retention({"retention.ms": "-1"}) == Retention(None, None, "delete")
