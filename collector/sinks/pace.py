"""How much one request holds: as much as the link takes in a few seconds.

A request that outlasts its deadline was for nothing, and a live round waits behind it. So requests
grow while they are quick, shrink when they are slow, and are halved when one ends in a time-out or
in a 413; what was too large for the receiver (413) is remembered.
"""

from __future__ import annotations

from collector.errors import Retry
from collector.flow.pump import MOST_CELLS

FIRST_CELLS = 20_000
FEWEST_CELLS = 100
"""A request as small as this is not halved once more: 413 must mean something else."""

QUICK_S = 2.5
SLOW_S = 10.0


class Pace:
    """Cells of a request, at most `most`."""

    def __init__(self, first: int = FIRST_CELLS, most: int = MOST_CELLS) -> None:
        self.cells = min(first, most)
        self._most = most

    def answered(self, cells: int, seconds: float) -> None:
        """A request of so many cells was answered after so long."""
        if seconds > SLOW_S:
            self.cells = max(FEWEST_CELLS, int(min(cells, self.cells) * SLOW_S / seconds))
        elif seconds < QUICK_S and 2 * cells > self.cells:
            # Only one that was nearly as large as it may be says that more would be quick too.
            self.cells = min(2 * self.cells, self._most)

    def timed_out(self, cells: int) -> None:
        """A request of so many cells got no answer in time."""
        self.cells = max(FEWEST_CELLS, min(self.cells, cells // 2))

    def too_large(self, cells: int, says: str) -> None:
        """The receiver refuses a request for its size. Raises Retry where none has such a limit."""
        if cells <= FEWEST_CELLS:
            hint = f"allow larger requests at the receiver, or at the proxy before it: {cells} "
            raise Retry(says, f"{hint}samples are too many", hold=True)
        self.cells = self._most = max(1, cells // 2)
