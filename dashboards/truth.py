"""The truth strip: how old what is shown is, what is still to come and what is missing.

It is the same on every board and its first row. It asks over the whole range that is looked at, so
that it has an answer for a site that has been silent for hours, when all else is empty.
"""

from __future__ import annotations

from dashboards.panels import Panel, Query, Text, above, number
from dashboards.selectors import RANGE, grown_in_range, newest, of
from dashboards.style import WARN

_NOTHING = "nothing in this time range"


def _of_rounds(expr: str) -> str:
    """A number, and 0 if there is none; nothing where the site has told nothing at all."""
    return f"({expr} or 0 * sum(last_over_time({of('edgevitals_spool_bytes')}[{RANGE}])))"


HEARD = number(
    Text(
        "Last heard from",
        "Time since the newest round or pulse of any node of the site. Orange from where "
        "EVSiteSilent counts the site as silent. Good is: less than the interval of its preset, "
        "15 s to 20 minutes. Older: see the runbook of EVSiteSilent.",
    ),
    "seconds",
    [
        Query(
            f"time() - max({newest('edgevitals_pulse_timestamp_seconds')} "
            f"or {newest('edgevitals_round_seq')})",
            "last heard from",
        )
    ],
    steps=above(site_silent=WARN),
    none=_NOTHING,
)

AGE = number(
    Text(
        "Age of what you see",
        "Age of the newest round that has arrived, of the node with the oldest one. Everything "
        "below is at least this old. Orange from where EVDataLate counts it as late. Larger than "
        "the panel beside it: the site is catching up, "
        "and rounds of earlier come first.",
    ),
    "seconds",
    [
        Query(
            f"max(time() - max by (node) ({newest('edgevitals_round_seq')}))",
            "age of what you see",
        )
    ],
    steps=above(data_late=WARN),
    none=_NOTHING,
)

TO_COME = number(
    Text(
        "Rounds still to come",
        "Rounds that are taken at the site and are not here yet, of the pump that has the most, "
        "by the newest pulse, or by the newest round where no pulse is sent. Good is: 0, or as "
        "many as one request holds. It grows while a link is down and shrinks afterwards.",
    ),
    "count",
    [
        Query(
            f"max(last_over_time({of('edgevitals_pulse_backlog_rounds')}[{RANGE}]) "
            f"or last_over_time({of('edgevitals_pump_backlog_rounds')}[{RANGE}]))",
            "rounds still to come",
        )
    ],
    none=_NOTHING,
)

MISSING = number(
    Text(
        "Rounds missing",
        "Rounds of this time range that are known to be lost on the way, and those that were "
        "never taken. Good is: 0 (orange: EVDataGap). Where, and why: the board EdgeVitals "
        "pipeline.",
    ),
    "count",
    [
        Query(
            _of_rounds(grown_in_range(of("edgevitals_gap_rounds_total")))
            + " - "
            + _of_rounds(grown_in_range(of("edgevitals_gap_closed_rounds_total"))),
            "lost",
        ),
        Query(_of_rounds(grown_in_range(of("edgevitals_round_missed_total"))), "never taken"),
    ],
    own_steps={0: above(data_gap=WARN)},
    none=_NOTHING,
)

STRIP: list[Panel] = [HEARD, AGE, TO_COME, MISSING]
