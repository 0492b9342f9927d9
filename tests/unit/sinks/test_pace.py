"""How much one request holds, on links of any speed."""

from __future__ import annotations

import pytest

from collector.errors import Retry
from collector.flow.pump import MOST_CELLS
from collector.sinks.pace import FEWEST_CELLS, FIRST_CELLS, QUICK_S, SLOW_S, Pace

BYTES_A_CELL = 5.0
DEADLINE_S = 30.0


def settled(pace: Pace, bytes_a_second: float, requests: int = 40) -> list[float]:
    """Send requests as large as they may be over a link; return how long each took."""
    took = []
    for _ in range(requests):
        cells = pace.cells
        seconds = cells * BYTES_A_CELL / bytes_a_second
        took.append(seconds)
        if seconds > DEADLINE_S:
            pace.timed_out(cells)
        else:
            pace.answered(cells, seconds)
    return took


@pytest.mark.parametrize("bits_a_second", [9600, 64_000, 256_000, 1e6, 1e8])
def test_a_request_takes_a_few_seconds_of_the_link_at_most(bits_a_second):
    pace = Pace()
    took = settled(pace, bits_a_second / 8)
    assert max(took[10:]) <= SLOW_S * 1.01
    least_s = FEWEST_CELLS * BYTES_A_CELL * 8 / bits_a_second
    # No smaller than it has to be: a quick one doubles, unless it is as large as they get.
    assert min(took[10:]) >= QUICK_S or least_s > QUICK_S or pace.cells == MOST_CELLS


def test_a_link_that_gets_better_is_used_again():
    pace = Pace()
    settled(pace, 1000.0)
    assert pace.cells <= 2000
    settled(pace, 1e7)
    assert pace.cells == MOST_CELLS


def test_time_outs_halve_down_to_a_floor():
    pace = Pace()
    sizes = []
    for _ in range(12):
        pace.timed_out(pace.cells)
        sizes.append(pace.cells)
    assert sizes[:3] == [FIRST_CELLS // 2, FIRST_CELLS // 4, FIRST_CELLS // 8]
    assert sizes[-1] == FEWEST_CELLS


def test_a_small_request_that_was_quick_says_nothing_of_larger_ones():
    pace = Pace()
    pace.answered(FIRST_CELLS // 4, 0.1)
    assert pace.cells == FIRST_CELLS
    pace.answered(FIRST_CELLS * 3 // 4, 0.1)
    assert pace.cells == 2 * FIRST_CELLS


def test_what_was_too_large_for_the_receiver_is_never_tried_again():
    pace = Pace()
    pace.too_large(16_000, "413")
    for _ in range(5):
        pace.answered(pace.cells, 0.1)
    assert pace.cells == 8000
    with pytest.raises(Retry) as caught:
        pace.too_large(FEWEST_CELLS, "413")
    assert caught.value.hold
