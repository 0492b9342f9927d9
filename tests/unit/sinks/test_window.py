from __future__ import annotations

import math

import pytest

from collector.sinks.window import Age, age

NOW = 1_790_000_000_000
HOUR, DAY = 3_600_000, 86_400_000


@pytest.mark.parametrize(
    "at_ms, window_s, verdict",
    [
        (NOW, 86_400.0, Age.GOOD),
        (NOW - DAY, 86_400.0, Age.GOOD),
        (NOW - DAY - 1, 86_400.0, Age.TOO_OLD),
        (NOW - 400 * DAY, math.inf, Age.GOOD),
        (NOW - HOUR, 0.0, Age.GOOD),
        (NOW - HOUR - 1, 0.0, Age.TOO_OLD),
        (NOW - HOUR, 60.0, Age.GOOD),
        (NOW + 300_000, 0.0, Age.GOOD),
        (NOW + 300_001, math.inf, Age.FUTURE),
    ],
)
def test_the_age_of_a_round(at_ms, window_s, verdict):
    assert age(at_ms, NOW, window_s) is verdict
